"""Findings become alerts in the store and notifications in the outbox, in an order that loses nothing."""

from collections.abc import Sequence
from datetime import UTC, timedelta

import pytest

from alerts.route import default_routing
from alerts.triage import Triage, Triaged
from domain.errors import Conflict
from domain.finding import AlertStatus, Severity
from store.alert_rows import Episode
from store.alerts import AlertQuery, AlertStore
from store.engine import Engine
from store.outbox import Outbox
from store.suppressions import SuppressionBook, Suppressions
from tests.alerts.builders import NINE, Recorded, a_finding, at
from tests.support.clock import TickingClock
from tests.support.faults import Fault, FaultyEngine


class Desk:
    """What runtime wires, over one engine."""

    def __init__(self, engine: Engine, store: type[AlertStore] = AlertStore, *, announce_within: timedelta | None = None) -> None:
        self.clock = TickingClock(NINE)
        self.alerts = store(engine, Recorded())
        self.outbox = Outbox(engine, Recorded())
        self.triage = Triage(
            alerts=self.alerts,
            outbox=self.outbox,
            routing=default_routing(["mail", "hook"]),
            clock=self.clock,
            zone=UTC,
            repeat_interval=timedelta(hours=4),
            announce_within=announce_within,
            suppressions=Suppressions(engine),
        )

    def announced(self) -> list[tuple[int, str]]:
        (alert,) = self.alerts.search(AlertQuery()).alerts
        return [(delivery.version, delivery.channel) for delivery in self.outbox.of_alert(alert.alert_id)]


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


def test_a_new_incident_is_an_alert_and_goes_to_every_channel(desk: Desk) -> None:
    assert desk.triage.take([a_finding("f-1")]) == Triaged(opened=1, planned=2)

    assert desk.announced() == [(1, "hook"), (1, "mail")]


def test_findings_taken_before_change_nothing(desk: Desk) -> None:
    findings = [a_finding("f-1"), a_finding("f-2", patient="P-2")]
    assert desk.triage.take(findings) == Triaged(opened=2, planned=4)

    assert desk.triage.take(findings) == Triaged()
    assert desk.triage.take([]) == Triaged()
    assert len(desk.alerts.open()) == 2


def test_a_low_alert_is_on_the_page_only_until_it_rises(desk: Desk) -> None:
    assert desk.triage.take([a_finding("f-1", severity=Severity.LOW)]) == Triaged(opened=1)
    assert desk.triage.take([a_finding("f-2", hours=1, events=(2,), severity=Severity.LOW)]) == Triaged(grown=1)

    assert desk.triage.take([a_finding("f-3", hours=2, events=(3,), severity=Severity.HIGH)]) == Triaged(grown=1, planned=2)


def test_growth_is_announced_again_only_after_the_repeat_interval(desk: Desk) -> None:
    desk.triage.take([a_finding("f-1")])
    desk.clock.now = at(3.9)
    assert desk.triage.take([a_finding("f-2", hours=1, events=(2,))]) == Triaged(grown=1)
    desk.clock.now = at(4)
    assert desk.triage.take([a_finding("f-3", hours=2, events=(3,))]) == Triaged(grown=1, planned=2)
    desk.clock.now = at(5)
    assert desk.triage.take([a_finding("f-4", hours=3, events=(4,))]) == Triaged(grown=1)


def test_a_rise_is_announced_at_once(desk: Desk) -> None:
    desk.triage.take([a_finding("f-1")])

    assert desk.triage.take([a_finding("f-2", hours=1, events=(2,), severity=Severity.CRITICAL)]) == Triaged(grown=1, planned=2)


def test_several_rises_at_once_are_one_announcement(desk: Desk) -> None:
    rising = [a_finding(f"f-{n}", hours=n, events=(n,), severity=severity) for n, severity in enumerate(Severity)]

    assert desk.triage.take(rising) == Triaged(opened=1, planned=2)

    assert desk.announced() == [(4, "hook"), (4, "mail")]
    assert [alert.version for alert in desk.alerts.history(desk.alerts.open()[0].alert_id)] == [1, 2, 3, 4]


def test_old_history_that_is_read_in_rings_no_bell(engine: Engine) -> None:
    desk = Desk(engine, announce_within=timedelta(days=7))
    desk.clock.now = at(24 * 7 + 1)

    assert desk.triage.take([a_finding("f-1", kind="vip_access")]) == Triaged(opened=1)
    assert desk.announced() == []
    assert desk.triage.take([a_finding("f-2", hours=2, patient="P-2")]) == Triaged(opened=1, planned=2)


def test_who_asks_for_silence_gets_it(desk: Desk) -> None:
    assert desk.triage.take([a_finding("f-1")], notify=False) == Triaged(opened=1)
    assert desk.announced() == []


