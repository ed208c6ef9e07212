"""Quarantine replay: what could not be understood then may be understood now."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.clock import Clock
from domain.record import Receipt, Rejected, Status
from ingest.collectors.routing import SYSLOG, SyslogRouter
from ingest.parsers import FORMATS, MAPPED, ROUTED, Explanation, FieldMapping, Parser, parser_for
from ingest.pipeline import Counts, Record, status_of, store_records, understood
from store.intake import Intake
from store.quarantine import Quarantine, Quarantined, QuarantinedRecord

_BATCH_BYTES = 32 * 1024 * 1024
_BATCH_RECORDS = 500

ParserFactory = Callable[[str, str, Clock], Parser | None]
"""(format, source system, moment of receipt) to a fresh parser, or None for a format that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCounts:
    """`read` records were tried; `accepted` and `duplicate` are settled now; `remaining` still wait in quarantine."""

    accepted: int
    duplicate: int
    remaining: int

    @property
    def read(self) -> int:
        """All records tried."""
        return self.accepted + self.duplicate + self.remaining


def quarantine_parser(
    format: str,  # noqa: A002
    source_system: str,
    received: Clock,
    mapping: Explanation | None = None,
) -> Parser | None:
    """The parser for quarantined records of a format; `syslog` stands for messages whose content was not known."""
    if format == SYSLOG:
        return SyslogRouter(source_system=source_system, received=received)
    if format not in FORMATS:
        return None
    told = mapping if format in (MAPPED if isinstance(mapping, FieldMapping) else ROUTED) else None
    return parser_for(format, source_system=source_system, received=received, mapping=told)


def replay(quarantine: Quarantine, intake: Intake, parser_factory: ParserFactory = quarantine_parser) -> ReplayCounts:
    """
    Parse every waiting record again, in the order of receipt; what parses whole goes to the ledger and is marked so.

    Records of one source and format share a parser, as they did when they came. A record that still does not parse stays as it is;
    one that the ledger refuses stays too, with that reason added. Stopping half way and starting again is safe.
    Raises Backpressure, IntegrityError.
    """
    replayed = _Replay(quarantine, intake, parser_factory)
    newest = quarantine.newest(limit=1)
    after: str | None = None
    while page := quarantine.pending(after=after):
        # What comes in meanwhile waits for the next run; so does what the ledger refuses now, which is received again by that.
        entries = [entry for entry in page if entry.received <= newest[0].received]
        for batch in _batches(entries):
            replayed.batch(quarantine.read(batch))
        if len(entries) < len(page):
            break
        after = page[-1].cursor
    return ReplayCounts(
        accepted=replayed.counts.accepted, duplicate=replayed.counts.duplicate, remaining=replayed.counts.quarantined
    )


class _Replay:
    """The parsers and counts of one run."""

    def __init__(self, quarantine: Quarantine, intake: Intake, parser_factory: ParserFactory) -> None:
        self.counts = Counts()
        self._quarantine = quarantine
        self._intake = intake
        self._parser_factory = parser_factory
        self._parsers: dict[tuple[str, str], Parser | None] = {}
        self._received = _Receipt()

    def batch(self, records: Sequence[QuarantinedRecord]) -> None:
        whole: list[tuple[str, Record]] = []
        for record in records:
            parser = self._parser(record.entry)
            self._received.record = record
            parsed = understood(parser, record.raw, source_system=record.entry.source_system) if parser else []
            if parsed and not any(isinstance(item, Rejected) for item in parsed):
                whole.append((record.entry.quarantine_id, parsed))
        answers = store_records(self._intake, [parsed for _, parsed in whole])
        settled: list[tuple[str, Receipt]] = []
        for (name, _), receipts in zip(whole, answers, strict=True):
            became = status_of(receipts)
            if became is not Status.QUARANTINED:
                settled.append((name, next(receipt for receipt in receipts if receipt.status is became)))
        self._quarantine.settle(settled)
        accepted = sum(receipt.status is Status.ACCEPTED for _, receipt in settled)
        self.counts += Counts(accepted=accepted, duplicate=len(settled) - accepted, quarantined=len(records) - len(settled))

    def _parser(self, entry: Quarantined) -> Parser | None:
        key = (entry.format, entry.source_system)
        if key not in self._parsers:
            self._parsers[key] = self._parser_factory(entry.format, entry.source_system, self._received)
        return self._parsers[key]


class _Receipt:
    """A clock that shows when the record at hand was first received: it settles the year of a time stamp without one."""

    def __init__(self) -> None:
        self.record: QuarantinedRecord | None = None

    def __call__(self) -> datetime:
        assert self.record is not None
        return self.record.entry.first_received


def _batches(entries: Sequence[Quarantined]) -> Iterator[list[Quarantined]]:
    batch: list[Quarantined] = []
    size = 0
    for entry in entries:
        if batch and (size + entry.size > _BATCH_BYTES or len(batch) == _BATCH_RECORDS):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry.size
    if batch:
        yield batch
