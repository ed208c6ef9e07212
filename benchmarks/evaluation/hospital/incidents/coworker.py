"""A colleague of the same department, who is a patient for something else."""

from benchmarks.evaluation.hospital.records import Person
from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    mates: dict[str, list[Person | None]] = {}
    for other in scene.house.town.staff:
        mates.setdefault(other.department, []).append(other.person)
    found = scene.pair(ANYBODY, lambda s: [p for p in mates[s.department] if p is not s.person])
    if found is None:
        return None
    draft, (staff, patient) = Draft(), found
    at, place = scene.occasion(staff)
    scene.look(draft, staff, patient, at, place)
    return draft


SCENARIO = Scenario(name="coworker", nature=Nature.BEHAVIOUR, stage=stage, weight=3.0, targeted=True)