def test_what_was_resolved_stays_so_and_what_comes_after_is_new(desk: Desk) -> None:
    desk.triage.take([a_finding("f-1")])
    (alert,) = desk.alerts.open()
    desk.alerts.resolve(alert.alert_id, by="carol", note="", at=at(1), expected_version=1)

    assert desk.triage.take([a_finding("f-1"), a_finding("f-2", hours=1, events=(2,))]) == Triaged(opened=1, planned=2)

    assert [alert.status for alert in desk.alerts.search(AlertQuery()).alerts].count(AlertStatus.RESOLVED) == 1


class PowerCut(BaseException):
    """The process ends here."""


class DyingStore(AlertStore):
    """Stops where the alerts should be written."""

    def apply(self, episodes: Sequence[Episode]) -> list[str]:
        raise PowerCut


class ContestedStore(AlertStore):
    """Lets a person decide at the last moment before a grown alert is written, once."""

    decided = False

    def apply(self, episodes: Sequence[Episode]) -> list[str]:
        alert = episodes[0].alert
        if alert.version > 1 and not self.decided:
            self.decided = True
            self.acknowledge(alert.alert_id, by="carol", note="Mine.", at=at(1), expected_version=alert.version - 1)
        return super().apply(episodes)


class BesiegedStore(AlertStore):
    """Lets people decide faster than anything can be written."""

    def apply(self, episodes: Sequence[Episode]) -> list[str]:
        return [episode.alert.alert_id for episode in episodes]


def test_a_stop_after_the_outbox_and_before_the_alert_loses_no_page(engine: Engine) -> None:
    with pytest.raises(PowerCut):
        Desk(engine, DyingStore).triage.take([a_finding("f-1")])
    reborn = Desk(engine)
    assert reborn.alerts.open() == []

    assert reborn.triage.take([a_finding("f-1")]) == Triaged(opened=1, planned=0)

    assert reborn.announced() == [(1, "hook"), (1, "mail")]


def test_a_person_who_decides_in_between_is_not_overwritten(engine: Engine) -> None:
    desk = Desk(engine, ContestedStore)
    desk.triage.take([a_finding("f-1")])

    assert desk.triage.take([a_finding("f-2", hours=1, events=(2,))]) == Triaged(grown=1)

    history = desk.alerts.history(desk.alerts.open()[0].alert_id)
    assert [(version.changed_by, version.status.value) for version in history] == [
        ("phitrail", "open"),
        ("carol", "acknowledged"),
        ("phitrail", "acknowledged"),
    ]
    assert history[-1].finding_ids == ("f-1", "f-2")


def test_findings_that_never_get_through_are_not_taken_for_done(engine: Engine) -> None:
    with pytest.raises(Conflict, match="taken in again"):
        Desk(engine, BesiegedStore).triage.take([a_finding("f-1")])


def test_what_is_held_back_neither_opens_nor_grows_an_alert_and_what_was_taken_stays(desk: Desk, engine: Engine) -> None:
    known = Suppressions(engine)
    early = a_finding("f-1")
    desk.triage.take([early])
    SuppressionBook(engine, Recorded(), lambda: "t").set(
        "household_access", {"actor_id": "alice"}, by="officer", reason="x", at=NINE, until=at(5)
    )
    later = [
        a_finding("f-2", hours=1, events=(2,)),
        a_finding("f-3", hours=2, patient="P-2"),
        a_finding("f-4", hours=2, actor="bob"),
    ]

    assert desk.triage.take(later) == Triaged(opened=1, planned=2, held=2)
    assert desk.triage.take([early, *later]) == Triaged(held=2)
    assert desk.triage.take([a_finding("f-5", hours=5, events=(5,))]).held == 0

    (one,) = known.all()
    assert known.counts() == {one.suppression_id: 2}
    taken = {name for alert in desk.alerts.search(AlertQuery()).alerts for name in alert.finding_ids}
    assert taken == {"f-1", "f-4", "f-5"}


@pytest.mark.parametrize("after_it", [False, True])
def test_a_stop_while_findings_are_held_back_loses_none(engine: Engine, after_it: bool) -> None:
    faulty = FaultyEngine(engine)
    desk = Desk(faulty)  # type: ignore[arg-type]
    SuppressionBook(engine, Recorded(), lambda: "t").set(
        "household_access", {"patient_id": "P-1"}, by="officer", reason="x", at=NINE, until=at(5)
    )
    faulty.table, faulty.after = "held_findings", after_it
    findings = [a_finding("f-1"), a_finding("f-2", patient="P-2")]

    with pytest.raises(Fault):
        desk.triage.take(findings)
    assert desk.alerts.open() == []
    assert desk.triage.take(findings) == Triaged(opened=1, planned=2, held=1)
    assert list(Suppressions(engine).counts().values()) == [1]
