"""What retention asks of the store and does to it: months and their logs, holds, tombstones, and a partition leaving in two steps.

A month leaves by DETACH (its rows are gone from the table, and still on disk) and DROP DETACHED, so that a hold placed in between
can still bring it back whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

import orjson
import polars as pl

from domain.checkpoint import Head
from domain.index_tree import Dimension
from store.engine import Engine
from store.logs import LogRecord, registered_logs
from store.redaction import RedactionStore

_MONTHS = """
SELECT epoch, writer, count(), min(seq), max(seq), max(time), max(received) FROM events
GROUP BY epoch, writer ORDER BY epoch, writer
"""

_SEALS = """
SELECT JSONExtractString(body, 'fields', 'origin'), JSONExtractUInt(body, 'fields', 'last_seq'), heads FROM spine
WHERE kind = 'seal' ORDER BY seq
"""

_FIELDS = "SELECT seq, JSONExtractRaw(body, 'fields') FROM spine WHERE kind = {kind:String} ORDER BY seq"

_ROWS = """
SELECT epoch, writer, seq, leaf, header, private, private_digest, event_id, source_system, source, action, actor_id, actor_kind,
    patient_id, outcome, time, received, device_id, device_kind, ip, format
FROM events
WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND seq >= {first:UInt64} AND seq < {end:UInt64}
ORDER BY seq
"""

_HOLDS = (
    "SELECT hold_id, change, at, by, scope, subject, first_epoch, last_epoch, reason FROM hold_changes ORDER BY at, change, hold_id"
)

_MONTHS_OF = {
    "patient": "SELECT DISTINCT epoch FROM events WHERE patient_id = {subject:String}",
    "actor": "SELECT DISTINCT epoch FROM events WHERE actor_id = {subject:String}",
}

_DETACHED = """
SELECT DISTINCT partition_id FROM system.detached_parts
WHERE database = currentDatabase() AND table = 'events' AND ifNull(partition_id, '') != '' AND ifNull(reason, '') = ''
"""

_DERIVED = ("access_facts", "delivery_facts")

ROWS_AT_ONCE = 65_536


class HoldScope(StrEnum):
    """What a hold keeps: everything, a range of months, or every month that has events of one patient or one actor."""

    ALL = "all"
    MONTHS = "months"
    PATIENT = "patient"
    ACTOR = "actor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold, with its release when there was one. `reason` and `subject` can be PHI: they are for the privacy officer."""

    hold_id: str
    scope: HoldScope
    reason: str
    placed_by: str
    placed_at: datetime
    subject: str = ""
    first_epoch: int = 0
    last_epoch: int = 0
    released_by: str = ""
    released_at: datetime | None = None
    release_reason: str = ""

    @property
    def is_active(self) -> bool:
        return self.released_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthLog:
    """One writer's entries of one month of receipt. `sealed_root` is the root in the spine's seal; None while the log is open."""

    epoch: int
    writer: str
    entries: int
    first_seq: int
    last_seq: int
    newest_time: datetime
    newest_received: datetime
    sealed_root: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What the spine says about a log that was disposed of. Hashes are hex."""

    spine_seq: int
    epoch: int
    writer: str
    first_seq: int
    last_seq: int
    count: int
    last_leaf: str
    root: str
    archive_sha256: str


class RetentionStore:
    """Reads months, logs, seals, tombstones and holds; takes months out of the table. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def month_logs(self) -> list[MonthLog]:
        """Every log that has rows, by month and writer."""
        seals = {}
        for origin, last_seq, lines in self._engine.rows(_SEALS):
            heads = [Head.parse(line) for line in str(lines).splitlines()]
            seals[str(origin)] = (_int(last_seq), next((head.root for head in heads if head.origin == origin), None))
        origins = {(record.writer, record.epoch): record.origin for record in registered_logs(self._engine)}
        found = []
        for epoch, writer, entries, first_seq, last_seq, time, received in self._engine.rows(_MONTHS):
            sealed_seq, root = seals.get(origins.get((str(writer), _int(epoch)), ""), (-1, None))
            found.append(
                MonthLog(
                    epoch=_int(epoch),
                    writer=str(writer),
                    entries=_int(entries),
                    first_seq=_int(first_seq),
                    last_seq=_int(last_seq),
                    newest_time=_instant(time),
                    newest_received=_instant(received),
                    sealed_root=root if sealed_seq == last_seq else None,
                )
            )
        return found

    def registered(self, epoch: int) -> list[LogRecord]:
        """The logs of a month as registered, by writer: origin, genesis and secret."""
        return [record for record in registered_logs(self._engine) if record.epoch == epoch]

    def rows(self, log: MonthLog) -> Iterator[pl.DataFrame]:
        """The rows of a log in order of seq, in frames of at most `ROWS_AT_ONCE`."""
        for first in range(log.first_seq, log.last_seq + 1, ROWS_AT_ONCE):
            end = min(first + ROWS_AT_ONCE, log.last_seq + 1)
            yield self._engine.frame(_ROWS, epoch=log.epoch, writer=log.writer, first=first, end=end)

    def tombstones(self) -> list[Tombstone]:
        """The tombstones in the spine, oldest first; of two for one log the later one holds."""
        found = [_tombstone(_int(seq), str(fields)) for seq, fields in self._engine.rows(_FIELDS, kind="tombstone")]
        return list({(tombstone.epoch, tombstone.writer): tombstone for tombstone in found}.values())

    def disposed(self) -> frozenset[int]:
        """The months that the spine says are disposed of: nothing brings them back."""
        rows = self._engine.rows(_FIELDS, kind="disposed")
        return frozenset(_int(orjson.loads(str(fields))["epoch"]) for _, fields in rows)

    def holds(self) -> list[Hold]:
        """Every hold ever placed, oldest first, each with its release."""
        found: dict[str, Hold] = {}
        for hold_id, change, at, by, scope, subject, first, last, reason in self._engine.rows(_HOLDS):
            key = str(hold_id)
            if change == "placed":
                found[key] = Hold(
                    hold_id=key,
                    scope=HoldScope(str(scope)),
                    reason=str(reason),
                    placed_by=str(by),
                    placed_at=_instant(at),
                    subject=str(subject),
                    first_epoch=_int(first),
                    last_epoch=_int(last),
                )
            elif key in found:
                found[key] = replace(found[key], released_by=str(by), released_at=_instant(at), release_reason=str(reason))
        return list(found.values())

    def held_months(self, hold: Hold) -> frozenset[int]:
        """The months in which a hold on a patient or an actor has events, redacted ones too; empty for other scopes."""
        question = _MONTHS_OF.get(hold.scope.value)
        if question is None:
            return frozenset()
        found = frozenset(_int(epoch) for (epoch,) in self._engine.rows(question, subject=hold.subject))
        return found | RedactionStore(self._engine).months_of(Dimension(hold.scope.value), hold.subject)

    def add_hold_change(self, hold: Hold, change: str, *, at: datetime, by: str, reason: str) -> None:
        """Append a row to the history of a hold: `placed` or `released`. Durable when it returns."""
        frame = pl.DataFrame(
            {
                "hold_id": [hold.hold_id],
                "change": [change],
                "at": pl.Series([at], dtype=pl.Datetime("us", "UTC")),
                "by": [by],
                "scope": [hold.scope.value],
                "subject": [hold.subject],
                "first_epoch": pl.Series([hold.first_epoch], dtype=pl.UInt32),
                "last_epoch": pl.Series([hold.last_epoch], dtype=pl.UInt32),
                "reason": [reason],
            }
        )
        self._engine.insert("hold_changes", frame)

    def detached(self) -> frozenset[int]:
        """The months that are out of the table but still on disk."""
        return frozenset(int(str(epoch)) for (epoch,) in self._engine.rows(_DETACHED) if str(epoch).isdigit())

    def detach(self, epoch: int) -> None:
        """Take a month out of the table; its parts stay on disk."""
        self._engine.execute(f"ALTER TABLE events DETACH PARTITION {_partition(epoch)}")

    def attach(self, epoch: int) -> None:
        """Bring a detached month back."""
        self._engine.execute(f"ALTER TABLE events ATTACH PARTITION {_partition(epoch)}")

    def drop_detached(self, epoch: int) -> None:
        """Delete the parts of a detached month from disk."""
        self._engine.execute(f"ALTER TABLE events DROP DETACHED PARTITION {_partition(epoch)} SETTINGS allow_drop_detached = 1")

    def delete_derived(self, tombstone: Tombstone) -> int:
        """Delete what analytics derived from the entries of a disposed log. Returns how many rows there were."""
        deleted = 0
        for table in _DERIVED:
            where = "writer = {writer:String} AND seq >= {first:UInt64} AND seq <= {last:UInt64}"
            place = {"writer": tombstone.writer, "first": tombstone.first_seq, "last": tombstone.last_seq}
            rows = _int(self._engine.rows(f"SELECT count() FROM {table} WHERE {where}", **place)[0][0])
            if rows:
                self._engine.execute(f"ALTER TABLE {table} DELETE WHERE {where}", **place)
            deleted += rows
        return deleted


def _partition(epoch: int) -> str:
    """A month as a partition literal: digits only, because it cannot be bound."""
    return f"{epoch:06d}"


def _tombstone(spine_seq: int, text: str) -> Tombstone:
    fields = orjson.loads(text)
    return Tombstone(
        spine_seq=spine_seq,
        epoch=_int(fields["epoch"]),
        writer=str(fields["writer"]),
        first_seq=_int(fields["first_seq"]),
        last_seq=_int(fields["last_seq"]),
        count=_int(fields["count"]),
        last_leaf=str(fields["last_leaf"]),
        root=str(fields["root"]),
        archive_sha256=str(fields["archive_sha256"]),
    )


def _instant(value: object) -> datetime:
    """An instant of a result row, which is in UTC without saying so."""
    assert isinstance(value, datetime)
    return value.replace(tzinfo=UTC)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
