"""Somebody stops the recording of audit events."""

from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(("it_administrator",))
    if staff is None:
        return None
    draft = Draft()
    at, place = scene.occasion(staff)
    draft.act(at, staff.account, "audit_stop", place, module="security")
    draft.act(at + scene.draw.uniform(20, 200) * 60, staff.account, "audit_start", place, module="security")
    return draft


SCENARIO = Scenario(name="audit_stopped", nature=Nature.RULE, stage=stage, weight=0.7)
