"""What the ledger is told about alerts: each step of each alert and delivery is an event of the source system `phitrail`.

An event is derived from its stored row alone, id included, so telling it twice tells it once.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.finding import Alert, AlertStatus
from domain.json import Json

SERVICE = "phitrail"
"""Who acts when no person does; also the source system of these events."""

Record = Callable[[Sequence[AuditEvent]], object]
"""Where the events go: `Ledger.append`."""

_DECISIONS = {AlertStatus.ACKNOWLEDGED: "alert_acknowledged", AlertStatus.RESOLVED: "alert_resolved"}


def step_event(alert: Alert) -> AuditEvent:
    """The ledger event of one version: who moved which alert to what. It names the alert, never whom it is about."""
    if alert.version == 1:
        action = "alert_opened"
    elif alert.changed_by == SERVICE and alert.status is not AlertStatus.RESOLVED:
        action = "alert_updated"
    else:
        action = _DECISIONS[alert.status]
    return alert_event(
        event_id=f"alert.{alert.alert_id}.{alert.version}",
        action=action,
        by=alert.changed_by,
        at=alert.updated,
        details={
            "alert_id": alert.alert_id,
            "version": alert.version,
            **({"disposition": alert.disposition.value} if alert.disposition else {}),
        },
    )


def alert_event(
    *, event_id: str, action: str, by: str, at: datetime, details: Mapping[str, Json], outcome: str = "success"
) -> AuditEvent:
    """An event of phitrail about its own alerts."""
    kind = ActorKind.SERVICE if by == SERVICE or by.startswith("key:") else ActorKind.STAFF  # a program is named by its key
    return AuditEvent(
        source_system=SERVICE,
        event_id=event_id,
        time=at,
        source=Source.ACCESS,
        action=action,
        actor=Actor(id=by, kind=kind),
        outcome=outcome,
        details=details,
    )
