"""Signing on and off around each shift, and the passwords that people mistype."""

from datetime import timedelta

from domain.json import Json
from runtime.demo.hospital.places import station
from runtime.demo.hospital.scene import Scene

LOGOUT_SHARE = 0.45
MISTYPED_SHARE = 0.015


def sign_on_and_off(scene: Scene) -> None:
    """A login as the shift begins; a logout for those who remember; two or three failures at the usual workstation now and then."""
    chance = scene.plan.chance("sessions")
    for shift in scene.roster.shifts:
        staff = scene.people.staff[shift.staff_id]
        begin = shift.start + timedelta(seconds=chance.randint(-420, 300))
        place = station(staff, shift.unit, chance, usual=0.9)
        method: dict[str, Json] = {"method": chance.choice(("badge", "badge", "password"))}
        if chance.random() < MISTYPED_SHARE:
            place, method = station(staff, shift.unit, chance, usual=1.0), {"method": "password"}
            tries = chance.choice((2, 2, 3))
            for number in range(tries, 0, -1):
                scene.note(
                    staff,
                    begin - timedelta(seconds=18 * number),
                    "login",
                    place,
                    outcome="failure",
                    details=method,
                    because="mistyped",
                )
        scene.note(staff, begin, "login", place, details=method, because="shift")
        if chance.random() < LOGOUT_SHARE:
            scene.note(staff, shift.end + timedelta(seconds=chance.randint(-240, 900)), "logout", place, because="shift")
