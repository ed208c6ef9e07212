"""The second verdict: did everything come in that should have? Apart from integrity, and never better than what is known.

A ledger can be intact and incomplete: a source that stopped recording leaves no trace in a hash. What is looked at: records that
still wait in quarantine, and recording that was stopped (action audit_stopped until the system's next audit_start).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from store.engine import Engine

_QUARANTINED = """
SELECT uniqExact(id) FROM quarantine WHERE id NOT IN (SELECT id FROM quarantine_outcomes)
"""

_STOPPED = """
SELECT source_system, argMax(action, time) AS last_action, max(time) AS last_time, countIf(action = 'audit_stopped') AS stops
FROM events WHERE action IN ('audit_stopped', 'audit_start') GROUP BY source_system HAVING stops > 0 ORDER BY source_system
"""

_SOURCES = "SELECT source_system, count(), max(time) FROM events GROUP BY source_system ORDER BY source_system"


class Verdict(StrEnum):
    """GAPS: something is known to be missing. NO_GAP_SEEN: nothing is known to be missing. UNKNOWN: nothing came in yet.

    There is no "complete": a source that does not number its events can lose one unnoticed.
    """

    GAPS = "gaps"
    NO_GAP_SEEN = "no gap seen"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceExtent:
    """A source system, how many of its events are in the ledger, and the newest claimed time."""

    source_system: str
    events: int
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """The verdict, its reasons as sentences, and the sources it is about."""

    verdict: Verdict
    findings: Sequence[str]
    sources: Sequence[SourceExtent]


def examine(engine: Engine) -> Completeness:
    """Look at what is known about completeness now."""
    findings: list[str] = []
    pending = int(str(engine.rows(_QUARANTINED)[0][0]))
    if pending:
        findings.append(f"{pending} records wait in quarantine (phitrail quarantine list)")
    for system, action, last, stops in engine.rows(_STOPPED):
        assert isinstance(last, datetime)
        state = "and has not been started again" if action == "audit_stopped" else "and was started again"
        findings.append(
            f"recording in {system} was stopped {stops} times, the last change was at {last:%Y-%m-%d %H:%M} UTC, {state}"
        )
    sources = []
    for system, events, last in engine.rows(_SOURCES):
        assert isinstance(last, datetime)
        sources.append(SourceExtent(source_system=str(system), events=int(str(events)), last=last.replace(tzinfo=UTC)))
    verdict = Verdict.GAPS if findings else Verdict.NO_GAP_SEEN if sources else Verdict.UNKNOWN
    return Completeness(verdict=verdict, findings=findings, sources=sources)
