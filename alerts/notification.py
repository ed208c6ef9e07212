"""What may leave the building about an alert: that there is one, of which kind and how grave, and where to read on behind login.

No name, no identifier of a person, no mail address and no sentence of the explanation is in it, so a channel cannot leak one: it is
handed a Notification, never an Alert (minimum necessary, 45 CFR 164.502(b); a receiver is seldom a business associate).
"""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from alerts.kinds import public_name, public_title
from domain.controls import catalogue
from domain.finding import Alert, AlertStatus, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to one channel. `delivery_id` stays the same however often it is sent; `time` is that of the newest evidence."""

    delivery_id: str
    alert_id: str
    kind: str
    title: str
    severity: Severity
    status: AlertStatus
    time: datetime
    events: int
    findings: int
    controls: tuple[str, ...]
    url: str


def notification(alert: Alert, *, delivery_id: str, base_url: str) -> Notification:
    """What to say about this alert. `base_url` is where people reach the dashboard."""
    known = catalogue()
    return Notification(
        delivery_id=delivery_id,
        alert_id=alert.alert_id,
        kind=public_name(alert.kind),
        title=public_title(alert.kind),
        severity=alert.severity,
        status=alert.status,
        time=alert.time,
        events=len(alert.evidence),
        findings=len(alert.finding_ids),
        controls=tuple(control for control in alert.controls if control in known),
        url=f"{base_url.rstrip('/')}/alerts/{quote(alert.alert_id, safe='')}",
    )
