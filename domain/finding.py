"""Finding: what a rule or detector says about events, with its reasons. Alert: what a person works on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from domain.json import Json


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 (low) to 3 (critical)."""
        return list(Severity).index(self)


class AlertStatus(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Disposition(StrEnum):
    """What a person found an alert to be, when resolving it. The ranking learns from all but the last two."""

    VIOLATION = "violation"
    """Improper: what was seen should not have been done."""
    APPROPRIATE = "appropriate"
    """Right, and on record or accepted by policy."""
    DOCUMENTATION_GAP = "documentation_gap"
    """Right, but no record says so: the reference data lack it."""
    WRONG_DATA = "wrong_data"
    """The record or the reference data said something that was not so; nothing is learnt about the access."""
    UNSTATED = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRef:
    """Which ledger entry is evidence: its place in the log and its id at the source."""

    writer: str
    seq: int
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One statement of one rule or detector version about some events.

    `finding_id` is derived from rule id, group key and evidence, so running again over the same history adds nothing.
    `time` is when the system could first have raised it; no evidence is later. `score` is in 0..1.
    `explanation` and `exculpatory` are sentences a manager can check; they may name actor and patient ids, never clinical text.
    """

    finding_id: str
    kind: str
    title: str
    time: datetime
    score: float
    severity: Severity
    rule_id: str
    rule_version: str
    group_key: str
    actor_id: str | None
    patient_id: str | None
    evidence: Sequence[EventRef]
    explanation: Sequence[str]
    exculpatory: Sequence[str] = ()
    controls: Sequence[str] = ()
    runbook: str = ""
    inputs: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Findings that belong together, as worked by people. The newest state of an append-only history.

    The outward form is interfaces section 4; `version` counts state changes from 1; `note` and `changed_by` belong to the last.
    """

    alert_id: str
    version: int
    time: datetime
    updated: datetime
    score: float
    severity: Severity
    kind: str
    title: str
    actor_id: str | None
    patient_id: str | None
    group_key: str
    finding_ids: Sequence[str]
    evidence: Sequence[EventRef]
    explanation: Sequence[str]
    exculpatory: Sequence[str]
    rule_id: str
    rule_version: str
    controls: Sequence[str]
    runbook: str
    status: AlertStatus
    changed_by: str
    note: str = ""
    disposition: Disposition = Disposition.UNSTATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The ranking of one (actor, object, local day): the object is the patient or, for mail without one, the domain."""

    actor_id: str
    object_id: str
    day: date
    score: float
    model: str
    reasons: Sequence[str] = ()
