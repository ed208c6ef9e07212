"""A review of hundreds of charts from a list, on one day, by somebody who never did that before."""

from benchmarks.evaluation.hospital.plan import HOUR
from benchmarks.evaluation.hospital.scene import Scene


def stage(scene: Scene) -> None:
    """A few of them."""
    for role in ("quality_analyst", "case_manager", "coder"):
        staff = scene.player((role,))
        if staff is None:
            continue
        shift = scene.shift(staff)
        desk = scene.house.desk(f"sweep/{role}")
        at, number = shift.start + 0.4 * HOUR, scene.house.book.number("W")
        for patient in scene.draw.sample(scene.house.town.patients, scene.draw.randrange(60, 140)):
            if at > shift.end - 0.3 * HOUR:
                break
            opened, closed = shift.start - 20 * HOUR, shift.end + 40 * HOUR
            scene.house.book.task(patient, "audit_sweep", staff, staff.department, opened, closed, kept=True, list_id=number)
            at = desk.open(staff, patient, at, shift.unit, documented=True, more=0) + scene.draw.uniform(5, 90)
