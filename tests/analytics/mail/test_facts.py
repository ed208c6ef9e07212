"""From the ledger to facts with the policy's judgement: reference data as of each delivery, the domain's past, a repeat."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics.deliveries import Deliveries
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json
from store.context import ContextStore
from store.cursors import Span
from store.deliveries import DeliveryFacts
from store.engine import Engine
from tests.support.clock import TickingClock
from tests.support.node import node

NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)
VERIFIED: Mapping[str, Json] = {"version": "TLSv1.3", "verified": True}
REFERENCE: Mapping[str, Sequence[Mapping[str, Json]]] = {
    "org": [{"name": "Hospital", "timezone": "America/New_York", "mail_domain": "hospital.example"}],
    "patients": [{"patient_id": "P-1", "email": "anna.berger@postbox.example"}],
    "domains": [
        {"domain": "corelab.example", "kind": "lab", "baa": True, "baa_expires": "2026-03-02"},
        {"domain": "paper.example", "kind": "vendor", "baa": False},
        {"domain": "postbox.example", "kind": "freemail", "baa": False},
    ],
    "consents": [
        {"patient_id": "P-1", "channel": "unencrypted_email", "status": "opted_in", "at": "2026-01-02T12:00:00.000000Z"},
        {"patient_id": "P-1", "channel": "marketing_email", "status": "opted_out", "at": "2026-01-02T12:00:00.000000Z"},
    ],
}


def mail(
    number: int, to: str, when: datetime = NOON, *, action: str = "deliver", outcome: str = "delivered", **more: Any
) -> AuditEvent:
    return AuditEvent(
        source_system="relay",
        event_id=f"m-{number}",
        time=when,
        source=Source.MAIL,
        action=action,
        actor=Actor(id="results@hospital.example", kind=ActorKind.SYSTEM),
        patient_id=more.pop("patient_id", "P-1"),
        outcome=outcome,
        details={"to": to, "phi": True, "tls": VERIFIED, "direction": "outbound", **more},
    )


def judged(
    engine: Engine, directory: Path, events: Sequence[AuditEvent], columns: str, *, batch: int = 100
) -> list[tuple[Any, ...]]:
    """The facts of these events in their order, made twice over: a repeat adds and changes nothing."""
    store = ContextStore(engine)
    store.load({kind: list(records) for kind, records in REFERENCE.items()}, NOON - timedelta(days=400))
    with node(engine, directory, TickingClock()) as house:
        house.ledger.append(list(events))
    deliveries = Deliveries(DeliveryFacts(engine), store)
    found = []
    for _ in range(2):
        for first in range(0, len(events), batch):
            deliveries.enrich([Span(writer="main", first=first, last=min(first + batch, len(events)) - 1)])
        found.append(engine.rows(f"SELECT {columns} FROM delivery_facts FINAL ORDER BY seq"))
    assert found[0] == found[1]
    return found[0]


def test_recipients_consents_and_outcomes(engine: Engine, tmp_path: Path) -> None:
    late = NOON + timedelta(days=1)
    found = judged(
        engine,
        tmp_path,
        [
            mail(0, "anna.berger@postbox.example", tls={"version": None}),
            mail(1, "in@corelab.example"),
            mail(2, "in@corelab.example", late),
            mail(3, "in@paper.example", tls={"version": None}),
            mail(4, "anna.berger@postbox.example", phi=False, category="marketing"),
            mail(5, "anna.berger@postbox.example", action="defer", outcome="deferred", tls={"version": None}),
            mail(6, "x@hospital.example", direction="internal", tls={"version": None}),
            mail(7, "me@gone.example", action="forward_rule", outcome="success", patient_id=None),
            mail(8, "", action="policy_change", outcome="success", event_type="Remove-TransportRule", patient_id=None),
            mail(9, "in@corelab.example", tls={"version": "TLSv1.3"}),
            mail(11, "anna@homelink.example", tls={"version": None}),
            mail(10, "me@gone.example", action="forward_rule", outcome="success", patient_id=None, removed=True),
        ],
        "policy_outcome, policy_reasons, policy_unknown, recipient, opted_in",
    )

    assert found == [
        ("met", "", "", "patient", 1),
        ("met", "", "", "associate", 0),
        ("broken", "baa_expired", "", "expired", 0),
        ("broken", "phi_in_clear, phi_without_baa", "", "no_agreement", 0),
        ("broken", "marketing_after_optout", "", "patient", 1),
        ("not_sent", "", "", "patient", 1),
        ("", "", "", "own", 1),
        ("broken", "forward_rule_outside", "", "unknown", 0),
        ("broken", "mail_policy_weakened", "", "unknown", 0),
        ("unknown", "", "peer_not_reported", "associate", 0),
        ("unknown", "", "recipient_not_known", "unknown", 1),
        ("", "", "", "unknown", 0),
    ]


def test_phi_is_unknown_over_a_leg_that_is_not_the_delivery(engine: Engine, tmp_path: Path) -> None:
    """However good the session there was (SES: the caller's), and however bad."""
    caller: dict[str, Json] = {"submission_tls": {"version": "TLSv1.3", "verified": True}, "tls_leg": "caller"}
    silent = mail(0, "in@corelab.example")
    silent = replace(silent, details={**{name: value for name, value in silent.details.items() if name != "tls"}, **caller})
    found = judged(
        engine,
        tmp_path,
        [
            silent,
            mail(1, "in@corelab.example", tls=None, tls_leg="inbound"),
            mail(2, "in@corelab.example", tls={**VERIFIED, "cipher": "TLS_AES_256_GCM_SHA384"}),
        ],
        "tls_verdict, tls_leg, tls_bits, tls_confidence, tls_weak, policy_outcome, policy_unknown",
    )

    assert found == [
        ("unknown", "caller", 0, "unknown", 0, "unknown", "tls_not_reported"),
        ("unknown", "inbound", 0, "unknown", 0, "unknown", "tls_not_reported"),
        ("verified_webpki", "delivery", 256, "stated", 0, "met", ""),
    ]


@pytest.mark.parametrize("batch", [1000, 7])
def test_a_domain_that_always_used_tls(engine: Engine, tmp_path: Path, batch: int) -> None:
    """Whether the past lies in the same batch or is stored already makes no difference."""
    before = [mail(n, "in@corelab.example", NOON - timedelta(days=20 - n // 2), phi=False) for n in range(20)]
    now = [
        mail(20, "in@corelab.example", phi=False, tls={"version": None}),
        mail(21, "x@new.example", phi=False, tls={"version": None}),
    ]

    found = judged(engine, tmp_path, [*before, *now], "policy_reasons, policy_facts", batch=batch)

    assert {reasons for reasons, _ in found[:20]} == {""}
    assert found[20][0] == "tls_downgrade"
    assert "20 of 20 deliveries" in found[20][1]
    assert found[21] == ("", "")


def test_a_lookalike_of_a_registered_domain_and_a_near_miss(engine: Engine, tmp_path: Path) -> None:
    found = judged(
        engine,
        tmp_path,
        [
            mail(0, "in@corelab.example", NOON - timedelta(days=2)),
            mail(1, "in@corlab.example"),
            mail(2, "anna.bergre@postbox.example"),
            mail(3, "anna.berger@postbox.example"),
        ],
        "misdirected, recipient",
    )

    assert found == [
        ("", "associate"),
        ("lookalike_domain, first_for_patient", "not_on_file"),
        ("near_patient_address, first_for_patient", "not_on_file"),
        ("", "patient"),
    ]


def test_what_the_register_learns_later_is_no_knowledge_before(engine: Engine, tmp_path: Path) -> None:
    store = ContextStore(engine)
    judged(engine, tmp_path, [mail(0, "in@paper.example"), mail(1, "in@paper.example", NOON + timedelta(days=9))], "seq")
    store.load({"domains": [{"domain": "paper.example", "kind": "vendor", "baa": True}]}, NOON + timedelta(days=5))

    Deliveries(DeliveryFacts(engine), store).enrich([Span(writer="main", first=0, last=1)])

    assert engine.rows("SELECT policy_reasons FROM delivery_facts FINAL ORDER BY seq") == [("phi_without_baa",), ("",)]
