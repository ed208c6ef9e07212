"""The second verdict: did everything come in that should have? Apart from integrity, and never better than what is known.

A ledger can be intact and incomplete: a source that stopped recording leaves no trace in a hash. What is looked at: records that
still wait in quarantine, recording that sources say they stopped, and the gap ledger (silence against expectation, missing numbers,
times in which phitrail itself did not record). A gap of which a person found that it lost nothing counts no longer, but is listed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from store.engine import Engine
from store.source_gap_rules import Gap, GapKind, Loss, Mark, gap_sentence, stops
from store.source_gaps import gaps_of, marks_now
from store.source_rollup import DECLARED_GAP, STARTED, STOPPED

MOST_SENTENCES = 20
"""Gaps that are told one by one; the gap ledger has them all."""

_QUARANTINED = """
SELECT uniqExact(id) FROM quarantine WHERE id NOT IN (SELECT id FROM quarantine_outcomes)
"""

_SOURCES = "SELECT source_system, count(), max(time) FROM events GROUP BY source_system ORDER BY source_system"


class Verdict(StrEnum):
    """GAPS: something is known to be missing, or did not come as it always does. NO_GAP_SEEN: nothing is known to be missing.
    UNKNOWN: nothing came in yet.

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
    """The verdict, its reasons as sentences, and the sources it is about.

    `gaps` are those of the gap ledger that count, newest first; `notes` say what does not count any more, and why.
    """

    verdict: Verdict
    findings: Sequence[str]
    sources: Sequence[SourceExtent]
    gaps: Sequence[Gap] = field(default_factory=tuple)
    notes: Sequence[str] = field(default_factory=tuple)


def examine(engine: Engine) -> Completeness:
    """Look at what is known about completeness now."""
    findings: list[str] = []
    pending = int(str(engine.rows(_QUARANTINED)[0][0]))
    if pending:
        findings.append(f"{pending} records wait in quarantine (phitrail quarantine list)")
    gaps = gaps_of(engine)
    settled = {gap.gap_id: gap for gap in gaps if gap.loss is Loss.NONE}
    findings += _stopped(marks_now(engine, [*STOPPED, *STARTED, *DECLARED_GAP]), settled)
    counting = [gap for gap in gaps if gap.counts]
    findings += _told([gap for gap in counting if gap.kind is not GapKind.STOPPED])
    sources = []
    for system, events, last in engine.rows(_SOURCES):
        assert isinstance(last, datetime)
        sources.append(SourceExtent(source_system=str(system), events=int(str(events)), last=last.replace(tzinfo=UTC)))
    verdict = Verdict.GAPS if findings else Verdict.NO_GAP_SEEN if sources else Verdict.UNKNOWN
    return Completeness(verdict=verdict, findings=findings, sources=sources, gaps=counting, notes=_notes(gaps))


def _stopped(marks: Sequence[Mark], settled: Mapping[str, Gap]) -> list[str]:
    """What sources say of their own recording. Stops that lost nothing, as a person found, are left out."""
    by_source: dict[str, list[Mark]] = {}
    for mark in marks:
        by_source.setdefault(mark.source_system, []).append(mark)
    said = []
    for system, mine in sorted(by_source.items()):
        last = max(mine, key=lambda mark: (mark.time, mark.writer, mark.seq))
        found = [gap for gap in stops({}, mine, last.time) if gap.gap_id not in settled]
        places = {(mark.writer, mark.seq) for mark in mine if mark.action in DECLARED_GAP}
        declared = [gap for gap in found if gap.evidence in places]
        switched = len(found) - len(declared)
        if switched:
            changes = [mark for mark in mine if mark.action not in DECLARED_GAP]
            change = max(changes, key=lambda mark: (mark.time, mark.writer, mark.seq))
            state = "and has not been started again" if change.action in STOPPED else "and was started again"
            at = f"{change.time:%Y-%m-%d %H:%M} UTC"
            said.append(f"recording in {system} was stopped {switched} times, the last change was at {at}, {state}")
        if declared:
            newest = max(gap.began for gap in declared)
            said.append(f"{system} declares {len(declared)} gaps in its recording, the last from {newest:%Y-%m-%d %H:%M} UTC")
    return said


def _told(gaps: Sequence[Gap]) -> list[str]:
    said = [gap_sentence(gap) for gap in gaps[:MOST_SENTENCES]]
    if len(gaps) > MOST_SENTENCES:
        said.append(f"{len(gaps) - MOST_SENTENCES} more gaps are in the gap ledger (phitrail sources gaps)")
    return said


def _notes(gaps: Sequence[Gap]) -> list[str]:
    judged = [gap for gap in gaps if gap.kind.loses_events and gap.loss is Loss.NONE and gap.acknowledged]
    filled = [gap for gap in gaps if gap.kind.loses_events and gap.loss is Loss.NONE and not gap.acknowledged]
    notes = []
    if judged:
        notes.append(f"{len(judged)} gaps were looked at by people, who found that nothing was lost (phitrail sources gaps)")
    if filled:
        notes.append(f"{len(filled)} gaps in numbers were filled later")
    return notes
