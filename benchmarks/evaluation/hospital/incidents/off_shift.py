"""Charts read from home or an empty ward, far from any shift of the person."""

from benchmarks.evaluation.hospital.plan import HOUR
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(("nurse", "medical_assistant", "pharmacist", "lab_technologist"))
    if staff is None:
        return None
    for _ in range(40):
        at = scene.plan.at(scene.day(), scene.draw.uniform(0, 24))
        if all(at < s.start - 6 * HOUR or at > s.end + 6 * HOUR for s in scene.house.roster.of(staff)):
            break
    else:
        return None
    place = (
        scene.house.machines.remote(staff.account, 0)
        if scene.draw.random() < 0.7
        else scene.house.machines.desk(staff.unit, scene.draw, 1)
    )
    draft = Draft()
    draft.act(at - 30, staff.account, "login", place, module="login")
    for patient in scene.strangers(staff, scene.draw.randrange(2, 6)):
        at = scene.look(draft, staff, patient, at, place) + scene.draw.uniform(20, 200)
    return draft


SCENARIO = Scenario(name="off_shift", nature=Nature.BEHAVIOUR, stage=stage, weight=1.0)
