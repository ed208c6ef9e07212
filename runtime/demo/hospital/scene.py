"""The scene in which things happen: everybody and every record, and how an opened chart is written into the diary."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from domain.event import Actor, ActorKind, Source
from domain.json import Json
from runtime.demo.hospital.care import Care
from runtime.demo.hospital.diary import Diary, Entry, System
from runtime.demo.hospital.people import People
from runtime.demo.hospital.places import Place
from runtime.demo.hospital.plan import Plan
from runtime.demo.hospital.records import Encounter, Shift, Staff
from runtime.demo.hospital.roster import Roster

MODULES = {
    "chart": "chart",
    "notes": "notes",
    "note": "notes",
    "labs": "results",
    "result": "results",
    "meds": "medication",
    "med": "medication",
    "vitals": "flowsheet",
    "orders": "orders",
    "order": "orders",
    "imaging": "imaging",
    "billing": "billing",
    "demographics": "registration",
    "schedule": "scheduling",
}
"""The module of the record in which an action takes place, by the words of the action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """A patient on a unit for a time."""

    encounter: Encounter
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    plan: Plan
    people: People
    roster: Roster
    care: Care
    diary: Diary
    beds: dict[str, list[Bed]] = field(default_factory=dict)

    def open_chart(
        self,
        staff: Staff,
        patient_id: str,
        when: datetime,
        actions: Iterable[str],
        place: Place,
        chance: random.Random,
        *,
        because: str = "",
        system: System = System.EHR,
        incident: str | None = None,
        seconds: tuple[int, int] = (20, 240),
    ) -> datetime:
        """Write the actions of one visit to one chart, one after another; gives the moment it ends."""
        for action in actions:
            duration = chance.randint(*seconds)
            self.diary.write(
                Entry(
                    system=system,
                    time=when,
                    source=Source.ACCESS,
                    action=action,
                    actor=Actor(id=staff.account_id, kind=ActorKind.STAFF),
                    patient_id=patient_id,
                    device=place.device,
                    ip=place.ip,
                    details={"module": module_of(action), "duration_s": duration},
                    because=because,
                    incident=incident,
                )
            )
            when += timedelta(seconds=duration + chance.randint(1, 20))
        return when

    def note(
        self,
        staff: Staff,
        when: datetime,
        action: str,
        place: Place,
        *,
        patient_id: str | None = None,
        outcome: str = "success",
        details: Mapping[str, Json] | None = None,
        because: str = "",
        incident: str | None = None,
    ) -> None:
        """Write a single action that is not part of a chart visit: a login, a search, an export, breaking the glass."""
        self.diary.write(
            Entry(
                system=System.EHR,
                time=when,
                source=Source.ACCESS,
                action=action,
                actor=Actor(id=staff.account_id, kind=ActorKind.STAFF),
                patient_id=patient_id,
                outcome=outcome,
                device=place.device,
                ip=place.ip,
                details=details or {},
                because=because,
                incident=incident,
            )
        )

    def in_beds(self, unit: str, begin: datetime, end: datetime) -> list[Bed]:
        """Who lies on the unit at some time between the two moments."""
        return [bed for bed in self.beds.get(unit, ()) if bed.begin < end and begin < bed.end]

    def posts(self, *roles: str) -> list[Staff]:
        """Present staff of these roles."""
        return [staff for staff in self.people.staff.values() if staff.role in roles and staff.termination_date is None]

    def shift_on(self, staff: Staff, day: date) -> Shift | None:
        """The shift that begins on the local day, if any."""
        return next((shift for shift in self.roster.of(staff.staff_id) if self.plan.local(shift.start).date() == day), None)


def set_scene(plan: Plan, people: People, roster: Roster, care: Care, diary: Diary) -> Scene:
    """Put the patients into their beds."""
    beds: dict[str, list[Bed]] = {}
    for encounter in care.encounters:
        for stay in encounter.locations:
            beds.setdefault(stay.unit, []).append(Bed(encounter=encounter, begin=stay.from_, end=stay.to or plan.until))
    return Scene(plan=plan, people=people, roster=roster, care=care, diary=diary, beds=beds)


def module_of(action: str) -> str:
    """`view_labs` → results; what names no part of a chart is administration."""
    return next((MODULES[word] for word in reversed(action.split("_")) if word in MODULES), "administration")


def between(chance: random.Random, begin: datetime, end: datetime) -> datetime:
    """A moment between the two, to the second; `begin` where nothing lies between."""
    return begin + timedelta(seconds=round(chance.random() * max(0.0, (end - begin).total_seconds())))


def some(chance: random.Random, shares: Sequence[tuple[str, float]]) -> list[str]:
    """Each action with its own probability, in the order given."""
    return [action for action, share in shares if chance.random() < share]
