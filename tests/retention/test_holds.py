"""Holds: placed, released, listed; every change an event of the ledger that keeps its subject in the private part."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domain.errors import Conflict, InvalidInput, NotFound
from domain.event import AuditEvent
from retention.holds import HoldRequest, Holds, active_holds
from store.engine import Engine
from store.retention import HoldScope, RetentionStore
from tests.retention.old_ledger import NEXT, NOW, OLD, OldLedger, Stop, old_ledger
from tests.support.clock import TickingClock


@pytest.fixture
def old(engine: Engine, tmp_path: Path) -> Iterator[OldLedger]:
    with old_ledger(engine, tmp_path) as ledger:
        yield ledger


def request(scope: HoldScope = HoldScope.ALL, **changes: object) -> HoldRequest:
    fields: dict[str, object] = {"scope": scope, "reason": "subpoena 12", "by": "counsel"}
    return HoldRequest(**(fields | changes))  # type: ignore[arg-type]


def test_a_hold_is_listed_with_its_release(old: OldLedger) -> None:
    holds = old.holds()
    first = holds.hold(request())
    old.clock.advance(days=1)
    second = holds.hold(request(HoldScope.PATIENT, subject="P-1"))
    old.clock.advance(days=1)

    released = holds.release(first.hold_id, by="privacy.officer", reason="case closed")

    assert holds.holds() == [released, second]
    assert (released.released_by, released.released_at, released.release_reason) == (
        "privacy.officer",
        old.clock.now,
        "case closed",
    )
    assert [active.hold for active in active_holds(RetentionStore(old.engine))] == [second]


@pytest.mark.parametrize(
    ("scope", "subject", "months"),
    [
        (HoldScope.PATIENT, "P-2", {OLD, NEXT, NOW}),
        (HoldScope.PATIENT, "P-77", set()),
        (HoldScope.ACTOR, "mallory", {OLD}),
    ],
)
def test_a_hold_on_someone_covers_the_months_with_their_events(
    old: OldLedger, scope: HoldScope, subject: str, months: set[int]
) -> None:
    before = {NOW}  # the event of the hold itself names the patient and lies in the present month

    old.holds().hold(request(scope, subject=subject))

    (active,) = active_holds(RetentionStore(old.engine))
    assert active.months - before == months - before
    assert [active.covers(epoch) for epoch in (OLD, NEXT)] == [OLD in months, NEXT in months]


def test_every_change_is_an_event_whose_header_names_no_patient(old: OldLedger) -> None:
    holds = old.holds()
    placed = holds.hold(request(HoldScope.PATIENT, subject="P-1", reason="suit by P-1"))
    holds.release(placed.hold_id, by="counsel", reason="settled with P-1")

    rows = old.engine.rows(
        "SELECT action, patient_id, actor_id, header, private FROM events WHERE action LIKE 'hold_%' ORDER BY seq"
    )

    assert [(row[0], row[1], row[2]) for row in rows] == [("hold_placed", "P-1", "counsel"), ("hold_released", "P-1", "counsel")]
    assert not any("P-1" in str(row[3]) for row in rows)
    assert all("P-1" in str(row[4]) for row in rows)


@pytest.mark.parametrize(
    "wrong",
    [
        request(reason=" "),
        request(by=""),
        request(subject="P-1"),
        request(first_epoch=201911, last_epoch=201911),
        request(HoldScope.PATIENT),
        request(HoldScope.MONTHS),
        request(HoldScope.MONTHS, first_epoch=201913, last_epoch=201913),
        request(HoldScope.MONTHS, first_epoch=202001, last_epoch=201912),
    ],
)
def test_a_hold_that_says_too_little_or_too_much_is_refused(engine: Engine, wrong: HoldRequest) -> None:
    holds = Holds(RetentionStore(engine), TickingClock(), new_id=lambda: "H-1", record=lambda event: None)

    with pytest.raises(InvalidInput):
        holds.hold(wrong)

    assert holds.holds() == []


def test_a_hold_is_released_once_by_a_person_with_a_reason(old: OldLedger) -> None:
    holds = old.holds()
    placed = holds.hold(request())

    with pytest.raises(InvalidInput):
        holds.release(placed.hold_id, by="counsel", reason="")
    with pytest.raises(NotFound):
        holds.release("H-99", by="counsel", reason="x")
    holds.release(placed.hold_id, by="counsel", reason="x")
    with pytest.raises(Conflict, match="was released on 2026-06-02 by counsel"):
        holds.release(placed.hold_id, by="counsel", reason="x")


def test_a_stop_while_recording_leaves_a_hold_in_force(old: OldLedger) -> None:
    def dies(event: AuditEvent) -> None:
        raise Stop

    store = RetentionStore(old.engine)
    new_id: Callable[[], str] = lambda: "H-7"  # noqa: E731
    dying = Holds(store, old.clock, new_id, dies)

    with pytest.raises(Stop):
        dying.hold(request())
    assert [active.hold.hold_id for active in active_holds(store)] == ["H-7"]
    with pytest.raises(Stop):
        dying.release("H-7", by="counsel", reason="x")
    assert [active.hold.hold_id for active in active_holds(store)] == ["H-7"]
