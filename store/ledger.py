"""The writer of the ledger: group commit of events into this writer's hash-chained log.

Callers hand over events and wait. One thread gathers what is waiting into a batch and commits it:

    (1) the log's registration, when a month begins     → an empty log; used by the next start
    (2) a note in the anchor where they will end; then  → adopted at the next start where they end as noted, after the chain over
        the rows of `events`, one insert, one part        them is checked
    (3) read back: count and last leaf                  → as (2)
    (4) keys, so that a repeat is known as one          → written again at the next start for rows beyond the anchor
    (5) completed tile hashes                           → computed again when missing
    (6) the anchor, by compare-and-swap                 → acknowledged from here on
    (7) the answers

What a stop between two steps leaves is on the right; `_recover` does it, at the start and after any failed commit, so the path is
one. Nothing is acknowledged before (6). Losing the swap in (6) means a second process writes this log: this one stops for good.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Self

from domain.checkpoint import Head
from domain.clock import Clock
from domain.entry import Draft, draft, genesis, same_content
from domain.errors import IntegrityError
from domain.event import AuditEvent
from domain.merkle import Frontier, Tile
from domain.record import Position, Receipt, Status
from store.adoption import BEGINNING, adopt
from store.anchor import Anchor
from store.commit import CommitQueue, Drafted
from store.engine import Engine
from store.keys import KnownEvent, find_keys, store_keys
from store.logs import LogRecord, epoch_of, has_rival, log_origin, register_log
from store.segment import Segment, make_segment
from store.tree import restore_frontier, store_tiles

_READ_BACK = """
SELECT count() AS entries, max(seq) AS last, argMax(leaf, seq) AS leaf FROM events
WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND seq >= {first:UInt64}
SETTINGS optimize_use_projections = 0, optimize_use_implicit_projections = 0
"""

REUSED_ID = "event_id was used before for something else"


class Ledger:
    """This node's log. Thread-safe; owns one thread. Close it, or use it as a context manager.

    Opening raises IntegrityError when the store contradicts the anchor: then nothing is written until a person decides.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        anchor: Anchor,
        origin: str,
        clock: Clock,
        new_secret: Callable[[], bytes],
        writer: str = "main",
        max_batch: int = 5_000,
        max_waiting: int = 100_000,
        tiles_at_once: int = 64,
    ) -> None:
        """`origin` is that of the deployment's spine; `new_secret` makes the 32 random bytes of a month. Raises IntegrityError."""
        self.writer = writer
        self._engine = engine
        self._anchor = anchor
        self._origin = origin
        self._clock = clock
        self._new_secret = new_secret
        self._state = threading.Lock()
        self._record: LogRecord | None = None
        self._seq, self._leaf, self._received = -1, b"", BEGINNING
        self._frontier = Frontier()
        self._tiles: list[Tile] = []
        self._tiles_at_once = tiles_at_once
        self._is_over = False
        self._uncertain = True
        self._recover()
        self._queue = CommitQueue(self._commit, max_batch=max_batch, max_waiting=max_waiting)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Commit what is waiting, and stop."""
        self._queue.close()
        with self._state:
            if self._record is not None and not self._uncertain:
                store_tiles(self._engine, self._record.log, self._tiles)
                self._tiles = []

    @property
    def has_stopped(self) -> bool:
        """Whether this writer gave up, because its log is not what it wrote."""
        return self._queue.failure is not None

    def append(self, events: Sequence[AuditEvent]) -> list[Receipt]:
        """Store events; answers in their order, once durable and read back.

        ACCEPTED with its place; DUPLICATE with the place of the first copy; QUARANTINED where the id was used before for something
        else (nothing was stored: the caller keeps the record). Raises Backpressure when too much is waiting or the store is away,
        IntegrityError when this writer has stopped.
        """
        # Drafted here, in the caller's thread: while one batch is being written, the next ones are encoded.
        return self._queue.submit([(event, draft(event)) for event in events]) if events else []

    def head(self) -> Position:
        """The last entry acknowledged; seq −1 before the first."""
        with self._state:
            return Position(writer=self.writer, seq=self._seq)

    def log_head(self) -> Head | None:
        """The head of this month's log, as acknowledged; None before its first entry (`store.keeper.HeadSource`)."""
        with self._state:
            if self._record is None or self._uncertain or self._is_over:
                return None
            return Head(self._record.origin, self._frontier.size, self._frontier.root())

    def _commit(self, items: Sequence[Drafted]) -> list[Receipt]:
        with self._state:
            if self._uncertain:
                self._recover()
            try:
                return self._store(items)
            except Exception:
                # Whether the rows are there is unknown, and nobody was told they are: the next commit looks first.
                self._uncertain = True
                raise

    def _store(self, items: Sequence[Drafted]) -> list[Receipt]:
        fresh, answers = self._sort_out(items)
        if fresh:
            received = max(self._clock(), self._received)
            events, drafts = zip(*(items[index] for index in fresh), strict=True)
            segment = make_segment(
                events,
                drafts,
                record=self._log_for(received),
                first_seq=self._seq + 1,
                received=received,
                previous=self._leaf,
            )
            self._write(segment, drafts)
            for seq, (index, entry) in enumerate(zip(fresh, segment.entries, strict=True), segment.first_seq):
                answers[index] = Receipt(
                    status=Status.ACCEPTED,
                    event_id=items[index][0].event_id,
                    writer=self.writer,
                    seq=seq,
                    leaf=entry.leaf.hex(),
                )
        return [answers[index] for index in range(len(items))]

    def _sort_out(self, items: Sequence[Drafted]) -> tuple[Sequence[int], dict[int, Receipt]]:
        """Which events are new, and the answers for those that are not."""
        keys = [drafted.key for _, drafted in items]
        known = dict(find_keys(self._engine, keys))
        if not known and len(set(keys)) == len(keys):
            return range(len(items)), {}
        fresh: list[int] = []
        answers: dict[int, Receipt] = {}
        for index, (event, drafted) in enumerate(items):
            key, content = drafted.key, drafted.content
            earlier = known.get(key)
            if earlier is None:
                known[key] = KnownEvent(content, self.writer, self._seq + 1 + len(fresh))
                fresh.append(index)
            elif same_content(earlier.content, content, has_raw=bool(event.raw)):
                answers[index] = Receipt(status=Status.DUPLICATE, event_id=event.event_id, writer=earlier.writer, seq=earlier.seq)
            else:
                answers[index] = Receipt(status=Status.QUARANTINED, event_id=event.event_id, reason=REUSED_ID)
        return fresh, answers

    def _log_for(self, received: datetime) -> LogRecord:
        """The log of this month; a new month opens its own, and the keeper seals the old one."""
        epoch = epoch_of(received)
        if self._record is not None and self._record.epoch == epoch:
            return self._record
        origin = log_origin(self._origin, self.writer, epoch)
        last_leaf = b"" if self._record is None else self._leaf
        record = LogRecord(
            writer=self.writer,
            epoch=epoch,
            origin=origin,
            first_seq=self._seq + 1,
            previous=genesis(origin, last_leaf),
            secret=self._new_secret(),
        )
        # (1) The log exists before its first entry, and is this node's alone.
        if self._record is not None:
            store_tiles(self._engine, self._record.log, self._tiles)
            self._tiles = []
        register_log(self._engine, record)
        if has_rival(self._engine, record):
            raise IntegrityError(f"another node writes as {self.writer} too: give each node a writer name of its own")
        self._record, self._frontier, self._leaf, self._is_over = record, Frontier(), record.previous, False
        return record

    def _write(self, segment: Segment, drafts: Sequence[Draft]) -> None:
        # (2) One insert, one part; the token is the last leaf, which stands for all that is in it. Rows that nobody noted are no
        # commit of ours that a stop cut short: somebody at the database wrote them.
        self._anchor.intend_writer(self.writer, seq=segment.last_seq, leaf=segment.last_leaf)
        self._engine.insert("events", segment.frame(), token=segment.last_leaf.hex())
        # (3) The same token with other rows would be dropped and called a success: look.
        entries, last, leaf = self._engine.frame(
            _READ_BACK, epoch=segment.record.epoch, writer=self.writer, first=segment.first_seq
        ).row(0)
        if (entries, last, leaf) != (len(segment.entries), segment.last_seq, segment.last_leaf):
            raise IntegrityError(f"entries {segment.first_seq} to {segment.last_seq} were not stored as written")
        # (4) Keys.
        keys, contents = [drafted.key for drafted in drafts], [drafted.content for drafted in drafts]
        store_keys(self._engine, self.writer, segment.record.epoch, segment.first_seq, keys, contents)
        # (5) Tiles, several batches at once: until then readers compute them from the leaves.
        self._tiles += self._frontier.extend([entry.leaf for entry in segment.entries])
        if len(self._tiles) >= self._tiles_at_once:
            store_tiles(self._engine, segment.record.log, self._tiles)
            self._tiles = []
        # (6) The anchor.
        self._anchor.advance_writer(self.writer, old=self._seq, seq=segment.last_seq, leaf=segment.last_leaf)
        self._seq, self._leaf, self._received = segment.last_seq, segment.last_leaf, segment.received

    def _recover(self) -> None:
        """Bring memory to what the store holds, after checking it against the anchor. Raises IntegrityError."""
        adopted = adopt(self._engine, self._anchor, self.writer)
        self._uncertain = False
        self._record, self._seq, self._leaf, self._received = adopted.record, adopted.seq, adopted.leaf, adopted.received
        self._frontier, self._tiles = Frontier(), []
        now = self._clock()
        if self._record is not None and self._record.epoch < epoch_of(now):
            # The month is over: nothing is added to its log, which may be sealed or disposed of. Not even if the clock goes back.
            self._received, self._is_over = max(now, self._received), True
            return
        self._is_over = False
        if self._record is not None:
            self._frontier = restore_frontier(self._engine, self._record.log, self._seq + 1 - self._record.first_seq)
