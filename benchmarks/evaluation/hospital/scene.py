"""The stage of incidents and decoys: who can play, who are strangers, when, and what is written down of it.

An incident is staged as a `Draft` and enters the diary only when it is complete, so a scenario that finds no cast leaves nothing.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from benchmarks.evaluation.hospital.diary import Row
from benchmarks.evaluation.hospital.house import House
from benchmarks.evaluation.hospital.places import Place
from benchmarks.evaluation.hospital.plan import DAY, HOUR
from benchmarks.evaluation.hospital.records import Patient, Person, Shift, Staff
from benchmarks.evaluation.hospital.work import MIXES
from domain.json import Json

CLINICAL = ("nurse", "physician", "resident", "medical_assistant", "therapist")
OFFICE = ("registration_clerk", "scheduler", "biller", "coder", "case_manager", "social_worker", "lab_technologist", "pharmacist")
ANYBODY = (*CLINICAL, *OFFICE)
CURIOUS = ("view_chart", "view_notes", "view_labs", "view_imaging", "view_demographics", "view_meds", "view_schedule")


class Nature(StrEnum):
    """Whether a rule can see it at once, or only behaviour over time tells."""

    RULE = "rule"
    BEHAVIOUR = "behaviour"


@dataclass(slots=True)
class Draft:
    """An incident being staged. `claimed` are numbers of ordinary rows that belong to it; `whole_account` says that what is wrong
    is who acts and not whose chart is open, so its (actor, patient) pairs are neither right nor wrong in the ranking."""

    rows: list[Row] = field(default_factory=list)
    claimed: list[int] = field(default_factory=list)
    whole_account: bool = False

    def act(
        self, at: float, actor: str, action: str, place: Place | None, *, kind: str = "staff", source: str = "access",
        patient: str | None = None, outcome: str | None = "success", module: str | None = None, seconds: int | None = None,
        extra: dict[str, Json] | None = None,
    ) -> None:  # fmt: skip
        """One event."""
        self.rows.append((at, source, action, actor, kind, patient, outcome, place, module, seconds, extra))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`weight` is how often it is staged; `targeted` means somebody looked for a person; `known` that the documents name it."""

    name: str
    nature: Nature
    stage: Callable[["Scene"], Draft | None]
    weight: float = 1.0
    targeted: bool = False
    known: bool = True


