"""The facts of deliveries: mail entries as the ledger has them, and what analytics made of each (table `delivery_facts`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
import polars as pl

from domain.json import Json
from store.cursors import Span
from store.domain_policies import DomainPolicies
from store.domain_posture import DomainPostures
from store.engine import Engine
from store.mail_knowledge import MailKnowledge
from store.mail_messages import MailMessages

_MAIL = """
SELECT writer, seq, event_id, time, received, source_system, action, outcome, actor_id, patient_id, details FROM events
WHERE writer = {writer:String} AND seq >= {first:UInt64} AND seq <= {last:UInt64} AND source = 'mail' ORDER BY seq
"""

_SCHEMA: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("writer", "event_id", "source_system", "action", "outcome", "actor_id", "patient_id"), pl.String()),
    **dict.fromkeys(("to_domain", "direction", "category", "encryption"), pl.String()),
    **dict.fromkeys(("tls_verdict", "tls_version", "tls_cipher", "evidence", "policy_version"), pl.String()),
    **dict.fromkeys(("policy_outcome", "policy_reasons", "policy_unknown", "policy_facts", "mail_policy"), pl.String()),
    **dict.fromkeys(("recipient", "misdirected"), pl.String()),
    **dict.fromkeys(("tls_leg", "tls_confidence"), pl.String()),
    "tls_bits": pl.UInt16(),
    **dict.fromkeys(("demanded", "demanded_by", "demand_outcome", "demand_fact"), pl.String()),
    **dict.fromkeys(("sent_by", "answers", "mx_home", "message_key"), pl.String()),
    **dict.fromkeys(("subject_identifiers", "mail_signs"), pl.List(pl.String)),
    "transit_seconds": pl.Int64(),
    **dict.fromkeys(("phi", "auto_forwarded", "tls_weak", "opted_in"), pl.UInt8()),
    **dict.fromkeys(("time", "received"), pl.Datetime("us", "UTC")),
    "seq": pl.UInt64(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailEntry:
    """A mail event of the ledger. `details` is empty where the private part was redacted; '' is no outcome or patient."""

    writer: str
    seq: int
    event_id: str
    time: datetime
    received: datetime
    source_system: str
    action: str
    outcome: str
    actor_id: str
    patient_id: str
    details: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFact:
    """What is known of one mail event. `phi` None is not known; `opted_in` says whether the patient had agreed to plain e-mail.

    `policy_outcome` is met, broken, unknown, not_sent or '' (nothing to judge), by the version `mail_policy`. `policy_reasons`
    (what was broken), `policy_unknown` (what could not be decided) and `misdirected` are words joined by ', '; `policy_facts` are
    clauses joined by '; '. `demanded` is what was demanded of mail to the domain at that moment ('' nothing), `demanded_by` by
    whom, `demand_outcome` met, broken or unknown, `demand_fact` why. `subject_identifiers` are kinds
    (domain/identifiers.py), never values; the columns after it are those of analytics/mail_scenarios.py.
    `tls_leg`, `tls_bits` and `tls_confidence` are those of domain/tls.py.
    """

    entry: MailEntry
    to_domain: str
    direction: str
    category: str
    phi: bool | None
    encryption: str
    auto_forwarded: bool
    tls_verdict: str
    tls_version: str
    tls_cipher: str
    tls_weak: bool
    evidence: str
    opted_in: bool
    policy_version: str
    policy_outcome: str = ""
    policy_reasons: str = ""
    policy_unknown: str = ""
    policy_facts: str = ""
    mail_policy: str = ""
    recipient: str = ""
    misdirected: str = ""
    tls_leg: str = ""
    tls_bits: int = 0
    tls_confidence: str = ""
    demanded: str = ""
    demanded_by: str = ""
    demand_outcome: str = ""
    demand_fact: str = ""
    subject_identifiers: tuple[str, ...] = ()
    mail_signs: tuple[str, ...] = ()
    sent_by: str = ""
    answers: str = ""
    mx_home: str = ""
    message_key: str = ""
    transit_seconds: int = -1


class DeliveryFacts:
    """Reads mail entries and keeps their facts. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def entries(self, span: Span) -> list[MailEntry]:
        """The mail events among the entries of a span, in log order."""
        frame = self._engine.frame(_MAIL, writer=span.writer, first=span.first, last=span.last)
        return [MailEntry(**{**row, "details": _details(row["details"])}) for row in frame.iter_rows(named=True)]

    def knowledge(self) -> MailKnowledge:
        """What is known around mail entries, from the same store."""
        return MailKnowledge(self._engine)

    def messages(self) -> MailMessages:
        """What is known of single messages, from the same store."""
        return MailMessages(self._engine)

    def domain_policies(self) -> DomainPolicies:
        """What people demand of mail to domains, from the same store."""
        return DomainPolicies(self._engine)

    def domain_postures(self) -> DomainPostures:
        """What was seen of domains, from the same store."""
        return DomainPostures(self._engine)

    def add(self, facts: Sequence[DeliveryFact]) -> None:
        """Keep facts; those of an entry that has some already replace them."""
        if facts:
            columns = {name: pl.Series([_value(fact, name) for fact in facts], dtype=kind) for name, kind in _SCHEMA.items()}
            self._engine.insert("delivery_facts", pl.DataFrame(columns))


def _value(fact: DeliveryFact, name: str) -> object:
    return getattr(fact, name) if name in DeliveryFact.__slots__ else getattr(fact.entry, name)


def _details(text: str) -> Mapping[str, Json]:
    decoded = orjson.loads(text) if text else {}
    return decoded if isinstance(decoded, dict) else {}
