"""The desk that collectors hand records in at when there is a spool behind it.

    spool empty, store there      straight to the intake: the receipt is the ledger's
    store away                    to the spool, durable: the receipt says `spooled`
    anything in the spool         behind it, so that what one sender sends one after the other stays in order
    spool full or not writable    Backpressure: HTTP answers 503, syslog over TCP is read no more, datagrams are lost and counted
    ledger stopped                IntegrityError, also for what waits in the spool: it stays there until a person has decided

One thread drains. It hands in the oldest records, as many as one batch of the ledger holds, again and again until the store takes
them, and only then lets go of them. A stop in between hands them in twice: the ledger answers `duplicate`, and so they are counted.
"""

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from domain.errors import IntegrityError
from domain.event import AuditEvent
from domain.record import Parsed, Receipt, Rejected, Status
from ingest.pipeline import BATCH_BYTES, BATCH_RECORDS, Counts, Desk
from ingest.spool.contents import encode
from ingest.spool.spool import Batch, Spool, SpoolState
from ingest.spool.trouble import Trouble, trouble

RETRY_SECONDS = 5.0
DRAIN_SECONDS = 5.0

NOT_STORABLE = "understood, but could not be stored"

_LOG = logging.getLogger(__name__)


class SpooledDesk:
    """Keeps the promise of `ingest.pipeline.Desk` while the store is away. Thread-safe; owns one thread from `start` to `stop`."""

    def __init__(
        self,
        intake: Desk,
        spool: Spool,
        *,
        retry_seconds: float = RETRY_SECONDS,
        batch_records: int = BATCH_RECORDS,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        """`retry_seconds` is how often a store that is away is tried. The spool stays the caller's to close, after `stop`."""
        self._intake = intake
        self._spool = spool
        self._retry_seconds = retry_seconds
        self._batch_records = batch_records
        self._batch_bytes = batch_bytes
        self._guard = threading.Lock()
        self._drained: Counter[Status] = Counter()
        self._spooled = 0
        self._failure: IntegrityError | None = None
        self._work = threading.Event()
        self._leaving = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-drain", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to drain, with what an earlier process left."""
        self._work.set()
        self._thread.start()

    def stop(self, seconds: float = DRAIN_SECONDS) -> None:
        """Drain up to `seconds` what the store takes at once, then end. What is left stays on disk for the next start."""
        self._leaving.set()
        self._work.set()
        self._thread.join(seconds)
        self._ended.set()
        self._thread.join()

    def submit(self, batch: Sequence[Parsed]) -> list[Receipt]:
        """See `Desk`: receipts once everything is in the ledger, or once everything is in the spool (`spooled`).

        Raises Backpressure when neither takes it, IntegrityError when the ledger has stopped.
        """
        if not batch:
            return []
        if self._failure is not None:
            raise self._failure
        if self._spool.is_empty:
            try:
                return self._intake.submit(batch)
            except Exception as error:
                if trouble(error) is not Trouble.AWAY:
                    raise
                _LOG.warning("the store is away (%s): records are kept in the spool until it returns", type(error).__name__)
        self._spool.append(batch)
        with self._guard:
            self._spooled += len(batch)
        self._work.set()
        return [_spooled(item) for item in batch]

    @property
    def drained(self) -> Counts:
        """What became of the events and rejected records that were drained since the start."""
        with self._guard:
            return Counts(
                accepted=self._drained[Status.ACCEPTED],
                duplicate=self._drained[Status.DUPLICATE],
                quarantined=self._drained[Status.QUARANTINED],
            )

    @property
    def spooled(self) -> int:
        """Events and rejected records that were answered `spooled` since the start."""
        with self._guard:
            return self._spooled

    @property
    def has_stopped(self) -> bool:
        """Whether the ledger refused to go on while the spool was drained."""
        return self._failure is not None

    def state(self) -> SpoolState:
        """The numbers of the spool."""
        return self._spool.state()

    def _run(self) -> None:
        while True:
            self._work.wait()
            self._work.clear()
            while self._failure is None and not self._ended.is_set() and self._drain():
                pass
            if self._leaving.is_set() or self._failure is not None:
                return

    def _drain(self) -> bool:
        """Hand in one batch. False when there is nothing to do, or no use in trying on."""
        try:
            batch = self._spool.peek(max_records=self._batch_records, max_bytes=self._batch_bytes)
        except OSError as error:
            _LOG.error("the spool cannot be read (%s); it is tried again", error.strerror)
            return not self._leaving.wait(self._retry_seconds)
        return batch is not None and self._store(batch)

    def _store(self, batch: Batch) -> bool:
        while True:
            try:
                receipts = self._hand_in(batch.items)
            except IntegrityError as error:
                self._failure = error
                _LOG.critical("the spool is not drained any more: %s", error)
                return False
            except Exception as error:  # noqa: BLE001 - the records stay in the spool, whatever it was
                _LOG.info("the spool waits for the store (%s)", type(error).__name__)
                if self._leaving.wait(self._retry_seconds):
                    return False
                continue
            with self._guard:
                self._drained.update(receipt.status for receipt in receipts)
            self._spool.advance(batch)
            if self._spool.is_empty:
                _LOG.info("the spool is empty: records go straight to the store")
            return True

    def _hand_in(self, items: Sequence[Parsed]) -> list[Receipt]:
        """Store items; where one of them is what the store cannot hold, it is found by halving, and quarantined."""
        try:
            return self._intake.submit(items)
        except Exception as error:
            if trouble(error) is not Trouble.DEFECT:
                raise
            if len(items) > 1:
                middle = len(items) // 2
                return self._hand_in(items[:middle]) + self._hand_in(items[middle:])
            (item,) = items
            if isinstance(item, Rejected):
                raise
            _LOG.error("an event from the spool could not be stored (%s): it goes to quarantine", type(error).__name__)
            raw = item.raw or encode(item)[1]
            kept = Rejected(source_system=item.source_system, format=item.format, reason=NOT_STORABLE, raw=raw)
            return self._intake.submit([kept])


def _spooled(item: Parsed) -> Receipt:
    return Receipt(status=Status.SPOOLED, event_id=item.event_id if isinstance(item, AuditEvent) else None)
