"""One connector at work: fetch a page, parse it, store it, and only then move the cursor.

A stop between any two of these repeats the page: what is in the ledger already becomes duplicates by event id, and nothing is left
out. A runner never gives up: whatever fails, the same page is asked for again, later each time up to a bound.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from math import inf

from domain.clock import Clock
from domain.errors import Backpressure, IntegrityError
from domain.record import Rejected
from ingest.parsers import Oversize, Parser
from ingest.pipeline import BATCH_BYTES, BATCH_RECORDS, Counts, Desk, Record, count, patiently, understood
from ingest.pull.backoff import BackOff, Jitter
from ingest.pull.contract import Connector, Gap, Item, Page, PullFailed, Unreadable
from ingest.pull.state import PullState
from store.pull_cursors import Place, PullCursors, PullGap
from store.quarantine import Fragment

LIVE_PARSERS = 128
"""Streams whose parsers are held; one that comes back after that is read from its start again, without storing it."""

APART_AFTER = 3
"""Times that a page fails in the store in a row before its records are stored one by one, so that one does not hold up the rest."""

_SHOWN_GAPS = 20

_LOG = logging.getLogger(__name__)


class PullRunner:
    """Runs one connector. `run` in a thread of its own; `state` from any thread."""

    def __init__(
        self,
        *,
        name: str,
        connector: Connector,
        new_parser: Callable[[], Parser],
        source_system: str,
        intake: Desk,
        cursors: PullCursors,
        clock: Clock,
        wait: Callable[[float], bool],
        jitter: Jitter,
        interval: timedelta,
        first_wait: timedelta = timedelta(seconds=2),
        longest_wait: timedelta = timedelta(minutes=10),
    ) -> None:
        """
        `name` is the key of the durable cursor: it stays the same for as long as the source is the same.

        `wait(seconds)` waits and returns True when it is time to stop. `interval` lies between a page without more and the next
        ask; `first_wait` and `longest_wait` bound the waits after failures, of which `jitter` takes a random part away.
        """
        self.name = name
        self._connector = connector
        self._new_parser = new_parser
        self._source_system = source_system
        self._intake = intake
        self._cursors = cursors
        self._clock = clock
        self._wait = wait
        self._interval = interval
        self._backoff = BackOff(jitter, first=first_wait.total_seconds(), longest=longest_wait.total_seconds())
        self._place: Place | None = None
        self._parsers: OrderedDict[str, Parser] = OrderedDict()
        self._store_failures = 0
        self._kept: set[bytes] = set()
        self._guard = threading.Lock()
        self._state = PullState(name=name, kind=connector.kind, source_system=source_system, format=new_parser().format)

    @property
    def state(self) -> PullState:
        """How it is doing now."""
        with self._guard:
            state = self._state
        return state if state.reached is None else replace(state, lag=max(self._clock() - state.reached, timedelta(0)))

    def run(self) -> None:
        """Fetch and store until `wait` says to stop."""
        while True:
            seconds = self.step()
            self._note(next_try=self._clock() + timedelta(seconds=seconds))
            if self._wait(seconds):
                self._note(next_try=None)
                return

    def step(self) -> float:
        """One page, from its fetch to its cursor. The seconds until the next; whatever fails is noted, and nothing raised."""
        try:
            page = self._one_page()
        except PullFailed as error:
            return self._failed(str(error), error.retry_after)
        except Backpressure as error:
            return self._failed(str(error), error.retry_after)
        except IntegrityError as error:
            _LOG.critical("connector %s cannot store: %s", self.name, error)
            return self._failed(f"the ledger takes nothing: {error}")
        except Exception as error:  # noqa: BLE001 - a connector never ends by itself; its state says what happened, by type
            return self._failed(f"an unexpected failure ({type(error).__name__}); the page is tried again")
        self._backoff.succeeded()
        return 0.0 if page.more else self._interval.total_seconds()

    def _one_page(self) -> Page:
        if self._place is None:
            self._place = self._cursors.get(self.name)
            self._note(cursor_at=self._place.moved)
        place = self._place
        page = self._fetch(place)
        try:
            counts = self._store(page)
            for gap in page.gaps:
                self._note_gap(gap)
            # What is stored and noted up to here is durable. A stop at this very point repeats the page.
            if page.cursor != place.cursor:
                self._place = self._cursors.move(self.name, place, page.cursor, self._clock())
        except BaseException:
            # Whether the store or the cursor took it is not known: both are asked again, and the parser forgets what it saw.
            self._place = None
            self._parsers.pop(page.stream or "", None)
            raise
        if page.stream is not None and page.stream_ends:
            self._parsers.pop(page.stream, None)
        self._succeeded(page, counts)
        return page

    def _fetch(self, place: Place) -> Page:
        try:
            return self._connector.fetch(place.cursor)
        except PullFailed as error:
            if error.kept is not None:
                self._keep(error.kept)
            raise

    def _store(self, page: Page) -> Counts:
        records = self._parsed(page)
        counts = Counts()
        try:
            for batch in _batches(records):
                counts += self._store_batch(batch)
        except (PullFailed, Backpressure, IntegrityError):
            raise
        except Exception:
            self._store_failures += 1
            raise
        self._store_failures = 0
        return counts

    def _store_batch(self, batch: list[Record]) -> Counts:
        if self._store_failures < APART_AFTER:
            return count(patiently(self._intake, batch, wait=self._hold, patience=inf))
        counts = Counts()
        for record in batch:
            counts += self._store_apart(record)
        return counts

    def _store_apart(self, record: Record) -> Counts:
        try:
            return count(patiently(self._intake, [record], wait=self._hold, patience=inf))
        except (Backpressure, IntegrityError):
            raise
        except Exception as error:
            first = record[0]
            if isinstance(first, Rejected):
                raise
            _LOG.error("connector %s: a record could not be stored (%s) and is quarantined", self.name, type(error).__name__)
            reason = "understood, but could not be stored"
            refused = Rejected(source_system=first.source_system, format=first.format, reason=reason, raw=first.raw)
            return count(patiently(self._intake, [[refused]], wait=self._hold, patience=inf))

    def _parsed(self, page: Page) -> Iterator[Record]:
        parser = self._parser_of(page)
        for item in page.records:
            yield self._record(parser, item)

    def _record(self, parser: Parser, item: Item) -> Record:
        if isinstance(item, Oversize):
            rejected = item.rejected(source_system=self._source_system, format=parser.format)
            return [Fragment(source_system=self._source_system, format=parser.format, reason=rejected.reason, raw=rejected.raw)]
        if isinstance(item, Unreadable):
            return [Rejected(source_system=self._source_system, format=parser.format, reason=item.reason, raw=item.raw)]
        return understood(parser, item, source_system=self._source_system)

    def _parser_of(self, page: Page) -> Parser:
        if page.stream is None:
            return self._new_parser()
        parser = self._parsers.get(page.stream)
        if parser is None:
            parser = self._new_parser()
            for item in page.before():
                if isinstance(item, bytes):
                    understood(parser, item, source_system=self._source_system)
            while len(self._parsers) >= LIVE_PARSERS:
                self._parsers.popitem(last=False)
            self._parsers[page.stream] = parser
        self._parsers.move_to_end(page.stream)
        return parser

    def _keep(self, kept: Unreadable) -> None:
        """An answer that was not understood, into quarantine: once for each content in the life of this runner."""
        digest = sha256(kept.raw).digest()
        if digest in self._kept:
            return
        counts = count(patiently(self._intake, [self._record(self._new_parser(), kept)], wait=self._hold, patience=inf))
        if len(self._kept) >= 1_000:
            self._kept.clear()
        self._kept.add(digest)
        self._note(counts=self._state.counts + counts)

    def _hold(self, seconds: float) -> bool:
        self._note(notice="the store takes nothing for now; what was read waits for it")
        return self._wait(seconds)

    def _note_gap(self, gap: Gap) -> None:
        noted = PullGap(name=self.name, start=gap.start, end=gap.end, reason=gap.reason, noted=self._clock())
        self._cursors.note_gap(noted)
        _LOG.warning("connector %s has a gap from %s to %s: %s", self.name, gap.start.isoformat(), gap.end.isoformat(), gap.reason)

    def _succeeded(self, page: Page, counts: Counts) -> None:
        if self._state.failures:
            _LOG.info("connector %s works again after %d failures", self.name, self._state.failures)
        self._note(
            last_success=self._clock(),
            failures=0,
            notice=page.notices[-1] if page.notices else None if not page.more else self._state.notice,
            reached=self._state.reached if page.reached is None else page.reached,
            cursor_at=self._place.moved if self._place else None,
            pages=self._state.pages + 1,
            counts=self._state.counts + counts,
            gaps=[*reversed(page.gaps), *self._state.gaps][:_SHOWN_GAPS],
        )

    def _failed(self, message: str, retry_after: float | None = None) -> float:
        seconds = self._backoff.failed(retry_after)
        failures = self._backoff.failures
        # Once at the start of a trouble and then ever more seldom: a source that is away for a day is not a thousand log lines.
        if failures & (failures - 1) == 0:
            _LOG.warning("connector %s failed (%d in a row): %s", self.name, failures, message)
        self._note(last_error=message, last_error_at=self._clock(), failures=failures)
        return seconds

    def _note(self, **changes: datetime | str | int | Counts | list[Gap] | None) -> None:
        with self._guard:
            self._state = replace(self._state, **changes)  # type: ignore[arg-type]


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += sum(len(item.raw) for item in record)
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
