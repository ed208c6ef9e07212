"""What is on record about the care of patients, and the one question incidents ask of it: is there any tie at all?"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runtime.demo.hospital.people import People
from runtime.demo.hospital.plan import Plan
from runtime.demo.hospital.records import Appointment, Encounter, Order, Patient, Referral, Staff, Worklist
from runtime.demo.hospital.roster import Roster


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """Every care record of the period and of the days before it that still matter."""

    encounters: list[Encounter] = field(default_factory=list)
    appointments: list[Appointment] = field(default_factory=list)
    referrals: list[Referral] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    worklists: list[Worklist] = field(default_factory=list)

    def patients_known_to(self, people: People, staff: Staff) -> set[str]:
        """Patients with any tie to this person, unit or department, at any time: the opposite of unrelated."""
        me, place, house = staff.staff_id, staff.unit, staff.department
        ties = {
            e.patient_id
            for e in self.encounters
            if me in {e.attending_id, e.resident_id, *e.care_team}
            or e.department == house
            or place in {s.unit for s in e.locations}
        }
        ties |= {a.patient_id for a in self.appointments if me in {a.provider_id, a.created_by} or a.department == house}
        ties |= {r.patient_id for r in self.referrals if me in {r.from_provider_id, r.to_provider_id} or r.to_department == house}
        ties |= {o.patient_id for o in self.orders if me in {o.ordering_id, o.performer_id} or o.performing_department == house}
        ties |= {w.patient_id for w in self.worklists if w.assigned_to == me or w.department == house}
        return ties | {p.patient_id for p in people.patients.values() if p.primary_care_id == me}

    def patients_seen(self) -> set[str]:
        """Patients with any care record at all."""
        return {
            record.patient_id
            for records in (self.encounters, self.appointments, self.referrals, self.orders, self.worklists)
            for record in records
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The register of care while it is written: the plan, everybody, the roster, and the records so far."""

    plan: Plan
    people: People
    roster: Roster
    care: Care = field(default_factory=Care)

    def fit(self, staff: Staff, patient: Patient) -> bool:
        """May treat this patient: neither themselves nor family, and still employed."""
        return staff.termination_date is None and not self.people.related(staff, patient)

    def choose(self, chance: random.Random, patient: Patient, *crews: Sequence[Staff]) -> Staff:
        """Somebody who may treat the patient, from the first crew that has one."""
        fitting = ([staff for staff in crew if self.fit(staff, patient)] for crew in crews)
        return chance.choice(next(crew for crew in fitting if crew))

    def post(self, unit: str, *roles: str) -> list[Staff]:
        """Everybody who holds one of these posts."""
        return [staff for staff in self.people.staff.values() if staff.unit == unit and staff.role in roles]

    def on_duty(self, unit: str, moment: datetime, *roles: str) -> list[Staff]:
        """Who is at work there. Nobody before the roster begins."""
        return [staff for staff, _ in self.roster.working(unit, moment, *roles)]

    def available(self, chance: random.Random, patient: Patient, unit: str, moment: datetime, *roles: str) -> Staff:
        """One who is on duty and may treat the patient, or else who holds the post."""
        return self.choose(chance, patient, self.on_duty(unit, moment, *roles), self.post(unit, *roles))

    def past(self, moment: datetime) -> datetime | None:
        """The moment, or None where it lies beyond the period and so is not known yet."""
        return moment if moment < self.plan.until else None


def hours(amount: float) -> timedelta:
    """So many hours, to the second."""
    return timedelta(seconds=round(amount * 3600))


def poisson(chance: random.Random, mean: float) -> int:
    """A count with the given mean, by the exponential gaps between arrivals."""
    count, gap = 0, chance.expovariate(1.0)
    while gap < mean:
        count += 1
        gap += chance.expovariate(1.0)
    return count
