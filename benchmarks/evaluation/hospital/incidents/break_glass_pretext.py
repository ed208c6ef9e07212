"""The glass is broken with a good reason, and then nothing is written, ordered or given."""

from benchmarks.evaluation.hospital.scene import CLINICAL, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(CLINICAL, lambda s: s.unit != "ED")
    found = scene.strangers(staff, 1) if staff else []
    if staff is None or not found:
        return None
    draft, patient = Draft(), scene.take_patient(found[0])
    at, place = scene.occasion(staff)
    reason = scene.draw.choice(
        (
            "Transfer from outside hospital expected tonight",
            "Called to assess chest pain on the floor",
            "Covering for colleague, urgent result",
        )
    )
    draft.act(at, staff.account, "break_glass", place, patient=patient.patient_id, module="chart", extra={"reason": reason})
    scene.look(draft, staff, patient, at + 8, place, searched=0)
    return draft


SCENARIO = Scenario(name="break_glass_pretext", nature=Nature.RULE, stage=stage, weight=1.0, targeted=True)
