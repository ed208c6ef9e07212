"""Findings and alerts to work with. All people are invented."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from alerts.group import fold
from domain.event import AuditEvent
from domain.finding import Alert, EventRef, Finding, Severity
from domain.json import Json
from store.alert_rows import Episode

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""Monday, the moment of the first finding."""


def at(hours: float) -> datetime:
    """So many hours after the first finding."""
    return NINE + timedelta(hours=hours)


def a_finding(
    name: str,
    *,
    kind: str = "household_access",
    hours: float = 0,
    actor: str | None = "alice",
    patient: str | None = "P-1",
    severity: Severity = Severity.MEDIUM,
    score: float = 0.5,
    events: tuple[int, ...] = (1,),
    group: str = "alice|P-1",
    rule: str = "",
    explanation: tuple[str, ...] | None = None,
    exculpatory: tuple[str, ...] = (),
    inputs: dict[str, Json] | None = None,
) -> Finding:
    """One finding; `events` are sequence numbers of writer `main`."""
    return Finding(
        finding_id=name,
        kind=kind,
        title=f"Title of {kind}",
        time=at(hours),
        score=score,
        severity=severity,
        rule_id=rule or f"rule.{kind}",
        rule_version="3",
        group_key=group,
        actor_id=actor,
        patient_id=patient,
        evidence=tuple(EventRef(writer="main", seq=seq, event_id=f"view-{seq}") for seq in events),
        explanation=(f"What {name} says.",) if explanation is None else explanation,
        exculpatory=exculpatory,
        controls=("164.312(b)",),
        runbook="1. Ask.",
        inputs=inputs or {},
    )


def an_episode(*findings: Finding) -> Episode:
    """The newest version of the one alert that these findings make."""
    return fold([], findings or (a_finding("f-1"),), at=NINE, zone=UTC)[-1]


def an_alert(**changes: object) -> Alert:
    """An alert of one finding, with changes."""
    return replace(an_episode().alert, **changes)


class Recorded:
    """A stand-in for the ledger where only the events matter."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def __call__(self, events: object) -> None:
        assert isinstance(events, list)
        self.events.extend(events)

    @property
    def actions(self) -> list[str]:
        return [event.action for event in self.events]
