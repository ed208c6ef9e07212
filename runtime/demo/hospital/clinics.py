"""Appointments and referrals: care that is planned, and care that is asked for."""

from datetime import date, datetime, timedelta

from runtime.demo.hospital import org
from runtime.demo.hospital.care import Register, hours
from runtime.demo.hospital.records import Appointment, Patient, Referral, Staff

APPOINTMENTS_A_DAY = (3, 7)
"""Per provider and weekday: fewest, most."""

DAYS_BOOKED_AHEAD = 18
CONSULTS = {
    "3N": "Cardiology",
    "3S": "Surgery",
    "4N": "Medicine",
    "4S": "Medicine",
    "5N": "Surgery",
    "5S": "Medicine",
    "6N": "Surgery",
    "ICU": "Cardiology",
}
"""Which department a ward asks for its opinion."""

REFERRED_SHARE = 0.18


def fill_clinics(register: Register) -> None:
    """Appointments of each provider on the days they work, past and future; future ones are known only if already booked."""
    plan, chance = register.plan, register.plan.chance("clinics")
    kin = {patient_id for _, patient_id in register.people.kin}
    adults = [
        p for p in register.people.patients.values() if register.people.age(p, plan.until.date()) >= 18 and p.patient_id not in kin
    ]
    panels: dict[str, list[Patient]] = {}
    for patient in adults:
        panels.setdefault(patient.primary_care_id or "", []).append(patient)
    women = [p for p in adults if p.sex == "female"]
    for unit in org.CLINICS:
        public = women if unit.unit == "CL-WOM" else adults
        for provider in register.post(unit.unit, "physician"):
            panel = panels.get(provider.staff_id, [])
            for day in _clinic_days(register, provider):
                for hour in sorted(chance.sample(range(8, 17), chance.randint(*APPOINTMENTS_A_DAY))):
                    patient = chance.choice(panel if panel and chance.random() < 0.85 else public)
                    if register.fit(provider, patient):
                        _book(register, unit, provider, patient, day, hour)


def _clinic_days(register: Register, provider: Staff) -> list[date]:
    plan = register.plan
    worked = {plan.local(shift.start).date() for shift in register.roster.of(provider.staff_id) if shift.unit == provider.unit}
    ahead = [plan.day(plan.days + n) for n in range(DAYS_BOOKED_AHEAD)]
    before = [plan.day(-n) for n in range(1, 6)]
    return sorted(worked | {day for day in (*ahead, *before) if day.weekday() < 5})


def _book(register: Register, unit: org.Unit, provider: Staff, patient: Patient, day: date, hour: int) -> None:
    plan, chance = register.plan, register.plan.chance(f"book/{provider.staff_id}/{day}/{hour}")
    at = plan.at(day, hour + chance.choice((0, 0.5)))
    made_on = _office_day(day - timedelta(days=chance.randint(2, 24)))
    made = plan.at(made_on, 8.5 + chance.random() * 7.5)
    if made >= plan.until:
        return
    fate = chance.random()
    status = "scheduled" if at >= plan.until else "no_show" if fate < 0.06 else "cancelled" if fate < 0.1 else "completed"
    register.care.appointments.append(
        Appointment(
            appointment_id=f"A{700001 + len(register.care.appointments)}",
            patient_id=patient.patient_id,
            department=unit.department,
            clinic=unit.unit,
            provider_id=provider.staff_id,
            scheduled_at=at,
            created_at=made,
            created_by=register.available(chance, patient, "REG", made, "scheduler").staff_id,
            status=status,
        )
    )


def _office_day(day: date) -> date:
    """The day itself, or the Friday before a week-end."""
    return day - timedelta(days=max(0, day.weekday() - 4))


def refer(register: Register) -> None:
    """Wards ask another department's physician for an opinion during the stay; clinics refer on after a visit."""
    plan, chance = register.plan, register.plan.chance("referrals")
    for encounter in register.care.encounters:
        place = encounter.locations[-1].unit
        if encounter.type == "inpatient" and place in CONSULTS and chance.random() < REFERRED_SHARE:
            asked = plan.local(encounter.locations[-1].from_ + hours(3 + chance.random() * 20))
            moment = plan.at(asked.date(), 9 + chance.random() * 5)
            inside = encounter.discharged_at is None or moment < encounter.discharged_at
            if inside and encounter.admitted_at < moment < plan.until:
                _refer(register, encounter.patient_id, encounter.attending_id, CONSULTS[place], moment)
    for visit in register.care.appointments:
        if visit.status == "completed" and visit.clinic == "CL-PRIM" and chance.random() < 0.08:
            _refer(
                register,
                visit.patient_id,
                visit.provider_id,
                chance.choice(("Cardiology", "Orthopedics")),
                visit.scheduled_at + hours(0.5),
            )


def _refer(register: Register, patient_id: str, asked_by: str, department: str, moment: datetime) -> None:
    chance = register.plan.chance(f"refer/{patient_id}/{moment}")
    patient = register.people.patients[patient_id]
    units = [unit.unit for unit in org.UNITS if unit.department == department]
    at_work = [staff for unit in units for staff in register.on_duty(unit, moment, "physician")]
    all_of_them = [staff for unit in units for staff in register.post(unit, "physician")]
    if moment >= register.plan.until:
        return
    register.care.referrals.append(
        Referral(
            referral_id=f"R{300001 + len(register.care.referrals)}",
            patient_id=patient_id,
            from_provider_id=asked_by,
            to_department=department,
            to_provider_id=register.choose(chance, patient, at_work, all_of_them).staff_id,
            created_at=moment,
            status="accepted",
        )
    )
