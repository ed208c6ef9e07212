"""The staff office: fills the posts of `org.STAFFING`, and knows who left.

About a quarter of the staff are patients here too, another quarter share a home with patients, and a few bear a surname found
only in one family of the town.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta

from runtime.demo.hospital import org
from runtime.demo.hospital.people import Household, Town
from runtime.demo.hospital.records import Contact, Patient, Post, Staff

LEAVERS: tuple[tuple[str, str, int], ...] = (
    ("3S", "nurse", -18),
    ("BILL", "biller", 1),
    ("4S", "nurse", 3),
    ("REG", "registration_clerk", -40),
    ("REHAB", "therapist", 4),
    ("ED", "nurse", 6),
)
"""(unit, role, last working day as an index into the plan). In the emergency department it ends with a night shift."""

END_OF_NIGHT = 31
"""Seven in the morning, in hours after the midnight before the night."""

RARE_FAMILIES: tuple[tuple[tuple[str, ...], int], ...] = ((("3N", "4N", "4S", "5N"), 3), (("LAB", "PHARM", "RAD"), 3))
"""(units, how many): staff with one relative of the same rare surname at another address. The first group will treat theirs."""


def engage_staff(town: Town) -> None:
    """Fill every post; each person gets a home, dates and a manager. Adds to `town.people`."""
    residents = [p for p in town.people.patients.values() if 24 <= town.people.age(p, town.plan.until.date()) <= 62]
    town.chance.shuffle(residents)
    leaving = {(unit, role): day for unit, role, day in LEAVERS}
    heads: dict[str, str] = {}
    for unit, role, count, schedule in org.STAFFING:
        for place in range(count):
            leaves_on = leaving.get((unit, role)) if place == count - 1 else None
            person = _engage(town, residents, unit=unit, role=role, schedule=schedule, leaves_on=leaves_on)
            head = heads.setdefault(person.department, person.staff_id)
            town.people.staff[person.staff_id] = replace(person, manager_id=None if head == person.staff_id else head)
    _bring_in_families(town)


def _engage(town: Town, residents: list[Patient], *, unit: str, role: str, schedule: str, leaves_on: int | None) -> Staff:
    plan, chance, names = town.plan, town.chance, town.names
    number = len(town.people.staff) + 1
    lot = chance.random()
    resident = residents.pop() if lot < 0.5 else None
    own = resident if resident is not None and lot < 0.25 else None
    sex = chance.choice(("female", "male"))
    first = own.first_name if own else names.given(sex)
    home = town.people.home[resident.patient_id] if resident else town.household()
    last = own.last_name if own else (home.surname if resident is None or chance.random() < 0.7 else names.surname())
    hired = plan.day(-chance.randint(90, 6000))
    staff_id = f"S{number:04d}"
    last_day = None if leaves_on is None else plan.day(leaves_on)
    if last_day is not None:
        town.people.last_day[staff_id] = last_day
    town.people.home[staff_id] = home
    home.members.append(staff_id)
    return Staff(
        staff_id=staff_id,
        account_id=f"{first[0]}{last[:6]}{number:03d}".lower(),
        kind="contractor" if role in {"coder", "imaging_technologist"} and chance.random() < 0.2 else "employee",
        first_name=first,
        last_name=last,
        role=role,
        department=org.UNIT[unit].department,
        unit=unit,
        manager_id=None,
        date_of_birth=own.date_of_birth if own else town.birth(23, 62),
        home_address=home.address,
        phone=own.phone if own else names.phone(),
        email=f"{first}.{last}{number}@{org.MAIL_DOMAIN}".lower(),
        emergency_contact=_next_of_kin(town, home),
        hire_date=hired,
        termination_date=plan.at(last_day, END_OF_NIGHT) if last_day and unit == "ED" else last_day,
        notice_date=None if last_day is None else last_day - timedelta(days=14),
        patient_id=own.patient_id if own else None,
        schedule=schedule,
        last_login=_last_login(town, last_day),
        previous_positions=_history(town, hired, role) if chance.random() < 0.1 else (),
    )


def _next_of_kin(town: Town, home: Household) -> Contact:
    family = [town.people.patients[member] for member in home.members if member in town.people.patients]
    if family and town.chance.random() < 0.6:
        other = town.chance.choice(family)
        return Contact(name=f"{other.first_name} {other.last_name}", phone=other.phone, relationship="household")
    return Contact(name=f"{town.names.given('male')} {home.surname}", phone=town.names.phone(), relationship="relative")


def _last_login(town: Town, last_day: date | None) -> datetime:
    last = town.plan.day(-1) if last_day is None else min(town.plan.day(-1), last_day)
    return town.plan.at(last - timedelta(days=town.chance.choice((0, 0, 1, 1, 2, 4))), 7 + town.chance.random() * 10)


def _history(town: Town, hired: date, role: str) -> tuple[Post, ...]:
    """A first post elsewhere in the house, from the day of hire."""
    unit = town.chance.choice(org.UNITS)
    return (
        Post(
            unit=unit.unit,
            department=unit.department,
            role=role,
            from_=hired,
            to=hired + timedelta(days=town.chance.randint(30, 80)),
        ),
    )


def _bring_in_families(town: Town) -> None:
    """Rename a few staff to surnames nobody else bears, and settle one relative of each elsewhere in town."""
    people = town.people
    for units, count in RARE_FAMILIES:
        alone = [
            s
            for s in people.staff.values()
            if s.unit in units and s.role not in {"physician", "resident"} and s.termination_date is None
        ]
        alone = [s for s in alone if people.home[s.staff_id].members == [s.staff_id]]
        for staff in town.chance.sample(alone, count):
            surname = town.names.unheard_surname()
            mailbox = f"{staff.first_name}.{surname}{staff.staff_id[1:]}@{org.MAIL_DOMAIN}".lower()
            people.staff[staff.staff_id] = replace(staff, last_name=surname, email=mailbox)
            relative = town.settle(town.household(surname), 25, 75)
            people.kin.append((staff.staff_id, relative.patient_id))
