"""Alerts for programs: read them, acknowledge them, resolve them. Each is about people, so each read is in the ledger first."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.auth import Permission, Principal, needs
from api.own_events import record_read
from api.schemas import AlertOut, AlertsOut, AlertsQuery, Decision, HistoryOut, Resolution
from api.services import Services
from domain.errors import InvalidInput


def router(services: Services) -> APIRouter:
    """`/v1/alerts` and what belongs to one alert."""
    routes = APIRouter(prefix="/v1/alerts", tags=["alerts"])
    Reader = Annotated[Principal, Depends(needs(services, Permission.READ_PHI))]  # noqa: N806 - a type
    Worker = Annotated[Principal, Depends(needs(services, Permission.WORK_ALERTS))]  # noqa: N806 - a type

    @routes.get("", operation_id="listAlerts")
    def list_alerts(request: Request, principal: Reader, query: Annotated[AlertsQuery, Query()]) -> AlertsOut:
        """Alerts by filter, newest first."""
        page = services.alerts.search(query.wanted(), after=query.cursor, limit=query.limit)
        record_read(services, request, principal, rows=len(page.alerts), filters=query.names(), patient_id=query.patient)
        return AlertsOut(alerts=[AlertOut.of(alert) for alert in page.alerts], next=page.next)

    @routes.get("/{alert_id}", operation_id="getAlert")
    def get_alert(request: Request, principal: Reader, alert_id: str) -> AlertOut:
        """One alert as it stands."""
        alert = services.alerts.get(alert_id)
        record_read(services, request, principal, rows=1, patient_id=alert.patient_id)
        return AlertOut.of(alert)

    @routes.get("/{alert_id}/history", operation_id="alertHistory")
    def alert_history(request: Request, principal: Reader, alert_id: str) -> HistoryOut:
        """Who moved the alert to what, when, and with which words."""
        versions = services.alerts.history(alert_id)
        record_read(services, request, principal, rows=len(versions), patient_id=versions[-1].patient_id)
        return HistoryOut(versions=[AlertOut.of(version) for version in versions])

    @routes.post("/{alert_id}/acknowledge", operation_id="acknowledgeAlert")
    def acknowledge_alert(request: Request, principal: Worker, alert_id: str, decision: Decision) -> AlertOut:
        """Take an open alert on."""
        alert = services.alerts.acknowledge(
            alert_id, by=principal.name, note=decision.note, at=services.clock(), expected_version=decision.version
        )
        record_read(services, request, principal, rows=1, patient_id=alert.patient_id)
        return AlertOut.of(alert)

    @routes.post("/{alert_id}/resolve", operation_id="resolveAlert")
    def resolve_alert(request: Request, principal: Worker, alert_id: str, decision: Resolution) -> AlertOut:
        """Close an alert; the note says why."""
        alert = services.alerts.resolve(
            alert_id,
            by=principal.name,
            note=resolution(decision.note),
            at=services.clock(),
            expected_version=decision.version,
            disposition=decision.disposition,
        )
        record_read(services, request, principal, rows=1, patient_id=alert.patient_id)
        return AlertOut.of(alert)

    return routes


def resolution(note: str) -> str:
    """The reason of a resolution. Raises InvalidInput without one: a closed alert nobody can explain is worth nothing later."""
    if not note.strip():
        raise InvalidInput("say why the alert is resolved: who was asked, what was found, what was done")
    return note.strip()
