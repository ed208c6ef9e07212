"""Encounters: emergency visits, and stays on wards with their way through the emergency department and intensive care."""

import random
from datetime import date, datetime, timedelta

from runtime.demo.hospital import org
from runtime.demo.hospital.care import Register, hours, poisson
from runtime.demo.hospital.records import Encounter, Patient, Staff, Stay

RUN_UP_DAYS = 12
"""Days before the period over which wards fill up."""

MEAN_STAY_DAYS = 3.6
EMERGENCY_VISITS_A_DAY = 21.0
UNANNOUNCED_A_DAY = 0.45
"""Severely ill patients treated before anybody could register them: the good reason for breaking the glass."""

UNREGISTERED_MINUTES = 18
"""From so many minutes between arrival and registration, a visit counts as unannounced."""

_ARRIVAL_HOURS = (0.5, 2, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)


def admit_patients(register: Register) -> None:
    """Fill `register.care.encounters` from the run-up to the end of the period."""
    desk = _Desk(register)
    for index in range(-RUN_UP_DAYS, register.plan.days):
        day = register.plan.day(index)
        for unit in org.WARDS:
            for _ in range(poisson(desk.chance, unit.beds / MEAN_STAY_DAYS)):
                desk.admit(unit, day)
        if index >= -3:
            for _ in range(poisson(desk.chance, EMERGENCY_VISITS_A_DAY)):
                desk.emergency(day)
        if index >= 0 and desk.chance.random() < UNANNOUNCED_A_DAY:
            desk.emergency(day, unannounced=True)
        if index in {2, 4}:
            desk.admit(org.UNIT["5N" if index == 2 else "4N"], day, chosen=desk.public_figure())
        for number, (relative, staff) in enumerate(desk.kin_to_treat()):
            if index == 1 + 2 * number:
                desk.admit(org.UNIT[staff.unit], day, chosen=relative)


