"""Alerts: the list that people work down, and the one page on which one of them is decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboards.render import steps
from dashboards.search import EventRow, event_rows
from domain.controls import Control, control
from domain.errors import InvalidInput
from domain.finding import Alert, AlertStatus, Severity
from domain.suppression import UNSUPPRESSIBLE
from store.access_overview import AccessOverview
from store.alerts import AlertQuery, AlertStore
from store.events import Events
from store.outbox import Delivery, Outbox

PAGE_ROWS = 50
MOST_EVIDENCE = 50

VIEWS: Mapping[str, tuple[AlertStatus, ...]] = {
    "waiting": (AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED),
    "open": (AlertStatus.OPEN,),
    "acknowledged": (AlertStatus.ACKNOWLEDGED,),
    "resolved": (AlertStatus.RESOLVED,),
    "all": (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertList:
    """A page of the list, with how many there are in each view and of each severity within the chosen one."""

    view: str
    severity: Severity | None
    kind: str
    views: Mapping[str, int]
    severities: Mapping[Severity, int]
    kinds: Mapping[str, int]
    alerts: Sequence[Alert]
    opened: Mapping[str, datetime]
    next: str | None
    is_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """An event that an alert stands on; `row` None: it is not in the ledger any more (its month was disposed of)."""

    writer: str
    seq: int
    event_id: str
    row: EventRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDetail:
    """Everything on the page of one alert."""

    alert: Alert
    opened: datetime
    evidence: Sequence[Evidence]
    more_evidence: int
    controls: Sequence[Control]
    other_controls: Sequence[str]
    runbook: Sequence[str]
    history: Sequence[Alert]
    deliveries: Sequence[Delivery]
    similar: Sequence[Alert]
    may_hold_back: bool


def alert_list(alerts: AlertStore, *, view: str, severity: str, kind: str, cursor: str | None) -> AlertList:
    """A page of the list. Raises InvalidInput for a view, severity or cursor that does not exist."""
    if view not in VIEWS:
        raise InvalidInput("there is no such view of the alerts; start again from the list")
    try:
        chosen = Severity(severity) if severity else None
    except ValueError:
        raise InvalidInput("a severity is one of critical, high, medium, low") from None
    tallies = alerts.tally()
    in_view = [tally for tally in tallies if not VIEWS[view] or tally.status in VIEWS[view]]
    kinds: dict[str, int] = {}
    for tally in in_view:
        if chosen is None or tally.severity is chosen:
            kinds[tally.kind] = kinds.get(tally.kind, 0) + tally.alerts
    page = alerts.search(
        AlertQuery(statuses=VIEWS[view], severities=(chosen,) if chosen else (), kinds=(kind,) if kind else ()),
        after=cursor,
        limit=PAGE_ROWS,
    )
    return AlertList(
        view=view,
        severity=chosen,
        kind=kind,
        views={
            name: sum(tally.alerts for tally in tallies if not statuses or tally.status in statuses)
            for name, statuses in VIEWS.items()
        },
        severities={
            one: sum(tally.alerts for tally in in_view if tally.severity is one and (not kind or tally.kind == kind))
            for one in reversed(Severity)
        },
        kinds=dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0]))),
        alerts=page.alerts,
        opened=page.opened,
        next=page.next,
        is_first=cursor is None,
    )


def alert_detail(alert: Alert, *, alerts: AlertStore, events: Events, accesses: AccessOverview, outbox: Outbox) -> AlertDetail:
    """Gather the page."""
    history = alerts.history(alert.alert_id)
    known, other = _controls(alert.controls)
    return AlertDetail(
        alert=alert,
        opened=history[0].updated,
        evidence=_evidence(alert, events, accesses),
        more_evidence=max(0, len(alert.evidence) - MOST_EVIDENCE),
        controls=known,
        other_controls=other,
        runbook=steps(alert.runbook),
        history=list(reversed(history)),
        deliveries=outbox.of_alert(alert.alert_id),
        similar=_similar(alert, alerts),
        may_hold_back=alert.kind not in UNSUPPRESSIBLE and bool(alert.actor_id or alert.patient_id),
    )


def _evidence(alert: Alert, events: Events, accesses: AccessOverview) -> Sequence[Evidence]:
    shown = alert.evidence[:MOST_EVIDENCE]
    found = events.at([(reference.writer, reference.seq) for reference in shown])
    rows = dict(zip(found, event_rows(list(found.values()), accesses), strict=True))
    return [
        Evidence(
            writer=reference.writer,
            seq=reference.seq,
            event_id=reference.event_id,
            row=rows.get((reference.writer, reference.seq)),
        )
        for reference in shown
    ]


def _controls(citations: Sequence[str]) -> tuple[Sequence[Control], Sequence[str]]:
    """The provisions in the catalogue, and those a rule of somebody else's cites beyond it."""
    known, other = [], []
    for citation in citations:
        try:
            known.append(control(citation))
        except InvalidInput:
            other.append(citation)
    return known, other


def _similar(alert: Alert, alerts: AlertStore) -> Sequence[Alert]:
    """The newest alerts of this kind about the same actor or, without one, patient: how they were judged helps here."""
    if alert.actor_id is None and alert.patient_id is None:
        return ()
    patient_id = "" if alert.actor_id else alert.patient_id
    query = AlertQuery(kinds=(alert.kind,), actor_id=alert.actor_id or "", patient_id=patient_id or "")
    found = alerts.search(query, limit=6).alerts
    return [other for other in found if other.alert_id != alert.alert_id][:5]
