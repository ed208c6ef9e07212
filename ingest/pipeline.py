"""From bytes to receipts: cut, parse, store in batches, count by record.

A record may hold several events (one per patient of a result set). It counts once: accepted when all of its events are in the
ledger and at least one is new, duplicate when all were there before, quarantined when any part of it is in quarantine, spooled when
it waits on this node's disk for a store that is away.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from domain.errors import Backpressure
from domain.record import Parsed, Receipt, Rejected, Status, became
from ingest.inbox import Inbox
from ingest.parsers import MAX_RECORD, Oversize, Parser, split_records
from store.quarantine import Fragment

BATCH_RECORDS = 5_000
BATCH_BYTES = 16 * 1024 * 1024
LINGER_SECONDS = 0.05
PATIENCE_SECONDS = 60.0

_LOG = logging.getLogger(__name__)

Record = Sequence[Parsed]
"""One record as parsed: its events, or one Rejected."""


class Desk(Protocol):
    """Where records are handed in (`Intake`, or `SpooledDesk` before it): receipts in the order given, once durable.

    Raises Backpressure, after which handing in the same batch again is safe, and IntegrityError.
    """

    def submit(self, batch: Sequence[Parsed]) -> list[Receipt]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of the records of a feed: accepted + duplicate + quarantined + spooled = read."""

    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    spooled: int = 0

    @property
    def read(self) -> int:
        """All records."""
        return self.accepted + self.duplicate + self.quarantined + self.spooled

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            accepted=self.accepted + other.accepted,
            duplicate=self.duplicate + other.duplicate,
            quarantined=self.quarantined + other.quarantined,
            spooled=self.spooled + other.spooled,
        )


def parsed_records(
    chunks: Iterable[bytes], parser: Parser, *, source_system: str, max_record: int = MAX_RECORD
) -> Iterator[Record]:
    """The records in a stream of bytes, parsed one by one in bounded memory. Raises InvalidInput for an unknown format."""
    for record in split_records(parser.format, chunks, max_record=max_record):
        if isinstance(record, Oversize):
            rejected = record.rejected(source_system=source_system, format=parser.format)
            yield [Fragment(source_system=source_system, format=parser.format, reason=rejected.reason, raw=rejected.raw)]
        else:
            yield understood(parser, record, source_system=source_system)


def understood(parser: Parser, record: bytes, *, source_system: str) -> Record:
    """What the parser makes of a record. Parsers do not raise; should one have a defect, it costs this record and not the feed."""
    try:
        return parser.parse(record)
    except Exception as defect:  # noqa: BLE001 - the record is kept, the defect is named, the feed goes on
        _LOG.error("the %s parser failed on a record (%s)", parser.format, type(defect).__name__)
        reason = f"the parser failed on this record ({type(defect).__name__})"
        return [Rejected(source_system=source_system, format=parser.format, reason=reason, raw=record)]


def store_records(intake: Desk, records: Sequence[Record]) -> list[list[Receipt]]:
    """Submit records as one batch; the receipts of each, in order. Raises what `submit` raises."""
    receipts = iter(intake.submit([item for record in records for item in record]))
    return [list(islice(receipts, len(record))) for record in records]


def status_of(receipts: Sequence[Receipt]) -> Status:
    """What became of one record, by the rule at the top of this file."""
    return became(receipts)


def count(answers: Iterable[Sequence[Receipt]]) -> Counts:
    """Count records by their receipts."""
    statuses = [status_of(receipts) for receipts in answers]
    return Counts(
        accepted=statuses.count(Status.ACCEPTED),
        duplicate=statuses.count(Status.DUPLICATE),
        quarantined=statuses.count(Status.QUARANTINED),
        spooled=statuses.count(Status.SPOOLED),
    )


def patiently(intake: Desk, records: Sequence[Record], *, wait: Callable[[float], bool], patience: float) -> list[list[Receipt]]:
    """`store_records`, again after Backpressure, until `patience` seconds were spent waiting or `wait` says to give up.

    `wait(seconds)` waits and returns True when there is no point in going on. Raises Backpressure then, and IntegrityError at once.
    """
    waited = 0.0
    while True:
        try:
            return store_records(intake, records)
        except Backpressure as full:
            if waited >= patience or wait(full.retry_after):
                raise
            waited += full.retry_after


class Pipeline:
    """Feeds one stream of one format to the intake: while a batch is stored the next is parsed, so two batches are held at most."""

    def __init__(
        self,
        *,
        parser: Parser,
        source_system: str,
        intake: Desk,
        batch_records: int = BATCH_RECORDS,
        batch_bytes: int = BATCH_BYTES,
        linger: float = LINGER_SECONDS,
        max_record: int = MAX_RECORD,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """A batch goes out at `batch_records`, `batch_bytes` or `linger` seconds, whichever is first: a slow pipe is stored too."""
        self._parser = parser
        self._source_system = source_system
        self._intake = intake
        self._batch_records = batch_records
        self._batch_bytes = batch_bytes
        self._linger = linger
        self._max_record = max_record
        self._patience = patience
        self._counts = Counts()
        self._failure: Exception | None = None
        self._given_up = threading.Event()

    @property
    def counts(self) -> Counts:
        """What is stored so far; final once `run` has ended, also when it raised."""
        return self._counts

    def run(self, chunks: Iterable[bytes]) -> Counts:
        """Read the stream to its end and store what is in it.

        What `chunks` raises is raised after everything read before it is stored. Raises Backpressure when the store stays away
        longer than the patience, IntegrityError when the ledger has stopped.
        """
        inbox: Inbox[Record] = Inbox(max_items=self._batch_records, max_bytes=self._batch_bytes)
        storing = threading.Thread(target=self._store, args=(inbox,), name="pipeline-store")
        storing.start()
        try:
            records = parsed_records(chunks, self._parser, source_system=self._source_system, max_record=self._max_record)
            for record in records:
                if not inbox.put(record, sum(len(item.raw) for item in record)):
                    break
        finally:
            inbox.close()
            storing.join()
            if self._failure is not None:  # what went wrong with the store matters more than what is wrong with the input
                raise self._failure
        return self._counts

    def _store(self, inbox: Inbox[Record]) -> None:
        while batch := inbox.take(max_items=self._batch_records, max_bytes=self._batch_bytes, linger=self._linger):
            try:
                answers = patiently(self._intake, batch, wait=self._given_up.wait, patience=self._patience)
            except Exception as error:  # noqa: BLE001 - raised by `run` in the caller's thread
                self._failure = error
                inbox.close()
                return
            self._counts += count(answers)
