"""What waits for people, counted with its age: for the first screen, without reading a single alert whole."""

from dataclasses import dataclass
from datetime import datetime

from domain.finding import AlertStatus, Severity
from store.engine import Engine

_WAITING = """
SELECT status, severity, kind, count() AS alerts, min(opened) AS oldest
FROM
(
    SELECT argMax(status, version) AS status, argMax(severity, version) AS severity, argMax(kind, version) AS kind,
        min(alerts.opened) AS opened
    FROM alerts GROUP BY alert_id
)
WHERE status != 'resolved' GROUP BY status, severity, kind ORDER BY status, severity, kind
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Alerts of one status, severity and kind that are not resolved, and when the longest waiting of them was opened."""

    status: AlertStatus
    severity: Severity
    kind: str
    alerts: int
    oldest: datetime


class AlertOverview:
    """Counts alerts. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def waiting(self) -> list[Waiting]:
        """Everything that is not resolved; nothing in it names anybody."""
        return [
            Waiting(status=AlertStatus(row[0]), severity=Severity(row[1]), kind=row[2], alerts=row[3], oldest=row[4])
            for row in self._engine.frame(_WAITING).iter_rows()
        ]
