"""Orders and what they set going in laboratory, imaging and pharmacy; coding, billing and questions after a visit."""

import random

from benchmarks.evaluation.hospital.house import House
from benchmarks.evaluation.hospital.plan import DAY, HOUR
from benchmarks.evaluation.hospital.records import Patient, Shift, Staff, Stay

DEPARTMENTS = {"lab": "Laboratory", "imaging": "Radiology", "medication": "Pharmacy"}
PERFORMERS = {"lab": "lab_technologist", "imaging": "imaging_technologist", "medication": "pharmacist"}


class OrderDesk:
    """Places orders and has them carried out by who is on duty."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._draw = house.plan.chance("orders")
        self._desk = house.desk("orders/sessions")

    def place(self, patient: Patient, by: Staff, at: float, encounter: str | None, *, inpatient: bool) -> None:
        """One order, written down or not, and the sessions that carry it out."""
        house, draw = self._house, self._draw
        kind = draw.choices(("lab", "imaging", "medication"), (5, 2, 4 if inpatient else 2))[0]
        kept = draw.random() >= house.plan.habits.gap
        done = at + draw.expovariate(1 / ((2 if inpatient else 14) * HOUR)) + 0.2 * HOUR
        worker = self._on_duty(PERFORMERS[kind], done)
        if worker is None:
            return
        named = worker.staff if draw.random() < 0.4 else None
        house.book.order(patient, encounter, kind, by, DEPARTMENTS[kind], named, at, done, kept=kept)
        end = self._desk.open(worker.staff, patient, done, worker.unit, documented=kept, more=1.2)
        if kind == "imaging":
            reader = self._on_duty("radiologist", end + HOUR) or self._on_duty("radiologist", end + 12 * HOUR)
            if reader is not None:
                when = max(end + 60, min(reader.end - 60, max(reader.start, end + draw.uniform(0.2, 3) * HOUR)))
                self._desk.open(reader.staff, patient, when, reader.unit, documented=kept)

    def after_care(self, stay: Stay) -> None:
        """Coding and billing once the patient has left; now and then the release of records, a review, a call weeks later."""
        end = stay.discharged
        self._office(stay.patient, "coding", "coder", "Health Information", end, (0.5, 5))
        self._office(stay.patient, "claim", "biller", "Revenue Cycle", end, (3, 12), chance=0.8)
        self._office(stay.patient, "release", "release_clerk", "Health Information", end, (2, 30), chance=0.07)
        self._late_look(stay.patient, stay.attending, end)

    def after_visit(self, patient: Patient, provider: Staff, at: float) -> None:
        """The same for a visit to a clinic or the emergency department."""
        self._office(patient, "coding", "coder", "Health Information", at, (0.5, 4), chance=0.25)
        self._office(patient, "claim", "biller", "Revenue Cycle", at, (2, 9), chance=0.45)
        self._late_look(patient, provider, at)

    def _office(
        self, patient: Patient, kind: str, role: str, department: str, end: float, days: tuple[float, float], chance: float = 1.0
    ) -> None:
        house, draw = self._house, self._draw
        if draw.random() > chance:
            return
        at = end + draw.uniform(*days) * DAY
        shift = self._during_hours(role, at)
        if shift is None:
            return
        kept = draw.random() >= house.plan.habits.gap
        named = shift.staff if draw.random() < 0.7 else None
        when = self._desk.moment(shift)
        opened = min(when - HOUR, end + draw.uniform(0.1, 0.4) * (when - end))
        house.book.task(patient, kind, named, department, opened, when + HOUR, kept=kept)
        self._desk.open(shift.staff, patient, when, shift.unit, documented=kept)

    def _late_look(self, patient: Patient, provider: Staff, end: float) -> None:
        """The patient calls, or a late result comes: a look long after the visit, which nothing on record announces."""
        draw = self._draw
        if draw.random() < self._house.plan.habits.gap * 0.6:
            day = self._house.plan.day_of(end + draw.uniform(16, 45) * DAY)
            shift = next((s for s in self._house.roster.of(provider) if s.day == day), None)
            if shift is not None and day < self._house.plan.days:
                self._desk.open(provider, patient, self._desk.moment(shift), shift.unit, documented=False, more=1.0)

    def _on_duty(self, role: str, at: float) -> Shift | None:
        day = self._house.plan.day_of(at)
        if not 0 <= day < self._house.plan.days:
            return None
        found = [s for d in (day, day - 1) for s in self._house.roles(role, d) if s.start <= at < s.end - 0.3 * HOUR]
        return self._draw.choice(found) if found else None

    def _during_hours(self, role: str, at: float) -> Shift | None:
        first = self._house.plan.day_of(at)
        for day in range(max(first, 0), min(first + 4, self._house.plan.days)):
            if shifts := self._house.roles(role, day):
                return self._draw.choice(shifts)
        return None


def choose(draw: random.Random, shifts: list[Shift]) -> Shift | None:
    """One of them, if there is any."""
    return draw.choice(shifts) if shifts else None
