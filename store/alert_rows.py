"""An alert as a row, and back: the only place that knows the columns of `alerts` and `alert_findings`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict, cast

import orjson
import polars as pl

from domain.clock import parse_rfc3339
from domain.finding import Alert, AlertStatus, Disposition, EventRef, Finding, Severity
from domain.json import Json

_INSTANT = pl.Datetime("us", "UTC")
_TEXTS = pl.List(pl.String)
_ALERT_COLUMNS = pl.Schema(
    {
        "alert_id": pl.String(),
        "version": pl.UInt32(),
        "time": _INSTANT,
        "opened": _INSTANT,
        "updated": _INSTANT,
        "raised": pl.Boolean(),
        "status": pl.String(),
        "severity": pl.String(),
        "score": pl.Float64(),
        "kind": pl.String(),
        "title": pl.String(),
        "actor_id": pl.String(),
        "patient_id": pl.String(),
        "group_key": pl.String(),
        "finding_ids": _TEXTS,
        "evidence_writer": _TEXTS,
        "evidence_seq": pl.List(pl.UInt64),
        "evidence_event_id": _TEXTS,
        "explanation": _TEXTS,
        "exculpatory": _TEXTS,
        "rule_id": pl.String(),
        "rule_version": pl.String(),
        "controls": _TEXTS,
        "runbook": pl.String(),
        "changed_by": pl.String(),
        "note": pl.String(),
        "disposition": pl.String(),
    }
)
_FINDING_COLUMNS = pl.Schema(
    {
        "alert_id": pl.String(),
        "finding_id": pl.String(),
        "time": _INSTANT,
        "actor_id": pl.String(),
        "patient_id": pl.String(),
        "finding": pl.String(),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One version of an alert, with every finding it was built from so far.

    `opened` is the time of its first version. `raised` says that this version is news: it opened the alert or made it more severe.
    """

    alert: Alert
    findings: tuple[Finding, ...] = ()
    opened: datetime
    raised: bool


class _AlertRow(TypedDict):
    alert_id: str
    version: int
    time: datetime
    opened: datetime
    updated: datetime
    raised: bool
    status: str
    severity: str
    score: float
    kind: str
    title: str
    actor_id: str
    patient_id: str
    group_key: str
    finding_ids: list[str]
    evidence_writer: list[str]
    evidence_seq: list[int]
    evidence_event_id: list[str]
    explanation: list[str]
    exculpatory: list[str]
    rule_id: str
    rule_version: str
    controls: list[str]
    runbook: str
    changed_by: str
    note: str
    disposition: str


class _FindingRow(TypedDict):
    alert_id: str
    finding: str


class _FindingJson(TypedDict):
    finding_id: str
    kind: str
    title: str
    time: str
    score: float
    severity: str
    rule_id: str
    rule_version: str
    group_key: str
    actor_id: str | None
    patient_id: str | None
    evidence: list[dict[str, str | int]]
    explanation: list[str]
    exculpatory: list[str]
    controls: list[str]
    runbook: str
    inputs: dict[str, Json]


def alert_frame(episodes: Iterable[Episode]) -> pl.DataFrame:
    """The rows of `alerts` for these versions."""
    return pl.DataFrame([_alert_row(episode) for episode in episodes], schema=_ALERT_COLUMNS)


def finding_frame(episodes: Iterable[Episode]) -> pl.DataFrame:
    """The rows of `alert_findings` for everything these alerts stand on, each finding once per alert."""
    rows = {
        (episode.alert.alert_id, finding.finding_id): {
            "alert_id": episode.alert.alert_id,
            "finding_id": finding.finding_id,
            "time": finding.time,
            "actor_id": finding.actor_id or "",
            "patient_id": finding.patient_id or "",
            "finding": orjson.dumps(finding, default=dict).decode(),
        }
        for episode in episodes
        for finding in episode.findings
    }
    return pl.DataFrame(list(rows.values()), schema=_FINDING_COLUMNS)


