"""The intake over a real ledger: every record gets its receipt, in the order given, and nothing is lost on the way."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from domain.errors import Backpressure
from domain.event import AuditEvent
from domain.record import Parsed, Position, Receipt, Rejected, Status
from store.engine import Engine
from store.fsck import Integrity
from store.intake import Intake, Waiting
from tests.support.cast import chart_view
from tests.support.desk import Desk, desk, eventually


@pytest.fixture
def at(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    with desk(engine, tmp_path) as made:
        yield made


def rejected(raw: bytes) -> Rejected:
    return Rejected(source_system="ehr", format="phitrail", reason="not JSON", raw=raw)


def test_receipts_come_in_the_order_given(at: Desk) -> None:
    batch: list[Parsed] = [rejected(b"a"), chart_view(1), chart_view(2), rejected(b"\xff"), chart_view(1)]

    receipts = at.intake.submit(batch)

    assert [receipt.status for receipt in receipts] == [
        Status.QUARANTINED,
        Status.ACCEPTED,
        Status.ACCEPTED,
        Status.QUARANTINED,
        Status.DUPLICATE,
    ]
    assert [receipts[index].seq for index in (1, 2, 4)] == [0, 1, 0]
    assert receipts[0].reason == "not JSON"
    assert at.quarantine.show(str(receipts[3].quarantine_id)).raw == b"\xff"
    assert at.intake.head() == Position(writer="main", seq=1)
    at.node.keeper.checkpoint()
    assert at.node.verify().integrity is Integrity.INTACT


def test_an_id_used_again_for_something_else_is_kept_in_quarantine(at: Desk) -> None:
    at.intake.submit([chart_view(1)])
    other = replace(chart_view(1), action="print", raw=b'{"event_id":"view-1","action":"print"}')

    (receipt,) = at.intake.submit([other])

    assert receipt.status is Status.QUARANTINED
    assert receipt.event_id == "view-1"
    assert receipt.reason == "event_id was used before for something else"
    assert at.quarantine.show(str(receipt.quarantine_id)).raw == other.raw
    assert at.stored() == 1


def test_an_empty_batch_is_no_work(at: Desk) -> None:
    assert at.intake.submit([]) == []


class SlowLedger:
    """A ledger that stores nothing until told to."""

    def __init__(self) -> None:
        self.release = threading.Event()

    def append(self, events: Sequence[AuditEvent]) -> list[Receipt]:
        assert self.release.wait(20)
        return [Receipt(status=Status.ACCEPTED) for _ in events]

    def head(self) -> Position:
        return Position(writer="slow", seq=-1)


@pytest.mark.parametrize("bounds", [{"max_records": 3}, {"max_bytes": 60}], ids=["records", "bytes"])
def test_what_may_wait_is_bounded_and_is_let_in_again_afterwards(at: Desk, bounds: dict[str, int]) -> None:
    ledger = SlowLedger()
    intake = Intake(ledger, at.quarantine, **bounds)
    first = [chart_view(1), chart_view(2)]  # 22 bytes each

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(intake.submit, first)
        eventually(lambda: intake.waiting.records == 2)
        with pytest.raises(Backpressure) as full:
            intake.submit([chart_view(3), chart_view(4)])
        ledger.release.set()

    assert full.value.retry_after == 1
    assert len(answer.result()) == 2
    assert intake.waiting == Waiting(records=0, bytes=0)
    assert len(intake.submit([chart_view(3), chart_view(4)])) == 2


def test_a_batch_larger_than_the_bounds_is_let_in_alone(at: Desk) -> None:
    intake = Intake(at.node.ledger, at.quarantine, max_records=2)

    assert len(intake.submit([chart_view(number) for number in range(5)])) == 5


class Away:
    """A ledger whose store is away the first time."""

    def __init__(self, inner: Desk) -> None:
        self._inner = inner
        self._is_away = True

    def append(self, events: Sequence[AuditEvent]) -> list[Receipt]:
        if self._is_away:
            self._is_away = False
            raise Backpressure("the store is not reachable; nothing was accepted", retry_after=5)
        return self._inner.node.ledger.append(events)

    def head(self) -> Position:
        return self._inner.node.ledger.head()


def test_sending_a_batch_again_after_back_pressure_accepts_it_whole(at: Desk) -> None:
    intake = Intake(Away(at), at.quarantine)
    batch: list[Parsed] = [chart_view(1), rejected(b"a")]

    with pytest.raises(Backpressure):
        intake.submit(batch)
    statuses = [receipt.status for receipt in intake.submit(batch)]

    assert statuses == [Status.ACCEPTED, Status.QUARANTINED]
    assert intake.waiting == Waiting(records=0, bytes=0)
    assert len(at.quarantine.newest()) == 1
