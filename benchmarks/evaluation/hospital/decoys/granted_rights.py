"""Administrators grant rights to new colleagues, with a ticket, and touch no chart."""

from benchmarks.evaluation.hospital.scene import Scene
from domain.json import Json


def stage(scene: Scene) -> None:
    """A few of them."""
    for staff in (s for s in scene.house.town.staff if s.hired >= 0):
        administrators = scene.house.roles("it_administrator", staff.hired)
        if administrators:
            shift = scene.draw.choice(administrators)
            at, place = scene.moment(shift), scene.seat(shift.staff, shift)
            extra: dict[str, Json] = {
                "account": staff.account,
                "granted": f"role_{staff.role}",
                "ticket": f"CHG{staff.staff_id[1:]}",
            }
            scene.house.diary.note(at, shift.staff.account, "privilege_change", place=place, module="security", extra=extra)
