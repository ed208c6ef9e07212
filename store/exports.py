"""The questions of an export: which entries a filter finds, log by log up to where a checkpoint covers them, and what it omits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.checkpoint import Head
from domain.clock import microseconds
from domain.entry import body_bytes, genesis, private_digest, salt
from domain.merkle import inclusion_proof
from store.engine import Engine
from store.events import EventFilter, condition
from store.logs import LogRecord, registered_logs
from store.tree import Log, StoredNodes

_COMMITTED = "SELECT heads FROM spine WHERE position(heads, {origin:String}) > 0 ORDER BY seq DESC LIMIT 1"

_MATCHES = "SELECT DISTINCT epoch, writer FROM events WHERE {where} ORDER BY writer, epoch"

_ROWS = """
SELECT seq, leaf, header, private, private_digest, time, received, source, source_system, event_id, action, outcome, actor_id,
    actor_kind, patient_id, device_id, device_kind, ip, details, format
FROM events
WHERE epoch = {{epoch:UInt32}} AND writer = {{writer:String}} AND seq >= {{first:UInt64}} AND seq <= {{last:UInt64}} AND {where}
ORDER BY seq LIMIT {{limit:UInt32}}
"""

_EXTENTS = """
SELECT epoch, writer, count(), min(seq), max(seq), countIf({where}) FROM events GROUP BY epoch, writer ORDER BY writer, epoch
"""

_SOURCES = """
SELECT source_system, count(), toUnixTimestamp64Micro(min(time)), toUnixTimestamp64Micro(max(time)),
    toUnixTimestamp64Micro(max(received))
FROM events WHERE {where} GROUP BY source_system ORDER BY source_system
"""

_QUARANTINED = """
SELECT source_system, uniqExact(id) FROM quarantine
WHERE id NOT IN (SELECT id FROM quarantine_outcomes) AND received >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
    AND received < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
