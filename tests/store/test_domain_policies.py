"""Words on domains: kept, read as of any moment, and never in force without an event of the ledger."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.domain_policy import Demand, DomainPolicy, SenderClass
from domain.errors import Backpressure, Conflict, InvalidInput, NotFound
from domain.event import AuditEvent
from store.domain_policies import DomainPolicies, DomainPolicyBook
from store.engine import Engine
from tests.support.faults import Fault, FaultyEngine

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANY, MARKETING = SenderClass.ANY, SenderClass.MARKETING
FORCED = DomainPolicy(
    domain="Clinic.Example.", sender_class=ANY, demand=Demand.FORCED, at=START, by="admin", reason="  Contract, section 4. "
)


def after(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def test_words_are_read_as_of_any_moment_for_many_domains_at_once(engine: Engine) -> None:
    told: list[AuditEvent] = []
    book, known = DomainPolicyBook(engine, told.extend), DomainPolicies(engine)
    domains = ["clinic.example", "mx.clinic.example", "lab.example", "other.example"]

    assert book.set(FORCED) == replace(FORCED, domain="clinic.example", reason="Contract, section 4.")
    book.set(replace(FORCED, sender_class=MARKETING, demand=Demand.NONE, at=after(1), until=after(3)))
    book.set(replace(FORCED, domain="lab.example", demand=Demand.DANE, at=after(2)))
    book.withdraw("clinic.example", ANY, by="officer", reason="It ended.", at=after(4))

    def as_of(hours: float, whose: SenderClass) -> dict[str, str]:
        found = known.as_of(domains, whose, after(hours))
        return {domain: word.demand.value for domain, word in found.items() if word.demand}

    forced = dict.fromkeys(domains[:2], "forced")
    assert as_of(-1, ANY) == {}
    assert as_of(2, ANY) == forced | {"lab.example": "dane"}
    assert as_of(2, MARKETING) == dict.fromkeys(domains[:2], "none") | {"lab.example": "dane"}
    assert as_of(3, MARKETING) == forced | {"lab.example": "dane"}
    assert as_of(4, ANY) == {"lab.example": "dane"}
    words = known.read(["mx.clinic.example"], after(9))
    assert [(word.sender_class, word.demand, word.until) for word in words] == [
        (ANY, Demand.FORCED, None),
        (ANY, None, None),
        (MARKETING, Demand.NONE, after(3)),
    ]
    assert len(known.all(after(9))) == 4
    assert known.read([], after(9)) == []
    assert [(event.action, event.actor.id, event.time) for event in told][2:] == [
        ("domain_policy_set", "admin", after(2)),
        ("domain_policy_withdrawn", "officer", after(4)),
    ]
    assert len({event.event_id for event in told}) == 4
    assert told[1].details == {
        "domain": "clinic.example",
        "sender_class": "marketing",
        "reason": "Contract, section 4.",
        "demand": "none",
        "until": "2026-03-02T15:00:00.000000Z",
    }


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"domain": "x@clinic.example"}, InvalidInput),
        ({"by": ""}, InvalidInput),
        ({"by": "phitrail"}, InvalidInput),
        ({"reason": " "}, InvalidInput),
        ({"until": START}, InvalidInput),
        ({"demand": None}, InvalidInput),
        ({"domain": "clinic.example", "at": START - timedelta(hours=1)}, Conflict),
    ],
)
def test_what_is_refused_leaves_no_trace(engine: Engine, wrong: dict[str, object], error: type[Exception]) -> None:
    told: list[AuditEvent] = []
    book = DomainPolicyBook(engine, told.extend)
    book.set(FORCED)

    with pytest.raises(error):
        book.set(replace(FORCED, **{"domain": "lab.example"} | wrong))  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        book.withdraw("mx.clinic.example", ANY, by="admin", reason="x", at=after(1))

    assert len(told) == len(DomainPolicies(engine).all(after(9))) == 1


def test_nothing_is_in_force_that_the_ledger_did_not_take(engine: Engine) -> None:
    def full(events: Sequence[AuditEvent]) -> None:
        raise Backpressure("the ledger is full; try again", retry_after=1)

    with pytest.raises(Backpressure):
        DomainPolicyBook(engine, full).set(FORCED)

    assert DomainPolicies(engine).all(after(9)) == []


@pytest.mark.parametrize("after_it", [False, True])
def test_a_write_that_fails_is_on_record_and_can_be_repeated(engine: Engine, after_it: bool) -> None:
    told: list[AuditEvent] = []
    faulty = FaultyEngine(engine)
    book = DomainPolicyBook(faulty, told.extend)  # type: ignore[arg-type]
    faulty.table, faulty.after = "domain_policies", after_it

    with pytest.raises(Fault):
        book.set(FORCED)
    left = DomainPolicies(engine).all(after(9))
    book.set(replace(FORCED, at=after(1)))

    assert len(left) == int(after_it)
    assert [event.action for event in told] == ["domain_policy_set"] * 2
    assert DomainPolicies(engine).as_of(["clinic.example"], ANY, after(2))["clinic.example"].at == after(1)
