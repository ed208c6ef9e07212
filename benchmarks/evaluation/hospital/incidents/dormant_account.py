"""An account that nobody used for half a year wakes up, with no leave that ends."""

from benchmarks.evaluation.hospital.plan import DAY
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(
        ("physician", "nurse", "therapist", "case_manager", "biller"), lambda s: s.staff_id not in scene.house.roster.away
    )
    if staff is None:
        return None
    everything = (scene.plan.at(-2, 0), scene.plan.end + 2 * DAY)
    scene.house.roster.drop(staff, *everything)
    scene.house.diary.silence(staff.account, *everything)
    staff.last_login = scene.plan.start - scene.draw.uniform(190, 700) * DAY
    draft = Draft()
    at = scene.plan.at(scene.day(), scene.draw.uniform(0, 24))
    place = scene.house.machines.remote(staff.account, 0)
    draft.act(at - 30, staff.account, "login", place, module="login")
    for patient in scene.strangers(staff, scene.draw.randrange(1, 5)):
        at = scene.look(draft, staff, patient, at, place) + scene.draw.uniform(20, 200)
    return draft


SCENARIO = Scenario(name="dormant_account", nature=Nature.RULE, stage=stage, weight=1.0)
