"""Mail entries of the ledger, and the facts kept about them."""

from dataclasses import replace
from pathlib import Path

from domain.event import Actor, ActorKind, AuditEvent, Source
from store.cursors import Span
from store.deliveries import DeliveryFact, DeliveryFacts
from store.engine import Engine
from tests.support.cast import MORNING, chart_view
from tests.support.clock import TickingClock
from tests.support.node import node

LETTER = AuditEvent(
    source_system="relay",
    event_id="m-1",
    time=MORNING,
    source=Source.MAIL,
    action="deliver",
    actor=Actor(id="records@hospital.example", kind=ActorKind.SYSTEM),
    patient_id="P-1",
    outcome="delivered",
    details={"to": "x@clinic.example", "phi": True, "tls": {"version": None}},
)


def fact(entries: DeliveryFacts, span: Span) -> DeliveryFact:
    (entry,) = entries.entries(span)
    return DeliveryFact(
        entry=entry,
        to_domain="clinic.example",
        direction="outbound",
        category="letter",
        phi=True,
        encryption="none",
        auto_forwarded=False,
        tls_verdict="none",
        tls_version="",
        tls_cipher="",
        tls_weak=False,
        evidence="as it was said",
        opted_in=False,
        policy_version="1",
    )


def test_only_mail_is_read_with_its_details(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock()) as house:
        house.ledger.append([chart_view(1), LETTER, chart_view(2)])

    (entry,) = DeliveryFacts(engine).entries(Span(writer="main", first=0, last=2))

    assert (entry.seq, entry.event_id, entry.actor_id, entry.patient_id) == (1, "m-1", LETTER.actor.id, "P-1")
    assert entry.details == LETTER.details
    assert entry.time == MORNING
    assert DeliveryFacts(engine).entries(Span(writer="main", first=2, last=2)) == []
    assert DeliveryFacts(engine).entries(Span(writer="other", first=0, last=9)) == []


def test_facts_are_kept_and_replaced(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock()) as house:
        house.ledger.append([LETTER])
    facts = DeliveryFacts(engine)
    kept = fact(facts, Span(writer="main", first=0, last=0))

    facts.add([kept])
    facts.add([replace(kept, phi=None, opted_in=True, tls_leg="delivery", tls_bits=256, tls_confidence="stated")])
    facts.add([])

    columns = "event_id, to_domain, phi, opted_in, tls_verdict, tls_leg, tls_bits, tls_confidence"
    row = ("m-1", "clinic.example", None, 1, "none", "delivery", 256, "stated")
    assert engine.rows(f"SELECT {columns} FROM delivery_facts FINAL") == [row]


def test_a_redacted_entry_has_no_details(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock()) as house:
        house.ledger.append([LETTER])
    engine.execute("ALTER TABLE events UPDATE private = '' WHERE true")

    (entry,) = DeliveryFacts(engine).entries(Span(writer="main", first=0, last=0))

    assert entry.details == {}
