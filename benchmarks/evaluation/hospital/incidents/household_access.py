"""Spouse, child or parent under the same roof, with the same surname or another."""

from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    found = scene.pair(ANYBODY, lambda s: [p for p in s.person.house if p.staff is None])
    if found is None:
        return None
    draft, (staff, patient) = Draft(), found
    for shift in scene.visits(staff, scene.draw.choice((1, 1, 1, 2)), 10):
        scene.look(draft, staff, patient, scene.moment(shift), scene.seat(staff, shift))
    return draft


SCENARIO = Scenario(name="household_access", nature=Nature.RULE, stage=stage, weight=4.0, targeted=True)
