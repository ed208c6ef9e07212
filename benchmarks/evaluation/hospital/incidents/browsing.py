"""Idle reading: a few strangers' charts a shift, between the patients of the day, for some shifts."""

from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(ANYBODY)
    if staff is None:
        return None
    draft = Draft()
    for shift in scene.visits(staff, scene.draw.choice((1, 2, 3)), 14):
        for patient in scene.strangers(staff, scene.draw.randrange(3, 9)):
            scene.look(draft, staff, scene.take_patient(patient), scene.moment(shift), scene.seat(staff, shift), searched=0.15)
    return draft if draft.rows else None


SCENARIO = Scenario(name="browsing", nature=Nature.BEHAVIOUR, stage=stage, weight=3.0, targeted=True)
