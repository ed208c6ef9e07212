"""From the ledger to what a mail event shows: subjects, what comes back, senders, deadlines, messages that wait to be read."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics.approved_senders import Senders
from analytics.deliveries import Deliveries
from analytics.mail_times import seconds_on_the_way
from analytics.sigma.evaluate import Evaluator
from analytics.sigma.loader import load_rules
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json
from store.context import ContextStore
from store.context_rows import ALWAYS
from store.cursors import Span
from store.deliveries import DeliveryFacts
from store.engine import Engine
from store.rules import Rules
from tests.analytics.mail.mail_cast import CLEAR, NOON, VERIFIED, ZONE
from tests.support.clock import TickingClock
from tests.support.node import node

OWN = "hospital.example"
REFERENCE: Mapping[str, Sequence[Mapping[str, Json]]] = {
    "org": [{"name": "Hospital", "timezone": "America/New_York", "mail_domain": OWN, "mrn_pattern": "MRN[ -]?[0-9]{7}"}],
    "patients": [{"patient_id": "P-1", "email": "anna.berger@postbox.example"}],
    "domains": [
        {"domain": "corelab.example", "kind": "lab", "baa": True, "baa_expires": "2026-12-31"},
        {"domain": "postbox.example", "kind": "freemail", "baa": False},
        {"domain": "signer.example", "kind": "sender"},
        {"domain": "biller.example", "kind": "vendor", "baa": True, "sends": True},
        {"domain": "relay", "kind": "service"},
    ],
    "consents": [{"patient_id": "P-1", "channel": "unencrypted_email", "status": "opted_in", "at": "2026-01-02T12:00:00.000000Z"}],
}
LAB = "in@corelab.example"


def sender(address: str) -> dict[str, Any]:
    return {"from": address}


def mail(
    to: str = LAB, when: datetime = NOON, *, action: str = "deliver", outcome: str = "delivered", **more: Any
) -> dict[str, Any]:
    return {
        "source_system": more.pop("source_system", "relay"),
        "time": when,
        "source": more.pop("source", Source.MAIL),
        "action": action,
        "actor": Actor(id=f"results@{OWN}", kind=ActorKind.SYSTEM),
        "patient_id": more.pop("patient_id", None),
        "outcome": outcome,
        "details": {"to": to, "phi": True, "tls": VERIFIED, "direction": "outbound", **more},
    }


def judged(engine: Engine, directory: Path, events: Sequence[Mapping[str, Any]], columns: str, batch: int = 100) -> list[Any]:
    """The facts of these events in their order, made twice over: a repeat adds and changes nothing."""
    store = ContextStore(engine)
    store.load({kind: list(records) for kind, records in REFERENCE.items()}, NOON - timedelta(days=400))
    with node(engine, directory, TickingClock()) as house:
        house.ledger.append([AuditEvent(event_id=f"m-{n}", **event) for n, event in enumerate(events)])
    deliveries = Deliveries(DeliveryFacts(engine), store)
    found = []
    for _ in range(2):
        for first in range(0, len(events), batch):
            deliveries.enrich([Span(writer="main", first=first, last=min(first + batch, len(events)) - 1)])
        found.append(engine.rows(f"SELECT {columns} FROM delivery_facts FINAL ORDER BY seq"))
    assert found[0] == found[1]
    return found[0]


def test_subjects_by_kind_and_nowhere_their_values(engine: Engine, tmp_path: Path) -> None:
    secret = "123-45-6789"
    found = judged(
        engine,
        tmp_path,
        [
            mail(subject=f"Claim {secret}", encryption="smime"),
            mail(subjects=["Lunch", "MRN 0012345"]),
            mail(subject="dx E11.9"),
            mail(subject="dx E11.9", patient_id="P-1"),
            mail("anna.berger@postbox.example", subject="DOB 03/12/1980", patient_id="P-1", tls=CLEAR),
            mail(f"x@{OWN}", subject=f"SSN {secret}"),
            mail(subject=f"SSN {secret}", direction="internal"),
            mail(subject=f"SSN {secret}", action="defer", outcome="deferred"),
            mail(subject="Order 123-45-6789"),
            mail(subject=f"SSN {secret}", phi=False),
        ],
        "subject_identifiers, policy_reasons, policy_outcome",
    )

    assert found == [
        (["ssn"], "phi_in_subject", "broken"),
        (["mrn"], "phi_in_subject", "broken"),
        (["icd10"], "", "met"),
        (["icd10"], "phi_in_subject", "broken"),
        (["date_of_birth"], "", "met"),
        (["ssn"], "", "met"),
        ([], "", ""),
        ([], "", "not_sent"),
        ([], "", "met"),
        (["ssn"], "phi_in_subject", "broken"),
    ]
    assert engine.rows(
        "SELECT count() FROM delivery_facts WHERE position(toString(tuple(*)), {secret:String}) > 0", secret=secret
    ) == [(0,)]


def test_what_comes_back_and_who_sent_it(engine: Engine, tmp_path: Path) -> None:
    inbound: dict[str, Any] = {"to": f"records@{OWN}", "direction": "inbound", "tls": CLEAR}
    found = judged(
        engine,
        tmp_path,
        [
            mail(**inbound, client="mx.lab.example", **sender("<>")),
            mail(**inbound, in_reply_to="<a@b.example>", **sender("desk@lab.example")),
            mail(**inbound, subject="AW: Befund", **sender("desk@lab.example")),
            mail(**inbound, returned="headers", **sender("<>")),
            mail(**{**inbound, "tls": {"version": "TLSv1.3"}}, in_reply_to="<a@b.example>"),
            mail(**{**inbound, "phi": None}, in_reply_to="<a@b.example>"),
            mail(**inbound, in_reply_to="<a@b.example>", patient_id="P-1"),
            mail(**inbound),
            mail(dkim_domain=["signer.example"]),
            mail(dkim={"d": "mail.biller.example"}),
            mail(dkim_domain="blast.example"),
            mail(dkim_domain=f"mg.{OWN}", **sender("bounce@blast.example")),
            mail(header_from=f"clinic@{OWN}", **sender("bounce@blast.example")),
            mail(sending_service="Blast"),
            mail(source_system="new-relay"),
            mail("", action="dmarc_report", outcome="", header_from=OWN, dkim_domain="blast.example", dkim="pass"),
            mail("", action="dmarc_report", outcome="", header_from=OWN, dkim_domain="blast.example", dkim="fail", spf="fail"),
        ],
        "answers, mail_signs, sent_by, policy_reasons",
    )

    returned, unapproved = ["phi_returned"], ["unapproved_sender"]
    assert found == [
        ("bounce", returned, "mx.lab.example", ""),
        ("reply", returned, "lab.example", ""),
        ("reply", returned, "lab.example", ""),
        ("bounce", [], "", ""),
        ("reply", [], "", ""),
        ("reply", [], "", ""),
        ("reply", [], "", ""),
        ("", [], "", ""),
        ("", [], "", ""),
        ("", [], "", ""),
        ("", unapproved, "blast.example", "unapproved_sender"),
        ("", [], "", ""),
        ("", unapproved, "blast.example", "unapproved_sender"),
        ("", unapproved, "blast", "unapproved_sender"),
        ("", unapproved, "new-relay", "unapproved_sender"),
        ("", unapproved, "blast.example", ""),
        ("", [], "", ""),
    ]


@pytest.mark.parametrize("batch", [100, 1])
def test_deadlines_from_queueing_to_delivery(engine: Engine, tmp_path: Path, batch: int) -> None:
    """What was reported of the message before counts, in the same batch or stored."""
    reset: dict[str, Any] = {"category": "password_reset", "phi": False}
    found = judged(
        engine,
        tmp_path,
        [
            mail(**reset, delay="901.0"),
            mail(**reset, delay="899.9"),
            mail(**reset, queued_at=(NOON - timedelta(hours=2)).isoformat()),
            mail(**reset),
            mail(**reset, message_id="<m1>", action="defer", outcome="deferred"),
            mail(when=NOON + timedelta(minutes=10), **reset, message_id="<m1>", action="defer", outcome="deferred"),
            mail(when=NOON + timedelta(minutes=16), **reset, message_id="<m1>"),
            mail(**reset, action="bounce", outcome="bounced"),
            mail(category="newsletter", phi=False, delay="90000"),
            mail(category="newsletter", phi=False, action="bounce", outcome="bounced"),
        ],
        "transit_seconds, mail_signs",
        batch,
    )

    late = ["transactional_late"]
    assert found == [
        (901, late),
        (899, []),
        (7200, late),
        (-1, []),
        (-1, []),
        (600, []),
        (960, late),
        (-1, ["transactional_bounced"]),
        (-1, []),
        (-1, []),
    ]


def test_a_secure_message_that_nobody_reads(engine: Engine, tmp_path: Path) -> None:
    """Only from the day on by which the portal has said of twenty reads which message it was."""

    def link(number: str, when: datetime = NOON, **more: Any) -> dict[str, Any]:
        return mail("anna.berger@postbox.example", when, encryption="portal_link", message_id=number, patient_id="P-1", **more)

    def read(number: str, when: datetime) -> dict[str, Any]:
        return mail("", when, source=Source.PORTAL, action="view_message", outcome="success", message_id=number, patient_id="P-1")

    before = NOON - timedelta(days=20)
    events = [
        link("early", before),
        *(read(f"old-{n}", before + timedelta(hours=n)) for n in range(20)),
        link("read"),
        link("unread"),
        link("news", phi=False),
        read("read", NOON + timedelta(days=7)),
        read("else", NOON + timedelta(days=1)),
    ]
    judged(engine, tmp_path, events, "mail_signs")
    rule = next(rule for rule in load_rules() if rule.rule_id.endswith("0b13"))
    evaluator = Evaluator(Rules(engine), ZONE)

    found = evaluator.findings(rule, NOON - timedelta(days=30), NOON + timedelta(days=30))

    assert [[one.event_id for one in finding.evidence] for finding in found] == [["m-22"]]
    assert not evaluator.findings(rule, NOON - timedelta(days=30), NOON + timedelta(days=6))


@pytest.mark.parametrize("batch", [100, 7])
def test_a_new_domain_is_known_by_the_other_domains_of_its_provider(engine: Engine, tmp_path: Path, batch: int) -> None:
    """Whether the provider's past lies in the same batch or is stored already makes no difference."""

    def sent(domain: str, home: str, days: int, tls: Json = VERIFIED) -> dict[str, Any]:
        return mail(f"in@{domain}", NOON - timedelta(days=days), phi=False, tls=tls, relay=f"mx{days}.{home}")

    past = [sent(f"c{n % 4}.example", "in.sound.example", 1 + n % 6) for n in range(20)]
    past += [sent(f"d{n % 4}.example", "in.cheap.example", 1 + n % 6, CLEAR if n % 4 == 3 else VERIFIED) for n in range(20)]
    past += [sent("only.example", "mx.lone.example", 1 + n % 6) for n in range(20)]
    now = [
        sent("new.example", "in.sound.example", 0, CLEAR),
        sent("new.example", "in.cheap.example", 0, CLEAR),
        sent("new.example", "mx.lone.example", 0, CLEAR),
        sent("new.example", "in.unheard.example", 0, CLEAR),
        sent("d3.example", "in.sound.example", 0, CLEAR),
        sent(OWN, "in.sound.example", 0, CLEAR),
    ]

    found = judged(engine, tmp_path, [*past, *now], "policy_reasons, policy_facts", batch)[60:]

    assert [reasons for reasons, _ in found] == ["tls_downgrade", "", "", "", "", ""]
    assert "in.sound.example" in found[0][1]
    assert "20 of 20 deliveries on 6 days" in found[0][1]


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ({"delay": "3.2"}, 3),
        ({"delay": 90}, 90),
        ({"delay": "1+02:03:04"}, 93_784),
        ({"delay": "00:00:05"}, 5),
        ({"queue_time": "1h2m3s"}, 3_723),
        ({"queue_time": "0.250s"}, 0),
        ({"delay": "soon"}, -1),
        ({"delay": -4}, -1),
        ({"delay": True}, -1),
        ({"queued_at": "2026-03-02T16:00:00+00:00"}, 3_600),
        ({"queued_at": "2026-03-02T16:00:00"}, -1),
        ({"queued_at": "2026-03-02T18:00:00+00:00"}, -1),
        ({"queued_at": "2025-03-02T18:00:00+00:00"}, -1),
        ({}, -1),
    ],
)
def test_how_long_it_took_as_senders_write_it(details: Mapping[str, Json], seconds: int) -> None:
    assert seconds_on_the_way(details, NOON, None) == seconds


def test_senders_count_as_they_were_registered_at_the_moment() -> None:
    later, gone = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    known = Senders(
        [
            (later, {"domain": "signer.example", "kind": "sender"}),
            (gone, {"domain": "signer.example", "kind": "sender", "sends": False}),
            (ALWAYS, {"domain": "lab.example", "kind": "lab", "baa": True}),
        ]
    )

    assert not known.is_kept("sender", later - timedelta(seconds=1))
    assert not known.is_kept("service", NOON)
    assert known.has_domain("mail.signer.example", NOON)
    assert not known.has_domain("signer.example", gone)
    assert not known.has_domain("lab.example", NOON)
