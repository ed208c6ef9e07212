"""What has happened in the house of the tests: accesses, mail and alerts, with the facts that analytics derives from them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import polars as pl

from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.finding import Alert, AlertStatus, EventRef, Finding, Severity
from domain.record import Receipt
from store.alert_rows import Episode
from store.alerts import AlertStore
from store.engine import Engine
from tests.api.ledger_rows import NOON, access

SECRETS = ("P-1", "P-2", "alice", "Überweisung", "pat@patients.example")
"""Words that must not leave through logs, metrics or errors."""

Append = Callable[[Sequence[AuditEvent]], list[Receipt]]
"""`Ledger.append`."""

_ACCESS_TYPES = {
    **dict.fromkeys(("explained", "known", "is_self", "is_household", "same_surname", "is_vip", "is_restricted"), pl.UInt8),
    "seq": pl.UInt64,
    "terminated_minutes": pl.Int32,
    "records": pl.Int64,
    "reasons": pl.List(pl.String),
    "flags": pl.List(pl.String),
}
_DELIVERY_TYPES = {"seq": pl.UInt64, **dict.fromkeys(("phi", "auto_forwarded", "tls_weak", "opted_in"), pl.UInt8)}


def mail(number: int, **changes: object) -> AuditEvent:
    """A result sent to a patient, `number` seconds after noon."""
    fields: dict[str, object] = {
        "source_system": "mx1",
        "event_id": f"M-{number}",
        "time": NOON + timedelta(seconds=number),
        "source": Source.MAIL,
        "action": "deliver",
        "actor": Actor(id="results@hospital.example", kind=ActorKind.SYSTEM),
        "patient_id": "P-2",
        "outcome": "delivered",
        "details": {"to": "pat@patients.example", "to_domain": "patients.example", "direction": "outbound", "tls": None},
        "raw": b"postfix/smtp: status=sent",
        "format": "postfix",
    }
    return AuditEvent(**(fields | changes))  # type: ignore[arg-type]


def a_day(append: Append) -> list[Receipt]:
    """Six accesses by Alice and Bob to two records, and two deliveries, in the ledger."""
    events = [access(n, actor=Actor(id="alice" if n % 2 else "bob", kind=ActorKind.STAFF)) for n in range(4)]
    events += [access(10, patient_id="P-2", details={"module": "notes", "reason": "Überweisung"}), access(11, action="print")]
    return append([*events, mail(20), mail(21, details={"to_domain": "clinic.example", "direction": "outbound"})])


def access_fact(engine: Engine, receipt: Receipt, event: AuditEvent, **changes: object) -> None:
    """What analytics found about an access: explained by an appointment, unless changed."""
    row: dict[str, object] = {
        "writer": receipt.writer,
        "seq": receipt.seq,
        "event_id": event.event_id,
        "time": event.time,
        "received": event.time,
        "source": event.source.value,
        "source_system": event.source_system,
        "action": event.action,
        "outcome": event.outcome or "",
        "actor_id": event.actor.id,
        "actor_kind": event.actor.kind.value,
        "patient_id": event.patient_id or "",
        "device_id": "",
        "device_kind": "",
        "ip": "",
        "details": "{}",
        "local_day": event.time.date(),
        "actor_role": "nurse",
        "actor_department": "Oncology",
        "staff_id": "S-1",
        "known": 1,
        "explained": 1,
        "reasons": ["Appointment in Oncology on 2026-03-10"],
        "flags": [],
        "is_self": 0,
        "is_household": 0,
        "same_surname": 0,
        "surname_rarity": 0.0,
        "is_vip": 0,
        "is_restricted": 0,
        "terminated_minutes": -1,
        "records": 0,
        "reason": "",
    }
    engine.insert("access_facts", pl.DataFrame([row | changes], schema_overrides=_ACCESS_TYPES))


def delivery_fact(engine: Engine, receipt: Receipt, event: AuditEvent, **changes: object) -> None:
    """What analytics found about a delivery: PHI in plain text, unless changed."""
    row: dict[str, object] = {
        "writer": receipt.writer,
        "seq": receipt.seq,
        "event_id": event.event_id,
        "time": event.time,
        "received": event.time,
        "source_system": event.source_system,
        "action": event.action,
        "outcome": event.outcome or "",
        "actor_id": event.actor.id,
        "patient_id": event.patient_id or "",
        "to_domain": "patients.example",
        "direction": "outbound",
        "category": "lab_result",
        "phi": 1,
        "encryption": "none",
        "auto_forwarded": 0,
        "tls_verdict": "none",
        "tls_version": "",
        "tls_cipher": "",
        "tls_weak": 0,
        "evidence": "the source says that there was no TLS session",
        "opted_in": 0,
        "policy_version": "test.1",
    }
    engine.insert("delivery_facts", pl.DataFrame([row | changes], schema_overrides=_DELIVERY_TYPES))


def an_alert(name: str, **changes: object) -> Alert:
    """An open alert about Alice and P-1 that stands on entry 1."""
    fields: dict[str, object] = {
        "alert_id": name,
        "version": 1,
        "time": NOON,
        "updated": NOON,
        "score": 0.9,
        "severity": Severity.HIGH,
        "kind": "household_access",
        "title": "Access to the record of a household member",
        "actor_id": "alice",
        "patient_id": "P-1",
        "group_key": f"household:{name}",
        "finding_ids": (f"f-{name}",),
        "evidence": (EventRef(writer="main", seq=1, event_id="E-1"),),
        "explanation": ("Both live at the same address.",),
        "exculpatory": ("Alice was on shift.",),
        "rule_id": "phitrail.household",
        "rule_version": "3",
        "controls": ("164.312(b)", "164.999(z)"),
        "runbook": "1. List the accesses.\n2. Ask the unit lead.",
        "status": AlertStatus.OPEN,
        "changed_by": "phitrail",
    }
    return Alert(**(fields | changes))  # type: ignore[arg-type]


def raise_alert(store: AlertStore, alert: Alert) -> None:
    """Write an alert as grouping does."""
    finding = Finding(
        finding_id=alert.finding_ids[0],
        kind=alert.kind,
        title=alert.title,
        time=alert.time,
        score=alert.score,
        severity=alert.severity,
        rule_id=alert.rule_id,
        rule_version=alert.rule_version,
        group_key=alert.group_key,
        actor_id=alert.actor_id,
        patient_id=alert.patient_id,
        evidence=alert.evidence,
        explanation=alert.explanation,
    )
    assert store.apply([Episode(alert=alert, findings=(finding,), opened=alert.time, raised=True)]) == []


def scores(engine: Engine, *rows: Mapping[str, object]) -> None:
    """Rows of the ranking."""
    engine.insert("scores", pl.DataFrame(list(rows), schema_overrides={"reasons": pl.List(pl.String)}))
