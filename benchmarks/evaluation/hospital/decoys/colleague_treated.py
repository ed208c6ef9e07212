"""A colleague lies on the unit of those who care for them, with an encounter: the patient happens to work here."""

from benchmarks.evaluation.hospital.scene import Scene
from benchmarks.evaluation.hospital.treated import treat


def stage(scene: Scene) -> None:
    """A few of them."""
    treat(scene, lambda staff: [other.person for other in scene.house.town.staff if other.department == staff.department], 4)
