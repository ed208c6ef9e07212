"""The town: households, telephones, kin elsewhere, friends, former partners. Some are patients, some work at the hospital."""

import random
from dataclasses import dataclass, field
from datetime import timedelta

from benchmarks.evaluation.hospital.names import EMPLOYERS, Names, streets
from benchmarks.evaluation.hospital.places import Unit, posts_for, units_for
from benchmarks.evaluation.hospital.plan import DAY, Plan
from benchmarks.evaluation.hospital.records import Home, Patient, Person, Staff

ADULTS = 2


@dataclass(slots=True, kw_only=True)
class Town:
    """Everybody, and the units they work on."""

    plan: Plan
    units: list[Unit]
    people: list[Person] = field(default_factory=list)
    patients: list[Patient] = field(default_factory=list)
    staff: list[Staff] = field(default_factory=list)
    bearers: dict[str, int] = field(default_factory=dict)
    """How many people of the town bear a surname."""

    def unit(self, name: str) -> Unit:
        return next(unit for unit in self.units if unit.unit == name)


def settle(plan: Plan) -> Town:
    """The town of a plan."""
    habits = plan.habits
    town = Town(plan=plan, units=units_for(habits.staff, habits.opening_day))
    names, draw = Names(plan), plan.chance("town")
    posts = posts_for(habits.staff, town.units)
    wanted = round(len(posts) * habits.patients_each)
    roads = streets(draw, max(12, wanted // 70))
    taken: set[Home] = set()
    while len(town.people) < wanted * 1.15:
        home = _home(draw, roads, habits.big_buildings)
        if home not in taken:
            taken.add(home)
            town.people += _household(draw, names, plan, home)
    _kin(draw, town.people, roads)
    _employ(plan, town, posts)
    _enrol(plan, town)
    _contacts(draw, town.people)
    for person in town.people:
        town.bearers[person.last] = town.bearers.get(person.last, 0) + 1
    return town


def _home(draw: random.Random, roads: list[tuple[str, str, str]], big: float) -> Home:
    street, town, code = draw.choice(roads)
    if draw.random() < big:
        return Home(street, draw.choice((2, 40, 77)), f"{draw.randrange(1, 40)}", town, code)
    return Home(street, draw.randrange(1, 90), "", town, code)


def _household(draw: random.Random, names: Names, plan: Plan, home: Home) -> list[Person]:
    family = names.rare() if draw.random() < 0.03 else names.surname()
    size = draw.choices((1, 2, 3, 4, 5), (28, 30, 17, 17, 8))[0]
    shared = _phone(draw)
    found = []
    for number in range(size):
        adult = number < ADULTS
        last = family
        if number == 1 and draw.random() < plan.habits.own_name_share:
            last = names.surname()
        age = draw.randrange(22, 88) if adult else draw.randrange(0, 19)
        born = plan.habits.first_day - timedelta(days=age * 365 + draw.randrange(365))
        found.append(
            Person(
                first=names.first(),
                last=last,
                born=born.isoformat(),
                sex=draw.choice("FM"),
                home=home,
                phone=shared if not adult or draw.random() < 0.25 else _phone(draw),
                employer=draw.choice(EMPLOYERS) if adult and draw.random() < 0.35 else "",
            )
        )
    for person in found:
        person.house = [other for other in found if other is not person]
    return found


def _phone(draw: random.Random) -> str:
    return f"+1 312 {draw.randrange(200, 990)} {draw.randrange(1000, 9999)}"


def _kin(draw: random.Random, people: list[Person], roads: list[tuple[str, str, str]]) -> None:
    """Relatives, friends and former partners at other addresses; some relatives bear the same name, others do not."""
    adults = [person for person in people if person.born < "2003"]
    for person in adults:
        lot = draw.random()
        other = draw.choice(adults)
        if other is person or other in person.house:
            continue
        if lot < 0.25:
            if draw.random() < 0.6:
                other.last = person.last
            person.kin.append(other)
            other.kin.append(person)
        elif lot < 0.31 and person.former_partner is None and other.former_partner is None:
            person.former_partner, other.former_partner = other, person
            if draw.random() < 0.6:
                other.former_home = person.home
        elif lot < 0.5:
            person.friend = other
        elif lot < 0.55:
            person.former_home = Home(*draw.choice(roads)[:1], draw.randrange(1, 90), "", person.home.town, person.home.code)


def _employ(plan: Plan, town: Town, posts: list[tuple[str, str, str, str]]) -> None:
    draw, habits = plan.chance("employment"), plan.habits
    adults = [person for person in town.people if "1961" < person.born < "2002"]
    draw.shuffle(adults)
    for number, (role, department, unit, pattern) in enumerate(posts):
        person = adults[number]
        staff = Staff(
            staff_id=f"S{number + 1:05d}",
            account=f"{''.join(c for c in person.first.lower() if 'a' <= c <= 'z')[:1] or 'x'}{number + 1:04d}",
            person=person,
            role=role,
            department=department,
            unit=unit,
            pattern=pattern,
            hired=-draw.randrange(90, 6000),
        )
        person.staff = staff
        person.employer = ""
        town.staff.append(staff)
    _change_posts(plan, town, draw)
    _managers(town)
    for staff in draw.sample(town.staff, max(2, len(town.staff) // 50)):
        staff.hired = draw.randrange(2, max(3, plan.days - 8))
    for staff in draw.sample([s for s in town.staff if s.hired < 0], max(2, len(town.staff) // 60)):
        _leave_for_good(plan, staff, draw)
    for staff in town.staff:
        staff.last_login = plan.start - draw.uniform(0.2, 4) * DAY if staff.hired < 0 else None
    town.staff.sort(key=lambda staff: staff.staff_id)
    assert habits.staff > 0


def _leave_for_good(plan: Plan, staff: Staff, draw: random.Random) -> None:
    last = draw.randrange(plan.days // 3, plan.days)
    staff.notice = last - draw.randrange(14, 31)
    staff.gone = plan.at(last, draw.choice((17.0, 19.0, 24.0)))


def _change_posts(plan: Plan, town: Town, draw: random.Random) -> None:
    """The unit that opens takes people from the wards; others move, and some moved in the last year."""
    wards = [unit for unit in town.units if unit.kind == "ward" and unit.opens < 0]
    new = town.units[-1]
    nurses = [s for s in town.staff if s.role == "nurse" and s.unit != "ED"]
    physicians = [s for s in town.staff if s.role == "physician" and s.unit in {ward.unit for ward in wards}]
    for staff in (*draw.sample(nurses, max(4, len(nurses) // 12)), *draw.sample(physicians, 2)):
        _move(plan, staff, plan.habits.opening_day, new)
    for staff in draw.sample([s for s in nurses if s.moved is None], max(2, len(nurses) // 25)):
        target = draw.choice([ward for ward in wards if ward.unit != staff.unit])
        _move(plan, staff, draw.randrange(4, plan.days - 3), target)
    for staff in draw.sample([s for s in town.staff if s.moved is None], max(3, len(town.staff) // 15)):
        former = draw.choice(town.units[:-1])
        until = plan.local_date(-draw.randrange(60, 500))
        begin = until - timedelta(days=700)
        staff.posts.append(
            {
                "unit": former.unit,
                "department": former.department,
                "role": staff.role,
                "from": begin.isoformat(),
                "to": until.isoformat(),
            }
        )


def _move(plan: Plan, staff: Staff, day: int, target: Unit) -> None:
    """From `day` on the person works on `target`: the register shows the new post, and the old one until the day before."""
    begin, last = plan.local_date(staff.hired), plan.local_date(day - 1)
    old = {
        "unit": staff.unit,
        "department": staff.department,
        "role": staff.role,
        "from": begin.isoformat(),
        "to": last.isoformat(),
    }
    staff.posts.append({**old})
    staff.moved = (day, target.unit, target.department)


def _managers(town: Town) -> None:
    heads: dict[str, Staff] = {}
    for staff in town.staff:
        heads.setdefault(staff.unit, staff)
    for staff in town.staff:
        head = heads[staff.unit]
        staff.manager = head if head is not staff else None


def _enrol(plan: Plan, town: Town) -> None:
    """Who is a patient here; who is known to the public, restricted, on the portal; who has which family doctor."""
    draw, habits = plan.chance("enrolment"), plan.habits
    doctors = [s.staff_id for s in town.staff if s.role == "physician" and s.department == "Primary Care"]
    for person in town.people:
        chance = habits.staff_are_patients if person.staff else 0.87
        if draw.random() > chance:
            continue
        patient = Patient(patient_id=f"P{len(town.patients) + 100_001}", person=person, portal=draw.random() < habits.portal_share)
        if draw.random() < 0.55 and doctors:
            patient.primary_care = draw.choice(doctors)
        if person.staff is None and draw.random() < 0.002:
            patient.vip = True
        elif draw.random() < 0.012:
            patient.restricted = True
        person.patient = patient
        town.patients.append(patient)
    famous = [patient for patient in town.patients if patient.vip]
    for patient in draw.sample([p for p in town.patients if p.person.staff is None and not p.vip], max(0, 6 - len(famous))):
        patient.vip = True
    draw.shuffle(town.patients)
    for number, patient in enumerate(town.patients):
        patient.patient_id = f"P{number + 100_001}"


def _contacts(draw: random.Random, people: list[Person]) -> None:
    for person in people:
        near = person.house or person.kin
        if near and draw.random() < 0.7:
            person.contact = draw.choice([*person.house[:2], *person.kin[:1]] or near)
