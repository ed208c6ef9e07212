"""Group commit: many callers wait, one thread commits what is waiting as one batch."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from time import monotonic

from domain.entry import Draft
from domain.errors import Backpressure, IntegrityError
from domain.event import AuditEvent
from domain.record import Receipt

Drafted = tuple[AuditEvent, Draft]
"""An event with its draft, as a caller hands it over."""

Commit = Callable[[Sequence[Drafted]], list[Receipt]]

LINGER_SECONDS = 0.05


class CommitQueue:
    """Gathers submissions into batches of up to `max_batch` events, waiting at most 50 ms for company.

    A lone caller does not wait: the linger applies only while several are submitting at once. A failed commit is raised to every
    caller whose events were in it; after an IntegrityError the queue stays closed and raises it to everyone.
    """

    def __init__(self, commit: Commit, *, max_batch: int, max_waiting: int, linger: float = LINGER_SECONDS) -> None:
        """`max_waiting` bounds the events held in memory; beyond it `submit` raises Backpressure."""
        self._commit = commit
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._linger = linger
        self._waiting: deque[tuple[Sequence[Drafted], Future[list[Receipt]]]] = deque()
        self._count = 0
        self._closed = False
        self.failure: IntegrityError | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="ledger-commit", daemon=True)
        self._thread.start()

    def submit(self, events: Sequence[Drafted]) -> list[Receipt]:
        """Wait until these events are committed. Raises Backpressure, IntegrityError, or what the commit raised."""
        answer: Future[list[Receipt]] = Future()
        with self._changed:
            if self.failure is not None:
                raise self.failure
            if self._closed:
                raise Backpressure("the ledger is stopping; nothing was accepted", retry_after=5)
            if self._count and self._count + len(events) > self._max_waiting:
                raise Backpressure("too many events are waiting to be stored; nothing was accepted", retry_after=1)
            self._waiting.append((events, answer))
            self._count += len(events)
            self._changed.notify_all()
        return answer.result()

    def close(self) -> None:
        """Commit what is waiting and stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        company = False
        while batch := self._gather(linger=company):
            company = len(batch) > 1
            events = [event for submitted, _ in batch for event in submitted]
            try:
                receipts = self._commit(events)
            except Exception as error:  # noqa: BLE001 - handed to every caller; an IntegrityError also closes the queue
                self._fail(batch, error)
                continue
            start = 0
            for submitted, answer in batch:
                answer.set_result(receipts[start : start + len(submitted)])
                start += len(submitted)

    def _gather(self, *, linger: bool) -> list[tuple[Sequence[Drafted], Future[list[Receipt]]]]:
        """The next batch: never empty while the queue is open, empty when it is closed and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if linger and not self._closed:
                deadline = monotonic() + self._linger
                self._changed.wait_for(lambda: self._count >= self._max_batch or self._closed, deadline - monotonic())
            batch: list[tuple[Sequence[Drafted], Future[list[Receipt]]]] = []
            size = 0
            while self._waiting and (not batch or size + len(self._waiting[0][0]) <= self._max_batch):
                submitted, answer = self._waiting.popleft()
                batch.append((submitted, answer))
                size += len(submitted)
            self._count -= size
            return batch

    def _fail(self, batch: Sequence[tuple[Sequence[Drafted], Future[list[Receipt]]]], error: Exception) -> None:
        failed = list(batch)
        if isinstance(error, IntegrityError):
            with self._changed:
                self.failure = error
                failed += self._waiting
                self._waiting.clear()
                self._count = 0
        for _, answer in failed:
            answer.set_exception(error)
