"""Clinics and the emergency department: bookings, visits, walk-ins nobody booked, referrals, results, calls."""

import random

from benchmarks.evaluation.hospital.house import House
from benchmarks.evaluation.hospital.orders import OrderDesk, choose
from benchmarks.evaluation.hospital.places import CLINIC_DEPARTMENTS
from benchmarks.evaluation.hospital.plan import DAY, HOUR
from benchmarks.evaluation.hospital.records import Patient, Shift, Stay
from benchmarks.evaluation.hospital.work import Desk

VISITS_A_DAY = 9


def run_clinics(house: House, orders: OrderDesk) -> None:
    """All clinic visits of the period; the year has more in winter."""
    draw, plan = house.plan.chance("clinics"), house.plan
    clinics = {unit.unit for unit in house.town.units if unit.kind == "clinic"}
    panels: dict[str, list[Patient]] = {}
    for patient in house.town.patients:
        if patient.primary_care:
            panels.setdefault(patient.primary_care, []).append(patient)
    for day in range(plan.days):
        desk = house.desk(f"clinics/{day}")
        busy = 1.15 if plan.local_date(day).month in (1, 2, 11, 12) else 1.0
        for shift in (s for s in house.roles("physician", day) if s.unit in clinics):
            own = panels.get(shift.staff.staff_id)
            for _ in range(round(VISITS_A_DAY * busy * draw.uniform(0.7, 1.3))):
                patient = draw.choice(own) if own and draw.random() < 0.8 else house.idle(draw)
                _visit(house, desk, shift, patient, day, draw, orders)


def _visit(house: House, desk: Desk, shift: Shift, patient: Patient, day: int, draw: random.Random, orders: OrderDesk) -> None:
    plan, doctor, unit = house.plan, shift.staff, shift.unit
    at = draw.uniform(shift.start + 0.5 * HOUR, shift.end - 1.2 * HOUR)
    kept = draw.random() >= plan.habits.gap
    booked_on = day - draw.choice((0, 1, 1, 2, 4, 7, 10, 14, 21))
    booking = choose(draw, house.roles("scheduler", booked_on)) if 0 <= booked_on < day else None
    created = desk.moment(booking) if booking else plan.at(booked_on, draw.uniform(0, 7)) if booked_on < day else at - 0.6 * HOUR
    status = "no_show" if draw.random() < 0.06 else "completed"
    by = booking.staff.staff_id if booking else doctor.staff_id
    house.book.appointment(patient, doctor, unit, at, created, by, status, kept=kept)
    if booking:
        desk.open(booking.staff, patient, created + draw.uniform(-200, 200), booking.unit, documented=kept, more=0.7)
    clerk = choose(draw, house.roles("registration_clerk", day, "Patient Access"))
    if clerk and draw.random() < 0.5:
        check_in = min(max(at - 0.3 * HOUR, clerk.start), clerk.end)
        known = house.book.task
        known(patient, "check_in", None, "Patient Access", check_in - HOUR, check_in + HOUR, kept=kept)
        desk.open(clerk.staff, patient, check_in, clerk.unit, documented=kept, more=0.8)
    if status == "no_show":
        return
    assistant = choose(draw, house.roles("medical_assistant", day, unit=unit))
    if assistant and draw.random() < 0.85:
        desk.open(assistant.staff, patient, at - 0.15 * HOUR, unit, documented=kept)
    desk.open(doctor, patient, at, unit, documented=kept, more=2.0)
    if draw.random() < 0.3:
        desk.open(doctor, patient, min(at + draw.uniform(0.5, 4) * HOUR, shift.end + HOUR), unit, documented=kept, more=0.8)
    for _ in range(draw.choice((0, 0, 1, 1, 2))):
        orders.place(patient, doctor, at + 0.3 * HOUR, None, inpatient=False)
    if draw.random() < 0.12:
        _refer(house, desk, patient, shift, at, day, draw)
    orders.after_visit(patient, doctor, at)
    _result(house, desk, shift, patient, day, draw, known=kept)


