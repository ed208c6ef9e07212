"""A clinic's mail for tests of the mail reports: a register that changes, consents given and withdrawn, what came of messages."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from dashboards.reports import ReportParams, Reports
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json
from store.context import ContextStore
from store.engine import Engine
from store.mail_reports import MailTerms
from store.reports import ReportQuestions
from tests.dashboards.reports_cast import ZONE, _insert
from tests.support.clock import TickingClock
from tests.support.node import node

TERMS = MailTerms(
    categories=("marketing",),
    marketing=("marketing_email",),
    plain=("unencrypted_email",),
    sealed=("smime", "pgp", "portal_link", "escrow"),
    public_mailboxes=("freemail",),
    is_holiday=(date(2026, 3, 9),),
)
MARCH = ReportParams(since=datetime(2026, 3, 1, 6, tzinfo=UTC), until=datetime(2026, 4, 1, 5, tzinfo=UTC), by="privacy.officer")


def at(day: int, hour: int = 16, month: int = 3) -> datetime:
    """A moment of 2026 in UTC; 16:00 is in the middle of the clinic's day."""
    return datetime(2026, month, day, hour, tzinfo=UTC)


FIRST: Sequence[Mapping[str, Json]] = (
    {"domain": "lab.example", "kind": "lab", "baa": True, "baa_expires": "2026-03-10"},
    {"domain": "later.example", "kind": "partner", "baa": False},
    {"domain": "ended.example", "kind": "partner", "baa": True},
    {"domain": "vendor.example", "kind": "vendor", "baa": False},
    {"domain": "silent.example", "kind": "partner"},
    {"domain": "mailbox.example", "kind": "freemail", "baa": False},
)
SECOND: Sequence[Mapping[str, Json]] = (
    {"domain": "lab.example", "kind": "lab", "baa": True, "baa_expires": "2027-03-10"},
    {"domain": "later.example", "kind": "partner", "baa": True},
    {"domain": "ended.example", "kind": "partner", "baa": False},
)
CHANGED = at(20, 12)
"""When the second register was loaded."""


def _consent(patient: str, channel: str, status: str, moment: str | None) -> Mapping[str, Json]:
    return {"patient_id": patient, "channel": channel, "status": status, "at": moment}


CONSENTS: Sequence[Mapping[str, Json]] = (
    _consent("P-1", "marketing_email", "opted_in", "2026-01-05T16:00:00.000000Z"),
    _consent("P-2", "marketing_email", "opted_in", "2025-01-05T16:00:00.000000Z"),
    _consent("P-2", "marketing_email", "opted_out", "2026-03-02T16:00:00.000000Z"),
    _consent("P-2", "marketing_email", "opted_out", "2026-03-05T16:00:00.000000Z"),
    _consent("P-4", "unencrypted_email", "granted", None),
    _consent("P-5", "unencrypted_email", "opted_in", "2026-02-01T16:00:00.000000Z"),
    _consent("P-5", "unencrypted_email", "opted_out", "2026-03-06T16:00:00.000000Z"),
    _consent("P-6", "unencrypted_email", "opted_in", "2026-03-25T16:00:00.000000Z"),
)

_GOOD = {"tls_verdict": "verified_webpki", "tls_version": "TLSv1.3", "tls_cipher": "TLS_AES_256_GCM_SHA384"}
_CLEAR = {"tls_verdict": "none", "evidence": "the source says that no TLS was used", "policy_outcome": "broken"}
_MARKETING = {**_GOOD, "category": "marketing", "phi": 0, "recipient": "patient", "to_domain": "mailbox.example"}
_PLAIN = {**_CLEAR, "category": "result", "recipient": "patient", "to_domain": "mailbox.example", "policy_reasons": "phi_in_clear"}


def _partner(domain: str, moment: datetime, **changes: object) -> dict[str, object]:
    return {**_GOOD, "to_domain": domain, "time": moment, "category": "referral", "patient_id": "P-9", **changes}


