"""From the office into the VPN, whose exit stands in another state: no journey, only a cable."""

from benchmarks.evaluation.hospital.places import HOME_CITY, Place
from benchmarks.evaluation.hospital.plan import HOUR
from benchmarks.evaluation.hospital.scene import Scene


def stage(scene: Scene) -> None:
    """A few of them."""
    for staff in (scene.player() for _ in range(6)):
        if staff is None:
            return
        shift = scene.shift(staff)
        note, number = scene.house.diary.note, int(staff.staff_id[1:])
        note(shift.end + 300, staff.account, "logout", place=scene.seat(staff, shift), module="login")
        at = shift.end + scene.draw.uniform(0.4, 1.5) * HOUR
        home = Place(f"mb-{staff.account}", "mobile", "192.0.2.40", HOME_CITY)
        note(at, staff.account, "login", place=home, module="login")
        remote = scene.house.machines.remote(staff.account, number)
        note(at + 600, staff.account, "login", place=remote, module="login")
        seen = [p for p in scene.house.town.patients if staff.account in p.seen][:40]
        desk = scene.house.desk(f"vpn/{staff.account}")
        if seen:
            desk.open(staff, scene.draw.choice(seen), at + 900, shift.unit, documented=False, more=1.0, place=remote)
