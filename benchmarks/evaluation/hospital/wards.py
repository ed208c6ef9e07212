"""Stays on the wards: admissions, moves, the nurses of every shift, rounds, and what of it is written down."""

import random
from collections.abc import Iterator

from benchmarks.evaluation.hospital.house import House
from benchmarks.evaluation.hospital.orders import OrderDesk
from benchmarks.evaluation.hospital.places import NURSES_A_WARD, Unit
from benchmarks.evaluation.hospital.plan import DAY, HOUR
from benchmarks.evaluation.hospital.records import Patient, Shift, Staff, Stay

MEAN_STAY = 4.0
BEDS_A_NURSE = 4.2


def run_wards(house: House, orders: OrderDesk) -> None:
    """All stays of the period with the work around them."""
    draw = house.plan.chance("wards")
    stays: dict[str, list[Stay]] = {}
    wards = [unit for unit in house.town.units if unit.kind == "ward"]
    busy: dict[str, float] = {}
    for ward in wards:
        for stay in _admissions(house, ward, wards, draw, busy):
            house.book.stay(stay)
            for unit, _, _ in stay.places:
                stays.setdefault(unit, []).append(stay)
    for day in range(house.plan.days):
        for ward in wards:
            _nursing(house, ward, day, stays.get(ward.unit, []), draw)
        _rounds(house, day, stays, draw)
    for stay in house.book.stays:
        _services(house, stay, orders, draw)


def _admissions(house: House, ward: Unit, wards: list[Unit], draw: random.Random, busy: dict[str, float]) -> Iterator[Stay]:
    plan = house.plan
    nurses = sum(1 for s in house.town.staff if s.role == "nurse" and ward.unit in (s.unit, s.moved[1] if s.moved else ""))
    beds = max(3.0, (nurses or NURSES_A_WARD) * 3 / 14 * BEDS_A_NURSE)
    first = max(-8, ward.opens)
    for day in range(first, plan.days):
        weekend = 0.7 if plan.local_date(day).weekday() >= 5 else 1.0
        for _ in range(_poisson(draw, beds / MEAN_STAY * weekend)):
            patient = _newcomer(house, plan.at(day, 0), draw, busy)
            admitted = plan.at(day, draw.triangular(0, 24, 15))
            length = DAY * min(25.0, draw.lognormvariate(1.05, 0.7))
            busy[patient.patient_id] = admitted + length + 3 * DAY
            yield _stay(house, ward, wards, patient, admitted, length, day, draw)


def _newcomer(house: House, at: float, draw: random.Random, busy: dict[str, float]) -> Patient:
    while True:
        patient = draw.choice(house.town.patients)
        if busy.get(patient.patient_id, 0.0) < at:
            return patient


def _stay(
    house: House, ward: Unit, wards: list[Unit], patient: Patient, admitted: float, length: float, day: int, draw: random.Random
) -> Stay:
    habits = house.plan.habits
    doctors = _doctors(house, ward.unit, day, "physician") or [s for s in house.town.staff if s.role == "physician"]
    residents = _doctors(house, ward.unit, day, "resident")
    end = admitted + length
    places = [(ward.unit, admitted, end)]
    if draw.random() < 0.35:
        moved = admitted + draw.uniform(1, 6) * HOUR
        places = [("ED", admitted, moved), (ward.unit, moved, max(end, moved + HOUR))]
    elif draw.random() < 0.12 and len(wards) > 2:
        other = draw.choice([w.unit for w in wards if w.opens <= day and w is not ward])
        middle = admitted + length * draw.uniform(0.2, 0.8)
        places = [(ward.unit, admitted, middle), (other, middle, end)]
    noted = places
    if len(places) == 2 and draw.random() < habits.gap:
        noted = [(places[0][0], places[0][1], places[1][2])]
    recorded = admitted + draw.expovariate(1 / (0.2 * HOUR))
    if draw.random() < habits.late:
        recorded = admitted + draw.uniform(1.5, 20) * HOUR
    return Stay(
        encounter_id=house.book.number("E"),
        patient=patient,
        type="inpatient",
        department=ward.department,
        attending=draw.choice(doctors),
        resident=draw.choice(residents) if residents and draw.random() < 0.7 else None,
        admitted=admitted,
        discharged=places[-1][2],
        places=places,
        noted=noted,
        recorded_at=None if draw.random() < habits.gap * 0.15 else recorded,
    )


def _doctors(house: House, unit: str, day: int, role: str) -> list[Staff]:
    noon = house.plan.at(day, 12)
    employed = (s for s in house.town.staff if s.hired <= day and (s.gone is None or s.gone > noon))
    return [s for s in employed if s.role == role and s.post(day)[0] == unit]