ROWS: Sequence[Mapping[str, object]] = (
    # Agreements: the last day of the lab's counts whole (05:00 UTC of the 11th is its end in Chicago), then a renewal.
    _partner("lab.example", at(10), recipient="associate"),
    _partner("reports.lab.example", at(11, 4), recipient="associate"),
    _partner("lab.example", at(11, 5), recipient="expired", policy_outcome="broken", policy_reasons="baa_expired"),
    _partner("lab.example", at(21), recipient="associate"),
    _partner("later.example", at(5), recipient="no_agreement", encryption="pgp"),
    _partner("later.example", at(22), recipient="associate"),
    _partner("ended.example", at(5), recipient="associate"),
    _partner("ended.example", at(22), recipient="no_agreement"),
    _partner("vendor.example", at(6), recipient="no_agreement"),
    _partner("vendor.example", at(7), recipient="no_agreement", phi=None, tls_verdict="untrusted"),
    _partner("silent.example", at(6), recipient="unknown"),
    _partner("=stranger.example", at(8), recipient="not_on_file", tls_verdict="trusted", misdirected="lookalike_domain"),
    _partner("home.example", at(8), recipient="patient", tls_verdict="anonymous"),
    _partner("vendor.example", at(9), recipient="no_agreement", phi=0),
    # Marketing: agreed; within and past ten business days of an opt-out on Monday the 2nd, with a holiday on the 9th; none; nobody.
    {**_MARKETING, "time": at(4), "patient_id": "P-1"},
    {**_MARKETING, "time": at(17), "patient_id": "P-2"},
    {**_MARKETING, "time": at(18), "patient_id": "P-2"},
    {**_MARKETING, "time": at(4), "patient_id": "P-3"},
    {**_MARKETING, "time": at(5), "patient_id": "P-1", "phi": 1},
    {**_MARKETING, "time": at(4), "patient_id": ""},
    # In the clear: agreed since ever; agreed, then withdrawn; none yet; not said how; a link only; in the clear, but no PHI.
    {**_PLAIN, "time": at(4), "patient_id": "P-4", "opted_in": 1, "policy_outcome": "met", "policy_reasons": ""},
    {**_PLAIN, "time": at(4), "patient_id": "P-5", "opted_in": 1, "policy_outcome": "met", "policy_reasons": ""},
    {**_PLAIN, "time": at(9), "patient_id": "P-5"},
    {**_PLAIN, "time": at(9, 17), "patient_id": "P-6", "recipient": "not_on_file", "misdirected": "near_patient_address"},
    {
        **_PLAIN,
        "time": at(9, 18),
        "patient_id": "P-7",
        "tls_verdict": "unknown",
        "evidence": "",
        "phi": None,
        "recipient": "unknown",
    },
    {**_PLAIN, "time": at(9, 19), "patient_id": "P-5", "encryption": "portal_link", "policy_outcome": "met", "policy_reasons": ""},
    {**_PLAIN, "time": at(9, 20), "patient_id": "P-5", "phi": 0, "policy_outcome": "met", "policy_reasons": ""},
    # Weak, and an attempt that nobody took; from outside; within the house.
    _partner("lab.example", at(3), recipient="associate", tls_version="TLSv1", tls_cipher="DES-CBC3-SHA", tls_weak=1),
    _partner("lab.example", at(3, 17), recipient="associate", action="bounce", outcome="bounced", tls_verdict="unknown"),
    _partner("clinic.example", at(3), direction="inbound", tls_verdict="none"),
    _partner("clinic.example", at(3), recipient="own", tls_verdict="none"),
)
"""Facts of deliveries; the number in this list is the place in the ledger."""

_CLEAR_LETTER = 23
"""The row of P-6: in the clear, perhaps to somebody else; bounced nowhere, opened, recalled, and decided on."""

_LINK = 25