class Scene:
    """Chooses people, days and moments. One cast per hospital: nobody plays in two incidents, no patient is wronged twice."""

    def __init__(self, house: House, topic: str) -> None:
        self.house = house
        self.plan = house.plan
        self.draw: random.Random = house.plan.chance(topic)
        self._used: set[str] = set()

    # Who.

    def players(self, roles: Sequence[str], fits: Callable[[Staff], bool] = lambda _: True) -> Iterator[Staff]:
        """Staff of the roles, in random order, who work in the time for incidents and play nowhere yet."""
        found = [
            s for s in self.house.town.staff if s.role in roles and s.account not in self._used and s.gone is None and s.hired < 0
        ]
        self.draw.shuffle(found)
        for staff in found:
            if len(self.shifts(staff)) > 2 and fits(staff):
                yield staff

    def player(self, roles: Sequence[str] = ANYBODY, fits: Callable[[Staff], bool] = lambda _: True) -> Staff | None:
        """One of them, taken."""
        staff = next(self.players(roles, fits), None)
        return None if staff is None else self.take(staff)

    def take(self, staff: Staff) -> Staff:
        self._used.add(staff.account)
        return staff

    def take_patient(self, patient: Patient) -> Patient:
        self._used.add(patient.patient_id)
        return patient

    def is_free(self, patient: Patient | None) -> bool:
        return patient is not None and patient.patient_id not in self._used

    def is_stranger(self, staff: Staff, patient: Patient) -> bool:
        """Whether nothing ties the two by work: no session, no record that meets person, unit or department."""
        worked = {staff.unit, staff.department, *(part for part in (staff.moved or ())[1:])}
        worked |= {shift.unit for shift in self.house.roster.of(staff)}
        worked |= {self.house.town.unit(unit).department for unit in {shift.unit for shift in self.house.roster.of(staff)}}
        return (
            staff.account not in patient.seen
            and not worked & patient.touched
            and patient.primary_care != staff.staff_id
            and patient.person is not staff.person
        )

    def is_unrelated(self, staff: Staff, patient: Patient) -> bool:
        """Whether nothing ties the two outside work either."""
        me, other = staff.person, patient.person
        near = other.home.street == me.home.street and other.home.town == me.home.town
        tied = {id(p) for p in (*me.house, *me.kin, me.friend, me.former_partner) if p is not None}
        return not near and id(other) not in tied and other.last != me.last and other.staff is None

    def strangers(self, staff: Staff, count: int, fits: Callable[[Patient], bool] = lambda _: True) -> list[Patient]:
        """Patients that neither work nor life ties to somebody; fewer than asked for if there are no more."""
        found: list[Patient] = []
        for _ in range(60 * count):
            patient = self.draw.choice(self.house.town.patients)
            fine = self.is_free(patient) and patient not in found and not patient.vip and fits(patient)
            if fine and self.is_stranger(staff, patient) and self.is_unrelated(staff, patient):
                found.append(patient)
                if len(found) == count:
                    break
        return found

    def pair(self, roles: Sequence[str], others: Callable[[Staff], Sequence[Person | None]]) -> tuple[Staff, Patient] | None:
        """Somebody and a patient among the `others` of that person, not tied by work; both taken."""
        for staff in self.players(roles):
            for person in others(staff):
                patient = person.patient if person is not None else None
                if patient is not None and self.is_free(patient) and self.is_stranger(staff, patient):
                    return self.take(staff), self.take_patient(patient)
        return None

    # When and where.

    def shifts(self, staff: Staff) -> list[Shift]:
        """The shifts of somebody in which an incident may lie."""
        return [s for s in self.house.roster.of(staff) if self.plan.warm_up <= s.day < self.plan.days - 1]

    def shift(self, staff: Staff) -> Shift:
        return self.draw.choice(self.shifts(staff))

    def moment(self, shift: Shift) -> float:
        """In the midst of the ordinary work of a shift."""
        return self.draw.uniform(shift.start + 0.4 * HOUR, shift.end - 0.6 * HOUR)

    def day(self) -> int:
        return self.draw.randrange(self.plan.warm_up, self.plan.days - 1)

    def seat(self, staff: Staff, shift: Shift) -> Place:
        return self.house.machines.desk(shift.unit, self.draw, int(staff.staff_id[1:]))

    def occasion(self, staff: Staff) -> tuple[float, Place]:
        """A moment of a shift and the machine there."""
        shift = self.shift(staff)
        return self.moment(shift), self.seat(staff, shift)

    # What.

    def look(
        self, draft: Draft, staff: Staff, patient: Patient, at: float, place: Place, *, actions: Sequence[str] | None = None,
        searched: float = 0.35, longest: int = 150,
    ) -> float:  # fmt: skip
        """Open a chart that is nobody's business here: a screen or a few, after a search by name sometimes. Returns the end."""
        if actions is None:
            actions = self._screens(staff)
        if self.draw.random() < searched:
            draft.act(at - self.draw.uniform(4, 50), staff.account, "search", place, module="search", extra={"method": "name"})
        for action in actions:
            seconds = min(4 + int(self.draw.expovariate(1 / 50)), longest)
            module = action.partition("_")[2] or action
            draft.act(at, staff.account, action, place, patient=patient.patient_id, module=module, seconds=seconds)
            at += seconds + self.draw.uniform(0.5, 20)
        return at

    def _screens(self, staff: Staff) -> Sequence[str]:
        """What is looked at: half of the time what the role looks at all day, so that the kind of screen gives nobody away."""
        usual = [action for action in MIXES[staff.role] if action.startswith("view_")] or ["view_chart"]
        more = self.draw.choice((0, 0, 1, 1, 2, 3))
        if self.draw.random() < 0.5:
            return (usual[0], *self.draw.choices(usual, k=more))
        return ("view_chart", *self.draw.sample(CURIOUS[1:], more))

    def visits(self, staff: Staff, count: int, longest: float = 60.0) -> list[Shift]:
        """`count` different shifts of somebody, at most `longest` days apart, in order."""
        shifts = self.shifts(staff)
        start = self.draw.randrange(0, max(1, len(shifts) - count + 1))
        near = [s for s in shifts[start:] if s.start - shifts[start].start <= longest * DAY]
        return sorted(self.draw.sample(near, min(count, len(near))), key=lambda shift: shift.start)

    def rows_of(self, account: str, begin: float, end: float) -> list[int]:
        """Numbers of the ordinary rows of an account in a period that open a chart."""
        rows = self.house.diary.rows
        return [n for n, row in enumerate(rows) if row[3] == account and begin <= row[0] < end and row[5] is not None]
