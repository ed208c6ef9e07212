"""From the ledger to facts: what was demanded of each delivery at its moment, and whether it was kept."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics.deliveries import Deliveries
from analytics.domain_demands import looks_before
from domain.domain_policy import Demand, DomainPolicy, SenderClass
from domain.event import AuditEvent
from domain.json import Json
from store.context import ContextStore
from store.cursors import Span
from store.deliveries import DeliveryFacts
from store.domain_policies import DomainPolicyBook
from store.domain_posture import DomainPostures, Posture
from store.engine import Engine
from tests.analytics.mail.test_facts import NOON, REFERENCE, VERIFIED, mail
from tests.support.clock import TickingClock
from tests.support.node import node

CLEAR: Json = {"version": None}
SOUND: Json = {"version": "TLSv1.3"}
OPEN: dict[str, Any] = {"phi": False, "encryption": "none"}


def demand(
    engine: Engine,
    what: Demand,
    domain: str = "lab.example",
    *,
    hours: float = -48,
    whose: SenderClass = SenderClass.ANY,
    until: datetime | None = None,
) -> None:
    word = DomainPolicy(
        domain=domain, sender_class=whose, demand=what, at=NOON + timedelta(hours=hours), by="admin", reason="x", until=until
    )
    DomainPolicyBook(engine, lambda _: None).set(word)


def outcomes(
    engine: Engine,
    directory: Path,
    events: Sequence[AuditEvent],
    *,
    batch: int = 100,
    received: datetime = NOON + timedelta(days=20),
) -> list[tuple[str, str, str]]:
    """Demand, its outcome and that of the whole policy, by event, made twice over: a repeat changes nothing."""
    store = ContextStore(engine)
    store.load({kind: list(records) for kind, records in REFERENCE.items()}, NOON - timedelta(days=400))
    with node(engine, directory, TickingClock(received)) as house:
        house.ledger.append(list(events))
    deliveries = Deliveries(DeliveryFacts(engine), store)
    found = []
    for _ in range(2):
        for first in range(0, len(events), batch):
            deliveries.enrich([Span(writer="main", first=first, last=min(first + batch, len(events)) - 1)])
        found.append(engine.rows("SELECT demanded, demand_outcome, policy_outcome FROM delivery_facts FINAL ORDER BY seq"))
    assert found[0] == found[1]
    return [(str(a), str(b), str(c)) for a, b, c in found[0]]


@pytest.mark.parametrize("batch", [100, 2])
def test_demands_of_the_moment_by_domain_class_and_outcome(engine: Engine, tmp_path: Path, batch: int) -> None:
    demand(engine, Demand.FORCED)
    demand(engine, Demand.NONE, whose=SenderClass.MARKETING)
    demand(engine, Demand.TLS_EXCLUSIVE, "late.example", hours=0.5)
    demand(engine, Demand.TLS_EXCLUSIVE, "over.example", until=NOON)
    demand(engine, Demand.ESCALATE, "partner.example")
    demand(engine, Demand.FORWARD_TLS_ONLY, "gone.example")
    found = outcomes(
        engine,
        tmp_path,
        [
            mail(0, "in@lab.example", tls=CLEAR, **OPEN),
            mail(1, "in@mx.lab.example", tls=SOUND, **OPEN),
            mail(2, "in@lab.example", tls=CLEAR, phi=False, category="newsletter"),
            mail(3, "in@lab.example", action="defer", outcome="deferred", tls=CLEAR, **OPEN),
            mail(4, "in@late.example", tls=CLEAR, **OPEN),
            mail(5, "in@late.example", NOON + timedelta(hours=1), tls=CLEAR, **OPEN),
            mail(6, "in@over.example", NOON - timedelta(seconds=1), tls=CLEAR, **OPEN),
            mail(7, "in@over.example", tls=CLEAR, **OPEN),
            mail(8, "in@partner.example", tls=CLEAR, phi=False, encryption="pgp"),
            mail(9, "in@partner.example", tls={}, phi=False),
            mail(10, "me@gone.example", action="forward_rule", outcome="success", patient_id=None),
            mail(11, "in@lab.example", direction="inbound", tls=CLEAR, **OPEN),
            mail(12, "in@other.example", tls=CLEAR, **OPEN),
            mail(13, ["in@other.example", "in@lab.example"], tls=CLEAR, category="letter", **OPEN),  # type: ignore[arg-type]
        ],
        batch=batch,
    )

    assert found == [
        ("forced, none", "unknown", "unknown"),
        ("forced, none", "met", "met"),
        ("none", "met", "met"),
        ("forced, none", "met", "not_sent"),
        ("", "", "met"),
        ("tls_exclusive", "broken", "broken"),
        ("tls_exclusive", "broken", "broken"),
        ("", "", "met"),
        ("escalate", "met", "met"),
        ("escalate", "unknown", "unknown"),
        ("forward_tls_only", "unknown", "broken"),
        ("", "", ""),
        ("", "", "met"),
        ("forced", "broken", "broken"),
    ]
    (row,) = engine.rows(
        "SELECT policy_reasons, policy_facts, demand_fact, demanded_by FROM delivery_facts FINAL WHERE event_id = 'm-13'"
    )
    reasons, facts, fact, origin = map(str, row)
    assert reasons == "domain_policy_broken"
    assert fact == "The policy for lab.example demands TLS or deferral, and it went in the clear"
    assert fact in facts
    assert origin == "lab.example (any), set by admin on 2026-02-28T17:00:00Z"
    (rule,) = engine.rows("SELECT policy_reasons, policy_unknown FROM delivery_facts FINAL WHERE event_id = 'm-10'")
    assert rule == ("forward_rule_outside", "domain_policy_not_known")


def test_a_clock_that_runs_ahead_lets_no_later_policy_count(engine: Engine, tmp_path: Path) -> None:
    """Received today, the delivery claims to be of tomorrow; the demand is of tonight."""
    found = outcomes(engine, tmp_path, [mail(0, "in@lab.example", NOON + timedelta(days=1), tls=CLEAR, **OPEN)], received=NOON)
    assert found == [("", "", "met")]

    demand(engine, Demand.FORCED, hours=6)

    assert again(engine, 0) == [("", "")]


def look(domain: str, hours: float, **seen: Any) -> Posture:
    at = NOON + timedelta(hours=hours)
    return Posture(domain=domain, observed_at=at, mta_sts_expires=at + timedelta(days=30), **seen)


def again(engine: Engine, last: int) -> list[tuple[object, ...]]:
    Deliveries(DeliveryFacts(engine), ContextStore(engine)).enrich([Span(writer="main", first=0, last=last)])
    return engine.rows("SELECT demand_outcome, policy_reasons FROM delivery_facts FINAL ORDER BY seq")


def test_what_a_domain_published_counts_from_the_look_on(engine: Engine, tmp_path: Path) -> None:
    demand(engine, Demand.MTA_STS)
    demand(engine, Demand.DANE, "mx.example")
    enforce: dict[str, Any] = {"mta_sts_mode": "enforce", "mta_sts_mx": ("*.mail.lab.example",), "mx": ("a.mail.lab.example",)}
    looks = [look("lab.example", -1, **enforce), look("lab.example", 24, mta_sts_mode="none"), look("mx.example", 1, dane=False)]
    DomainPostures(engine).add(looks)

    def sent(number: int, to: str, hours: float, relay: str = "a.mail.lab.example") -> AuditEvent:
        return mail(number, to, NOON + timedelta(hours=hours), phi=False, tls=VERIFIED, relay=relay)

    events = [
        sent(0, "in@lab.example", -2),
        sent(1, "in@lab.example", 0),
        sent(2, "in@lab.example", 0, relay="mx.elsewhere.example"),
        sent(3, "in@lab.example", 0, relay="192.0.2.1"),
        sent(4, "in@lab.example", 25),
        sent(5, "in@mx.example", 0),
        sent(6, "in@mx.example", 2),
        sent(7, "in@lab.example", 24 + 24 * 8),
    ]

    found = [outcome for _, outcome, _ in outcomes(engine, tmp_path, events)]

    assert found == ["unknown", "met", "broken", "unknown", "broken", "unknown", "broken", "unknown"]
    DomainPostures(engine).add([look("lab.example", 300, **enforce), look("mx.example", 300, dane=True)])
    assert [outcome for outcome, _ in again(engine, 7)] == found


class Counted:
    """A store of looks that counts the questions."""

    def __init__(self, postures: DomainPostures) -> None:
        self._postures = postures
        self.asked = 0

    def as_of(self, domains: Any, moment: datetime) -> Any:
        self.asked += 1
        return self._postures.as_of(domains, moment)


def test_looks_are_asked_for_by_look_and_not_by_delivery(engine: Engine) -> None:
    postures = DomainPostures(engine)
    looks = [look("a.example", hours, dane=hours < 0) for hours in (-5, 0, 5)]
    postures.add([*looks, replace(looks[0], domain="b.example")])
    counted = Counted(postures)
    wanted = [
        (domain, NOON + timedelta(hours=hours / 10))
        for hours in range(-100, 100)
        for domain in ("a.example", "b.example", "c.example")
    ]

    found = looks_before(wanted, counted)  # type: ignore[arg-type]

    assert counted.asked <= len(looks) + 1
    for domain, moment in wanted:
        mine = [one for one in looks if one.observed_at <= moment and (domain == "a.example" or one is looks[0])]
        expected = None if domain == "c.example" or not mine else mine[-1].observed_at
        seen = found.get((domain, moment))
        assert (seen and seen.observed_at) == expected
