"""After a downtime of the record system a ward enters in the evening what it wrote on paper."""

from benchmarks.evaluation.hospital.plan import HOUR
from benchmarks.evaluation.hospital.scene import Scene


def stage(scene: Scene) -> None:
    """A few of them."""
    wards = [unit.unit for unit in scene.house.town.units if unit.kind == "ward" and unit.opens < 0]
    day = scene.day()
    for shift in (s for ward in scene.draw.sample(wards, min(2, len(wards))) for s in scene.house.roles("nurse", day, unit=ward)):
        desk = scene.house.desk(f"downtime/{shift.staff.account}")
        at = shift.end - 1.5 * HOUR
        for stay in [s for s in scene.house.book.stays if s.on(shift.start + 4 * HOUR) == shift.unit][:14]:
            known = shift.rostered and stay.recorded_at is not None
            at = desk.open(
                shift.staff, stay.patient, at, shift.unit, documented=known, actions=("edit_vitals", "edit_note", "med_admin")
            )
