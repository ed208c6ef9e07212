"""Work that care makes for others: orders to be performed, and worklists to be worked off."""

import random
from datetime import datetime, timedelta

from runtime.demo.hospital.care import Register, hours
from runtime.demo.hospital.records import Encounter, Order, Shift, Staff, Worklist

PERFORMERS = {
    "lab": ("LAB", "lab_technologist"),
    "imaging": ("RAD", "imaging_technologist"),
    "medication": ("PHARM", "pharmacist"),
    "therapy": ("REHAB", "therapist"),
}
"""Type of order: (unit, role) that performs it."""

DEPARTMENTS = {"lab": "Laboratory", "imaging": "Radiology", "medication": "Pharmacy", "therapy": "Rehabilitation"}
A_DAY_ON_A_WARD = {"lab": 0.8, "imaging": 0.32, "medication": 0.6, "therapy": 0.1}
A_VISIT = {"emergency": {"lab": 0.65, "imaging": 0.5, "medication": 0.4}, "clinic": {"lab": 0.35, "imaging": 0.2}}


def place_orders(register: Register) -> None:
    """Orders by those who treat, during the days shown (and two before), performed within hours by who is on duty."""
    chance = register.plan.chance("orders")
    since = register.plan.start - timedelta(days=2)
    for encounter in register.care.encounters:
        end = encounter.discharged_at or register.plan.until
        if encounter.type == "emergency":
            for kind, share in A_VISIT["emergency"].items():
                moment = encounter.admitted_at + hours(0.3 + chance.random())
                if chance.random() < share and since <= moment < end:
                    _place(register, chance, encounter.patient_id, encounter.encounter_id, kind, encounter.attending_id, moment)
            continue
        day = register.plan.local(max(since, encounter.admitted_at)).date()
        while register.plan.at(day, 0) < end:
            for kind, share in A_DAY_ON_A_WARD.items():
                moment = register.plan.at(day, 8.5 + chance.random() * 7)
                orderer = _prescriber(register, encounter, moment)
                if chance.random() < share and max(since, encounter.admitted_at) < moment < end and orderer:
                    _place(register, chance, encounter.patient_id, encounter.encounter_id, kind, orderer, moment)
            day += timedelta(days=1)
    for visit in register.care.appointments:
        for kind, share in A_VISIT["clinic"].items():
            if visit.status == "completed" and visit.scheduled_at >= since and chance.random() < share:
                _place(register, chance, visit.patient_id, None, kind, visit.provider_id, visit.scheduled_at + hours(0.3))


def _prescriber(register: Register, encounter: Encounter, moment: datetime) -> str | None:
    """The attending or resident if at work, else whoever covers the unit."""
    for doctor in (encounter.attending_id, encounter.resident_id):
        if doctor and any(shift.start <= moment < shift.end for shift in register.roster.of(doctor)):
            return doctor
    unit = next((stay.unit for stay in encounter.locations if stay.from_ <= moment and (stay.to is None or moment < stay.to)), None)
    patient = register.people.patients[encounter.patient_id]
    covering = [s for s in register.on_duty(unit, moment, "physician") if register.fit(s, patient)] if unit else []
    return covering[0].staff_id if covering else None


def _place(
    register: Register, chance: random.Random, patient_id: str, encounter_id: str | None, kind: str, orderer: str, moment: datetime
) -> None:
    unit, role = PERFORMERS[kind]
    done = moment + hours(0.4 + chance.random() * 3)
    patient = register.people.patients[patient_id]
    crew = [staff for staff in register.on_duty(unit, done, role) if register.fit(staff, patient)]
    performed = bool(crew) and done < register.plan.until
    if moment >= register.plan.until:
        return
    register.care.orders.append(
        Order(
            order_id=f"O{800001 + len(register.care.orders)}",
            patient_id=patient_id,
            encounter_id=encounter_id,
            type=kind,
            ordering_id=orderer,
            performing_department=DEPARTMENTS[kind],
            performer_id=chance.choice(crew).staff_id if performed else None,
            placed_at=moment,
            completed_at=done if performed else None,
        )
    )


def open_worklists(register: Register) -> None:
    """Billing after visits, coding after stays, registration at admission, and each day a few records to release or review."""
    chance = register.plan.chance("worklists")
    finished: list[tuple[str, str, datetime, bool]] = [
        (e.encounter_id, e.patient_id, e.discharged_at, e.type == "inpatient") for e in register.care.encounters if e.discharged_at
    ]
    finished += [
        (a.appointment_id, a.patient_id, a.scheduled_at, False) for a in register.care.appointments if a.status == "completed"
    ]
    for reference, patient_id, end, stayed in finished:
        if chance.random() < 0.75:
            _open(register, chance, "billing", ("BILL", "biller"), patient_id, reference, end + hours(10 + chance.random() * 30))
        if stayed:
            _open(register, chance, "coding", ("HIM", "coder"), patient_id, reference, end + hours(14 + chance.random() * 40))
    for encounter in register.care.encounters:
        if encounter.type == "inpatient" and chance.random() < 0.8:
            _open(
                register,
                chance,
                "registration",
                ("REG", "registration_clerk"),
                encounter.patient_id,
                encounter.encounter_id,
                encounter.admitted_at,
            )
    past = [
        (e.encounter_id, e.patient_id)
        for e in register.care.encounters
        if e.discharged_at and e.discharged_at < register.plan.start + timedelta(days=4)
    ]
    for day in register.plan.dates:
        if day.weekday() < 5:
            for kind, post, count in (
                ("release_of_information", ("HIM", "release_clerk"), 4),
                ("quality_review", ("QUAL", "quality_analyst"), 3),
            ):
                for reference, patient_id in chance.sample(past, count):
                    _open(register, chance, kind, post, patient_id, reference, register.plan.at(day, 8 + chance.random()))


def _open(
    register: Register,
    chance: random.Random,
    kind: str,
    post: tuple[str, str],
    patient_id: str,
    reference: str,
    opened: datetime,
) -> None:
    """Assign the item to the one of three colleagues who is at work first; closed by the end of that shift."""
    patient = register.people.patients[patient_id]
    crew = [staff for staff in register.post(*post) if register.fit(staff, patient)]
    candidates: list[tuple[datetime, Staff, Shift]] = []
    for staff in chance.sample(crew, min(3, len(crew))):
        upcoming = [shift for shift in register.roster.of(staff.staff_id) if shift.end - hours(1) > opened]
        if upcoming:
            candidates.append((upcoming[0].start, staff, upcoming[0]))
    if not candidates or opened >= register.plan.until or opened < register.plan.start - timedelta(days=3):
        return
    _, staff, shift = min(candidates, key=lambda item: (item[0], chance.random()))
    register.care.worklists.append(
        Worklist(
            worklist_id=f"W{900001 + len(register.care.worklists)}",
            type=kind,
            patient_id=patient_id,
            assigned_to=staff.staff_id,
            department=staff.department,
            reference=reference,
            opened_at=opened,
            closed_at=register.past(shift.end),
        )
    )
