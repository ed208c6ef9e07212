"""Charts of people who work for one company, for somebody there who asked."""

from benchmarks.evaluation.hospital.names import EMPLOYERS
from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(ANYBODY)
    if staff is None:
        return None
    company = scene.draw.choice(EMPLOYERS)
    draft = Draft()
    for shift in scene.visits(staff, 3, 20):
        for patient in scene.strangers(staff, scene.draw.randrange(1, 3), lambda p: p.person.employer == company):
            scene.look(draft, staff, scene.take_patient(patient), scene.moment(shift), scene.seat(staff, shift), searched=0.6)
    return draft if draft.rows else None


SCENARIO = Scenario(name="employer", nature=Nature.BEHAVIOUR, stage=stage, weight=0.8)
