"""What the gap ledger says becomes findings: silence, a recording that is off, lost numbers, quarantine, a wrong clock. Pure.

One gap is one finding (a silence that outlasts a day is a second, graver one), so one episode is one alert. How alerts close by
themselves when the source is well again is `alerts/sources_recovery.py`. Serves 45 CFR 164.312(b) (audit controls) and
164.308(a)(1)(ii)(D) (review of activity): what is not recorded cannot be reviewed.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from domain.clock import rfc3339
from domain.finding import EventRef, Finding, Severity
from domain.json import Json
from store.source_gap_rules import Gap, GapKind, gap_sentence
from store.source_health import Told
from store.source_verdict import in_words

RULE_VERSION = "1"

LONG = timedelta(hours=24)
"""A silence that lasts for longer is graver: whoever was asked has not helped."""

RESTART = timedelta(minutes=10)
"""A recording that is off for less is a restart (the rule `audit_stopped` allows the same)."""

Places = Mapping[tuple[str, int], str]
"""Event ids by writer and sequence number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """How gaps of a kind are raised."""

    kind: str
    rule: str
    title: str
    severity: Severity
    score: float
    runbook: str
    exculpatory: str = ""


_SILENCE_RUNBOOK = (
    "1. Check that the source system runs and has users.\n"
    "2. Check the way from it to here: its log shipper, network, certificate, credentials.\n"
    "3. Have it send again what was missed; what was sent before is recognised and not counted twice.\n"
    "4. When it sends again, say in the gap ledger (Sources) whether events were lost.\n"
    "5. If it is meant to be quiet, declare that: phitrail sources declare."
)

_SAID = {
    GapKind.SILENCE: _Said(
        kind="source_silent",
        rule="phitrail.source_silent",
        title="No events from {name}",
        severity=Severity.MEDIUM,
        score=0.5,
        runbook=_SILENCE_RUNBOOK,
        exculpatory="A planned outage or a holiday that is not in the calendar looks the same.",
    ),
    GapKind.STOPPED: _Said(
        kind="audit_stopped",
        rule="phitrail.source_stopped",
        title="Audit recording in {name} is off",
        severity=Severity.HIGH,
        score=0.85,
        runbook=(
            "1. See whether the system is up. If it is, recording has to be on: have it switched on now.\n"
            "2. Find out who or what stopped it, and whether that was announced.\n"
            "3. Ask what happened meanwhile from other sources: log-ins, network, database.\n"
            "4. Say in the gap ledger (Sources) whether events were lost; reports about this time have to say so."
        ),
        exculpatory="A planned downtime of the whole system looks the same.",
    ),
    GapKind.NUMBERS: _Said(
        kind="source_numbers",
        rule="phitrail.source_numbers",
        title="Events of {name} are missing by number",
        severity=Severity.HIGH,
        score=0.7,
        runbook=(
            "1. Ask the source for the events with these numbers, and have them sent again: the gap closes by itself.\n"
            "2. If they do not exist any more, find out who could remove them, and when.\n"
            "3. If the source skips numbers by design, say so in the gap ledger (Sources)."
        ),
        exculpatory="Some systems skip numbers after a restart.",
    ),
    GapKind.QUARANTINE: _Said(
        kind="source_failing",
        rule="phitrail.source_failing",
        title="Records of {name} are not understood",
        severity=Severity.MEDIUM,
        score=0.5,
        runbook=(
            "1. Look at the reasons (Sources, or phitrail quarantine list); nothing is lost, every record is kept whole.\n"
            "2. Ask whether the source was updated, or sends another format than it is read as.\n"
            "3. Correct the mapping or the source, then run phitrail quarantine replay."
        ),
    ),
    GapKind.SKEW: _Said(
        kind="source_skewed",
        rule="phitrail.source_skewed",
        title="The clock of {name} is wrong",
        severity=Severity.LOW,
        score=0.3,
        runbook=(
            "1. Check the time service of the source (164.312(b) asks for records; records need a time that can be trusted).\n"
            "2. Check the zone: an offset of whole hours is a time written without its zone.\n"
            "3. Until then, go by the time of receipt, which every entry has."
        ),
    ),
}
"""`{name}` is the source system. Titles go to pages; notifications say only the title of the kind (`alerts.kinds`)."""


def source_findings(gaps: Iterable[Gap], now: datetime, *, told: Mapping[str, Told], event_ids: Places) -> list[Finding]:
    """A finding for each gap that lasts, and for numbers that are missing. The same gap is the same finding each time."""
    found = []
    for gap in gaps:
        said = _SAID.get(gap.kind)
        if said is None or not _is_due(gap, now):
            continue
        found.append(_finding(gap, said, "", gap.opened, said.severity, told, event_ids))
        if gap.kind is GapKind.SILENCE and now - gap.opened >= LONG:
            found.append(_finding(gap, said, "day", gap.opened + LONG, Severity.HIGH, told, event_ids))
    return found


def finding_ids(gap: Gap) -> frozenset[str]:
    """The ids of every finding that a gap can have."""
    said = _SAID.get(gap.kind)
    return frozenset() if said is None else frozenset({_id(said.rule, gap.gap_id, ""), _id(said.rule, gap.gap_id, "day")})


def raised_kinds() -> tuple[str, ...]:
    """The kinds of alerts that gaps can raise."""
    return tuple(said.kind for said in _SAID.values())


def _is_due(gap: Gap, now: datetime) -> bool:
    if gap.kind is GapKind.NUMBERS:
        return gap.counts and not gap.acknowledged
    if gap.kind is GapKind.STOPPED:
        return gap.is_open and now - gap.opened >= RESTART
    return gap.is_open


def _finding(
    gap: Gap, said: _Said, stage: str, at: datetime, severity: Severity, told: Mapping[str, Told], event_ids: Places
) -> Finding:
    name = gap.source_system
    owner = told[name].owner if name in told else ""
    sentence = gap_sentence(gap)
    explanation = [f"{sentence[0].upper()}{sentence[1:]}.", *([gap.note] if gap.note else [])]
    if stage:
        explanation.append(f"It has lasted for more than {in_words(LONG)}.")
    explanation.append(f"Ask {owner}, who answers for it." if owner else "Nobody is on record as answering for it.")
    evidence = []
    if gap.evidence is not None:
        writer, seq = gap.evidence
        evidence.append(EventRef(writer=writer, seq=seq, event_id=event_ids.get((writer, seq), "")))
    inputs: dict[str, Json] = {"source_system": name, "gap_id": gap.gap_id, "began": rfc3339(gap.began)}
    return Finding(
        finding_id=_id(said.rule, gap.gap_id, stage),
        kind=said.kind,
        title=said.title.format(name=name),
        time=at if gap.kind is not GapKind.STOPPED else at + RESTART,
        score=min(1.0, said.score + (0.2 if stage else 0.0)),
        severity=severity,
        rule_id=said.rule,
        rule_version=RULE_VERSION,
        group_key=name,
        actor_id=None,
        patient_id=None,
        evidence=tuple(evidence),
        explanation=tuple(explanation),
        exculpatory=(said.exculpatory,) if said.exculpatory else (),
        controls=("164.312(b)", "164.308(a)(1)(ii)(D)"),
        runbook=said.runbook,
        inputs=inputs,
    )


def _id(*parts: str) -> str:
    digest = hashlib.sha256(orjson.dumps(list(parts))).digest()
    return base64.b32encode(digest[:15]).decode().lower()
