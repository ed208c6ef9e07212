"""Scoring: which of the incidents put into the events were found, and how many of the alerts were right."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from domain.finding import Alert
from runtime.demo.labels import Incident, IncidentKind

WHOLE_DAY = frozenset({IncidentKind.UNUSUAL_VOLUME})
"""Kinds that speak about a person's day, whose evidence may be any part of it."""

WINDOW = timedelta(days=2)
"""How long after the last event of such an incident its alert may come: a day is judged when it is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindScore:
    """One kind: incidents put in and found; alerts raised, right, and (not right, but) about an incident of another kind."""

    kind: IncidentKind
    incidents: int
    found: int
    alerts: int
    right: int
    other: int

    @property
    def recall(self) -> float | None:
        """Found of those put in; None where none was put in."""
        return self.found / self.incidents if self.incidents else None

    @property
    def precision(self) -> float | None:
        """Right of those raised; None where none was raised."""
        return self.right / self.alerts if self.alerts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCard:
    """All kinds, and the incidents nobody was told of. Alerts of kinds that have no labels are not judged."""

    kinds: Sequence[KindScore]
    missed: Sequence[Incident]
    unjudged: int

    @property
    def recall(self) -> float | None:
        """Over all incidents."""
        return _share(sum(kind.found for kind in self.kinds), sum(kind.incidents for kind in self.kinds))

    @property
    def precision(self) -> float | None:
        """Over all alerts of labelled kinds."""
        return _share(sum(kind.right for kind in self.kinds), sum(kind.alerts for kind in self.kinds))


def score(alerts: Sequence[Alert], incidents: Sequence[Incident]) -> ScoreCard:
    """An incident is found when an alert of its own kind points at it; an alert is right when it points at such an incident."""
    rows: list[KindScore] = []
    missed: list[Incident] = []
    for kind in IncidentKind:
        mine = [alert for alert in alerts if alert.kind == kind]
        put_in = [incident for incident in incidents if incident.kind is kind]
        others = [incident for incident in incidents if incident.kind is not kind]
        lost = [incident for incident in put_in if not any(points_at(alert, incident) for alert in mine)]
        wrong = [alert for alert in mine if not any(points_at(alert, incident) for incident in put_in)]
        missed += lost
        rows.append(
            KindScore(
                kind=kind,
                incidents=len(put_in),
                found=len(put_in) - len(lost),
                alerts=len(mine),
                right=len(mine) - len(wrong),
                other=sum(any(points_at(alert, incident) for incident in others) for alert in wrong),
            )
        )
    labelled = {kind.value for kind in IncidentKind}
    return ScoreCard(kinds=rows, missed=missed, unjudged=sum(alert.kind not in labelled for alert in alerts))


def points_at(alert: Alert, incident: Incident) -> bool:
    """Whether the alert is about the incident: it shows one of its events, or, for kinds that judge a whole day or incidents
    whose ids do not survive the wire, it names the same people at the time."""
    if not {ref.event_id for ref in alert.evidence}.isdisjoint(incident.event_ids):
        return True
    if incident.event_ids and incident.kind not in WHOLE_DAY:
        return False
    same_actor = incident.actor is not None and alert.actor_id == incident.actor
    same_patient = None in (alert.patient_id, incident.patient_id) or alert.patient_id == incident.patient_id
    return same_actor and same_patient and incident.from_ <= alert.time <= incident.to + WINDOW


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
