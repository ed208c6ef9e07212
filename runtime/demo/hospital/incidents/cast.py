"""Casting: who does what to whom, so that an incident is one, and only of its kind.

Strangers are patients with no tie of care to the person, unit or department, who are neither public figures, nor restricted, nor
staff, nor namesakes, nor under one roof with the person.
"""

import random
from collections.abc import Callable, Iterable
from datetime import date, datetime

from runtime.demo.hospital.care import hours
from runtime.demo.hospital.places import Place, remote, station
from runtime.demo.hospital.records import Patient, Shift, Staff
from runtime.demo.hospital.scene import Scene, between


class Cast:
    """Remembers who has a part already."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.chance: random.Random = scene.plan.chance("incidents")
        self._taken: set[str] = {staff_id for staff_id, _ in scene.people.kin}
        employed = {staff.patient_id for staff in scene.people.staff.values()}
        self._ordinary = [
            p for p in scene.people.patients.values() if not p.vip and not p.restricted and p.patient_id not in employed
        ]

    def player(self, roles: Iterable[str], fits: Callable[[Staff], bool] = lambda _: True) -> tuple[Staff, Shift]:
        """Somebody without a part who is at work on a day for incidents, with that shift."""
        people = self.scene.posts(*roles)
        self.chance.shuffle(people)
        for staff in people:
            shifts = self.shifts(staff)
            if staff.staff_id not in self._taken and shifts and fits(staff):
                self.take(staff)
                return staff, self.chance.choice(shifts)
        raise LookupError("the hospital is too small for its incidents")

    def take(self, staff: Staff) -> None:
        self._taken.add(staff.staff_id)

    def kin(self) -> tuple[Staff, Patient]:
        """A member of staff and their relative elsewhere in town, with whom their work has nothing to do."""
        people = self.scene.people
        pairs = [(people.staff[staff_id], people.patients[patient_id]) for staff_id, patient_id in people.kin]
        return next(pair for pair in pairs if pair[1].patient_id not in self.scene.care.patients_known_to(people, pair[0]))

    def free(self, staff: Staff) -> bool:
        """Still employed, without a part, and at work on some day for incidents."""
        return staff.termination_date is None and staff.staff_id not in self._taken and bool(self.shifts(staff))

    def shifts(self, staff: Staff) -> list[Shift]:
        """Shifts that begin and end on days for incidents."""
        days = set(self.scene.plan.incident_dates)
        local = self.scene.plan.local
        return [s for s in self.scene.roster.of(staff.staff_id) if {local(s.start).date(), local(s.end).date()} <= days]

    def strangers(self, staff: Staff, count: int) -> list[Patient]:
        """So many different patients who are none of this person's business."""
        known = self.scene.care.patients_known_to(self.scene.people, staff)
        pool = [
            p
            for p in self._ordinary
            if p.patient_id not in known and p.last_name != staff.last_name and not self.scene.people.related(staff, p)
        ]
        return self.chance.sample(pool, count)

    def during(self, shift: Shift) -> datetime:
        """A moment well inside the shift."""
        return between(self.chance, shift.start + hours(1), shift.end - hours(1.5))

    def desk(self, staff: Staff, shift: Shift) -> Place:
        """Where the person usually sits."""
        return station(staff, shift.unit, self.chance)

    def occasion(self, staff: Staff) -> tuple[datetime, Place]:
        """During a shift at the usual desk; for those who have none on these days, from home at noon."""
        shifts = self.shifts(staff)
        if shifts:
            shift = self.chance.choice(shifts)
            return self.during(shift), self.desk(staff, shift)
        day = self.chance.choice(self.scene.plan.incident_dates)
        return self.scene.plan.at(day, 12 + self.chance.random()), remote(staff, self.chance)

    def night(self) -> tuple[date, datetime]:
        """A day for incidents and a moment in its small hours."""
        day = self.chance.choice(self.scene.plan.incident_dates)
        return day, self.scene.plan.at(day, 1.5 + self.chance.random() * 3)
