"""The keeper of the spine: commits it to the heads of all logs, seals those that are over, and indexes them.

Writers share no lock. A writer of this process gives its head from memory; a log that another node writes is read from the store,
up to where its rows follow each other. One keeper a deployment: the node that holds the signing key.

A log is sealed once its writer has begun a later one, or a day after its month ended (UTC). What a stop leaves:

    index trees computed, not committed   → computed again
    the `seal` entry in the spine         → the log is sealed; it stands in no later `heads` entry
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from domain.checkpoint import Head
from domain.clock import Clock, rfc3339
from domain.errors import IntegrityError
from domain.json import Json
from store.engine import Engine
from store.index_trees import index_commitments
from store.ledger import Ledger
from store.logs import LogRecord, registered_logs
from store.spine import Spine, SpineEntry
from store.tree import restore_frontier

_SEALED = "SELECT seq, JSONExtractString(body, 'fields', 'origin') FROM spine WHERE kind = 'seal' ORDER BY seq"

_STORED = "SELECT count() FROM events WHERE epoch = {epoch:UInt32} AND writer = {writer:String}"

_EXTENT = """
SELECT argMax(leaf, seq) AS leaf, min(received) AS first, max(received) AS last FROM events
WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND seq < {end:UInt64}
"""

_GRACE = timedelta(days=1)


class HeadSource(Protocol):
    """A writer of this process."""

    @property
    def writer(self) -> str:
        """Whose logs it writes."""

    def log_head(self) -> Head | None:
        """The head of the log it is writing, as acknowledged; None before its first."""


@dataclass(slots=True)
class _Chain:
    """The chain of seals: which logs have one, and the seq of the newest."""

    origins: set[str]
    last: int | None

    @property
    def fields(self) -> dict[str, Json]:
        return {"seals": len(self.origins), "last_seal": self.last}


class Keeper:
    """Commits the spine. Thread-safe; every append to the spine goes through here."""

    def __init__(self, engine: Engine, spine: Spine, clock: Clock) -> None:
        self.spine = spine
        self._engine = engine
        self._clock = clock
        self._guard = threading.Lock()
        self._sources: list[HeadSource] = []
        self._chain: _Chain | None = None
        self._known: dict[str, Head] = {}

    def attend(self, source: HeadSource) -> None:
        """Take the heads of this writer from it rather than from the store."""
        with self._guard:
            self._sources.append(source)

    def leave(self, source: HeadSource) -> None:
        """Read this writer's heads from the store again."""
        with self._guard:
            self._sources.remove(source)

    def checkpoint(self) -> SpineEntry:
        """Commit to the heads of all logs that are not sealed, and sign. Also when nothing happened: cutting the tail shows."""
        with self._guard:
            chain = self._seals()
            return self.spine.append("heads", chain.fields, self._heads(chain))

    def seal_due(self) -> Sequence[SpineEntry]:
        """Seal every log that is over, oldest first. Intake goes on meanwhile: a log that is over has no writer."""
        entries = []
        for record in self._due():
            entry = self._seal(record)
            if entry is not None:
                entries.append(entry)
        return entries

    def index(self, record: LogRecord, size: int) -> SpineEntry:
        """Commit to the index trees over the first `size` entries of a log that is open (docs/log-format.md section 9)."""
        root = self._root(record, size)
        fields: dict[str, Json] = {
            "origin": record.origin,
            "size": size,
            "root": root.hex(),
            "index": index_commitments(self._engine, record, size),
        }
        with self._guard:
            return self.spine.append("index", fields, [Head(record.origin, size, root)])

    def commit(self, kind: str, fields: Mapping[str, Json]) -> SpineEntry:
        """Commit a typed entry without heads (`tombstone`, `export`, `tsa`, …) and sign the spine with it."""
        with self._guard:
            return self.spine.append(kind, fields)

    def _due(self) -> list[LogRecord]:
        with self._guard:
            sealed = set(self._seals().origins)
        records = registered_logs(self._engine)
        newest = {record.writer: record.epoch for record in records}
        now = self._clock()
        return [
            record
            for record in records
            if record.origin not in sealed and (record.epoch < newest[record.writer] or now >= _end_of(record.epoch) + _GRACE)
        ]

    def _seal(self, record: LogRecord) -> SpineEntry | None:
        size = self._stored(record)
        root = self._root(record, size)
        leaf, first, last = self._engine.frame(_EXTENT, epoch=record.epoch, writer=record.writer, end=record.first_seq + size).row(
            0
        )
        fields: dict[str, Json] = {
            "origin": record.origin,
            "writer": record.writer,
            "epoch": record.epoch,
            "first_seq": record.first_seq,
            "last_seq": record.first_seq + size - 1,
            "size": size,
            "root": root.hex(),
            "last_leaf": (leaf if size else record.previous).hex(),
            "first_received": rfc3339(first) if size else None,
            "last_received": rfc3339(last) if size else None,
            "index": index_commitments(self._engine, record, size),
        }
        with self._guard:
            chain = self._seals()
            if record.origin in chain.origins:
                return None
            fields |= {"seals": len(chain.origins), "previous_seal": chain.last}
            self._chain = None
            entry = self.spine.append("seal", fields, [Head(record.origin, size, root)])
            self._known.pop(record.origin, None)
            return entry

    def _heads(self, chain: _Chain) -> list[Head]:
        """The heads of all open logs, those of this process's writers as they were acknowledged."""
        given = {head.origin: head for source in self._sources if (head := source.log_head()) is not None}
        heads = []
        for record in registered_logs(self._engine):
            if record.origin in chain.origins:
                continue
            head = given.get(record.origin) or self._stored_head(record)
            heads.append(head)
        return heads

    def _stored_head(self, record: LogRecord) -> Head:
        size = self._stored(record)
        known = self._known.get(record.origin)
        if known is None or known.size != size:
            known = Head(record.origin, size, self._root(record, size))
            self._known[record.origin] = known
        return known

    def _root(self, record: LogRecord, size: int) -> bytes:
        try:
            return restore_frontier(self._engine, record.log, size).root()
        except LookupError:
            raise IntegrityError(
                f"the log {record.origin} has not its first {size} entries: rows were removed; run phitrail verify"
            ) from None

    def _stored(self, record: LogRecord) -> int:
        return int(str(self._engine.rows(_STORED, epoch=record.epoch, writer=record.writer)[0][0]))

    def _seals(self) -> _Chain:
        if self._chain is None:
            rows = self._engine.rows(_SEALED)
            self._chain = _Chain({str(origin) for _, origin in rows}, int(str(rows[-1][0])) if rows else None)
        return self._chain


@contextmanager
def kept(keeper: Keeper, ledger: Ledger) -> Iterator[None]:
    """Run a writer under a keeper; at the end what waits is committed, what is over is sealed, and a last checkpoint signed."""
    keeper.attend(ledger)
    try:
        yield
    finally:
        ledger.close()
        if not ledger.has_stopped:
            keeper.seal_due()
            keeper.checkpoint()
        keeper.leave(ledger)


def _end_of(epoch: int) -> datetime:
    year, month = divmod(epoch, 100)
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