class _Desk:
    """Admits one patient after another; nobody is in two beds."""

    def __init__(self, register: Register) -> None:
        self.register = register
        self.plan = register.plan
        self.chance: random.Random = register.plan.chance("admissions")
        self._until: dict[str, datetime] = {}
        today = register.plan.until.date()
        kin = {patient_id for _, patient_id in register.people.kin}
        patients = [p for p in register.people.patients.values() if not p.vip and p.patient_id not in kin]
        self._pools = {
            unit.unit: [p for p in patients if _suits(unit.department, p, register.people.age(p, today))] for unit in org.WARDS
        }
        self._anyone = patients
        self._public = [p for p in register.people.patients.values() if p.vip]

    def public_figure(self) -> Patient:
        """VIPs fall ill too: these two are treated openly, by people with every reason to look."""
        return self._public.pop(0)

    def admit(self, unit: org.Unit, day: date, chosen: Patient | None = None) -> None:
        chance, plan = self.chance, self.plan
        urgent = unit.unit == "ICU" or chance.random() < 0.55
        arrival = (
            plan.at(day, chance.choice(_ARRIVAL_HOURS) + chance.random()) if urgent else plan.at(day, 6.5 + chance.random() * 3)
        )
        patient = chosen or self._find(self._pools[unit.unit], arrival)
        if arrival >= plan.until or patient is None:
            return
        home, leave = self._departure(unit, arrival)
        stays = self._stays(unit, home, arrival, leave, urgent=urgent)
        attending = self.register.choose(chance, patient, self.register.post(home.unit, "physician"))
        residents = [r for r in self.register.post(home.unit, "resident") if self.register.fit(r, patient)]
        nurses = [n for n in self.register.post(home.unit, "nurse") if self.register.fit(n, patient)]
        team = [attending, *residents, *chance.sample(nurses, 2), *self._specialists(patient)]
        recorded = (
            arrival + timedelta(minutes=chance.randint(1, 6)) if urgent else arrival - timedelta(hours=chance.randint(15, 60))
        )
        self._write("inpatient", home.department, patient, attending, residents, stays, team, recorded, leave)

    def kin_to_treat(self) -> list[tuple[Patient, Staff]]:
        """Relatives of ward nurses who will lie on the very ward, for everyone to see."""
        people = self.register.people
        pairs = ((people.patients[patient_id], people.staff[staff_id]) for staff_id, patient_id in people.kin)
        return [(patient, staff) for patient, staff in pairs if org.UNIT[staff.unit].kind == "ward"]

    def emergency(self, day: date, *, unannounced: bool = False) -> None:
        arrival = self.plan.at(day, self.chance.choice(_ARRIVAL_HOURS) + self.chance.random())
        patient = self._find(self._anyone, arrival)
        if arrival >= self.plan.until or patient is None:
            return
        recorded = arrival + timedelta(minutes=self.chance.randint(22, 40) if unannounced else self.chance.randint(1, 5))
        leave = arrival + hours(2 + self.chance.random() * 4)
        doctor = self.register.available(self.chance, patient, "ED", arrival, "physician")
        nurse = self.register.available(self.chance, patient, "ED", arrival, "nurse")
        stays = (Stay(unit="ED", from_=arrival, to=self.register.past(leave)),)
        self._write("emergency", "Emergency", patient, doctor, [], stays, [doctor, nurse], recorded, leave)

    def _departure(self, unit: org.Unit, arrival: datetime) -> tuple[org.Unit, datetime]:
        """The ward the patient goes home from, and when: by day, as wards discharge."""
        home = org.UNIT[self.chance.choice(("3N", "4N", "5N"))] if unit.unit == "ICU" else unit
        stay = min(12.0, max(0.9, self.chance.lognormvariate(1.05, 0.55))) + (1.5 if unit is not home else 0)
        last = self.plan.local(arrival + hours(stay * 24)).date()
        return home, self.plan.at(last, 10 + self.chance.random() * 7)

    def _stays(self, unit: org.Unit, home: org.Unit, arrival: datetime, leave: datetime, *, urgent: bool) -> tuple[Stay, ...]:
        steps = [(org.UNIT["ED"], arrival)] if urgent else []
        steps.append((unit, arrival + (hours(1.5 + self.chance.random() * 3) if urgent else hours(0))))
        if unit is not home:
            steps.append((home, steps[-1][1] + hours(20 + self.chance.random() * 24)))
        ends = [begin for _, begin in steps[1:]] + [leave]
        known = [
            (place, begin, end) for (place, begin), end in zip(steps, ends, strict=True) if begin < self.plan.until and begin < end
        ]
        return tuple(Stay(unit=place.unit, from_=begin, to=self.register.past(end)) for place, begin, end in known)

    def _specialists(self, patient: Patient) -> list[Staff]:
        posts = [("REHAB", "therapist", 0.25), ("SOCW", "social_worker", 0.2)]
        return [
            self.register.choose(self.chance, patient, self.register.post(unit, role))
            for unit, role, share in posts
            if self.chance.random() < share
        ]

    def _find(self, pool: list[Patient], arrival: datetime) -> Patient | None:
        """Somebody who is not in a bed, and was not within the last two days."""
        for _ in range(20):
            patient = self.chance.choice(pool)
            if self._until.get(patient.patient_id, arrival) <= arrival:
                return patient
        return None

    def _write(
        self,
        kind: str,
        department: str,
        patient: Patient,
        attending: Staff,
        residents: list[Staff],
        stays: tuple[Stay, ...],
        team: list[Staff],
        recorded: datetime,
        leave: datetime,
    ) -> None:
        encounter = Encounter(
            encounter_id=f"E{500001 + len(self.register.care.encounters)}",
            patient_id=patient.patient_id,
            type=kind,
            department=department,
            attending_id=attending.staff_id,
            resident_id=residents[0].staff_id if residents else None,
            admitted_at=stays[0].from_,
            discharged_at=self.register.past(leave),
            locations=stays,
            care_team=tuple(dict.fromkeys(member.staff_id for member in team)),
            recorded_at=recorded,
        )
        self.register.care.encounters.append(encounter)
        self._until[patient.patient_id] = leave + timedelta(days=2)


def _suits(department: str, patient: Patient, age: int) -> bool:
    match department:
        case "Pediatrics":
            return age < 17
        case "Maternity":
            return patient.sex == "female" and 18 <= age <= 44
        case _:
            return age >= 18
