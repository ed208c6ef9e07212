"""The outward form of an alert, field by field."""

import orjson

from alerts.export import alert_json
from domain.finding import AlertStatus, EventRef, Severity
from tests.alerts.builders import a_finding, an_alert, an_episode


def test_an_alert_has_exactly_the_published_fields() -> None:
    finding = a_finding("f-1", exculpatory=("It was a shift.",), events=(4, 7), score=0.25, severity=Severity.HIGH)

    assert alert_json(an_episode(finding).alert) == {
        "alert_id": an_episode(finding).alert.alert_id,
        "time": "2026-03-02T09:00:00.000000Z",
        "score": 0.25,
        "severity": "high",
        "kind": "household_access",
        "title": "Title of household_access",
        "actor": "alice",
        "patient_id": "P-1",
        "event_ids": ["view-4", "view-7"],
        "explanation": ["What f-1 says."],
        "exculpatory": ["It was a shift."],
        "rule": {"id": "rule.household_access", "version": "3"},
        "controls": ["164.312(b)"],
        "status": "open",
    }


def test_it_is_json_also_where_nobody_is_named() -> None:
    alert = an_alert(
        actor_id=None, patient_id=None, evidence=(EventRef(writer="w", seq=0, event_id="Ω"),), status=AlertStatus.RESOLVED
    )

    read = orjson.loads(orjson.dumps(alert_json(alert)))

    assert (read["actor"], read["patient_id"], read["event_ids"], read["status"]) == (None, None, ["Ω"], "resolved")
