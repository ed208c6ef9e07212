"""Sources, gaps and the coverage register in their outward form: one spelling for the API, the command line and reports."""

from datetime import datetime, timedelta

from domain.clock import rfc3339
from domain.json import Json
from store.source_gap_rules import Gap, gap_sentence
from store.source_health import SourceHealth
from store.source_register import Coverage, Declaration
from store.source_watch import SourceView


def view_json(seen: SourceView) -> dict[str, Json]:
    """All sources, and since when somebody has been listening."""
    return {
        "as_of": rfc3339(seen.at),
        "is_watched": seen.is_watched,
        "listening_since": _when(seen.listening_since),
        "sources": [health_json(state) for state in seen.states],
    }


def health_json(state: SourceHealth) -> dict[str, Json]:
    """One source. Lags and the skew are in seconds, to within 40 %; `day` is the last 24 hours of receipt, to the hour."""
    expected = state.judgement.expected
    numbers: dict[str, Json] | None = None
    if state.numbers is not None:
        numbers = {"first": state.numbers.first, "last": state.numbers.last, "missing": state.numbers.missing}
    return {
        "source_system": state.source_system,
        "verdict": state.verdict.value,
        "troubles": [trouble.value for trouble in state.judgement.troubles],
        "sentences": list(state.judgement.sentences),
        "owner": state.owner or None,
        "formats": list(state.formats),
        "streams": list(state.streams),
        "events": state.events,
        "first_received": _when(state.first_received),
        "last_received": _when(state.last_received),
        "last_claimed": _when(state.last_claimed),
        "last_entry": {"writer": state.writer, "seq": state.seq} if state.writer else None,
        "may_be_quiet_seconds": _seconds(state.patience),
        "day": {
            "events": state.day_events,
            "expected": None if expected is None else round(expected.events),
            "usual_from": None if expected is None else round(expected.low),
            "usual_to": None if expected is None else round(expected.high),
            "lag_half_seconds": _seconds(state.lags.half),
            "lag_most_seconds": _seconds(state.lags.most),
            "usual_lag_half_seconds": _seconds(state.lags.usual_half),
            "usual_lag_most_seconds": _seconds(state.lags.usual_most),
            "from_the_future": state.day_future,
            "skew_seconds": _seconds(state.skew),
            "quarantined": state.day_quarantined,
            "quarantine_reasons": [{"reason": one.reason, "records": one.records} for one in state.reasons],
            "missing_fields": [
                {"format": one.format, "stream": one.stream, "field": one.field, "due": one.due, "missing": one.missing}
                for one in state.missing
            ],
        },
        "waiting_in_quarantine": state.waiting,
        "numbers": numbers,
    }


def gap_json(gap: Gap, now: datetime) -> dict[str, Json]:
    """One gap; `ended` null: it lasts. `loss` null: nobody has said yet whether events were lost."""
    return {
        "gap_id": gap.gap_id,
        "version": gap.version,
        "source_system": gap.source_system,
        "kind": gap.kind.value,
        "began": rfc3339(gap.began),
        "ended": _when(gap.ended),
        "seconds": _seconds(gap.length(now)),
        "opened": rfc3339(gap.opened),
        "changed": rfc3339(gap.changed),
        "state": "open" if gap.is_open else "closed",
        "counts_against_completeness": gap.counts,
        "sentence": gap_sentence(gap, now),
        "note": gap.note,
        "expected_events": None if gap.expected is None else round(gap.expected),
        "missing_numbers": {"first": gap.first_number, "last": gap.last_number} if gap.last_number else None,
        "evidence": None if gap.evidence is None else {"writer": gap.evidence[0], "seq": gap.evidence[1]},
        "acknowledged": _when(gap.acknowledged),
        "acknowledged_by": gap.acknowledged_by or None,
        "loss": gap.loss.value or None,
        "reason": gap.reason or None,
    }


def coverage_json(row: Coverage) -> dict[str, Json]:
    """One system of the coverage register with the evidence for it."""
    health = row.health
    return {
        "system": row.system,
        "source_system": row.source_system or None,
        "owner": row.owner or None,
        "handles_phi": row.handles_phi,
        "in_application_register": row.is_registered,
        "expected": row.is_expected,
        "auditing": row.auditing.value,
        "covered": row.auditing.is_covered,
        "since": _when(row.since),
        "sentence": row.sentence,
        "evidence": {
            "events": health.events if health else 0,
            "last_received": _when(health.last_received) if health else None,
            "last_entry": {"writer": health.writer, "seq": health.seq} if health and health.writer else None,
            "numbers": None
            if health is None or health.numbers is None
            else {"first": health.numbers.first, "last": health.numbers.last, "missing": health.numbers.missing},
            "open_gaps": row.open_gaps,
            "gaps_that_may_have_lost_events": row.unexplained,
        },
        "declaration": None if row.declaration is None else declaration_json(row.declaration),
    }


def declaration_json(word: Declaration) -> dict[str, Json]:
    """A person's word on a system."""
    return {
        "system": word.system,
        "state": word.state.value,
        "declared": rfc3339(word.declared),
        "declared_by": word.declared_by,
        "reason": word.reason,
        "valid_until": rfc3339(word.valid_until),
        "owner": word.owner or None,
        "source_system": word.source_system or None,
        "may_be_quiet_seconds": _seconds(word.quiet),
    }


def _when(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _seconds(length: timedelta | None) -> int | None:
    return None if length is None else round(length.total_seconds())
