"""Disposal on a real ledger: stopped before and after every step, under holds, and against a store or archive that was changed."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from domain.errors import IntegrityError, InvalidInput
from domain.record import Status
from retention.disposal import Authority, Result
from retention.holds import HoldRequest
from retention.policy import Decision
from store.engine import Engine
from store.fsck import Integrity
from store.retention import HoldScope, RetentionStore
from tests.retention.old_ledger import BY, NEXT, NOW, OLD, Fault, OldLedger, Stop, old_ledger
from tests.support.node import node

STEPS = [
    ("write", 1), ("describe", 1), ("tombstone", 1), ("tombstone", 2), ("detach", 1), ("disposed", 1), ("derived", 1),
    ("derived", 2), ("drop", 1),
]  # fmt: skip


@pytest.fixture
def old(engine: Engine, tmp_path: Path) -> Iterator[OldLedger]:
    with old_ledger(engine, tmp_path) as ledger:
        yield ledger


def test_the_node_starts_again_after_a_disposal(engine: Engine, tmp_path: Path) -> None:
    with old_ledger(engine, tmp_path) as old:
        old.disposal().run(BY)
        clock, june = old.clock, old.events[NOW]

    with node(engine, tmp_path, clock) as again:
        assert {receipt.status for receipt in again.ledger.append(list(june))} == {Status.DUPLICATE}
        assert again.verify().integrity is Integrity.INTACT


def test_a_disposal_stopped_at_every_step_in_turn_completes(engine: Engine, tmp_path: Path) -> None:
    """Each run dies one step further on; what the next run finds is what that stop left."""
    further = [202001, 202002, 202003]
    with old_ledger(engine, tmp_path, further=further) as old:
        sizes = {OLD: 17, NEXT: 4, **dict.fromkeys(further, 2)}
        for step, nth in STEPS:
            for when in ("before", "after"):
                with pytest.raises(Stop):
                    old.disposal(Fault(step, when, nth)).run(BY)
                assert_nothing_is_lost(old, sizes)

        old.disposal().run(BY)

        assert [old.count(epoch) for epoch in sizes] == [0] * len(sizes)
        assert old.verify().integrity is Integrity.INTACT
        assert old.derived() == 1
        assert RetentionStore(engine).detached() == frozenset()
        assert engine.rows("SELECT count(), uniqExact(body) FROM spine WHERE kind = 'tombstone'") == [(6, 6)]
        assert engine.rows("SELECT count() FROM spine WHERE kind = 'disposed'") == [(5,)]


def assert_nothing_is_lost(old: OldLedger, sizes: Mapping[int, int]) -> None:
    """Every entry that is not in the table is detached, or was disposed of for good; the rest verifies."""
    store = RetentionStore(old.engine)
    for epoch, entries in sizes.items():
        assert old.count(epoch) == entries or epoch in store.detached() or epoch in store.disposed()
    problems = old.verify().problems
    assert [one for one in problems if "was disposed of, but rows of it are back" not in one.what] == []


@pytest.mark.parametrize(
    ("scope", "subject", "step", "when"),
    [
        (HoldScope.ALL, "", "write", "before"),
        (HoldScope.PATIENT, "P-1", "write", "after"),
        (HoldScope.MONTHS, "", "tombstone", "after"),
        (HoldScope.PATIENT, "P-1", "detach", "before"),
        (HoldScope.PATIENT, "P-1", "detach", "after"),
    ],
)
def test_a_hold_placed_at_any_moment_before_the_point_of_no_return_wins(
    old: OldLedger, scope: HoldScope, subject: str, step: str, when: str
) -> None:
    first, last = (OLD, NEXT) if scope is HoldScope.MONTHS else (0, 0)
    request = HoldRequest(scope=scope, reason="subpoena", by="counsel", subject=subject, first_epoch=first, last_epoch=last)

    class HoldComesIn(Fault):
        """Not a stop: at this moment counsel places a hold."""

        def call(self, step: str, run: Callable[[], object]) -> None:
            try:
                super().call(step, run)
            except Stop:
                old.holds().hold(request)
                if self.when == "before":
                    run()

    outcomes = old.disposal(HoldComesIn(step, when)).run(BY)

    assert (outcomes[0].epoch, outcomes[0].result) == (OLD, Result.HELD)
    assert old.count(OLD) == 17
    assert RetentionStore(old.engine).detached() == frozenset()
    assert next(item for item in old.disposal().plan() if item.epoch == OLD).decision is Decision.HELD


def test_a_released_month_is_disposed_of_by_the_next_run(old: OldLedger) -> None:
    holds = old.holds()
    placed = holds.hold(HoldRequest(scope=HoldScope.PATIENT, subject="P-2", reason="suit", by="counsel"))
    assert old.disposal().run(BY) == []

    holds.release(placed.hold_id, by="counsel", reason="settled")

    assert [one.result for one in old.disposal().run(BY)] == [Result.DISPOSED, Result.DISPOSED]


def test_a_longer_retention_keeps_everything(old: OldLedger) -> None:
    assert old.disposal(years=7).run(BY) == []
    assert old.count(OLD) == 17


def test_a_month_whose_rows_were_changed_is_not_disposed_of(old: OldLedger) -> None:
    old.engine.execute("ALTER TABLE events UPDATE private = replaceOne(private, 'P-1', 'P-9') WHERE epoch = 201911 AND seq = 3")

    with pytest.raises(IntegrityError, match=r"entry 3 has a patient_id that is not the one in its body"):
        old.disposal().run(BY)

    assert old.count(OLD) == 17
    assert old.engine.rows("SELECT count() FROM spine WHERE kind = 'tombstone'") == [(0,)]


def test_an_archive_that_the_disk_damaged_stops_the_disposal(old: OldLedger) -> None:
    path = old.archive / f"events-{OLD}.parquet"

    class BadDisk(Fault):
        """Not a stop: a bit of the file flips after it was written."""

        def call(self, step: str, run: Callable[[], object]) -> None:
            run()
            if step == "write":
                content = bytearray(path.read_bytes())
                content[len(content) // 3] ^= 1
                path.write_bytes(content)

    with pytest.raises(IntegrityError, match=r"damaged|not what was chained|not the one in its body"):
        old.disposal(BadDisk()).run(BY)

    assert old.count(OLD) == 17
    assert [one.result for one in old.disposal().run(BY)] == [Result.DISPOSED, Result.DISPOSED]


def test_a_month_that_lost_its_last_rows_is_not_disposed_of(old: OldLedger) -> None:
    old.engine.execute("ALTER TABLE events DELETE WHERE epoch = 201911 AND writer = 'main' AND seq >= 10")

    items = {item.epoch: item for item in old.disposal().plan()}

    assert items[OLD].decision is Decision.KEEP
    assert "is not sealed yet" in items[OLD].reason


def test_a_month_with_a_hole_is_not_disposed_of(old: OldLedger) -> None:
    old.engine.execute("ALTER TABLE events DELETE WHERE epoch = 201911 AND writer = 'main' AND seq = 4")

    with pytest.raises(IntegrityError, match="entry 4 is missing"):
        old.disposal().run(BY)

    assert old.count(OLD) == 16


@pytest.mark.parametrize(("by", "approvers"), [("", ()), ("a", ("b",)), ("a", ("b", "b")), ("a", ("b", "c", "d"))])
def test_a_disposal_needs_a_person_and_no_or_two_approvers(by: str, approvers: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        Authority(run_by=by, approvers=approvers)
