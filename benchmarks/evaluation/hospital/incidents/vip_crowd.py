"""Somebody well known is in the house: three to seven people from everywhere look within a day and a half."""

from benchmarks.evaluation.hospital.crowds import crowd
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    famous = [p for p in scene.house.town.patients if p.vip and p.vip_since is None and scene.is_free(p)]
    if not famous:
        return None
    return crowd(scene, scene.take_patient(scene.draw.choice(famous)), scene.plan.at(scene.day(), 6))


SCENARIO = Scenario(name="vip_crowd", nature=Nature.RULE, stage=stage, weight=1.0, targeted=True)
