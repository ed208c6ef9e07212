"""Somebody well known is admitted; a whole team treats them, and all of it is on record."""

from benchmarks.evaluation.hospital.scene import Scene
from benchmarks.evaluation.hospital.treated import treat


def stage(scene: Scene) -> None:
    """A few of them."""
    famous = [p for p in scene.house.town.patients if p.vip and scene.is_free(p)]
    treat(scene, lambda _: [p.person for p in famous], 2, looks=5)