GROUP BY source_system ORDER BY source_system
"""

_DISPOSED = """
SELECT JSONExtractString(body, 'fields', 'origin'), JSONExtractUInt(body, 'fields', 'count') FROM spine
WHERE kind = 'tombstone' ORDER BY seq
"""

_NEWEST = "SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1"
_SPINE_ROW = "SELECT seq, body, leaf FROM spine WHERE seq >= {first:UInt64} AND seq <= {last:UInt64} ORDER BY seq"

_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredLog:
    """A log with entries that match, as far as a checkpoint covers it: up to and including `last_seq`."""

    record: LogRecord
    last_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedEntry:
    """One entry as an export gives it. `body` is what was hashed; `salt` is None where the private part was redacted."""

    writer: str
    seq: int
    leaf: bytes
    body: bytes
    private: bytes
    salt: bytes | None
    time: datetime
    received: datetime
    source: str
    source_system: str
    event_id: str
    action: str
    outcome: str
    actor_id: str
    actor_kind: str
    patient_id: str
    device_id: str
    device_kind: str
    ip: str
    details: str
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogExtent:
    """What a log holds: `stored` entries from `first_seq` to `last_seq`, of which `in_period` by claimed time."""

    origin: str
    writer: str
    epoch: int
    stored: int
    first_seq: int
    last_seq: int
    in_period: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceExtent:
    """What a source system reported in the period: microseconds since 1970 of its first and last event and of the last receipt."""

    source_system: str
    events: int
    first: int
    last: int
    last_received: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpineReceipt:
    """A spine entry with its inclusion proof under `checkpoint`: enough to show that the ledger signed it."""

    index: int
    body: str
    previous: bytes
    path: Sequence[bytes]
    checkpoint: str


class ExportQuestions:
    """Read-only. What one export reads does not change while it is made: the ledger only grows, and growth lies past `last_seq`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def covered_logs(self, wanted: EventFilter) -> list[CoveredLog]:
        """The logs with matching entries, by writer and month, and how far the spine has committed to each by now."""
        records = {(record.epoch, record.writer): record for record in registered_logs(self._engine)}
        newest = {record.writer: record for record in records.values()}
        ends = {record.origin: self._committed_end(record) for record in newest.values()}
        where, parameters = condition(wanted)
        found = []
        for epoch, writer in self._engine.rows(_MATCHES.format(where=where), **parameters):
            record = records[_int(epoch), str(writer)]
            # A log that is not its writer's newest is sealed: the spine has committed to the whole of it.
            end = ends.get(record.origin, 2**63 - 1)
            found.append(CoveredLog(record=record, last_seq=end))
        return [log for log in found if log.last_seq >= log.record.first_seq]

    def entries(self, log: CoveredLog, wanted: EventFilter) -> Iterator[ExportedEntry]:
        """The matching entries of a log in order of seq; memory is bounded by one portion."""
        where, parameters = condition(wanted)
        sql, first = _ROWS.format(where=where), log.record.first_seq
        place = {"epoch": log.record.epoch, "writer": log.record.writer, "last": log.last_seq, "limit": _ROWS_AT_ONCE}
        while True:
            frame = self._engine.frame(sql, first=first, **place, **parameters)
            for row in frame.iter_rows(named=True):
                yield _entry(row, log.record)
            if frame.height < _ROWS_AT_ONCE:
                return
            first = frame["seq"][-1] + 1

    def extents(self, period: EventFilter) -> list[LogExtent]:
        """Every log in the table, with the number of its entries in the period."""
        origins = {(record.epoch, record.writer): record.origin for record in registered_logs(self._engine)}
        where, parameters = condition(period)
        return [
            LogExtent(
                origin=origins.get((_int(epoch), str(writer)), ""),
                writer=str(writer),
                epoch=_int(epoch),
                stored=_int(stored),
                first_seq=_int(first),
                last_seq=_int(last),
                in_period=_int(in_period),
            )
            for epoch, writer, stored, first, last, in_period in self._engine.rows(_EXTENTS.format(where=where), **parameters)
        ]

    def sources(self, period: EventFilter) -> list[SourceExtent]:
        """What each source system reported in the period, whether or not it matched."""
        where, parameters = condition(period)
        return [
            SourceExtent(
                source_system=str(name), events=_int(events), first=_int(first), last=_int(last), last_received=_int(received)
            )
            for name, events, first, last, received in self._engine.rows(_SOURCES.format(where=where), **parameters)
        ]

    def quarantined(self, since: datetime, until: datetime) -> Mapping[str, int]:
        """Records received in the period that could not be understood and still wait, by source system."""
        rows = self._engine.rows(_QUARANTINED, since=microseconds(since), until=microseconds(until))
        return {str(name): _int(number) for name, number in rows}

    def disposed(self) -> Mapping[str, int]:
        """Logs that were disposed of after retention, by origin, with their number of entries."""
        return {str(origin): _int(number) for origin, number in self._engine.rows(_DISPOSED)}

    def newest_checkpoint(self) -> str:
        """The newest signed checkpoint; '' before the first."""
        rows = self._engine.rows(_NEWEST)
        return str(rows[0][0]) if rows else ""

    def receipt(self, spine_origin: str, seq: int, checkpoint: str) -> SpineReceipt:
        """The spine entry `seq`, proven under the checkpoint that was signed with it (of size seq + 1)."""
        frame = self._engine.frame(_SPINE_ROW, first=max(0, seq - 1), last=seq)
        previous = frame["leaf"][0] if seq else genesis(spine_origin, b"")
        path = inclusion_proof(StoredNodes(self._engine, Log(origin=spine_origin)), seq, seq + 1)
        return SpineReceipt(index=seq, body=frame["body"][-1], previous=previous, path=path, checkpoint=checkpoint)

    def _committed_end(self, record: LogRecord) -> int:
        rows = self._engine.rows(_COMMITTED, origin=f"{record.origin} ")
        for line in str(rows[0][0]).splitlines() if rows else ():
            head = Head.parse(line)
            if head.origin == record.origin:
                return record.first_seq + head.size - 1
        return -1


def _entry(row: Mapping[str, object], record: LogRecord) -> ExportedEntry:
    seq, leaf, time, received = row["seq"], row["leaf"], row["time"], row["received"]
    assert isinstance(seq, int)
    assert isinstance(leaf, bytes)
    assert isinstance(time, datetime)
    assert isinstance(received, datetime)
    private, redacted = str(row["private"]).encode(), str(row["private_digest"])
    salted = salt(record.secret, record.writer, seq)
    digest = bytes.fromhex(redacted) if redacted else private_digest(private, salted)
    return ExportedEntry(
        writer=record.writer,
        seq=seq,
        leaf=leaf,
        body=body_bytes(str(row["header"]).encode(), digest),
        private=private,
        salt=None if redacted else salted,
        time=time,
        received=received,
        source=str(row["source"]),
        source_system=str(row["source_system"]),
        event_id=str(row["event_id"]),
        action=str(row["action"]),
        outcome=str(row["outcome"]),
        actor_id=str(row["actor_id"]),
        actor_kind=str(row["actor_kind"]),
        patient_id=str(row["patient_id"]),
        device_id=str(row["device_id"]),
        device_kind=str(row["device_kind"]),
        ip=str(row["ip"]),
        details=str(row["details"]),
        format=str(row["format"]),
    )


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
