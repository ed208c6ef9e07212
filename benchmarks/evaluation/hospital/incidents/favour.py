"""A colleague asks for a look at the chart of their child or parent, and gets it."""

from benchmarks.evaluation.hospital.records import Person
from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    mates: dict[str, list[Person | None]] = {}
    for other in scene.house.town.staff:
        mates.setdefault(other.unit, []).extend(p for p in other.person.house if p.staff is None)
    found = scene.pair(ANYBODY, lambda s: [p for p in mates[s.unit] if p is not None and p not in s.person.house])
    if found is None:
        return None
    draft, (staff, patient) = Draft(), found
    at, place = scene.occasion(staff)
    scene.look(draft, staff, patient, at, place, actions=("view_labs", "view_notes"), searched=0.8)
    return draft


SCENARIO = Scenario(name="favour", nature=Nature.BEHAVIOUR, stage=stage, weight=0.8, known=False)