def read_episodes(alerts: pl.DataFrame, findings: pl.DataFrame | None = None) -> list[Episode]:
    """Read rows of `alerts` back, in their order; with `findings` (rows of `alert_findings`) also what each stands on."""
    kept: dict[str, list[Finding]] = {}
    if findings is not None:
        for entry in cast("Iterator[_FindingRow]", findings.iter_rows(named=True)):
            kept.setdefault(entry["alert_id"], []).append(_finding(entry["finding"]))
    return [
        Episode(
            alert=_alert(row),
            findings=tuple(sorted(kept.get(row["alert_id"], ()), key=lambda finding: (finding.time, finding.finding_id))),
            opened=row["opened"].astimezone(UTC),
            raised=row["raised"],
        )
        for row in cast("Iterator[_AlertRow]", alerts.iter_rows(named=True))
    ]


def _alert_row(episode: Episode) -> _AlertRow:
    alert = episode.alert
    return {
        "alert_id": alert.alert_id,
        "version": alert.version,
        "time": alert.time,
        "opened": episode.opened,
        "updated": alert.updated,
        "raised": episode.raised,
        "status": alert.status.value,
        "severity": alert.severity.value,
        "score": alert.score,
        "kind": alert.kind,
        "title": alert.title,
        "actor_id": alert.actor_id or "",
        "patient_id": alert.patient_id or "",
        "group_key": alert.group_key,
        "finding_ids": list(alert.finding_ids),
        "evidence_writer": [reference.writer for reference in alert.evidence],
        "evidence_seq": [reference.seq for reference in alert.evidence],
        "evidence_event_id": [reference.event_id for reference in alert.evidence],
        "explanation": list(alert.explanation),
        "exculpatory": list(alert.exculpatory),
        "rule_id": alert.rule_id,
        "rule_version": alert.rule_version,
        "controls": list(alert.controls),
        "runbook": alert.runbook,
        "changed_by": alert.changed_by,
        "note": alert.note,
        "disposition": alert.disposition.value,
    }


def _alert(row: _AlertRow) -> Alert:
    places = zip(row["evidence_writer"], row["evidence_seq"], row["evidence_event_id"], strict=True)
    return Alert(
        alert_id=row["alert_id"],
        version=row["version"],
        time=row["time"].astimezone(UTC),
        updated=row["updated"].astimezone(UTC),
        score=row["score"],
        severity=Severity(row["severity"]),
        kind=row["kind"],
        title=row["title"],
        actor_id=row["actor_id"] or None,
        patient_id=row["patient_id"] or None,
        group_key=row["group_key"],
        finding_ids=tuple(row["finding_ids"]),
        evidence=tuple(EventRef(writer=writer, seq=seq, event_id=event_id) for writer, seq, event_id in places),
        explanation=tuple(row["explanation"]),
        exculpatory=tuple(row["exculpatory"]),
        rule_id=row["rule_id"],
        rule_version=row["rule_version"],
        controls=tuple(row["controls"]),
        runbook=row["runbook"],
        status=AlertStatus(row["status"]),
        changed_by=row["changed_by"],
        note=row["note"],
        disposition=Disposition(row["disposition"]),
    )


def _finding(text: str) -> Finding:
    kept = cast("_FindingJson", orjson.loads(text))
    return Finding(
        finding_id=kept["finding_id"],
        kind=kept["kind"],
        title=kept["title"],
        time=parse_rfc3339(kept["time"]),
        score=kept["score"],
        severity=Severity(kept["severity"]),
        rule_id=kept["rule_id"],
        rule_version=kept["rule_version"],
        group_key=kept["group_key"],
        actor_id=kept["actor_id"],
        patient_id=kept["patient_id"],
        evidence=tuple(
            EventRef(writer=str(place["writer"]), seq=int(place["seq"]), event_id=str(place["event_id"]))
            for place in kept["evidence"]
        ),
        explanation=tuple(kept["explanation"]),
        exculpatory=tuple(kept["exculpatory"]),
        controls=tuple(kept["controls"]),
        runbook=kept["runbook"],
        inputs=kept["inputs"],
    )
