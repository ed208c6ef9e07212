"""Somebody from the same street, a few doors away."""

from benchmarks.evaluation.hospital.records import Person, Staff
from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    streets: dict[tuple[str, str], list[Person]] = {}
    for person in scene.house.town.people:
        streets.setdefault((person.home.street, person.home.town), []).append(person)

    def doors(staff: Staff) -> list[Person | None]:
        mine = staff.person.home
        near = [p for p in streets[mine.street, mine.town] if 0 < abs(p.home.number - mine.number) <= 4 and p.staff is None]
        return [p for p in near if p.last != staff.person.last]

    found = scene.pair(ANYBODY, doors)
    if found is None:
        return None
    draft, (staff, patient) = Draft(), found
    at, place = scene.occasion(staff)
    scene.look(draft, staff, patient, at, place, searched=0.6)
    return draft


SCENARIO = Scenario(name="neighbour", nature=Nature.BEHAVIOUR, stage=stage, weight=2.0, targeted=True)
