"""An account works while its owner is on leave."""

from benchmarks.evaluation.hospital.plan import HOUR
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(fits=lambda s: s.staff_id not in scene.house.roster.away)
    if staff is None:
        return None
    first = scene.day()
    last = min(first + scene.draw.randrange(3, 9), scene.plan.days - 1)
    begin, end = scene.plan.at(first, 0), scene.plan.at(last + 1, 0)
    scene.house.roster.away[staff.staff_id] = [(first, last, scene.draw.choice(("vacation", "sick")))]
    scene.house.roster.drop(staff, begin - 12 * HOUR, end)
    scene.house.diary.silence(staff.account, begin - 12 * HOUR, end)
    draft = Draft()
    at = scene.plan.at(scene.draw.randrange(first, last + 1), scene.draw.uniform(9, 22))
    place = scene.house.machines.remote(staff.account, 2)
    draft.act(at - 30, staff.account, "login", place, module="login")
    for patient in scene.strangers(staff, scene.draw.randrange(2, 6)):
        at = scene.look(draft, staff, patient, at, place) + scene.draw.uniform(20, 200)
    return draft


SCENARIO = Scenario(name="on_leave", nature=Nature.RULE, stage=stage, weight=1.5)
