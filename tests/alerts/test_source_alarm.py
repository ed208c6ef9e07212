"""From gaps to alerts and back: one alert an episode, who to ask, and an end by itself when the source is well again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from alerts.follow import FindingsFollower
from alerts.route import default_routing
from alerts.sources_alarm import SourceAlarm
from alerts.sources_findings import finding_ids, raised_kinds, source_findings
from alerts.sources_metrics import SourceMetrics
from alerts.sources_recovery import SourceRecovery
from alerts.triage import Triage
from domain.controls import catalogue
from domain.finding import Alert, AlertStatus, Severity
from domain.record import Rejected
from store.alerts import AlertQuery, AlertStore
from store.cursors import Cursors
from store.engine import Engine
from store.findings import Findings
from store.outbox import Outbox
from store.quarantine import Quarantine
from store.source_gap_rules import Gap, GapKind, Loss, Step
from store.source_health import Told
from store.source_register import Declaration, Declared
from store.source_watch import SourceWatch
from tests.alerts.builders import a_finding
from tests.support.clock import TickingClock
from tests.support.node import Node, node
from tests.support.source_feed import HOUR, NOW, an_event, history


class Scene:
    """A ledger, a watch over it that alarms, and a clock."""

    def __init__(self, live: Node, clock: TickingClock) -> None:
        engine, record = live.engine, live.ledger.append
        self.live, self.clock = live, clock
        self.watch = SourceWatch(engine, record)
        self.alerts, self.outbox = AlertStore(engine, record), Outbox(engine, record)
        self.findings = Findings(engine)
        routing = default_routing(["mail"])
        triage = Triage(alerts=self.alerts, outbox=self.outbox, routing=routing, clock=clock, zone=UTC)
        self.follower = FindingsFollower(self.findings, Cursors(engine), triage)
        self.alarm = SourceAlarm(self.watch, self.findings, self.follower, SourceRecovery(self.alerts, clock))

    def run(self, *, every: timedelta = timedelta(minutes=5), **lasting: float) -> None:
        """Look every few minutes for so long."""
        for _ in range(max(1, int(timedelta(**lasting) / every))):
            self.clock.now += every
            self.alarm.run(self.clock())

    def all(self) -> list[Alert]:
        """Every alert, oldest first."""
        return list(reversed(self.alerts.search(AlertQuery()).alerts))


@pytest.fixture
def scene(engine: Engine, tmp_path: Path) -> Iterator[Scene]:
    clock = TickingClock(NOW)
    with node(engine, tmp_path, clock) as live:
        yield Scene(live, clock)


def test_a_silence_is_one_alert_that_says_who_to_ask_and_closes_when_the_source_returns(scene: Scene) -> None:
    history(scene.live.engine)
    scene.watch.register.declare(
        Declaration(
            system="ehr",
            state=Declared.ON,
            declared=NOW,
            declared_by="carol",
            reason="It holds every chart.",
            valid_until=NOW + timedelta(days=90),
            owner="Clinical Applications",
        )
    )
    scene.run(hours=2)

    (alert,) = scene.all()
    assert (alert.kind, alert.status, alert.severity) == ("source_silent", AlertStatus.OPEN, Severity.MEDIUM)
    assert (alert.actor_id, alert.patient_id) == (None, None)
    assert alert.explanation == (
        "Nothing came from ehr since 2026-03-02 10:25 UTC; about 25 events would have been usual.",
        "Nothing has come from it since 2026-03-02 10:25 UTC; usually about 25 events would have come.",
        "Ask Clinical Applications, who answers for it.",
    )
    assert set(alert.controls) <= set(catalogue())
    assert len(scene.outbox.of_alert(alert.alert_id)) == 1

    scene.live.ledger.append([an_event(at=scene.clock())])
    scene.run()
    (alert,) = scene.all()
    assert (alert.status, alert.changed_by, alert.version) == (AlertStatus.RESOLVED, "phitrail", 2)
    assert alert.note == (
        "Closed by itself: It sends again. Nothing came from ehr from 2026-03-02 10:25 UTC for 2 hours; "
        "about 125 events would have been usual. Whether events were lost is asked in the gap ledger."
    )

    scene.run(hours=1)
    assert [one.status for one in scene.all()] == [AlertStatus.RESOLVED, AlertStatus.OPEN]


def test_a_silence_that_lasts_a_day_grows_graver(scene: Scene) -> None:
    history(scene.live.engine)
    scene.run(hours=1)
    scene.run(every=timedelta(hours=12), hours=24)
    scene.run(every=timedelta(hours=12), hours=24)

    (alert,) = scene.all()
    assert (alert.severity, len(alert.finding_ids)) == (Severity.HIGH, 2)
    scene.live.ledger.append([an_event(at=scene.clock())])
    scene.run()
    assert [one.status for one in scene.all()] == [AlertStatus.RESOLVED]


def test_a_recording_that_is_off_is_raised_after_a_restart_would_be_over(scene: Scene) -> None:
    scene.live.ledger.append([an_event(action="audit_stop", at=NOW)])
    scene.run()
    assert scene.all() == []
    scene.run(minutes=10)

    (alert,) = scene.all()
    assert (alert.kind, alert.severity) == ("audit_stopped", Severity.HIGH)
    assert [(ref.writer, ref.seq) for ref in alert.evidence] == [("main", 0)]
    assert all(ref.event_id for ref in alert.evidence)

    scene.live.ledger.append([an_event(action="audit_start", at=scene.clock())])
    scene.run()
    assert [one.status for one in scene.all()] == [AlertStatus.RESOLVED]


def test_what_a_person_did_is_not_closed_by_itself(scene: Scene) -> None:
    scene.live.ledger.append([an_event(action="audit_stop", at=NOW)])
    act = a_finding("f-1", kind="audit_stopped", actor="root", patient=None, inputs={"source_system": "ehr"})
    scene.findings.add([replace(act, time=NOW)])
    scene.run(minutes=15)
    (alert,) = scene.all()
    assert len(alert.finding_ids) == 2

    scene.live.ledger.append([an_event(action="audit_start", at=scene.clock())])
    scene.run()

    assert [one.status for one in scene.all()] == [AlertStatus.OPEN]


def test_quarantine_and_a_wrong_clock_are_raised_and_close(scene: Scene) -> None:
    quarantine = Quarantine(scene.live.engine, scene.clock)
    quarantine.add([Rejected(source_system="lab", format="cef", reason="no time", raw=b"%d" % n) for n in range(20)])
    scene.live.ledger.append([an_event(at=NOW + timedelta(minutes=9)) for _ in range(20)])
    scene.run()

    found = {alert.kind: alert for alert in scene.all()}
    assert set(found) == {"source_failing", "source_skewed"}
    assert "20 records of the last day were not understood (100 %)." in found["source_failing"].explanation

    scene.run(every=timedelta(hours=25), hours=25)
    assert {alert.status for alert in scene.all()} == {AlertStatus.RESOLVED}


def test_missing_numbers_are_raised_until_they_come_or_are_explained(scene: Scene) -> None:
    scene.live.ledger.append([an_event(details={"sequence": n}) for n in (1, 3, 5)])
    scene.run(minutes=20)
    (alert,) = scene.all()
    assert (alert.kind, len(alert.finding_ids)) == ("source_numbers", 2)

    scene.live.ledger.append([an_event(details={"sequence": 2})])
    scene.run()
    assert [one.status for one in scene.all()] == [AlertStatus.OPEN]
    (left,) = [gap for gap in scene.watch.gaps.all() if gap.step is Step.OPENED]
    scene.watch.gaps.acknowledge(left.gap_id, by="carol", reason="It skips.", loss=Loss.NONE, at=scene.clock())
    scene.run()

    assert [one.status for one in scene.all()] == [AlertStatus.RESOLVED]


def test_a_source_that_is_declared_off_is_not_raised_and_one_that_is_awaited_is(scene: Scene) -> None:
    history(scene.live.engine)
    word = Declaration(
        system="ehr", state=Declared.OFF, declared=NOW, declared_by="carol", reason="Moves.", valid_until=NOW + timedelta(days=2)
    )
    awaited = replace(word, system="pharmacy", state=Declared.ON, quiet=2 * HOUR)
    for one in (word, awaited):
        scene.watch.register.declare(one)
    scene.run(hours=3)

    (alert,) = scene.all()
    assert alert.title == "No events from pharmacy"
    assert any(sentence.startswith("No event has ever come from it") for sentence in alert.explanation)


def test_two_runs_at_once_raise_and_close_once(scene: Scene) -> None:
    history(scene.live.engine)
    other = Scene(scene.live, scene.clock)
    scene.run(minutes=30)
    other.alarm.run(scene.clock())
    scene.live.ledger.append([an_event(at=scene.clock())])
    scene.run()
    other.alarm.run(scene.clock())

    assert [(one.status, one.version) for one in scene.all()] == [(AlertStatus.RESOLVED, 2)]


def test_metrics_count_sources_and_gaps_and_name_none(scene: Scene) -> None:
    history(scene.live.engine)
    scene.live.ledger.append([an_event("recorder", action="audit_stop")])
    scene.run(hours=1)
    registry = CollectorRegistry()
    registry.register(SourceMetrics(scene.watch, scene.clock))

    text = generate_latest(registry).decode()

    assert 'phitrail_source_verdicts{verdict="silent"} 1.0' in text
    assert 'phitrail_source_verdicts{verdict="stopped"} 1.0' in text
    assert 'phitrail_source_gaps{kind="silence",state="open"} 1.0' in text
    assert "phitrail_systems_uncovered 2.0" in text
    assert "ehr" not in text
    assert "recorder" not in text


GAP = Gap(
    gap_id="g",
    version=1,
    source_system="ehr",
    kind=GapKind.SILENCE,
    began=NOW,
    ended=None,
    opened=NOW,
    changed=NOW,
    step=Step.OPENED,
)


@pytest.mark.parametrize("kind", GapKind)
def test_every_kind_of_gap_has_its_own_findings_and_names_nobody(kind: GapKind) -> None:
    gap = replace(GAP, kind=kind)
    found = source_findings([gap], NOW + 30 * HOUR, told={"ehr": Told(owner="Applications")}, event_ids={})

    assert {finding.finding_id for finding in found} <= finding_ids(gap)
    assert {finding.kind for finding in found} <= set(raised_kinds())
    assert bool(found) == (kind is not GapKind.OFF)
    for finding in found:
        assert (finding.actor_id, finding.patient_id) == (None, None)
        assert finding.time <= NOW + 30 * HOUR
        assert finding.explanation[0][0].isupper()


def test_what_is_over_is_not_raised() -> None:
    over = [replace(GAP, kind=kind, ended=NOW + HOUR) for kind in GapKind if kind is not GapKind.NUMBERS]
    filled = replace(GAP, kind=GapKind.NUMBERS, ended=NOW, step=Step.FILLED, loss=Loss.NONE)

    assert source_findings([*over, filled], NOW + 30 * HOUR, told={}, event_ids={}) == []
