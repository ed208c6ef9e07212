"""Suppressions for people and programs: who holds back what, why, until when, and how many findings that concerned."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.clock import rfc3339
from domain.finding import Finding
from domain.json import Json
from domain.suppression import Suppression

SOON = timedelta(days=14)
"""One that ends within this is marked: somebody has to decide again, or let it end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionRow:
    """One suppression on the page. `is_soon`: it holds and will end within SOON."""

    suppression: Suppression
    held: int
    is_soon: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionsPage:
    """Those that hold, the first to end on top, and those that ended, the last ended on top."""

    holding: Sequence[SuppressionRow]
    ended: Sequence[SuppressionRow]


def suppressions_page(suppressions: Iterable[Suppression], counts: Mapping[str, int], now: datetime) -> SuppressionsPage:
    """Gather the page as of now."""
    rows = [
        SuppressionRow(suppression=one, held=counts.get(one.suppression_id, 0), is_soon=now < one.ends <= now + SOON)
        for one in suppressions
    ]
    return SuppressionsPage(
        holding=sorted((row for row in rows if row.suppression.ends > now), key=lambda row: row.suppression.ends),
        ended=sorted((row for row in rows if row.suppression.ends <= now), key=lambda row: row.suppression.ends, reverse=True),
    )


def suppression_json(one: Suppression, held: int, now: datetime) -> dict[str, Json]:
    """A suppression as programs see it; `lifted_at` is null while nobody lifted it, `narrowings` holds what is given."""
    return {
        "suppression_id": one.suppression_id,
        "kind": one.kind,
        "narrowings": dict(one.narrowings),
        "by": one.by,
        "reason": one.reason,
        "set_at": rfc3339(one.set_at),
        "until": rfc3339(one.until),
        "lifted_at": rfc3339(one.lifted_at) if one.lifted_at is not None else None,
        "lifted_by": one.lifted_by,
        "lift_reason": one.lift_reason,
        "holds": one.set_at <= now < one.ends,
        "held": held,
    }


def held_json(finding: Finding) -> dict[str, Json | float]:
    """A finding that was held back, as programs see it."""
    return {
        "finding_id": finding.finding_id,
        "time": rfc3339(finding.time),
        "kind": finding.kind,
        "severity": finding.severity.value,
        "score": finding.score,
        "actor": finding.actor_id,
        "patient_id": finding.patient_id,
        "event_ids": [place.event_id for place in finding.evidence],
        "explanation": list(finding.explanation),
        "exculpatory": list(finding.exculpatory),
        "rule": {"id": finding.rule_id, "version": finding.rule_version},
    }
