"""The two sides of the record: who was in a patient's record, and what one person or program did."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.clock import microseconds
from store.engine import Engine

_VISITORS = """
SELECT actor_id, any(actor_kind) AS actor_kind, count() AS events, min(events.time) AS first, max(events.time) AS last,
    arraySort(groupUniqArray(8)(action)) AS actions
FROM events WHERE patient_id = {patient:String} AND patient_id != ''
GROUP BY actor_id ORDER BY last DESC, actor_id LIMIT {top:UInt32}
"""

_DAYS = """
SELECT toDate(toTimezone(time, {zone:String})) AS day, count() AS events, uniqIf(patient_id, patient_id != '') AS patients
FROM events WHERE actor_id = {actor:String} AND time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') GROUP BY day ORDER BY day
"""

_PLACES = """
SELECT device_id, any(device_kind) AS device_kind, ip, count() AS events, max(time) AS last FROM events
WHERE actor_id = {actor:String} AND time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND (device_id != '' OR ip != '')
GROUP BY device_id, ip ORDER BY events DESC, last DESC LIMIT {top:UInt32}
"""

_SPAN = """
SELECT count() AS events, min(time) AS first, max(time) AS last, any(actor_kind) AS kind,
    uniqIf(patient_id, patient_id != '') AS patients
FROM events WHERE {column} = {{subject:String}} AND {column} != ''
"""

# The ledger has a way from an actor to their entries, the facts have one from an entry: together nothing is scanned.
_POST = """
SELECT argMax(actor_role, time) AS role, argMax(actor_department, time) AS department, argMax(staff_id, time) AS staff_id,
    count() AS accesses, sum(explained) AS explained
FROM access_facts FINAL
WHERE patient_id != '' AND (writer, seq) IN
    (SELECT writer, seq FROM events WHERE actor_id = {actor:String} AND time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC'))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Someone who was in a patient's record, with up to eight of the things they did there."""

    actor_id: str
    actor_kind: str
    events: int
    first: datetime
    last: datetime
    actions: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfActor:
    """One local day of an actor: events, and different patients among them."""

    day: date
    events: int
    patients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an actor worked from."""

    device_id: str
    device_kind: str
    ip: str
    events: int
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How much of someone is in the ledger; `kind` is an actor's, `patients` how many different ones (about)."""

    events: int
    first: datetime
    last: datetime
    kind: str
    patients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """An actor as the reference data knew them last, and how many of their accesses to records have a reason on record."""

    role: str
    department: str
    staff_id: str
    accesses: int
    explained: int


class People:
    """Asks about one patient or one actor, through the projections of the ledger. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def patient(self, patient_id: str) -> Span | None:
        """A patient's time in the ledger; None where nothing is about them."""
        return self._span("patient_id", patient_id)

    def actor(self, actor_id: str) -> Span | None:
        """An actor's time in the ledger; None where they did nothing."""
        return self._span("actor_id", actor_id)

    def visitors(self, patient_id: str, top: int) -> Sequence[Visitor]:
        """Who was in the record, the latest first."""
        frame = self._engine.frame(_VISITORS, patient=patient_id, top=top)
        return [Visitor(**{**row, "actions": tuple(row["actions"])}) for row in frame.iter_rows(named=True)]

    def days(self, actor_id: str, since: datetime, zone: str) -> Sequence[DayOfActor]:
        """The actor's local days from `since` on; days without events are left out."""
        frame = self._engine.frame(_DAYS, actor=actor_id, since=microseconds(since), zone=zone)
        return [DayOfActor(**row) for row in frame.iter_rows(named=True)]

    def places(self, actor_id: str, since: datetime, top: int) -> Sequence[Place]:
        """The devices and addresses the actor used from `since` on, the most used first."""
        frame = self._engine.frame(_PLACES, actor=actor_id, since=microseconds(since), top=top)
        return [Place(**row) for row in frame.iter_rows(named=True)]

    def post(self, actor_id: str, since: datetime) -> Post | None:
        """What analytics knew about the actor from `since` on; None where it saw no access of theirs to a record."""
        post = Post(**self._engine.frame(_POST, actor=actor_id, since=microseconds(since)).row(0, named=True))
        return post if post.accesses else None

    def _span(self, column: str, subject: str) -> Span | None:
        span = Span(**self._engine.frame(_SPAN.format(column=column), subject=subject).row(0, named=True))
        return span if span.events else None
