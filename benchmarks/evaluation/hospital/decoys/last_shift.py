"""Employment ends during the night shift; notes are finished in the morning."""

from benchmarks.evaluation.hospital.plan import DAY, HOUR
from benchmarks.evaluation.hospital.scene import Scene


def stage(scene: Scene) -> None:
    """A few of them."""
    for staff in (scene.player(("nurse", "physician")) for _ in range(2)):
        if staff is None:
            return
        shift = scene.shift(staff)
        staff.gone = shift.end - 2 * HOUR
        staff.notice = max(0, shift.day - 20)
        shift.rostered = True
        end = shift.end + 0.6 * HOUR
        scene.house.roster.drop(staff, shift.end, scene.plan.end + DAY)
        scene.house.diary.silence(staff.account, end, scene.plan.end + 2 * DAY)
