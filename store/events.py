"""The read side of the ledger: one entry by its place, pages of entries by filter, and what a follower has not seen yet.

Paging is by key, never by offset: a page starts after the (time, writer, seq) of the last row shown, so rows that arrive meanwhile
neither shift nor repeat what was already read. One filter shape serves search, counts, reports and exports.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from domain.clock import microseconds
from domain.errors import InvalidInput, NotFound
from domain.record import StoredEvent
from store.engine import Engine
from store.entry_rows import COLUMNS, stored_event

MAX_LIMIT = 10_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_GET = f"SELECT {COLUMNS} FROM events WHERE writer = {{writer:String}} AND seq = {{seq:UInt64}} LIMIT 1"

_AT = f"""
SELECT {COLUMNS} FROM events
WHERE (writer, seq) IN (SELECT arrayJoin(arrayZip({{writers:Array(String)}}, {{seqs:Array(UInt64)}})))
"""

_BY_ID = """
SELECT writer, seq FROM events WHERE event_id = {event_id:String} AND source_system = {source_system:String}
ORDER BY writer, seq LIMIT 1
"""

_NEXT_WRITER = "SELECT writer FROM events WHERE writer > {writer:String} ORDER BY writer LIMIT 1"

_AFTER = f"""
SELECT {COLUMNS} FROM events WHERE writer = {{writer:String}} AND seq >= {{first:UInt64}} ORDER BY seq LIMIT {{limit:UInt32}}
"""

# The two-part bound: the plain comparison lets parts be skipped, the tuple makes it exact.
_BEFORE = (
    "time <= fromUnixTimestamp64Micro({key_time:Int64}, 'UTC') AND "
    "(time, writer, seq) < (fromUnixTimestamp64Micro({key_time:Int64}, 'UTC'), {key_writer:String}, {key_seq:UInt64})"
)

_ONE_VALUE = {"actor_id": "actor_id", "patient_id": "patient_id", "device_id": "device_id", "ip": "ip"}
_ANY_OF = {
    "actions": "action",
    "sources": "source",
    "source_systems": "source_system",
    "outcomes": "outcome",
    "actor_kinds": "actor_kind",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which entries are asked for. Times are the claimed ones, half open [since, until); an empty tuple means any value.

    `text` is looked for, whatever its case, in identifiers, device, address and details.
    """

    since: datetime | None = None
    until: datetime | None = None
    actor_id: str | None = None
    patient_id: str | None = None
    device_id: str | None = None
    ip: str | None = None
    actions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    source_systems: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    actor_kinds: tuple[str, ...] = ()
    text: str | None = None

    def names(self) -> tuple[str, ...]:
        """The filters in use, by name only: what the record of a read may say about the question."""
        return tuple(name for name in self.__slots__ if getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Entries, newest first, and the cursor of the page after them (None on the last page)."""

    events: tuple[StoredEvent, ...]
    next: str | None


class Events:
    """Reads entries. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, writer: str, seq: int) -> StoredEvent:
        """The entry at one place of one writer's log. Raises NotFound."""
        frame = self._engine.frame(_GET, writer=writer, seq=seq) if 0 <= seq < 2**64 else pl.DataFrame()
        if frame.is_empty():
            raise NotFound(f"the ledger has no entry {seq} by writer {writer}")
        return stored_event(frame.row(0, named=True))

    def at(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], StoredEvent]:
        """The entries at these places (writer, seq), in one question; places without entry are left out."""
        if not places:
            return {}
        frame = self._engine.frame(_AT, writers=[writer for writer, _ in places], seqs=[seq for _, seq in places])
        found = [stored_event(row) for row in frame.iter_rows(named=True)]
        return {(stored.writer, stored.seq): stored for stored in found}

    def find(self, source_system: str, event_id: str) -> tuple[str, int] | None:
        """Where the event with this id at its source lies: (writer, seq), or None. Scans one column; for single look-ups."""
        rows = self._engine.rows(_BY_ID, source_system=source_system, event_id=event_id)
        return (str(rows[0][0]), int(str(rows[0][1]))) if rows else None

    def search(self, wanted: EventFilter, after: str | None, limit: int) -> Page:
        """One page of entries, newest claimed time first, at most `limit` (1 to 10 000).

        `after` is the `next` of the page before. Raises InvalidInput for a cursor that no page gave.
        """
        limit = max(1, min(limit, MAX_LIMIT))
        where, parameters = condition(wanted)
        if after is not None:
            moment, writer, seq = _decoded(after)
            where = f"{where} AND {_BEFORE}"
            parameters |= {"key_time": microseconds(moment), "key_writer": writer, "key_seq": seq}
        sql = f"SELECT {COLUMNS} FROM events WHERE {where} ORDER BY time DESC, writer DESC, seq DESC LIMIT {{limit:UInt32}}"
        frame = self._engine.frame(sql, limit=limit + 1, **parameters)
        events = tuple(stored_event(row) for row in frame.head(limit).iter_rows(named=True))
        return Page(events=events, next=_encoded(events[-1]) if frame.height > limit else None)

    def writers(self) -> list[str]:
        """The writers that have entries. Skips along the primary key, so it costs the same in a log of any length."""
        found: list[str] = []
        while rows := self._engine.rows(_NEXT_WRITER, writer=found[-1] if found else ""):
            found.append(str(rows[0][0]))
        return found

    def after(self, positions: Mapping[str, int], limit: int) -> list[StoredEvent]:
        """What a follower has not seen: up to `limit` entries of every writer after its seq in `positions`, in log order.

        A writer that is not in `positions` starts at its first entry. Each writer gets its own share, so a busy one starves nobody.
        """
        found: list[StoredEvent] = []
        for writer in self.writers():
            frame = self._engine.frame(_AFTER, writer=writer, first=positions.get(writer, -1) + 1, limit=limit)
            found += [stored_event(row) for row in frame.iter_rows(named=True)]
        return found


def condition(wanted: EventFilter) -> tuple[str, dict[str, object]]:
    """The WHERE text of a filter, made of constants only, and the values to bind on the server."""
    parts = ["1"]
    parameters: dict[str, object] = {}
    for name, sign, moment in (("since", ">=", wanted.since), ("until", "<", wanted.until)):
        if moment is not None:
            parts.append(f"time {sign} fromUnixTimestamp64Micro({{{name}:Int64}}, 'UTC')")
            parameters[name] = microseconds(moment)
    for name, column in _ONE_VALUE.items():
        if value := getattr(wanted, name):
            parts.append(f"{column} = {{{name}:String}}")
            parameters[name] = value
    for name, column in _ANY_OF.items():
        if values := getattr(wanted, name):
            parts.append(f"{column} IN {{{name}:Array(String)}}")
            parameters[name] = list(values)
    if wanted.text:
        columns = ", '\\n', ".join(("event_id", "actor_id", "patient_id", "device_id", "ip", "action", "details"))
        parts.append(f"positionCaseInsensitiveUTF8(concat({columns}), {{text:String}}) > 0")
        parameters["text"] = wanted.text
    return " AND ".join(parts), parameters


def _encoded(last: StoredEvent) -> str:
    key = f"{microseconds(last.event.time)}.{last.seq}.{last.writer}"
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> tuple[datetime, str, int]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        moment, seq, writer = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split(".", 2)
        time, place = _EPOCH + timedelta(microseconds=int(moment)), int(seq)
    except (binascii.Error, ValueError, OverflowError) as error:
        raise InvalidInput("the cursor is not one this service gave; start again from the first page") from error
    if not 0 <= place < 2**64:
        raise InvalidInput("the cursor is not one this service gave; start again from the first page")
    return time, writer, place
