"""The writer: events through the ledger, against the same events into the same table without one, batch by batch in turn.

What is compared with what:

- *plain*: the same events become the same rows (canonical JSON and columns), are looked up and remembered so that a repeat is not
  stored twice, and inserted with the same durability. There is no leaf, no digest, no tree, no reading back, no anchor.
- *rows only*: the same without looking up repeats.
- *ready rows*: rows that were made before, inserted.
"""

import gc
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from benchmarks.measure import Report, timed
from benchmarks.stream import events
from domain.clock import system_clock
from domain.entry import Entry, event_key, header_fields, private_fields
from domain.event import AuditEvent
from domain.json import canonical
from domain.note import Signer
from store.anchor import Anchor
from store.engine import Engine
from store.keeper import Keeper, kept
from store.keys import find_keys, store_keys
from store.ledger import Ledger
from store.logs import LogRecord
from store.segment import Segment
from store.spine import Spine

COUNT, BATCH = 100_000, 5_000

_PLAIN = """
CREATE TABLE plain AS events ENGINE = MergeTree PARTITION BY epoch ORDER BY (writer, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000
"""


class Plain:
    """An audit table without a ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._record = LogRecord(writer="plain", epoch=202601, origin="", first_seq=0, previous=b"", secret=b"")
        self._seq = 0
        engine.execute(_PLAIN)
        engine.execute("ALTER TABLE plain DROP COLUMN leaf")

    def append(self, batch: Sequence[AuditEvent], *, is_once: bool) -> None:
        """Store a batch; with `is_once` after looking up repeats."""
        keys = [event_key(event.source_system, event.event_id) for event in batch]
        if is_once and find_keys(self._engine, keys):
            raise AssertionError("the stream has no repeats")
        first = self._seq
        self.insert(self.rows(batch, first).frame().drop("leaf"))
        if is_once:
            store_keys(self._engine, "plain", 202601, first, keys, keys)
        self._seq += len(batch)

    def rows(self, batch: Sequence[AuditEvent], first: int) -> Segment:
        """The rows of a batch."""
        now = system_clock()
        entries = [
            Entry(canonical(header_fields(event, writer="plain", seq=seq, received=now)), canonical(private_fields(event)), b"")
            for seq, event in enumerate(batch, first)
        ]
        return Segment(record=self._record, first_seq=first, received=now, events=batch, entries=entries)

    def insert(self, frame: pl.DataFrame) -> None:
        """Insert rows as they are."""
        self._engine.insert("plain", frame)


def run(report: Report) -> None:
    """Store the stream in all ways, in turn."""
    stream = events(COUNT)
    batches = [stream[i : i + BATCH] for i in range(0, COUNT, BATCH)]
    others = [[_again(event, "plain") for event in batch] for batch in batches]
    # The stream itself is not part of what is measured: the collector need not walk it again and again.
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder, Engine.embedded(Path(folder)) as engine:
        engine.migrate()
        anchor = Anchor(Path(folder) / "state", None)
        spine = Spine(engine, anchor, Signer("bench.example/spine", bytes(32)), system_clock)
        keeper = Keeper(engine, spine, system_clock)
        ledger = Ledger(engine=engine, anchor=anchor, origin=spine.origin, clock=system_clock, new_secret=lambda: os.urandom(32))
        plain = Plain(engine)
        with kept(keeper, ledger):
            ways: dict[str, Callable[[int], object]] = {
                "ledger": lambda i: ledger.append(batches[i]),
                "plain": lambda i: plain.append(others[i], is_once=True),
                "rows only": lambda i: plain.append(others[i], is_once=False),
                "ready rows": lambda _: plain.insert(ready),
            }
            seconds = dict.fromkeys(ways, 0.0)
            for number in range(len(batches)):
                ready = plain.rows(others[number], 0).frame().drop("leaf")
                for name, store in ways.items():
                    seconds[name] += timed(partial(store, number))
            report("ledger", "events stored a second, in batches of 5,000", COUNT / seconds["ledger"])
            for name in ("plain", "rows only", "ready rows"):
                report("ledger", f"storing, against {name}", seconds["ledger"] / seconds[name])
            repeats = sum(timed(partial(ledger.append, batch)) for batch in batches[:4]) / 4 * len(batches)
            report("ledger", "all repeats, against storing", repeats / seconds["ledger"])
            keeper.checkpoint()
            _disk(engine, report)
        anchor.close()


def _disk(engine: Engine, report: Report) -> None:
    def stored(*tables: str) -> float:
        names = ", ".join(f"'{table}'" for table in tables)
        ((size,),) = engine.rows(
            f"SELECT sum(data_compressed_bytes) FROM system.parts WHERE database = 'phitrail' AND active AND table IN ({names})"
        )
        return float(str(size)) / COUNT

    added = stored("tiles", "spine", "checkpoints", "logs")
    report("disk", "bytes an event that the ledger adds: leaf (not compressed)", 32)
    report("disk", "bytes an event that the ledger adds: tiles, spine, checkpoints", added)
    report("disk", "bytes an event so that none is stored twice (ledger or not)", stored("event_keys"))
    report("disk", "bytes an event of everything else, with indexes", stored("events") - 32)


def _again(event: AuditEvent, system: str) -> AuditEvent:
    return replace(event, source_system=system)
