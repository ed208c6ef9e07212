"""Cases: what a person investigates. All alerts about one actor (or, without an actor, one patient) raised on one local day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from benchmarks.evaluation.hospital.truth import Incident

_GRAVITY = {"low": 0, "medium": 1, "high": 2, "critical": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing to look into. `incidents` are those whose events it cites; `real` is the share of cited events that are any's."""

    day: date
    subject: str
    score: float
    incidents: frozenset[str]
    gravity: int = 0
    real: float = 1.0
    kinds: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[float, int, str]:
        """Sorting by this puts the case to be looked at first in front."""
        return (-self.score, -self.gravity, self.subject)


def moment_of(alert: Mapping[str, object]) -> datetime:
    """When an alert was raised."""
    return datetime.fromisoformat(str(alert["time"]))


def cited(alert: Mapping[str, object]) -> list[str]:
    """The events an alert shows."""
    found = alert["event_ids"]
    assert isinstance(found, list)
    return [str(event_id) for event_id in found]


def cases(alerts: Iterable[Mapping[str, object]], incidents: Sequence[Incident], zone: ZoneInfo) -> list[Case]:
    """The cases of the alerts, those to be looked at first in front."""
    labels = {event_id: incident.incident_id for incident in incidents for event_id in incident.event_ids}
    groups: dict[tuple[date, str], list[Mapping[str, object]]] = {}
    for alert in alerts:
        about = alert["actor"] or alert["patient_id"] or alert["alert_id"]
        groups.setdefault((moment_of(alert).astimezone(zone).date(), str(about)), []).append(alert)
    found = []
    for (day, subject), together in groups.items():
        events = {event_id for alert in together for event_id in cited(alert)}
        real = [labels[event_id] for event_id in events if event_id in labels]
        found.append(
            Case(
                day=day,
                subject=subject,
                score=max(float(str(alert["score"])) for alert in together),
                gravity=max(_GRAVITY.get(str(alert["severity"]), 0) for alert in together),
                incidents=frozenset(real),
                real=len(real) / len(events) if events else 0.0,
                kinds=tuple(sorted({str(alert["kind"]) for alert in together})),
            )
        )
    return sorted(found, key=lambda case: (case.order, case.day))
