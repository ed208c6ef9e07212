"""A patient of the same rare surname, who is no relative, comes to the ward like anybody else."""

from benchmarks.evaluation.hospital.records import Person, Staff
from benchmarks.evaluation.hospital.scene import Scene
from benchmarks.evaluation.hospital.treated import treat


def stage(scene: Scene) -> None:
    """A few of them."""
    names: dict[str, list[Person]] = {}
    for person in scene.house.town.people:
        names.setdefault(person.last, []).append(person)

    def alike(staff: Staff) -> list[Person]:
        mine = staff.person
        return [
            p
            for p in names[mine.last]
            if p is not mine and p not in mine.house and p not in mine.kin and len(names[mine.last]) < 12
        ]

    treat(scene, alike, 5)
