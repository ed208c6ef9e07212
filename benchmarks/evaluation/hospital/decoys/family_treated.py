"""A relative is admitted to the unit and assigned: care on record, in spite of the name and the address."""

from benchmarks.evaluation.hospital.scene import Scene
from benchmarks.evaluation.hospital.treated import treat


def stage(scene: Scene) -> None:
    """A few of them."""
    treat(scene, lambda staff: [*staff.person.house, *staff.person.kin], 3)
