"""What people decide about alerts becomes what the ranking learns from, from the moment of the decision on."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from analytics.decisions import Decisions
from domain.event import AuditEvent
from domain.finding import Alert, AlertStatus, Disposition, EventRef, Severity
from store.alert_rows import Episode
from store.alert_verdicts import AlertVerdicts
from store.alerts import AlertStore
from store.engine import Engine
from tests.analytics.access.clinic import TUESDAY, Clinic, Look

DECIDED = TUESDAY + timedelta(days=2)


def alert(name: str, *evidence: EventRef) -> Alert:
    return Alert(
        alert_id=name,
        version=1,
        time=TUESDAY,
        updated=TUESDAY,
        score=0.8,
        severity=Severity.HIGH,
        kind="unusual_access",
        title="",
        actor_id=None,
        patient_id=None,
        group_key=name,
        finding_ids=(name,),
        evidence=evidence,
        explanation=(),
        exculpatory=(),
        rule_id="access-ranking",
        rule_version="1",
        controls=(),
        runbook="",
        status=AlertStatus.OPEN,
        changed_by="phitrail",
    )


@pytest.mark.parametrize(
    ("disposition", "improper"),
    [
        (Disposition.VIOLATION, True),
        (Disposition.APPROPRIATE, False),
        (Disposition.DOCUMENTATION_GAP, False),
        (Disposition.WRONG_DATA, None),
        (Disposition.UNSTATED, None),
    ],
)
def test_a_decision_is_about_the_accesses_that_the_alert_cites(
    engine: Engine, disposition: Disposition, improper: bool | None
) -> None:
    clinic = Clinic(engine)
    late = TUESDAY.replace(hour=23) + timedelta(hours=6)  # one in the morning of the next day at the clinic
    clinic.happen(
        Look(actor="mallory", patient="P-1"), Look(actor="mallory", patient="P-2", time=late), Look(actor="alice", patient="P-3")
    )
    clinic.enrich()
    places = [
        EventRef(writer=str(writer), seq=int(str(seq)), event_id=str(event_id))
        for writer, seq, event_id in engine.rows("SELECT writer, seq, event_id FROM access_facts ORDER BY patient_id")
    ]
    told: list[AuditEvent] = []
    alerts = AlertStore(engine, told.extend)
    episodes = [alert("decided", *places[:2]), alert("undecided", places[2])]
    alerts.apply([Episode(alert=one, opened=TUESDAY, raised=True) for one in episodes])
    decisions = Decisions(AlertVerdicts(engine))

    alerts.acknowledge("undecided", by="carol", note="", at=DECIDED, expected_version=1)
    alerts.resolve("decided", by="carol", note="asked", at=DECIDED, expected_version=1, disposition=disposition)

    assert decisions.decided_before(DECIDED) == []
    verdicts = decisions.decided_before(DECIDED + timedelta(microseconds=1))
    if improper is None:
        assert verdicts == []
    else:
        assert [(one.actor_id, one.object_id, one.day, one.improper) for one in verdicts] == [
            ("mallory", "P-1", date(2026, 3, 3), improper),
            ("mallory", "P-2", date(2026, 3, 4), improper),
        ]
        assert {one.decided_at for one in verdicts} == {DECIDED}
    assert alerts.get("decided") == replace(
        episodes[0],
        version=2,
        updated=DECIDED,
        status=AlertStatus.RESOLVED,
        changed_by="carol",
        note="asked",
        disposition=disposition,
    )
