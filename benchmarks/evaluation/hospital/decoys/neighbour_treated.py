"""The neighbour from across the street is a patient of the own ward."""

from benchmarks.evaluation.hospital.records import Person
from benchmarks.evaluation.hospital.scene import Scene
from benchmarks.evaluation.hospital.treated import treat


def stage(scene: Scene) -> None:
    """A few of them."""
    streets: dict[tuple[str, str], list[Person]] = {}
    for person in scene.house.town.people:
        streets.setdefault((person.home.street, person.home.town), []).append(person)
    treat(scene, lambda staff: streets[staff.person.home.street, staff.person.home.town], 4)