def _nursing(house: House, ward: Unit, day: int, stays: list[Stay], draw: random.Random) -> None:
    """The patients of a unit are dealt out to the nurses of the shift; some help next door, which nobody writes down."""
    desk = house.desk(f"nursing/{ward.unit}/{day}")
    for begin in (7.0, 19.0):
        start = house.plan.at(day, begin)
        nurses = [s for s in house.roles("nurse", day, unit=ward.unit) if abs(s.start - start) < HOUR]
        end = start + 12 * HOUR
        present = [(s, b, e) for s in stays for unit, b, e in s.places if unit == ward.unit and b < end and e > start]
        draw.shuffle(present)
        for number, (stay, b, e) in enumerate(present):
            if not nurses:
                break
            shift = nurses[number % len(nurses)]
            low, high = max(b, shift.start), min(e, shift.end)
            noted = any(u == ward.unit for u, nb, ne in stay.noted if nb < high and ne > low)
            for _ in range(1 + (draw.random() < 0.75) + (draw.random() < 0.3)):
                at = draw.uniform(low, high)
                known = stay.recorded_at is not None and stay.recorded_at <= at and noted and shift.rostered
                desk.open(shift.staff, stay.patient, at, ward.unit, documented=known)
        for shift in nurses:
            if present and draw.random() < 0.12:
                stay, b, e = draw.choice(present)
                at = draw.uniform(max(b, shift.start), min(e, shift.end))
                desk.open(shift.staff, stay.patient, at, ward.unit, documented=shift.rostered, more=0.8)
            if draw.random() < house.plan.habits.gap * 0.5:
                _next_door(house, shift, desk.moment(shift), draw)


def _next_door(house: House, shift: Shift, at: float, draw: random.Random) -> None:
    stay = house.stay_at(shift.day, draw)
    if stay is not None and stay.on(at) != shift.unit:
        house.desk(f"next-door/{at}").open(shift.staff, stay.patient, at, shift.unit, documented=False, more=1.0)


def _rounds(house: House, day: int, stays: dict[str, list[Stay]], draw: random.Random) -> None:
    """Physicians and residents see their patients, on call everybody's; colleagues are asked in the corridor."""
    desk = house.desk(f"rounds/{day}")
    plan = house.plan
    doctors = (*house.roles("physician", day), *house.roles("resident", day))
    for shift in (s for s in doctors if s.unit in stays and s.unit != "ED"):
        noon = plan.at(day, 12)
        here = [s for s in stays[shift.unit] if s.admitted < shift.end and s.discharged > shift.start and s.on(noon) == shift.unit]
        if shift.kind != "on_call":
            mine = [s for s in here if shift.staff in (s.attending, s.resident)]
            here = mine + [s for s in here if s not in mine and draw.random() < 0.12]
        for stay in here:
            for _ in range(1 + (draw.random() < 0.5)):
                at = draw.uniform(max(shift.start, stay.admitted), min(shift.end, stay.discharged))
                known = stay.recorded_at is not None and stay.recorded_at <= at
                desk.open(shift.staff, stay.patient, at, shift.unit, documented=known and shift.rostered, more=2.2)
        if draw.random() < plan.habits.curbside:
            _next_door(house, shift, desk.moment(shift), draw)


def _services(house: House, stay: Stay, orders: OrderDesk, draw: random.Random) -> None:
    """What goes with a stay: therapists and social work (on the care team or not), orders, discharge work."""
    plan, desk = house.plan, house.desk(f"services/{stay.encounter_id}")
    for role, chance in (("therapist", 0.3), ("social_worker", 0.15), ("case_manager", 0.2)):
        if draw.random() > chance:
            continue
        at = draw.uniform(stay.admitted, stay.discharged)
        day = plan.day_of(at)
        shifts = house.roles(role, day)
        if not shifts or not 0 <= day < plan.days:
            continue
        shift = draw.choice(shifts)
        listed = draw.random() >= plan.habits.gap
        if listed:
            stay.team.append(shift.staff)
        when = desk.moment(shift)
        if stay.admitted < when < stay.discharged + 2 * DAY:
            desk.open(shift.staff, stay.patient, when, shift.unit, documented=listed and stay.recorded_at is not None)
    for _ in range(_poisson(draw, min(6.0, 1.2 + (stay.discharged - stay.admitted) / DAY * 0.5))):
        at = draw.uniform(stay.admitted, stay.discharged)
        orders.place(stay.patient, stay.attending, at, stay.encounter_id, inpatient=True)
    orders.after_care(stay)


def _poisson(draw: random.Random, mean: float) -> int:
    count, chance = 0, draw.expovariate(1.0)
    while chance < mean:
        count += 1
        chance += draw.expovariate(1.0)
    return count
