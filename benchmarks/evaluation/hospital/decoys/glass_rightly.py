"""The glass is broken for somebody who collapses in the corridor: a reason, and care that follows at once."""

from benchmarks.evaluation.hospital.scene import Scene


def stage(scene: Scene) -> None:
    """A few of them."""
    staffed = scene.players(("nurse", "physician"))
    for staff in (next(staffed, None) for _ in range(6)):
        if staff is None:
            return
        shift = scene.shift(staff)
        at, place, patient = scene.moment(shift), scene.seat(staff, shift), scene.house.idle(scene.draw)
        reason = scene.draw.choice(("Patient collapsed in lobby, unresponsive", "Code blue, no time for registration"))
        note = scene.house.diary.note
        note(at, staff.account, "break_glass", place=place, patient=patient.patient_id, module="chart", extra={"reason": reason})
        desk = scene.house.desk(f"glass/{staff.account}")
        actions = ("view_chart", "view_meds", "edit_vitals", "edit_note")
        desk.open(staff, patient, at + 20, shift.unit, documented=False, actions=actions, place=place)
