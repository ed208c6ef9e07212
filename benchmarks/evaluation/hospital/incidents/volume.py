"""Thirty to ninety charts in one shift that nobody asked for."""

from benchmarks.evaluation.hospital.plan import HOUR
from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(ANYBODY)
    if staff is None:
        return None
    draft = Draft()
    at, place = scene.occasion(staff)
    at -= 2 * HOUR
    for patient in scene.strangers(staff, scene.draw.randrange(30, 90)):
        at = scene.look(draft, staff, patient, at, place, actions=("view_chart",), searched=0.05, longest=40) + scene.draw.uniform(
            5, 90
        )
    return draft


SCENARIO = Scenario(name="volume", nature=Nature.BEHAVIOUR, stage=stage, weight=1.0)
