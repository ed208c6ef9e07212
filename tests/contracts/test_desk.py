"""What every desk owes to the collectors that hand records in, with or without a spool.

(1) A receipt for each record, in the order given. (2) In the end every record is accepted, a duplicate, or quarantined. (3) What
was handed in first stands first. (4) Handing in again stores nothing again. (5) After Backpressure nothing was promised, and
handing in again is safe. (6) A ledger that stopped is told by IntegrityError, and nothing is promised from then on.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from domain.errors import Backpressure, IntegrityError
from domain.record import Parsed, Rejected, Status
from ingest.pipeline import Desk
from store.engine import Engine
from store.fsck import Integrity
from tests.support import desk as support
from tests.support.away import SwitchedEngine
from tests.support.cast import chart_view
from tests.support.clock import TickingClock
from tests.support.desk import eventually
from tests.support.spooled import spooled


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A desk, what is behind it, and `settle`, which returns when nothing is on its way any more."""

    desk: Desk
    store: SwitchedEngine
    at: support.Desk
    settle: Callable[[], None]

    def entries(self) -> list[str]:
        return [str(row[0]) for row in self.at.node.engine.rows("SELECT event_id FROM events ORDER BY seq")]


@contextmanager
def intake(engine: Engine, directory: Path) -> Iterator[Opened]:
    """The store alone."""
    store = SwitchedEngine(engine)
    with support.desk(cast("Engine", store), directory / "node", TickingClock()) as at:
        yield Opened(desk=at.intake, store=store, at=at, settle=lambda: None)
        store.come_back()


@contextmanager
def with_spool(engine: Engine, directory: Path) -> Iterator[Opened]:
    """A spool that is not needed."""
    with spooled(engine, directory, max_bytes=100) as it:
        yield Opened(desk=it.desk, store=it.store, at=it.at, settle=lambda: None)


@contextmanager
def through_spool(engine: Engine, directory: Path) -> Iterator[Opened]:
    """A store that is away whenever something is handed in, and comes back afterwards."""
    with spooled(engine, directory, max_bytes=100_000) as it:

        def settle() -> None:
            it.store.come_back()
            eventually(lambda: it.spool.is_empty or it.desk.has_stopped)
            it.store.go_away()

        it.store.go_away()
        yield Opened(desk=it.desk, store=it.store, at=it.at, settle=settle)


DESKS = {"intake": intake, "spool beside it": with_spool, "through the spool": through_spool}


@pytest.fixture(params=DESKS)
def opened(request: pytest.FixtureRequest, engine: Engine, tmp_path: Path) -> Iterator[Opened]:
    with DESKS[request.param](engine, tmp_path) as made:
        yield made


def views(numbers: range) -> list[Parsed]:
    return [chart_view(number) for number in numbers]


def names(numbers: range) -> list[str]:
    return [f"view-{number}" for number in numbers]


def garbage(number: int) -> Rejected:
    return Rejected(source_system="ehr", format="phitrail", reason="nothing that is known", raw=b"\xff%d" % number)


def stored(opened: Opened, batch: Sequence[Parsed]) -> tuple[list[str], list[bytes]]:
    """Hand in, wait, and look: ids in the ledger, bytes in quarantine."""
    opened.desk.submit(batch)
    opened.settle()
    opened.store.come_back()
    return opened.entries(), sorted(opened.at.raws())


def test_a_receipt_for_each_record_in_the_order_given(opened: Opened) -> None:
    batch = [garbage(1), *views(range(3)), garbage(2), *views(range(3, 4))]

    receipts = opened.desk.submit(batch)

    assert [receipt.event_id for receipt in receipts] == [None, *names(range(3)), None, "view-3"]
    spooled_ones = [receipt.status is Status.SPOOLED for receipt in receipts]
    assert all(spooled_ones) or not any(spooled_ones)
    assert opened.desk.submit([]) == []


def test_in_the_end_all_is_stored_once_and_in_order(opened: Opened) -> None:
    opened.desk.submit([*views(range(3)), garbage(1)])
    opened.desk.submit(views(range(3, 6)))

    entries, raws = stored(opened, [*views(range(2, 9)), garbage(2)])

    assert entries == names(range(9))
    assert raws == [garbage(1).raw, garbage(2).raw]
    opened.at.node.keeper.checkpoint()
    assert opened.at.node.verify().integrity is Integrity.INTACT


def test_handing_in_again_stores_nothing_again(opened: Opened) -> None:
    batch = [*views(range(4)), garbage(1)]

    for _ in range(3):
        entries, raws = stored(opened, batch)

    assert entries == names(range(4))
    assert raws == [garbage(1).raw]


def test_several_senders_at_once_each_in_its_order(opened: Opened) -> None:
    def send(lane: int) -> None:
        for number in range(lane * 100, lane * 100 + 20):
            opened.desk.submit(views(range(number, number + 1)))

    threads = [threading.Thread(target=send, args=(lane,)) for lane in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries, _ = stored(opened, views(range(900, 901)))

    assert len(entries) == 81
    for lane in range(4):
        mine = names(range(lane * 100, lane * 100 + 20))
        assert [name for name in entries if name in mine] == mine


def test_after_backpressure_nothing_was_promised_and_again_is_safe(opened: Opened) -> None:
    many = views(range(400))  # more than any spool here holds
    opened.store.go_away()

    with pytest.raises(Backpressure) as refused:
        opened.desk.submit(many)

    assert refused.value.retry_after > 0
    opened.store.come_back()
    assert opened.entries() == []
    entries, _ = stored(opened, many[:20])
    assert entries == names(range(20))


def test_a_ledger_that_stopped_is_told_and_nothing_is_promised(opened: Opened) -> None:
    anchor = opened.at.node.anchor
    anchor.advance_writer("main", old=-1, seq=7, leaf=bytes(32))  # a second process has moved the head
    opened.store.come_back()

    def hand_in() -> None:
        opened.desk.submit(views(range(2)))
        opened.settle()
        opened.store.come_back()
        opened.desk.submit(views(range(2)))

    with pytest.raises(IntegrityError):
        hand_in()
    with pytest.raises(IntegrityError):
        opened.desk.submit(views(range(2, 4)))
