"""Who lives where: households, the patients in them, and a register that staff join.

Staff and patients are neighbours, partners, parents and namesakes of each other, as in any town; that is what makes the
relationship rules earn their keep.
"""

import random
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from runtime.demo.hospital.names import Names
from runtime.demo.hospital.plan import Plan
from runtime.demo.hospital.records import Contact, Patient, Staff

HOUSEHOLDS = 1150
VIPS = 6
RESTRICTED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """One address and telephone. Members are patient ids and staff ids."""

    surname: str
    address: str
    phone: str
    members: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class People:
    """Everybody.

    `home` gives the household of a patient or staff id, `last_day` the last working day of those who left; `kin` pairs staff with a
    relative elsewhere in town.
    """

    patients: dict[str, Patient] = field(default_factory=dict)
    staff: dict[str, Staff] = field(default_factory=dict)
    home: dict[str, Household] = field(default_factory=dict)
    last_day: dict[str, date] = field(default_factory=dict)
    kin: list[tuple[str, str]] = field(default_factory=list)

    def related(self, staff: Staff, patient: Patient) -> bool:
        """Themselves, or somebody under the same roof."""
        return staff.patient_id == patient.patient_id or self.home[staff.staff_id] is self.home[patient.patient_id]

    def family(self, patient: Patient) -> list[Patient]:
        """The other patients of the household."""
        others = (member for member in self.home[patient.patient_id].members if member != patient.patient_id)
        return [self.patients[member] for member in others if member in self.patients]

    def age(self, patient: Patient, on: date) -> int:
        """Whole years."""
        born = patient.date_of_birth
        return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


class Town:
    """Settles households; the staff office uses it too, so that employees live among the patients."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.chance = plan.chance("people")
        self.names = Names(self.chance)
        self.people = People()

    def household(self, surname: str | None = None) -> Household:
        return Household(surname=surname or self.names.surname(), address=self.names.address(), phone=self.names.phone())

    def birth(self, youngest: int, oldest: int) -> date:
        """A date of birth that makes someone between the two ages at the end of the period."""
        return self.plan.until.date() - timedelta(days=self.chance.randint(youngest * 366, (oldest + 1) * 365))

    def settle(self, household: Household, youngest: int, oldest: int, *, surname: str | None = None) -> Patient:
        """Add a patient to a household."""
        chance, names = self.chance, self.names
        sex = chance.choice(("female", "male"))
        first, last = names.given(sex), surname or household.surname
        adult = youngest >= 18
        patient = Patient(
            patient_id=f"P{100201 + 7 * len(self.people.patients)}",
            first_name=first,
            last_name=last,
            date_of_birth=self.birth(youngest, oldest),
            sex=sex,
            address=household.address,
            previous_address=names.address() if chance.random() < 0.12 else None,
            phone=household.phone if chance.random() < 0.5 else names.phone(),
            email=names.mailbox(first, last) if adult and chance.random() < 0.8 else None,
            employer=names.employer() if adult and chance.random() < 0.5 else None,
            emergency_contact=None,
            vip=False,
            vip_since=None,
            restricted=False,
            primary_care_id=None,
            portal_enrolled=adult and chance.random() < 0.55,
        )
        self.people.patients[patient.patient_id] = patient
        self.people.home[patient.patient_id] = household
        household.members.append(patient.patient_id)
        return patient


def settle_town(plan: Plan) -> Town:
    """Some 1,150 households of one to five patients: single people, couples (some with two surnames), families, the old."""
    town = Town(plan)
    chance = town.chance
    for _ in range(HOUSEHOLDS):
        household = town.household()
        shape = chance.random()
        if shape < 0.3:
            town.settle(household, 19, 88)
            continue
        old = shape > 0.8
        town.settle(household, *((62, 90) if old else (24, 58)))
        other = town.names.surname() if chance.random() < 0.25 else None
        town.settle(household, *((60, 90) if old else (24, 58)), surname=other)
        if not old:
            for _ in range(chance.choice((0, 1, 1, 2, 3))):
                town.settle(household, 0, 16)
    return town


def finish_people(town: Town, primary_care: list[str]) -> People:
    """Give patients what depends on others: emergency contacts, a primary care provider, public attention, restricted charts."""
    people, chance = town.people, town.chance
    for patient in list(people.patients.values()):
        people.patients[patient.patient_id] = replace(
            patient,
            emergency_contact=_contact(people, town.names, chance, patient),
            primary_care_id=chance.choice(primary_care) if chance.random() < 0.65 else None,
        )
    known = {staff.patient_id for staff in people.staff.values()}
    public = [
        p
        for p in people.patients.values()
        if p.patient_id not in known and people.age(p, town.plan.until.date()) >= 30 and _no_staff_at_home(people, p)
    ]
    noted = chance.sample(public, VIPS + RESTRICTED)
    for index, patient in enumerate(noted):
        vip = index < VIPS
        people.patients[patient.patient_id] = replace(
            patient,
            vip=vip,
            vip_since=town.plan.day(-chance.randint(30, 900)) if vip else None,
            restricted=not vip or index % 2 == 0,
            employer="Harrow Falls City Council" if vip and index % 3 == 0 else patient.employer,
        )
    return people


def _no_staff_at_home(people: People, patient: Patient) -> bool:
    return not any(member in people.staff for member in people.home[patient.patient_id].members)


def _contact(people: People, names: Names, chance: random.Random, patient: Patient) -> Contact | None:
    family = people.family(patient)
    if family:
        other = chance.choice(family)
        return Contact(name=f"{other.first_name} {other.last_name}", phone=other.phone, relationship="household")
    if chance.random() < 0.3:
        return None
    return Contact(name=f"{names.given('female')} {names.surname()}", phone=names.phone(), relationship="friend")
