"""The outward form of an alert: one JSON object, the fields of the published contract and no others."""

from domain.clock import rfc3339
from domain.finding import Alert
from domain.json import Json


def alert_json(alert: Alert) -> dict[str, Json | float]:
    """The alert as `phitrail alerts export` and `/v1/alerts` give it (docs/alerts.md). `score` is in 0..1."""
    return {
        "alert_id": alert.alert_id,
        "time": rfc3339(alert.time),
        "score": alert.score,
        "severity": alert.severity.value,
        "kind": alert.kind,
        "title": alert.title,
        "actor": alert.actor_id,
        "patient_id": alert.patient_id,
        "event_ids": [place.event_id for place in alert.evidence],
        "explanation": list(alert.explanation),
        "exculpatory": list(alert.exculpatory),
        "rule": {"id": alert.rule_id, "version": alert.rule_version},
        "controls": list(alert.controls),
        "status": alert.status.value,
    }
