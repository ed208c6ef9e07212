"""A ledger with months that are over six years old, two writers, and what is needed to stop a disposal at any step."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from domain.event import AuditEvent
from domain.json import Json
from retention.archive import Archive
from retention.disposal import Authority, CommitEntry, Disposal
from retention.holds import Holds
from retention.policy import RetentionPolicy
from retention.readback import ArchivedMonth
from store.engine import Engine
from store.fsck import Verification
from store.ledger import Ledger
from store.redaction import RedactionStore
from store.retention import MonthLog, RetentionStore, Tombstone
from tests.support.cast import ALICE, BOB, MALLORY, chart_view
from tests.support.clock import TickingClock
from tests.support.node import Node, node

OLD, NEXT, NOW = 201911, 201912, 202606
BY = Authority(run_by="records.officer", approvers=("counsel", "privacy.officer"))
PRESENT = datetime(2026, 6, 2, 12, tzinfo=UTC)


class Stop(Exception):
    """The process died here."""


@dataclass(slots=True)
class Fault:
    """Where to die: before or after the `nth` call of a step. None: nowhere."""

    step: str | None = None
    when: str = "before"
    nth: int = 1
    seen: dict[str, int] = field(default_factory=dict)

    def call(self, step: str, run: Callable[[], object]) -> None:
        """Run a step, or die before it, or die after it."""
        self.seen[step] = self.seen.get(step, 0) + 1
        due = step == self.step and self.seen[step] == self.nth
        if due and self.when == "before":
            raise Stop
        run()
        if due:
            raise Stop


class FaultyStore(RetentionStore):
    """The real store, dying where told."""

    fault: Fault

    def detach(self, epoch: int) -> None:
        self.fault.call("detach", lambda: super(FaultyStore, self).detach(epoch))

    def drop_detached(self, epoch: int) -> None:
        self.fault.call("drop", lambda: super(FaultyStore, self).drop_detached(epoch))

    def delete_derived(self, tombstone: Tombstone) -> int:
        self.fault.call("derived", lambda: super(FaultyStore, self).delete_derived(tombstone))
        return 0


class FaultyArchive(Archive):
    """The real archive, dying where told."""

    fault: Fault

    def write(self, store: RetentionStore, epoch: int, logs: Sequence[MonthLog]) -> str:
        sums: list[str] = []
        self.fault.call("write", lambda: sums.append(super(FaultyArchive, self).write(store, epoch, logs)))
        return sums[0]

    def describe(self, month: ArchivedMonth) -> None:
        self.fault.call("describe", lambda: super(FaultyArchive, self).describe(month))


@dataclass(slots=True)
class OldLedger:
    """What a disposal test works with."""

    engine: Engine
    live: Node
    clock: TickingClock
    archive: Path
    events: Mapping[int, Sequence[AuditEvent]]

    def disposal(self, fault: Fault | None = None, commit: CommitEntry | None = None, years: int = 6) -> Disposal:
        """A disposal as `runtime/` would wire it, dying at `fault`."""
        fault = fault or Fault()
        store, archive = FaultyStore(self.engine), FaultyArchive(self.archive, RedactionStore(self.engine))
        store.fault = archive.fault = fault
        committed = commit or self.live.keeper.commit

        def faulty(kind: str, fields: Mapping[str, Json]) -> None:
            fault.call(kind, lambda: committed(kind, fields))

        return Disposal(store, archive, RetentionPolicy(years=years), self.clock, faulty, self.verify)

    def holds(self) -> Holds:
        """The holds of this ledger; ids count up."""
        numbers = iter(range(1, 1000))
        return Holds(
            RetentionStore(self.engine),
            self.clock,
            new_id=lambda: f"H-{next(numbers)}",
            record=lambda event: self.live.ledger.append([event]),
        )

    def verify(self) -> Verification:
        """The independent checker."""
        return self.live.verify()

    def count(self, epoch: int) -> int:
        """How many entries of a month the table has."""
        ((number,),) = self.engine.rows("SELECT count() FROM events WHERE epoch = {epoch:UInt32}", epoch=epoch)
        assert isinstance(number, int)
        return number

    def derived(self) -> int:
        """How many rows analytics derived."""
        ((number,),) = self.engine.rows("SELECT count() FROM delivery_facts")
        assert isinstance(number, int)
        return number


def _events(first: int, count: int, month: datetime) -> list[AuditEvent]:
    actors = {3: BOB, 5: MALLORY}
    return [
        replace(chart_view(n, patient=f"P-{1 + n % 3}"), time=month + timedelta(minutes=n), actor=actors.get(n, ALICE))
        for n in range(first, first + count)
    ]


def emptied(engine: Engine) -> Engine:
    """The engine with every table empty, for a ledger that the tests of a module share."""
    names = engine.rows(
        "SELECT name FROM system.tables WHERE database = 'phitrail' AND name != 'migrations' AND engine LIKE '%MergeTree'"
    )
    for (name,) in names:
        engine.execute(f"TRUNCATE TABLE {name}")
    return engine


@contextmanager
def old_ledger(engine: Engine, directory: Path, *, further: Sequence[int] = ()) -> Iterator[OldLedger]:
    """November 2019 by two writers, December 2019 by one (then `further` months), June 2026 by both: all but the last are due."""
    clock = TickingClock(datetime(2019, 11, 20, 9, tzinfo=UTC))
    with node(engine, directory, clock) as live:
        second = Ledger(
            engine=engine,
            anchor=live.anchor,
            origin=live.spine.origin,
            clock=clock,
            new_secret=lambda: b"\x02" * 32,
            writer="site-b",
        )
        stored: dict[int, list[AuditEvent]] = {}
        for number, (epoch, count) in enumerate([(OLD, 12), (NEXT, 4), *((month, 2) for month in further), (NOW, 3)]):
            clock.now = PRESENT if epoch == NOW else datetime(epoch // 100, epoch % 100, 10, 9, tzinfo=UTC)
            stored[epoch] = _events(100 * number, count, clock.now)
            live.ledger.append(stored[epoch])
            if epoch in (OLD, NOW):
                second.append(_events(100 * number + 50, 5, clock.now))
        second.close()
        live.keeper.seal_due()
        live.keeper.checkpoint()
        _derive(engine, seqs=[0, 1, live.ledger.head().seq])
        yield OldLedger(engine, live, clock, directory / "archive", stored)


def _derive(engine: Engine, seqs: Sequence[int]) -> None:
    columns = engine.frame("SELECT * FROM delivery_facts LIMIT 0")
    rows = pl.DataFrame({"writer": ["main"] * len(seqs), "seq": pl.Series(seqs, dtype=pl.UInt64)})
    moments = [pl.lit(PRESENT, dtype=pl.Datetime("us", "UTC")).alias(name) for name in ("time", "received")]
    texts = [pl.lit("").alias(name) for name, kind in columns.schema.items() if kind == pl.String and name != "writer"]
    flags = [pl.lit(0, dtype=pl.UInt8).alias(name) for name, kind in columns.schema.items() if kind == pl.UInt8]
    engine.insert("delivery_facts", rows.with_columns(*moments, *texts, *flags))
