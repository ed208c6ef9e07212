"""An account is used days after its owner left."""

from benchmarks.evaluation.hospital.plan import DAY
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    found = [s for s in scene.house.town.staff if s.gone is not None and s.account not in scene.house.diary.silenced]
    found = [s for s in found if s.gone is not None and scene.plan.at(scene.plan.warm_up, 0) < s.gone < scene.plan.end - 3 * DAY]
    if not found:
        staff = scene.player()
        if staff is None:
            return None
        staff.gone = scene.plan.at(scene.draw.randrange(scene.plan.warm_up, scene.plan.days - 4), 24)
        scene.house.roster.drop(staff, staff.gone, scene.plan.end + DAY)
    else:
        staff = scene.take(scene.draw.choice(found))
    assert staff.gone is not None
    scene.house.diary.silence(staff.account, staff.gone, scene.plan.end + DAY)
    draft = Draft()
    at = min(staff.gone + scene.draw.uniform(0.2, 12) * DAY, scene.plan.end - DAY)
    place = (
        scene.house.machines.remote(staff.account, 1)
        if scene.draw.random() < 0.6
        else scene.house.machines.desk(staff.unit, scene.draw, 3)
    )
    draft.act(at - 30, staff.account, "login", place, module="login")
    for patient in scene.strangers(staff, scene.draw.randrange(1, 4)):
        at = scene.look(draft, staff, patient, at, place) + 60
    return draft


SCENARIO = Scenario(name="terminated_active", nature=Nature.RULE, stage=stage, weight=1.5)
