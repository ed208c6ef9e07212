"""Scoring: what counts as found and as right."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.finding import Alert, AlertStatus, EventRef, Severity
from runtime.demo.labels import Incident, IncidentKind
from runtime.demo.score import WINDOW, points_at, score

DAY = datetime(2026, 3, 10, 15, tzinfo=UTC)


def _incident(
    kind: IncidentKind = IncidentKind.SELF_ACCESS, ids: tuple[str, ...] = ("e1", "e2"), actor: str | None = "a1"
) -> Incident:
    return Incident(
        incident_id=f"{kind}-{'-'.join(ids)}",
        kind=kind,
        actor=actor,
        patient_id=None,
        event_ids=ids,
        from_=DAY,
        to=DAY + timedelta(hours=1),
    )


def _alert(
    kind: str = "self_access",
    ids: tuple[str, ...] = ("e2",),
    *,
    actor: str | None = "a1",
    time: datetime = DAY,
    patient: str | None = None,
) -> Alert:
    return Alert(
        alert_id="alert",
        version=1,
        time=time,
        updated=time,
        score=0.9,
        severity=Severity.HIGH,
        kind=kind,
        title="Title",
        actor_id=actor,
        patient_id=patient,
        group_key="key",
        finding_ids=("finding",),
        evidence=[EventRef(writer="main", seq=1, event_id=event_id) for event_id in ids],
        explanation=(),
        exculpatory=(),
        rule_id="rule",
        rule_version="1",
        controls=(),
        runbook="",
        status=AlertStatus.OPEN,
        changed_by="system",
    )


def _row(alerts: list[Alert], incidents: list[Incident], kind: IncidentKind) -> tuple[int, int, int, int, int]:
    row = next(row for row in score(alerts, incidents).kinds if row.kind is kind)
    return (row.incidents, row.found, row.alerts, row.right, row.other)


def test_an_alert_of_the_kind_that_shows_one_of_the_events_finds_the_incident() -> None:
    card = score([_alert()], [_incident()])

    assert (card.recall, card.precision) == (1.0, 1.0)
    assert card.missed == []


def test_an_alert_of_another_kind_finds_nothing_and_is_not_right() -> None:
    incident = _incident()
    card = score([_alert("break_glass")], [incident])

    assert card.missed == [incident]
    assert (card.recall, card.precision) == (0.0, 0.0)
    assert _row([_alert("break_glass")], [incident], IncidentKind.BREAK_GLASS) == (0, 0, 1, 0, 1)


def test_the_same_person_on_the_same_day_is_not_enough_where_events_are_known() -> None:
    assert not points_at(_alert(ids=("e9",)), _incident())


@pytest.mark.parametrize(
    ("late", "actor", "found"),
    [
        (timedelta(0), "a1", True),
        (WINDOW, "a1", True),
        (WINDOW + timedelta(hours=2), "a1", False),
        (timedelta(0), "a2", False),
        (-timedelta(hours=1), "a1", False),
    ],
)
def test_a_verdict_on_a_day_is_matched_by_person_and_time(late: timedelta, actor: str, found: bool) -> None:
    incident = _incident(IncidentKind.UNUSUAL_VOLUME)

    assert points_at(_alert("unusual_volume", ids=("e9",), actor=actor, time=DAY + late), incident) is found


def test_an_incident_whose_ids_did_not_survive_is_matched_by_person_and_time() -> None:
    assert points_at(_alert(ids=("e9",)), _incident(ids=()))
    assert not points_at(_alert(ids=("e9",), actor=None), _incident(ids=(), actor=None))


def test_one_alert_may_find_several_incidents_and_several_alerts_one() -> None:
    both = [_incident(ids=("e1",)), _incident(ids=("e2",))]

    assert _row([_alert(ids=("e1", "e2"))], both, IncidentKind.SELF_ACCESS) == (2, 2, 1, 1, 0)
    assert _row([_alert(ids=("e1",)), _alert(ids=("e1",))], both, IncidentKind.SELF_ACCESS) == (2, 1, 2, 2, 0)


def test_alerts_without_labels_are_counted_and_not_judged() -> None:
    card = score([_alert("ranked_access")], [])

    assert card.unjudged == 1
    assert (card.recall, card.precision) == (None, None)


_KINDS = st.sampled_from([IncidentKind.SELF_ACCESS, IncidentKind.VIP_ACCESS, IncidentKind.WEAK_TLS])
_IDS = st.lists(st.sampled_from(["e1", "e2", "e3", "e4"]), min_size=1, max_size=3, unique=True).map(tuple)


@given(
    st.lists(st.builds(lambda kind, ids: _alert(kind.value, ids), _KINDS, _IDS), max_size=6),
    st.lists(st.builds(_incident, _KINDS, _IDS), max_size=6),
)
def test_the_sums_hold_for_every_kind(alerts: list[Alert], incidents: list[Incident]) -> None:
    card = score(alerts, incidents)

    assert sum(row.incidents for row in card.kinds) == len(incidents) == len(card.missed) + sum(row.found for row in card.kinds)
    assert sum(row.alerts for row in card.kinds) == len(alerts)
    for row in card.kinds:
        assert 0 <= row.found <= row.incidents
        assert 0 <= row.right <= row.alerts
        assert row.other <= row.alerts - row.right
        assert (row.found > 0) == (row.right > 0)
    for share in (card.recall, card.precision):
        assert share is None or 0 <= share <= 1
