"""Everything of one hospital in one place, for those who stage care, decoys and incidents in it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.evaluation.hospital.book import Book
from benchmarks.evaluation.hospital.diary import Diary
from benchmarks.evaluation.hospital.places import Machines
from benchmarks.evaluation.hospital.plan import Plan
from benchmarks.evaluation.hospital.population import Town
from benchmarks.evaluation.hospital.records import Patient, Shift, Staff, Stay
from benchmarks.evaluation.hospital.roster import Roster
from benchmarks.evaluation.hospital.work import Desk

FAMILIAR = 0.65
"""Share of calls and questions that come from patients of the own department."""


@dataclass(slots=True, kw_only=True)
class House:
    """The hospital while it is being built."""

    plan: Plan
    town: Town
    roster: Roster
    book: Book
    diary: Diary
    machines: Machines
    _touched: dict[str, list[Patient]] = field(default_factory=dict)
    _lying: dict[int, list[Stay]] = field(default_factory=dict)
    _index: dict[tuple[int, str], list[Shift]] = field(default_factory=dict)

    def desk(self, topic: str) -> Desk:
        """Somebody to open charts, with a generator of their own."""
        return Desk(self.plan, self.diary, self.machines, self.plan.chance(topic))

    def on_duty(self, day: int, fits: Callable[[Shift], bool]) -> list[Shift]:
        """The shifts that start on a day and fit."""
        return [shift for shift in self.roster.by_day.get(day, ()) if fits(shift)]

    def roles(self, role: str, day: int, department: str | None = None, unit: str | None = None) -> list[Shift]:
        """Who of a role works that day, in a department or on a unit."""
        if not self._index:
            for shifts in self.roster.by_day.values():
                for shift in shifts:
                    self._index.setdefault((shift.day, shift.staff.role), []).append(shift)
        found = self._index.get((day, role), [])
        if unit is not None:
            found = [shift for shift in found if shift.unit == unit]
        return found if department is None else [shift for shift in found if shift.staff.post(day)[1] == department]

    def familiar(self, staff: Staff, draw: random.Random) -> Patient:
        """Mostly a patient that the department has had to do with before, as most questions come from those; else any."""
        if not self._touched:
            for patient in self.town.patients:
                for place in sorted(patient.touched):
                    self._touched.setdefault(place, []).append(patient)
        found = self._touched.get(staff.unit) or self._touched.get(staff.department)
        return draw.choice(found) if found and draw.random() < FAMILIAR else self.idle(draw)

    def stay_at(self, day: int, draw: random.Random) -> Stay | None:
        """Somebody who lies on a ward that day."""
        if not self._lying:
            for stay in self.book.stays:
                first, last = self.plan.day_of(stay.admitted), self.plan.day_of(stay.discharged)
                for number in range(first, last + 1) if stay.type == "inpatient" else ():
                    self._lying.setdefault(number, []).append(stay)
        found = self._lying.get(day)
        return draw.choice(found) if found else None

    def idle(self, draw: random.Random) -> Patient:
        """Any patient."""
        return draw.choice(self.town.patients)
