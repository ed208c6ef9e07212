"""The roster: who works where and when, with float, cover, on-call and orientation shifts, and who is on leave.

Twelve-hour shifts on wards and in the emergency department, office hours elsewhere.
Nobody works while on leave or after termination.
"""

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from runtime.demo.hospital import org
from runtime.demo.hospital.people import People
from runtime.demo.hospital.plan import Plan
from runtime.demo.hospital.records import Leave, Shift, Staff

ROTA: dict[tuple[str, str], tuple[int, int]] = {
    ("ward", "nurse"): (3, 2),
    ("emergency", "nurse"): (5, 3),
    ("emergency", "physician"): (2, 1),
    ("emergency", "registration_clerk"): (2, 1),
    ("diagnostic", "radiologist"): (2, 1),
    ("diagnostic", "imaging_technologist"): (3, 1),
    ("diagnostic", "lab_technologist"): (4, 1),
    ("diagnostic", "pharmacist"): (3, 1),
}
"""(kind of unit, role): how many by day and by night; every day of the week."""

SMALL_TEAMS = frozenset({"researcher", "quality_analyst", "it_administrator"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Shifts in order of start, leave, and the questions care asks of them."""

    people: People
    shifts: list[Shift]
    leave: list[Leave]
    by_unit: dict[str, list[Shift]] = field(default_factory=dict)
    by_person: dict[str, list[Shift]] = field(default_factory=dict)

    def working(self, unit: str, moment: datetime, *roles: str) -> list[tuple[Staff, Shift]]:
        """Who of these roles is on a shift at the unit at this moment."""
        here = self.by_unit.get(unit, ())
        pairs = ((self.people.staff[shift.staff_id], shift) for shift in here if shift.start <= moment < shift.end)
        return [(staff, shift) for staff, shift in pairs if staff.role in roles]

    def of(self, staff_id: str) -> list[Shift]:
        """All shifts of one person, in order."""
        return self.by_person.get(staff_id, [])


def write_roster(plan: Plan, people: People) -> Roster:
    """Shifts from the evening before the first day to the end of the last."""
    clerk = _Clerk(plan, people)
    for index in range(-1, plan.days):
        clerk.fill(plan.day(index))
    shifts = sorted(clerk.shifts, key=lambda shift: (shift.start, shift.unit, shift.staff_id))
    by_unit: dict[str, list[Shift]] = defaultdict(list)
    by_person: dict[str, list[Shift]] = defaultdict(list)
    for shift in shifts:
        by_unit[shift.unit].append(shift)
        by_person[shift.staff_id].append(shift)
    return Roster(people=people, shifts=shifts, leave=clerk.leave, by_unit=dict(by_unit), by_person=dict(by_person))


class _Clerk:
    """Fills one day after another, giving each shift to those who worked least so far."""

    def __init__(self, plan: Plan, people: People) -> None:
        self.plan = plan
        self.people = people
        self.chance = plan.chance("roster")
        self.shifts: list[Shift] = []
        self.leave = list(_grant_leave(plan, people, self.chance))
        self._away = {
            (entry.staff_id, entry.first_day + timedelta(days=n))
            for entry in self.leave
            for n in range((entry.last_day - entry.first_day).days + 1)
        }
        self._worked: dict[str, int] = defaultdict(int)
        self._last_night: dict[str, date] = {}
        self._busy: set[tuple[str, date]] = set()
        self._by_post: dict[tuple[str, str], list[Staff]] = defaultdict(list)
        for staff in people.staff.values():
            self._by_post[staff.unit, staff.role].append(staff)

    def fill(self, day: date) -> None:
        for unit, role, _, schedule in org.STAFFING:
            if schedule == "rotating":
                self._rotate(org.UNIT[unit], role, day)
            else:
                self._office(org.UNIT[unit], role, day)
        self._float(day)
        self._orient(day)

    def _free(self, staff: Staff, day: date) -> bool:
        gone = day > self.people.last_day.get(staff.staff_id, day)
        rested = self._last_night.get(staff.staff_id) != day - timedelta(days=1)
        return not gone and rested and (staff.staff_id, day) not in self._away and (staff.staff_id, day) not in self._busy

    def _add(self, staff: Staff, unit: str, kind: str, day: date, begin: float, hours: float, mentor: str | None = None) -> Shift:
        shift = Shift(
            staff_id=staff.staff_id,
            unit=unit,
            kind=kind,
            mentor_id=mentor,
            start=self.plan.at(day, begin),
            end=self.plan.at(day, begin + hours),
        )
        self.shifts.append(shift)
        self._busy.add((staff.staff_id, day))
        self._worked[staff.staff_id] += 1
        if begin + hours > 26:
            self._last_night[staff.staff_id] = day
        return shift

    def _rotate(self, unit: org.Unit, role: str, day: date) -> None:
        by_day, by_night = ROTA[unit.kind, role]
        leaver = [s for s in self._by_post[unit.unit, role] if self.people.last_day.get(s.staff_id) == day and self._free(s, day)]
        for staff in leaver if unit.unit == "ED" else ():
            self._add(staff, unit.unit, "night", day, 19, 12)  # the last night runs on into the morning after
        crew = [s for s in self._by_post[unit.unit, role] if self._free(s, day)]
        crew.sort(key=lambda s: (self._worked[s.staff_id], self.chance.random()))
        for staff in crew[:by_day]:
            self._add(staff, unit.unit, "day", day, 7, 12)
        for staff in crew[by_day : by_day + by_night]:
            self._add(staff, unit.unit, "night", day, 19, 12)

    def _office(self, unit: org.Unit, role: str, day: date) -> None:
        crew = [s for s in self._by_post[unit.unit, role] if self._free(s, day)]
        if day.weekday() < 5:
            for staff in crew:
                self._add(staff, unit.unit, "day", day, 7.5 if unit.kind == "ward" else 8, 9)
        elif unit.kind == "ward" and role == "physician" and crew:
            crew.sort(key=lambda s: (self._worked[s.staff_id], self.chance.random()))
            self._add(crew[0], unit.unit, "on_call", day, 7.5, 24)
            if unit.unit in {"3S", "4N"}:  # one physician covers the neighbouring ward at the week-end
                neighbour = {"3S": "3N", "4N": "4S"}[unit.unit]
                self._add(crew[0], neighbour, "cover", day, 8, 9)

    def _float(self, day: date) -> None:
        """Most days one ward lends a nurse to another."""
        if self.chance.random() < 0.7:
            home, other = self.chance.sample(org.WARDS, 2)
            crew = [s for s in self._by_post[home.unit, "nurse"] if self._free(s, day)]
            if crew:
                self._add(self.chance.choice(crew), other.unit, "float", day, 7, 12)

    def _orient(self, day: date) -> None:
        """The newest nurse of 3N goes along with one who is on duty there."""
        learner = max(self._by_post["3N", "nurse"], key=lambda s: s.hire_date)
        mentors = [s for s in self.shifts if s.unit == "3N" and s.kind == "day" and s.start == self.plan.at(day, 7)]
        mentors = [s for s in mentors if self.people.staff[s.staff_id].role == "nurse"]
        if mentors and day.weekday() < 3 and self._free(learner, day):
            self._add(learner, "3N", "orientation", day, 7, 12, mentor=mentors[0].staff_id)


def _grant_leave(plan: Plan, people: People, chance: random.Random) -> Iterable[Leave]:
    """About one in nine has a leave that touches the period; the smallest teams put theirs off."""
    for staff in people.staff.values():
        if staff.termination_date is None and staff.role not in SMALL_TEAMS and chance.random() < 0.11:
            first = chance.randint(-6, plan.days - 1)
            kind, longest = chance.choice((("vacation", 9), ("vacation", 14), ("sick", 4), ("parental", 40)))
            yield Leave(
                staff_id=staff.staff_id, first_day=plan.day(first), last_day=plan.day(first + chance.randint(1, longest)), kind=kind
            )