def _events() -> list[AuditEvent]:
    """What the ledger has for each row, and what was told later of two of the messages."""
    events = []
    for number, row in enumerate(ROWS):
        details: dict[str, Json] = {"to": f"someone@{row['to_domain']}", "message_id": f"<m{number}@clinic.example>"}
        if number == _CLEAR_LETTER:
            details |= {"subject": "Result of MRN 12345", "size": 4321, "attachments": [{"name": "result.pdf"}]}
        events.append(_event(f"mail-{number}", "deliver", row["time"], patient=str(row["patient_id"]), details=details))
    told: Mapping[str, Json] = {"to": "someone@mailbox.example", "message_id": f"<m{_CLEAR_LETTER}@clinic.example>"}
    other: Mapping[str, Json] = {"to": "another@mailbox.example", "message_id": f"<m{_CLEAR_LETTER}@clinic.example>"}
    return [
        *events,
        _event("opened", "mail_opened", at(10), details=told),
        _event("recalled", "recall", at(11), details=told),
        _event("bounced", "bounce", at(12), details=other),
        _event("seen", "view_message", at(12), patient="P-5", source=Source.PORTAL, details={}),
        _event("expired", "message_expired", at(30), patient="P-5", source=Source.PORTAL, details={}),
    ]


def _event(
    name: str,
    action: str,
    moment: object,
    *,
    patient: str = "",
    source: Source = Source.MAIL,
    details: Mapping[str, Json],
) -> AuditEvent:
    assert isinstance(moment, datetime)
    return AuditEvent(
        source_system="postfix",
        event_id=name,
        time=moment,
        source=source,
        action=action,
        actor=Actor(id="results@clinic.example", kind=ActorKind.SYSTEM),
        patient_id=patient or None,
        details=details,
    )


_ALERT = """
INSERT INTO alerts (alert_id, version, time, opened, updated, raised, status, severity, score, kind, title, evidence_writer,
    evidence_seq, evidence_event_id, changed_by, note)
VALUES ('a-1', {version:UInt32}, '2026-03-09 17:05:00', '2026-03-09 17:05:00', {updated:DateTime64(6)}, 1, {status:String}, 'high',
    0.9, 'plaintext_phi', 'PHI in the clear', ['main'], [23], ['mail-23'], {by:String}, {note:String})
"""


@contextmanager
def clinic(engine: Engine, directory: Path, *, row_limit: int = 1000) -> Iterator[Reports]:
    """The reports desk of the clinic, with everything stored and signed."""
    clock = TickingClock(datetime(2026, 4, 2, 9, tzinfo=UTC))
    with node(engine, directory, clock) as live:
        live.ledger.append(_events())
        live.keeper.checkpoint()
        context = ContextStore(engine)
        context.load({"domains": FIRST, "consents": CONSENTS}, at(1, 7))
        context.load({"domains": SECOND}, CHANGED)
        facts(engine, ROWS)
        engine.execute(_ALERT, version=1, updated=datetime(2026, 3, 9, 17, 5), status="open", by="phitrail", note="")
        engine.execute(
            _ALERT,
            version=2,
            updated=datetime(2026, 3, 13, 9),
            status="resolved",
            by="privacy.officer",
            note="wrong address, recalled",
        )
        yield Reports(ReportQuestions(engine), clock, organisation="Lakeside Clinic", zone=ZONE, row_limit=row_limit, terms=TERMS)


def facts(engine: Engine, rows: Sequence[Mapping[str, object]]) -> None:
    """Store facts of deliveries, the first at the beginning of the log."""
    base: dict[str, object] = {
        "writer": "main",
        "action": "deliver",
        "outcome": "delivered",
        "actor_id": "results@clinic.example",
        "direction": "outbound",
        "phi": 1,
        "encryption": "none",
        "source_system": "postfix",
        "policy_version": "1",
        "mail_policy": "1",
        "policy_outcome": "met",
        "evidence": "",
    }
    _insert(
        engine,
        "delivery_facts",
        [base | {"seq": number, "event_id": f"mail-{number}"} | dict(row) for number, row in enumerate(rows)],
    )


def later(days: float) -> datetime:
    """So many days after the first of March."""
    return at(1) + timedelta(days=days)
