"""The questions of an export about the ledger as a whole: which logs there are, which of them it reaches, and what it omits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from domain.clock import microseconds
from domain.index_tree import Dimension
from domain.witness_policy import WitnessPolicy
from store.engine import Engine
from store.events import EventFilter, condition
from store.export_entries import ExportEntries
from store.export_logs import ExportLog, Subject, export_logs, open_logs
from store.export_redactions import ExportRedactions
from store.export_shared import shared_entries
from store.export_spine import ExportSpine, SpineQuote
from store.export_times import Attested, ExportTimes
from store.index_trees import IndexTrees
from store.logs import LogRecord, registered_logs

_SIGNED = "SELECT max(size) FROM checkpoints"

_MATCHES = "SELECT DISTINCT epoch, toString(writer) FROM events WHERE {where}"

_REDACTIONS = "SELECT DISTINCT epoch, toString(writer) FROM redactions"

_EXTENTS = """
SELECT epoch, writer, count(), min(seq), max(seq), countIf({where}) FROM events WHERE {covered}
GROUP BY epoch, writer ORDER BY writer, epoch
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


class ExportQuestions:
    """Read-only. What one export reads does not change while it is made: the ledger only grows, and growth lies beyond its logs."""

    def __init__(self, engine: Engine, spine_origin: str) -> None:
        self._engine = engine
        self._origin = spine_origin

    def spine(self, size: int) -> ExportSpine:
        """The spine under its checkpoint of this size."""
        return ExportSpine(self._engine, self._origin, size)

    def entries(self, wanted: EventFilter, subject: Subject | None) -> ExportEntries:
        """The entries that a filter finds."""
        return ExportEntries(self._engine, wanted, subject)

    def redactions(self, spine: ExportSpine) -> ExportRedactions:
        """What the spine says about redacted entries."""
        return ExportRedactions(self._engine, spine)

    def times(self, spine: ExportSpine, policy: WitnessPolicy | None) -> ExportTimes:
        """What others signed about the spine."""
        return ExportTimes(self._engine, spine, policy)

    def index_trees(self) -> IndexTrees:
        """The index trees of stored logs."""
        return IndexTrees(self._engine)

    def shared(self, rows: pl.DataFrame) -> list[int]:
        """Which of these entries have a raw record that is about other patients too (`store.export_shared`)."""
        return shared_entries(self._engine, rows)

    def signed_size(self) -> int:
        """Entries of the spine under the newest checkpoint; 0 before the first."""
        return _int(self._engine.rows(_SIGNED)[0][0])

    def checkpoint(self, needed: int, policy: WitnessPolicy | None) -> Attested:
        """The checkpoint of size `needed`; where a quorum cosigned only a later one, that. With its token, if it has one."""
        newest = self.signed_size()
        times = self.times(self.spine(newest), policy)
        return times.cosigned(needed, newest) or times.own(needed)

    def open_logs(self, heads: SpineQuote) -> list[tuple[LogRecord, int]]:
        """The logs that are not sealed, with their sizes, as a `heads` entry has them."""
        return open_logs(heads, registered_logs(self._engine))

    def logs(self, spine: ExportSpine, heads: SpineQuote) -> list[ExportLog]:
        """Every log that a `heads` entry leads to, by writer and month. Raises IntegrityError where a seal is missing."""
        disposed = frozenset(int(str(entry.fields["epoch"])) for entry in spine.of_kind("disposed"))
        return export_logs(heads, spine.seals(heads.number("last_seal")), registered_logs(self._engine), disposed)

    def reached(self, logs: Sequence[ExportLog], wanted: EventFilter, subject: Subject | None) -> list[ExportLog]:
        """Those of the logs that have entries of the subject, or without a subject entries that match."""
        where, parameters = condition(_of(subject) if subject else wanted)
        found = {(_int(epoch), str(writer)) for epoch, writer in self._engine.rows(_MATCHES.format(where=where), **parameters)}
        if subject is not None and subject.dimension is not Dimension.SOURCE_SYSTEM:
            # A redacted entry does not say whose it was; which ones are the subject's is asked log by log.
            found |= {(_int(epoch), str(writer)) for epoch, writer in self._engine.rows(_REDACTIONS)}
        return [log for log in logs if log.record is not None and log.head.size and (log.record.epoch, log.record.writer) in found]

    def extents(self, logs: Sequence[ExportLog], period: EventFilter) -> list[LogExtent]:
        """What these logs hold, as far as the export goes, with the number of entries in the period."""
        kept = {(log.record.epoch, log.record.writer): log for log in logs if log.record is not None and log.head.size}
        where, parameters = condition(period)
        covered, more = _covered(list(kept.values()))
        rows = self._engine.rows(_EXTENTS.format(where=where, covered=covered), **parameters, **more)
        return [
            LogExtent(
                origin=kept[_int(epoch), str(writer)].head.origin,
                writer=str(writer),
                epoch=_int(epoch),
                stored=_int(stored),
                first_seq=_int(first),
                last_seq=_int(last),
                in_period=_int(in_period),
            )
            for epoch, writer, stored, first, last, in_period in rows
            if (_int(epoch), str(writer)) in kept
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


def _of(subject: Subject) -> EventFilter:
    match subject.dimension:
        case Dimension.PATIENT:
            return EventFilter(patient_id=subject.name)
        case Dimension.ACTOR:
            return EventFilter(actor_id=subject.name)
        case Dimension.SOURCE_SYSTEM:
            return EventFilter(source_systems=(subject.name,))


def _covered(logs: Sequence[ExportLog]) -> tuple[str, dict[str, object]]:
    """The WHERE text that leaves out what open logs have gained since, and its values."""
    parts, parameters = ["1"], dict[str, object]()
    for number, log in enumerate(log for log in logs if not log.is_sealed):
        assert log.record is not None
        parts.append(
            f"NOT (epoch = {{epoch{number}:UInt32}} AND writer = {{writer{number}:String}} AND seq >= {{end{number}:UInt64}})"
        )
        parameters[f"epoch{number}"], parameters[f"writer{number}"] = log.record.epoch, log.record.writer
        parameters[f"end{number}"] = log.record.first_seq + log.head.size
    return " AND ".join(parts), parameters


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
