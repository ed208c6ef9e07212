"""What rules and detectors said, numbered in the order it was recorded: the log that alert delivery follows.

There is one writer of findings in a deployment (the worker that holds the lease), and within its process a lock, so numbers are
dense and a follower that has seen number n has seen everything up to n.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
import polars as pl

from domain.clock import microseconds
from domain.finding import EventRef, Finding, Severity
from domain.json import canonical
from store.engine import Engine

MAX_LIMIT = 10_000

_COLUMNS = (
    "number, finding_id, kind, title, time, score, severity, rule_id, rule_version, group_key, actor_id, patient_id, "
    "evidence_writers, evidence_seqs, evidence_ids, explanation, exculpatory, controls, runbook, inputs"
)

_LAST = "SELECT max(number) FROM findings"

_KNOWN = "SELECT finding_id FROM findings WHERE finding_id IN {ids:Array(String)}"

_AFTER = f"SELECT {_COLUMNS} FROM findings WHERE number > {{number:UInt64}} ORDER BY number LIMIT {{limit:UInt32}}"

_GET = f"SELECT {_COLUMNS} FROM findings WHERE finding_id IN {{ids:Array(String)}} ORDER BY number"

_BETWEEN = f"""
SELECT {_COLUMNS} FROM findings
WHERE time >= fromUnixTimestamp64Micro({{start:Int64}}, 'UTC') AND time < fromUnixTimestamp64Micro({{end:Int64}}, 'UTC')
ORDER BY number DESC LIMIT 1 BY rule_id, group_key, if({{newest:UInt8}} = 1, '', finding_id)
"""

_NUMBERING = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFinding:
    """A finding and its number: 1 for the first ever recorded, always rising."""

    number: int
    finding: Finding


class Findings:
    """Append-only. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, findings: Sequence[Finding]) -> int:
        """Record what is not recorded yet, by `finding_id`; durable on return. Returns how many were new."""
        with _NUMBERING:
            known = self._known([finding.finding_id for finding in findings])
            fresh = [item for key, item in {finding.finding_id: finding for finding in findings}.items() if key not in known]
            if fresh:
                self._engine.insert("findings", _frame(fresh, first=self.last_number() + 1))
        return len(fresh)

    def last_number(self) -> int:
        """The number of the newest finding; 0 before the first."""
        return int(str(self._engine.rows(_LAST)[0][0]))

    def after(self, number: int, limit: int = 1_000) -> list[RecordedFinding]:
        """What a follower that has seen everything up to `number` has not seen, in order, at most `limit` (10 000)."""
        return _recorded(self._engine.frame(_AFTER, number=number, limit=min(limit, MAX_LIMIT)))

    def between(self, start: datetime, end: datetime, *, newest: bool = True) -> list[Finding]:
        """Findings whose time lies in [start, end), by time.

        With `newest`, a finding that was superseded by a larger one of the same rule about the same group is left out.
        """
        frame = self._engine.frame(_BETWEEN, start=microseconds(start), end=microseconds(end), newest=int(newest))
        return sorted((item.finding for item in _recorded(frame)), key=lambda finding: (finding.time, finding.finding_id))

    def get(self, finding_ids: Sequence[str]) -> list[Finding]:
        """The findings with these ids, in the order recorded; unknown ids are left out."""
        return [item.finding for item in _recorded(self._engine.frame(_GET, ids=list(finding_ids)))]

    def _known(self, finding_ids: Sequence[str]) -> set[str]:
        return {str(row[0]) for row in self._engine.rows(_KNOWN, ids=list(finding_ids))} if finding_ids else set()


def _frame(findings: Sequence[Finding], *, first: int) -> pl.DataFrame:
    """The rows of `findings`, numbered from `first`."""
    columns: Mapping[str, pl.Series] = {
        "number": pl.Series(range(first, first + len(findings)), dtype=pl.UInt64),
        "finding_id": _texts(findings, "finding_id"),
        "kind": _texts(findings, "kind"),
        "title": _texts(findings, "title"),
        "time": pl.Series([finding.time for finding in findings], dtype=pl.Datetime("us", "UTC")),
        "score": pl.Series([finding.score for finding in findings], dtype=pl.Float64),
        "severity": _texts(findings, "severity"),
        "rule_id": _texts(findings, "rule_id"),
        "rule_version": _texts(findings, "rule_version"),
        "group_key": _texts(findings, "group_key"),
        "actor_id": _texts(findings, "actor_id"),
        "patient_id": _texts(findings, "patient_id"),
        "evidence_writers": pl.Series([[ref.writer for ref in finding.evidence] for finding in findings], dtype=pl.List(pl.String)),
        "evidence_seqs": pl.Series([[ref.seq for ref in finding.evidence] for finding in findings], dtype=pl.List(pl.UInt64)),
        "evidence_ids": pl.Series([[ref.event_id for ref in finding.evidence] for finding in findings], dtype=pl.List(pl.String)),
        "explanation": _lists(findings, "explanation"),
        "exculpatory": _lists(findings, "exculpatory"),
        "controls": _lists(findings, "controls"),
        "runbook": _texts(findings, "runbook"),
        "inputs": pl.Series([canonical(finding.inputs).decode() for finding in findings], dtype=pl.String),
    }
    return pl.DataFrame(columns)


def _texts(findings: Sequence[Finding], name: str) -> pl.Series:
    return pl.Series([str(getattr(finding, name) or "") for finding in findings], dtype=pl.String)


def _lists(findings: Sequence[Finding], name: str) -> pl.Series:
    return pl.Series([list(getattr(finding, name)) for finding in findings], dtype=pl.List(pl.String))


def _recorded(frame: pl.DataFrame) -> list[RecordedFinding]:
    return [
        RecordedFinding(
            number=row["number"],
            finding=Finding(
                finding_id=row["finding_id"],
                kind=row["kind"],
                title=row["title"],
                time=row["time"],
                score=row["score"],
                severity=Severity(row["severity"]),
                rule_id=row["rule_id"],
                rule_version=row["rule_version"],
                group_key=row["group_key"],
                actor_id=row["actor_id"] or None,
                patient_id=row["patient_id"] or None,
                evidence=tuple(
                    EventRef(writer=writer, seq=seq, event_id=event_id)
                    for writer, seq, event_id in zip(
                        row["evidence_writers"], row["evidence_seqs"], row["evidence_ids"], strict=True
                    )
                ),
                explanation=tuple(row["explanation"]),
                exculpatory=tuple(row["exculpatory"]),
                controls=tuple(row["controls"]),
                runbook=row["runbook"],
                inputs=orjson.loads(row["inputs"]),
            ),
        )
        for row in frame.iter_rows(named=True)
    ]
