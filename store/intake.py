"""The one door to the store: what was understood goes to the ledger, what was not goes to quarantine, and each gets its receipt."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from domain.errors import Backpressure
from domain.event import AuditEvent
from domain.record import Parsed, Position, Receipt, Rejected, Status
from store.quarantine import Quarantine


class Log(Protocol):
    """The ledger as intake sees it.

    `append` answers in the given order, once durable. A receipt with status QUARANTINED means that the event was not stored (its id
    was used before for something else) and that the caller keeps the record. Thread-safe. Raises Backpressure, IntegrityError.
    """

    def append(self, events: Sequence[AuditEvent]) -> list[Receipt]: ...

    def head(self) -> Position: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What has been handed in and not answered yet."""

    records: int
    bytes: int


class Intake:
    """Takes batches from every collector. Thread-safe; blocks until the batch is durable."""

    def __init__(
        self, ledger: Log, quarantine: Quarantine, *, max_records: int = 100_000, max_bytes: int = 512 * 1024 * 1024
    ) -> None:
        """`max_records` and `max_bytes` (raw) bound what may wait for the store at any moment, over all callers."""
        self._ledger = ledger
        self._quarantine = quarantine
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._guard = threading.Lock()
        self._records = 0
        self._bytes = 0

    def submit(self, batch: Sequence[Parsed]) -> list[Receipt]:
        """Store a batch; receipts in its order, once durable.

        Raises Backpressure when too much is waiting or the store is away, IntegrityError when the ledger has stopped. Either may
        come after a part was stored: sending the batch again is safe, what is in the ledger already becomes a duplicate.
        """
        with self._admitted(batch):
            # Rejected records first: should the store go away in between, sending again still finds the events new.
            rejected = {index: item for index, item in enumerate(batch) if isinstance(item, Rejected)}
            events = {index: item for index, item in enumerate(batch) if isinstance(item, AuditEvent)}
            receipts = self._keep(rejected) | self._append(events)
            return [receipts[index] for index in range(len(batch))]

    def head(self) -> Position:
        """The last acknowledged entry of this node's log."""
        return self._ledger.head()

    @property
    def waiting(self) -> Waiting:
        """How much is being stored now, for the metrics."""
        with self._guard:
            return Waiting(records=self._records, bytes=self._bytes)

    def _append(self, events: Mapping[int, AuditEvent]) -> dict[int, Receipt]:
        if not events:
            return {}
        receipts = dict(zip(events, self._ledger.append(list(events.values())), strict=True))
        refused = {index: receipt for index, receipt in receipts.items() if receipt.status is Status.QUARANTINED}
        kept = self._keep({index: _refused(events[index], receipt) for index, receipt in refused.items()})
        for index, receipt in refused.items():
            receipts[index] = replace(receipt, quarantine_id=kept[index].quarantine_id)
        return receipts

    def _keep(self, records: Mapping[int, Rejected]) -> dict[int, Receipt]:
        names = self._quarantine.add(list(records.values()))
        return {
            index: Receipt(status=Status.QUARANTINED, reason=record.reason, quarantine_id=name)
            for (index, record), name in zip(records.items(), names, strict=True)
        }

    @contextmanager
    def _admitted(self, batch: Sequence[Parsed]) -> Iterator[None]:
        """Count the batch in and out. A batch larger than the bounds is admitted when nothing else waits."""
        size = sum(len(item.raw) for item in batch)
        with self._guard:
            full = self._records + len(batch) > self._max_records or self._bytes + size > self._max_bytes
            if self._records and full:
                raise Backpressure("too many records are waiting to be stored; nothing was accepted", retry_after=1)
            self._records += len(batch)
            self._bytes += size
        try:
            yield
        finally:
            with self._guard:
                self._records -= len(batch)
                self._bytes -= size


def _refused(event: AuditEvent, receipt: Receipt) -> Rejected:
    reason = receipt.reason or "the ledger refused the event"
    return Rejected(source_system=event.source_system, format=event.format, reason=reason, raw=event.raw)
