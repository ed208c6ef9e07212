"""The patients' portal: log-ins, results, bills, forgotten passwords, and proxies of children and parents."""

import random

from benchmarks.evaluation.hospital.house import House
from benchmarks.evaluation.hospital.places import HOME_CITY, Place
from benchmarks.evaluation.hospital.plan import HOUR
from benchmarks.evaluation.hospital.records import Patient

LOOKS = (
    "view_message",
    "view_results",
    "view_notes",
    "view_bill",
    "view_appointments",
    "send_message",
    "request_refill",
    "pay_bill",
)


def run_portal(house: House) -> None:
    """Every day some of the enrolled look in, most of them in the evening."""
    draw, plan = house.plan.chance("portal"), house.plan
    enrolled = [patient for patient in house.town.patients if patient.portal]
    for day in range(plan.days):
        for patient in draw.choices(enrolled, k=max(2, len(enrolled) // 60)):
            _look_in(house, patient, plan.at(day, draw.triangular(5, 23.8, 19)), draw)
    _proxies(house, draw)


def browser(patient: Patient) -> Place:
    """The patient's own device at home."""
    number = int(patient.patient_id[1:])
    return Place(f"br-{number}", "browser", f"203.0.113.{number % 250}", HOME_CITY)


def _look_in(house: House, patient: Patient, at: float, draw: random.Random) -> None:
    note, place, key = house.diary.note, browser(patient), patient.patient_id
    if draw.random() < 0.05:
        at += 40
        note(at, key, "password_reset", place=place, kind="patient", source="portal", patient=key)
    note(at, key, "login", place=place, kind="patient", source="portal", patient=key)
    for action in draw.choices(LOOKS, k=draw.randrange(1, 5)):
        at += draw.uniform(8, 150)
        note(at, key, action, place=place, kind="patient", source="portal", patient=key)
    if draw.random() < 0.04:
        note(at + 30, key, "download_record", place=place, kind="patient", source="portal", patient=key)


def _proxies(house: House, draw: random.Random) -> None:
    """A parent or a grown child is given access, and uses it."""
    plan, note = house.plan, house.diary.note
    pairs = [(p, p.person.house[0].patient) for p in house.town.patients if p.person.house and p.person.house[0].patient]
    for patient, other in draw.sample(pairs, min(len(pairs), max(3, len(house.town.patients) // 150))):
        assert other is not None
        proxy, place = f"proxy-{other.patient_id}", browser(other)
        granted = plan.at(draw.randrange(0, plan.days - 4), draw.uniform(9, 21))
        extra = {"proxy_id": proxy}
        note(
            granted,
            patient.patient_id,
            "proxy_grant",
            place=browser(patient),
            kind="patient",
            source="portal",
            patient=patient.patient_id,
            extra={**extra},
        )
        for _ in range(draw.randrange(1, 5)):
            at = granted + draw.uniform(1, 24 * 12) * HOUR
            if at < plan.end:
                for action in ("login", *draw.choices(LOOKS[:5], k=2)):
                    note(at, proxy, action, place=place, kind="proxy", source="portal", patient=patient.patient_id)
                    at += draw.uniform(5, 90)
