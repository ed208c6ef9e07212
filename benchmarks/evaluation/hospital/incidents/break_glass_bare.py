"""The glass is broken without a word, or with words that say nothing, and nobody is cared for."""

from benchmarks.evaluation.hospital.scene import CLINICAL, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(CLINICAL, lambda s: s.unit != "ED")
    found = scene.strangers(staff, 1) if staff else []
    if staff is None or not found:
        return None
    draft, patient = Draft(), scene.take_patient(found[0])
    at, place = scene.occasion(staff)
    reason = scene.draw.choice(("", "x", "other", "needed access", "chart review", "see above", "..."))
    draft.act(at, staff.account, "break_glass", place, patient=patient.patient_id, module="chart", extra={"reason": reason})
    scene.look(draft, staff, patient, at + 8, place, searched=0)
    return draft


SCENARIO = Scenario(name="break_glass_bare", nature=Nature.RULE, stage=stage, weight=1.5, targeted=True)