def _refer(house: House, desk: Desk, patient: Patient, shift: Shift, at: float, day: int, draw: random.Random) -> None:
    departments = {unit.department for unit in house.town.units if unit.kind == "clinic"} - {shift.staff.department}
    department = draw.choice(sorted(departments & set(CLINIC_DEPARTMENTS)) or ["Primary Care"])
    kept = draw.random() >= house.plan.habits.gap
    later = draw.randrange(1, 10)
    reader = choose(draw, house.roles("physician", day + later, department))
    named = reader.staff.staff_id if reader and draw.random() < 0.5 else None
    house.book.referral(patient, shift.staff, department, named, at, kept=kept)
    if reader and day + later < house.plan.days:
        desk.open(reader.staff, patient, desk.moment(reader), reader.unit, documented=kept, more=0.8)


def _result(house: House, desk: Desk, shift: Shift, patient: Patient, day: int, draw: random.Random, *, known: bool) -> None:
    """A result some days later, read by the physician."""
    if draw.random() < 0.3:
        later = next((s for s in house.roster.of(shift.staff) if day < s.day <= day + 9 and draw.random() < 0.5), None)
        if later is not None:
            desk.open(shift.staff, patient, desk.moment(later), later.unit, documented=known, more=0.6)


def run_emergency(house: House, orders: OrderDesk) -> None:
    """The emergency department: care first, registration when there is time."""
    plan, draw = house.plan, house.plan.chance("emergency")
    for day in range(plan.days):
        desk = house.desk(f"emergency/{day}")
        team = {role: _around(house, day, role) for role in ("nurse", "physician", "registration_clerk")}
        for _ in range(round(len(team["nurse"]) * draw.uniform(2.6, 3.8))):
            _arrival(house, desk, team, plan.at(day, draw.triangular(0, 23.5, 17)), draw, orders)


def _around(house: House, day: int, role: str) -> list[Shift]:
    return [s for d in (day - 1, day) for s in house.roles(role, d, unit="ED")]


def _arrival(house: House, desk: Desk, team: dict[str, list[Shift]], at: float, draw: random.Random, orders: OrderDesk) -> None:
    habits = house.plan.habits
    here = {role: [s for s in shifts if s.start <= at < s.end - HOUR] for role, shifts in team.items()}
    if not here["physician"] or not here["nurse"]:
        return
    doctor, nurse = draw.choice(here["physician"]), draw.choice(here["nurse"])
    patient = house.idle(draw)
    end = at + draw.uniform(1.2, 7) * HOUR
    recorded: float | None = at + draw.expovariate(1 / (0.15 * HOUR))
    lot = draw.random()
    if lot < habits.gap * 0.5:
        recorded = None
    elif lot < habits.gap * 0.5 + habits.late:
        recorded = at + draw.uniform(0.7, 30) * HOUR
    stay = Stay(
        encounter_id=house.book.number("E"), patient=patient, type="emergency", department="Emergency", attending=doctor.staff,
        admitted=at, discharged=end, places=[("ED", at, end)], noted=[("ED", at, end)], recorded_at=recorded,
    )  # fmt: skip
    house.book.stay(stay)
    for shift, count in ((nurse, 2), (doctor, 2)):
        for _ in range(count):
            when = draw.uniform(at, min(end, shift.end))
            known = recorded is not None and recorded <= when and shift.rostered
            desk.open(shift.staff, patient, when, "ED", documented=known)
    if here["registration_clerk"]:
        clerk = draw.choice(here["registration_clerk"])
        when = recorded if recorded is not None and recorded < end else at + 0.3 * HOUR
        desk.open(clerk.staff, patient, when, "ED", documented=recorded is not None and recorded <= when + 60, more=0.9)
    for _ in range(draw.choice((0, 1, 1, 2))):
        orders.place(patient, doctor.staff, at + draw.uniform(0.2, 1) * HOUR, stay.encounter_id, inpatient=True)
    orders.after_visit(patient, doctor.staff, end)
    if draw.random() < habits.gap * 0.4:
        _came_back(house, desk, doctor, patient, end)


def _came_back(house: House, desk: Desk, shift: Shift, patient: Patient, end: float) -> None:
    """How did the patient do? A look in a later shift, for learning, which policy allows and nothing records."""
    later = next((s for s in house.roster.of(shift.staff) if s.start > end + 2 * DAY), None)
    if later is not None:
        desk.open(shift.staff, patient, desk.moment(later), "ED", documented=False, more=0.5)
