"""Suppressions: kept, lifted, never in force without an event of the ledger, and what they hold back stays countable."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from domain.errors import Backpressure, Conflict, InvalidInput, NotFound
from domain.event import AuditEvent
from domain.suppression import Suppression
from store.engine import Engine
from store.findings import Findings
from store.suppressions import SuppressionBook, Suppressions
from tests.alerts.builders import NINE, a_finding, at
from tests.support.faults import Fault, FaultyEngine

END = datetime(2026, 4, 1, tzinfo=UTC)


def a_book(engine: object, told: list[AuditEvent]) -> SuppressionBook:
    numbers = count()
    return SuppressionBook(engine, told.extend, lambda: str(next(numbers)))  # type: ignore[arg-type]


def set_one(book: SuppressionBook, **changes: str) -> Suppression:
    narrowings = {"actor_id": "alice", "patient_id": "P-1"} | changes
    return book.set("household_access", narrowings, by="officer", reason=" Her own aunt. ", at=NINE, until=END)


def test_one_is_set_holds_back_and_is_lifted(engine: Engine) -> None:
    told: list[AuditEvent] = []
    book, known = a_book(engine, told), Suppressions(engine)
    findings = [a_finding("f-1"), a_finding("f-2", hours=1), a_finding("f-3", patient="P-2"), a_finding("f-4", hours=2)]
    Findings(engine).add(findings)

    one = set_one(book)
    other = set_one(book, actor_id="", patient_id="", to_domain=" Clinic.Example. ")
    by = known.holding(findings[:3])
    known.hold(findings[:2], by)
    known.hold(findings[:2], by)
    lifted = book.lift(one.suppression_id, by="boss", reason="Enough.", at=at(2))

    assert by == {"f-1": one.suppression_id, "f-2": one.suppression_id}
    assert known.holding(findings) == by
    assert known.get(one.suppression_id) == lifted
    assert (lifted.reason, lifted.lifted_by, lifted.ends, other.to_domain) == ("Her own aunt.", "boss", at(2), "clinic.example")
    assert {found.suppression_id for found in known.all()} == {one.suppression_id, other.suppression_id}
    assert known.counts() == {one.suppression_id: 2}
    assert known.held_by_kind() == {"household_access": 2}
    assert [finding.finding_id for finding in known.held(one.suppression_id)] == ["f-2", "f-1"]
    with pytest.raises(Conflict):
        book.lift(one.suppression_id, by="boss", reason="Again.", at=at(3))
    with pytest.raises(NotFound):
        book.lift("nothing", by="boss", reason="x", at=at(3))
    assert [(event.action, event.actor.id) for event in told] == [
        ("suppression_set", "officer"),
        ("suppression_set", "officer"),
        ("suppression_lifted", "boss"),
    ]
    assert told[0].details == {
        "suppression_id": one.suppression_id,
        "kind": "household_access",
        "until": "2026-04-01T00:00:00.000000Z",
        "narrowings": ["actor_id", "patient_id"],
    }
    assert not any(word in repr(told) for word in ("alice", "P-1", "aunt", "Enough"))


def test_what_is_refused_leaves_no_trace(engine: Engine) -> None:
    told: list[AuditEvent] = []
    book = a_book(engine, told)
    good = {"by": "officer", "reason": "x", "at": NINE, "until": END}

    for kind, narrowings, wrong in (
        ("record_tampered", {"rule_id": "r"}, {}),
        ("browsing", {}, {}),
        ("browsing", {"actor_id": " "}, {}),
        ("browsing", {"device_id": "d"}, {}),
        ("browsing", {"actor_id": "a"}, {"by": "phitrail"}),
        ("browsing", {"actor_id": "a"}, {"until": NINE + timedelta(days=400)}),
    ):
        with pytest.raises(InvalidInput):
            book.set(kind, narrowings, **(good | wrong))  # type: ignore[arg-type]

    def full(events: Sequence[AuditEvent]) -> None:
        raise Backpressure("the ledger is full; try again", retry_after=1)

    with pytest.raises(Backpressure):
        set_one(SuppressionBook(engine, full, lambda: "t"))
    assert told == []
    assert Suppressions(engine).all() == []


@pytest.mark.parametrize("after_it", [False, True])
def test_a_step_whose_write_fails_is_on_record_and_can_be_repeated(engine: Engine, after_it: bool) -> None:
    told: list[AuditEvent] = []
    faulty, known = FaultyEngine(engine), Suppressions(engine)
    book = a_book(faulty, told)

    faulty.table, faulty.after = "suppressions", after_it
    with pytest.raises(Fault):
        set_one(book)
    assert len(known.all()) == int(after_it)
    one = set_one(book)

    faulty.table = "suppressions"
    with pytest.raises(Fault):
        book.lift(one.suppression_id, by="boss", reason="x", at=at(1))
    assert known.get(one.suppression_id).lifted_at == (at(1) if after_it else None)
    if after_it:
        with pytest.raises(Conflict):
            book.lift(one.suppression_id, by="boss", reason="x", at=at(2))
    else:
        assert book.lift(one.suppression_id, by="boss", reason="x", at=at(2)).ends == at(2)
    assert [event.action for event in told][:3] == ["suppression_set", "suppression_set", "suppression_lifted"]
    assert len({event.event_id for event in told}) == len(told)
