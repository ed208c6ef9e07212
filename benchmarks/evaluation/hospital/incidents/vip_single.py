"""One look at the chart of somebody well known."""

from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    for patient in (p for p in scene.house.town.patients if p.vip and p.vip_since is None and scene.is_free(p)):
        staff = scene.player(ANYBODY, lambda s, p=patient: scene.is_stranger(s, p))  # type: ignore[misc]
        if staff is not None:
            draft = Draft()
            at, place = scene.occasion(staff)
            scene.look(draft, staff, scene.take_patient(patient), at, place)
            return draft
    return None


SCENARIO = Scenario(name="vip_single", nature=Nature.RULE, stage=stage, weight=2.0, targeted=True)
