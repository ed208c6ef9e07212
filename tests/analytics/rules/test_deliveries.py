"""From mail events to facts: the recipient's domain, what is not known, and consent as of the delivery."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from analytics.consents import Consents
from analytics.deliveries import Deliveries, fact
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json
from store.context import ContextStore
from store.cursors import Span
from store.deliveries import DeliveryFacts, MailEntry
from store.engine import Engine
from tests.support.clock import TickingClock
from tests.support.node import node

NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)


def entry(details: Mapping[str, Json]) -> MailEntry:
    texts = dict.fromkeys(("writer", "event_id", "source_system", "action", "outcome", "actor_id", "patient_id"), "x")
    return MailEntry(**texts, seq=0, time=NOON, received=NOON, details=details)


@pytest.mark.parametrize(
    ("details", "domain"),
    [
        ({"to_domain": "Clinic.EXAMPLE."}, "clinic.example"),
        ({"to": "Ann <ann@Clinic.example>"}, "clinic.example"),
        ({"to": ["a@one.example", "b@two.example"]}, "one.example"),
        ({"to_domain": "", "to": "x@y.example"}, "y.example"),
        ({"to": "undisclosed"}, ""),
        ({"to": 4}, ""),
        ({"to": []}, ""),
        ({}, ""),
    ],
)
def test_recipient_domain(details: Mapping[str, Json], domain: str) -> None:
    assert fact(entry(details), opted_in=False).to_domain == domain


@pytest.mark.parametrize(("flag", "phi"), [(True, True), (False, False), (None, None), ("yes", None), (1, None)])
def test_only_a_clear_flag_says_phi(flag: Json, phi: bool | None) -> None:
    assert fact(entry({"phi": flag}), opted_in=False).phi is phi
    assert fact(entry({}), opted_in=False).phi is None


def test_nothing_known_is_unknown_and_never_good() -> None:
    found = fact(entry({}), opted_in=False)

    assert (found.tls_verdict, found.direction, found.encryption, found.auto_forwarded) == ("unknown", "", "", False)
    assert found.evidence
    assert found.policy_version


def consents(*rows: tuple[str, str, str | None, datetime | None]) -> Consents:
    schema: dict[str, pl.DataType] = {
        "patient_id": pl.String(),
        "channel": pl.String(),
        "status": pl.String(),
        "at": pl.Datetime("us", "UTC"),
    }
    return Consents(pl.DataFrame(rows, schema=schema, orient="row"))


def test_consent_counts_from_the_moment_it_was_given_until_it_was_taken_back() -> None:
    known = consents(
        ("P-1", "unencrypted_email", "opted_in", NOON),
        ("P-1", "unencrypted_email", "opted_out", NOON + timedelta(days=20)),
        ("P-1", "marketing_email", "opted_in", NOON - timedelta(days=9)),
    )

    assert not known.agreed("P-1", NOON - timedelta(microseconds=1))
    assert known.agreed("P-1", NOON)
    assert known.agreed("P-1", NOON + timedelta(days=19))
    assert not known.agreed("P-1", NOON + timedelta(days=20))
    assert not known.agreed("P-2", NOON)
    assert not known.agreed("", NOON)


def test_of_two_words_at_one_moment_the_stricter_counts() -> None:
    for order in (("opted_in", "opted_out"), ("opted_out", "opted_in")):
        assert not consents(*(("P-1", "unencrypted_email", status, NOON) for status in order)).agreed("P-1", NOON)


def test_consent_without_a_date_is_since_ever_and_without_a_status_is_none() -> None:
    assert consents(("P-1", "Unencrypted_Email", "Opted_In", None)).agreed("P-1", NOON)
    assert not consents(("P-1", "unencrypted_email", None, None)).agreed("P-1", NOON)


def test_facts_of_the_ledgers_mail_with_consent_as_of_each_delivery(engine: Engine, tmp_path: Path) -> None:
    store = ContextStore(engine)
    store.load({"consents": [_consent("opted_in", "2026-03-02T12:00:00Z"), _consent("opted_out", "2026-03-02T20:00:00Z")]}, NOON)
    with node(engine, tmp_path, TickingClock()) as house:
        house.ledger.append([_letter(hour) for hour in (10, 14, 21)])

    done = Deliveries(DeliveryFacts(engine), store).enrich([Span(writer="main", first=0, last=2)])

    assert done == 3
    rows = engine.rows("SELECT seq, opted_in, tls_verdict, tls_weak, to_domain, phi FROM delivery_facts ORDER BY seq")
    assert rows == [
        (0, 0, "trusted", 1, "home.example", 1),
        (1, 1, "trusted", 1, "home.example", 1),
        (2, 0, "trusted", 1, "home.example", 1),
    ]


def _consent(status: str, at: str) -> Mapping[str, Json]:
    return {"patient_id": "P-1", "channel": "unencrypted_email", "status": status, "at": at.replace("Z", ".000000Z")}


def _letter(hour: int) -> AuditEvent:
    return AuditEvent(
        source_system="relay",
        event_id=f"m-{hour}",
        time=datetime(2026, 3, 2, hour, tzinfo=UTC),
        source=Source.MAIL,
        action="deliver",
        actor=Actor(id="results@hospital.example", kind=ActorKind.SYSTEM),
        patient_id="P-1",
        outcome="delivered",
        details={"to": "p@home.example", "phi": True, "tls": {"version": "TLSv1", "cipher": "AES256-SHA", "level": "trusted"}},
    )
