"""Who works when: days, nights, weekends on call, floating, cover, leave, and the shifts that no roster knows of."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.evaluation.hospital.plan import HOUR, Plan
from benchmarks.evaluation.hospital.population import Town
from benchmarks.evaluation.hospital.records import Shift, Staff

CLINICAL = frozenset(
    {"nurse", "physician", "resident", "pharmacist", "lab_technologist", "imaging_technologist", "medical_assistant"}
)
"""Roles whose hours are always planned on a roster; offices have one only in some hospitals."""


@dataclass(slots=True, kw_only=True)
class Roster:
    """All shifts, by day and by person; `away` are leaves (first day, last day, kind)."""

    by_day: dict[int, list[Shift]] = field(default_factory=dict)
    by_staff: dict[str, list[Shift]] = field(default_factory=dict)
    away: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)

    def add(self, shift: Shift) -> None:
        self.by_day.setdefault(shift.day, []).append(shift)
        self.by_staff.setdefault(shift.staff.account, []).append(shift)

    def of(self, staff: Staff) -> list[Shift]:
        """The shifts of a person, in order."""
        return self.by_staff.get(staff.account, [])

    def drop(self, staff: Staff, begin: float, end: float) -> None:
        """Take out the shifts of a person that start in a period."""
        kept = [shift for shift in self.of(staff) if not begin <= shift.start < end]
        gone = {id(shift) for shift in self.of(staff)} - {id(shift) for shift in kept}
        self.by_staff[staff.account] = kept
        for day in self.by_day:
            if any(id(shift) in gone for shift in self.by_day[day]):
                self.by_day[day] = [shift for shift in self.by_day[day] if id(shift) not in gone]

    def is_away(self, staff: Staff, day: int) -> bool:
        return any(first <= day <= last for first, last, _ in self.away.get(staff.staff_id, ()))


def make_roster(plan: Plan, town: Town) -> Roster:
    """The roster of the period and the day before it."""
    roster = Roster()
    draw = plan.chance("roster")
    for staff in town.staff:
        _leaves(plan, roster, staff, draw)
    for staff in town.staff:
        for shift in _shifts(plan, town, staff, draw):
            if staff.gone is not None and shift.start >= staff.gone:
                continue
            if shift.day < staff.hired or roster.is_away(staff, shift.day):
                continue
            roster.add(shift)
    _mentors(plan, town, roster, draw)
    for day in roster.by_day.values():
        day.sort(key=lambda shift: (shift.start, shift.staff.staff_id))
    return roster


def _leaves(plan: Plan, roster: Roster, staff: Staff, draw: random.Random) -> None:
    lot = draw.random()
    if lot < 0.28:
        first = draw.randrange(0, plan.days)
        roster.away[staff.staff_id] = [(first, first + draw.randrange(2, 12), draw.choice(("vacation", "sick", "vacation")))]
    elif lot < 0.30:
        roster.away[staff.staff_id] = [(-draw.randrange(60, 200), draw.randrange(plan.days // 3, plan.days), "parental")]


def _shifts(plan: Plan, town: Town, staff: Staff, draw: random.Random) -> Iterator[Shift]:
    habits = plan.habits
    rostered = staff.role in CLINICAL or habits.offices_rostered
    wards = [unit for unit in town.units if unit.kind == "ward"]
    if staff.pattern == "weekdays":
        on_call = staff.role in ("physician", "resident") and staff.unit in {ward.unit for ward in wards}
        for day in range(-1, plan.days):
            unit, department = staff.post(day)
            begin = draw.choice((7.0, 7.5, 8.0, 8.0, 8.5))
            if plan.is_open(day):
                yield Shift(
                    staff=staff, day=day, start=plan.at(day, begin), end=plan.at(day, begin + 9), unit=unit, rostered=rostered
                )
            elif on_call and draw.random() < 0.3:
                kind = "on_call"
                yield Shift(staff=staff, day=day, start=plan.at(day, 8), end=plan.at(day, 20), unit=unit, kind=kind, rostered=True)
            assert department
        return
    nights = draw.random() < habits.night_share
    turn = draw.randrange(7)
    for day in range(-1, plan.days):
        if (day + turn + (day // 7) * 2) % 7 not in (0, 1, 3):
            continue
        unit, _ = staff.post(day)
        kind = ""
        if staff.role == "nurse" and unit != "ED" and draw.random() < habits.float_share:
            open_wards = [ward.unit for ward in wards if ward.opens <= day and ward.unit != unit]
            unit, kind = draw.choice(open_wards), "float"
        by_night = nights if draw.random() < 0.9 else not nights
        begin = plan.at(day, 19.0 if by_night else 7.0)
        known = draw.random() >= habits.swap_share
        yield Shift(staff=staff, day=day, start=begin, end=begin + 12 * HOUR, unit=unit, kind=kind, rostered=rostered and known)


def _mentors(plan: Plan, town: Town, roster: Roster, draw: random.Random) -> None:
    """New staff learn beside somebody of the same role and unit for two weeks."""
    for staff in town.staff:
        if staff.hired < 0:
            continue
        mates = [other for other in town.staff if other.role == staff.role and other.unit == staff.unit and other is not staff]
        if not mates:
            continue
        mentor = draw.choice(mates)
        for shift in roster.of(staff):
            if shift.day < staff.hired + 14:
                shift.mentor, shift.kind = mentor.staff_id, "orientation"
    assert plan.days > 0
