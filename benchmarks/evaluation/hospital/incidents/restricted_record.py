"""A record of a protected programme, opened by somebody with no part in it."""

from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(ANYBODY)
    if staff is None:
        return None
    found = scene.strangers(staff, 1, lambda p: p.restricted)
    if not found:
        return None
    draft = Draft()
    at, place = scene.occasion(staff)
    scene.look(draft, staff, scene.take_patient(found[0]), at, place)
    return draft


SCENARIO = Scenario(name="restricted_record", nature=Nature.BEHAVIOUR, stage=stage, weight=1.5)
