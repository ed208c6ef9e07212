"""Months of parental leave end, and a whole day goes into catching up."""

from benchmarks.evaluation.hospital.plan import DAY
from benchmarks.evaluation.hospital.scene import Scene


def stage(scene: Scene) -> None:
    """A few of them."""
    for staff in scene.players(("nurse", "physician", "biller"), lambda s: s.staff_id in scene.house.roster.away):
        kind = scene.house.roster.away[staff.staff_id][0][2]
        shifts = scene.shifts(staff)
        if kind != "parental" or not shifts:
            continue
        scene.take(staff)
        staff.last_login = scene.plan.start - 150 * DAY
        desk = scene.house.desk(f"back/{staff.account}")
        stays = [stay for stay in scene.house.book.stays if stay.on(shifts[0].start) == shifts[0].unit]
        for stay in stays[:12]:
            desk.open(staff, stay.patient, desk.moment(shifts[0]), shifts[0].unit, documented=stay.recorded_at is not None)
