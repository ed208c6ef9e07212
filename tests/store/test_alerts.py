"""The history of alerts on a real engine: versions, decisions, races, questions."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.group import fold
from domain.errors import Conflict, InvalidInput, NotFound
from domain.event import ActorKind
from domain.finding import Alert, AlertStatus, Finding, Severity
from store.alerts import AlertQuery, AlertStore, Tally
from store.engine import Engine
from tests.alerts.builders import NINE, Recorded, a_finding, an_episode, at
from tests.support.clock import TickingClock
from tests.support.node import node


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def store(engine: Engine, recorded: Recorded) -> AlertStore:
    return AlertStore(engine, recorded)


def take(store: AlertStore, *findings: Finding, now: datetime = NINE) -> list[str]:
    """Group and apply, as triage does. Returns the ids of the alerts that changed."""
    keys = {episode.alert.group_key for episode in fold([], findings, at=now, zone=UTC)}
    versions = fold(store.episodes(keys, since=at(-1000)), findings, at=now, zone=UTC)
    assert store.apply(versions) == []
    return list(dict.fromkeys(version.alert.alert_id for version in versions))


def test_an_alert_comes_back_as_it_went_in(store: AlertStore) -> None:
    finding = a_finding(
        "f-1", exculpatory=("It was a shift.",), inputs={"to_domain": "a.example", "n": 3, "nested": {"x": [1, None]}}
    )
    episode = an_episode(finding)

    store.apply([episode])

    assert store.get(episode.alert.alert_id) == episode.alert
    assert store.episodes([episode.alert.group_key], since=NINE) == [episode]


def test_a_grown_alert_is_a_new_version_and_the_old_one_stays(store: AlertStore) -> None:
    (name,) = take(store, a_finding("f-1"))
    take(store, a_finding("f-2", hours=1, events=(2,)))

    history = store.history(name)

    assert [alert.version for alert in history] == [1, 2]
    assert [alert.finding_ids for alert in history] == [("f-1",), ("f-1", "f-2")]
    assert store.get(name) == history[-1]


def test_the_findings_of_an_episode_long_over_are_not_read(store: AlertStore) -> None:
    take(store, a_finding("f-1"))
    key = an_episode().alert.group_key

    assert store.episodes([key], since=at(1)) == []
    assert store.episodes(["another"], since=NINE) == []


def test_a_person_takes_an_alert_on_and_closes_it(store: AlertStore) -> None:
    (name,) = take(store, a_finding("f-1"))

    acknowledged = store.acknowledge(name, by="carol", note="Asking.", at=at(2), expected_version=1)
    resolved = store.resolve(name, by="bob", note="Was on call.", at=at(3), expected_version=2)

    assert (acknowledged.status, acknowledged.changed_by, acknowledged.note) == (
        AlertStatus.ACKNOWLEDGED,
        "carol",
        "Asking.",
    )
    assert (resolved.status, resolved.version, resolved.updated) == (AlertStatus.RESOLVED, 3, at(3))
    assert [alert.status.value for alert in store.history(name)] == ["open", "acknowledged", "resolved"]
    assert resolved.explanation == ("What f-1 says.",)


def test_a_decision_on_an_old_version_is_refused_and_changes_nothing(store: AlertStore, recorded: Recorded) -> None:
    (name,) = take(store, a_finding("f-1"))
    take(store, a_finding("f-2", hours=1, events=(2,)))
    before = list(recorded.events)

    with pytest.raises(Conflict, match="has changed since it was read"):
        store.acknowledge(name, by="carol", note="", at=at(2), expected_version=1)

    assert store.get(name).version == 2
    assert recorded.events == before


def test_a_decision_on_a_version_that_does_not_exist_yet_is_refused(store: AlertStore) -> None:
    (name,) = take(store, a_finding("f-1"))

    with pytest.raises(Conflict, match="has changed since it was read"):
        store.resolve(name, by="carol", note="", at=at(1), expected_version=7)

    assert [alert.version for alert in store.history(name)] == [1]


@pytest.mark.parametrize("settle", ["acknowledge", "resolve"])
def test_what_is_settled_stays_settled(store: AlertStore, settle: str) -> None:
    (name,) = take(store, a_finding("f-1"))
    store.resolve(name, by="carol", note="", at=at(1), expected_version=1)

    with pytest.raises(Conflict, match="already resolved"):
        getattr(store, settle)(name, by="bob", note="", at=at(2), expected_version=2)


def test_an_alert_is_acknowledged_once(store: AlertStore) -> None:
    (name,) = take(store, a_finding("f-1"))
    store.acknowledge(name, by="carol", note="", at=at(1), expected_version=1)

    with pytest.raises(Conflict, match="already acknowledged"):
        store.acknowledge(name, by="bob", note="", at=at(2), expected_version=2)


def test_the_service_decides_nothing(store: AlertStore) -> None:
    (name,) = take(store, a_finding("f-1"))

    with pytest.raises(InvalidInput, match="person"):
        store.resolve(name, by="phitrail", note="", at=at(1), expected_version=1)


def test_an_unknown_alert_is_said_to_be_unknown(store: AlertStore) -> None:
    for ask in (store.get, store.history):
        with pytest.raises(NotFound, match="no alert"):
            ask("nothing")
    with pytest.raises(NotFound, match="no alert"):
        store.resolve("nothing", by="carol", note="", at=at(1), expected_version=1)


def test_of_many_who_decide_at_once_one_wins_and_the_others_are_told(store: AlertStore, recorded: Recorded) -> None:
    (name,) = take(store, a_finding("f-1"))
    people = [f"person-{n}" for n in range(6)]
    start, lost = threading.Barrier(len(people)), []

    def decide(person: str) -> None:
        start.wait()
        try:
            store.acknowledge(name, by=person, note="", at=at(1), expected_version=1)
        except Conflict:
            lost.append(person)

    threads = [threading.Thread(target=decide, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    winner = store.get(name).changed_by
    assert sorted([*lost, winner]) == people
    assert recorded.actions == ["alert_opened", "alert_acknowledged"]
    assert recorded.events[-1].actor.id == winner


def test_grouping_that_lost_to_a_person_is_told_which_alert_to_look_at_again(store: AlertStore) -> None:
    (name,) = take(store, a_finding("f-1"))
    other = a_finding("f-9", patient="P-9", hours=1)
    stale = fold(store.episodes([an_episode().alert.group_key], since=NINE), [a_finding("f-2", hours=1), other], at=at(1), zone=UTC)
    store.acknowledge(name, by="carol", note="Mine.", at=at(1), expected_version=1)

    moved = store.apply(stale)

    assert moved == [name]
    assert store.get(name).changed_by == "carol"
    assert len(store.open()) == 2


def test_opening_the_same_alert_again_is_told_too(store: AlertStore) -> None:
    episode = an_episode()
    store.apply([episode])

    assert store.apply([replace(episode, alert=replace(episode.alert, updated=at(5)))]) == [episode.alert.alert_id]
    assert store.get(episode.alert.alert_id).updated == NINE


def test_what_waits_is_listed_gravest_first_then_longest_waiting(store: AlertStore) -> None:
    take(store, a_finding("f-1", patient="P-1", severity=Severity.LOW))
    take(store, a_finding("f-2", patient="P-2", severity=Severity.CRITICAL, hours=2))
    take(store, a_finding("f-3", patient="P-3", severity=Severity.CRITICAL, hours=1))
    (settled,) = take(store, a_finding("f-4", patient="P-4", severity=Severity.CRITICAL))
    store.resolve(settled, by="carol", note="", at=at(3), expected_version=1)

    assert [alert.patient_id for alert in store.open()] == ["P-3", "P-2", "P-1"]
    assert [alert.patient_id for alert in store.open(limit=1)] == ["P-3"]


def test_pages_hold_every_alert_once_newest_first(store: AlertStore) -> None:
    for n in range(7):
        take(store, a_finding(f"f-{n}", patient=f"P-{n}", hours=n // 2))

    shown: list[Alert] = []
    cursor, pages = None, 0
    while pages == 0 or cursor:
        page = store.search(AlertQuery(), after=cursor, limit=3)
        shown, cursor, pages = [*shown, *page.alerts], page.next, pages + 1

    assert pages == 3
    assert len({alert.alert_id for alert in shown}) == len(shown) == 7
    assert [alert.time for alert in shown] == sorted((alert.time for alert in shown), reverse=True)


def test_a_cursor_that_no_page_gave_is_refused(store: AlertStore) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        store.search(AlertQuery(), after="'; DROP TABLE alerts")
    assert store.search(AlertQuery(), after="99999999999999999.a").alerts == ()


QUESTIONS: list[tuple[AlertQuery, set[str | None]]] = [
    (AlertQuery(), {"P-1", "P-2", None}),
    (AlertQuery(statuses=(AlertStatus.RESOLVED,)), {"P-2"}),
    (AlertQuery(statuses=(AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED)), {"P-1", None}),
    (AlertQuery(severities=(Severity.HIGH, Severity.CRITICAL)), {"P-2"}),
    (AlertQuery(kinds=("terminated_active",)), {None}),
    (AlertQuery(actor_id="mallory"), {None}),
    (AlertQuery(actor_id="bob"), {"P-1"}),
    (AlertQuery(patient_id="P-8"), {None}),
    (AlertQuery(actor_id="alice", patient_id="P-2"), {"P-2"}),
    (AlertQuery(actor_id="nobody"), set()),
    (AlertQuery(since=at(5)), {"P-2", None}),
    (AlertQuery(until=at(5)), {"P-1"}),
    (AlertQuery(since=at(5), until=at(6)), {"P-2"}),
]


def test_alerts_are_found_by_their_newest_state_and_by_everybody_in_them(store: AlertStore) -> None:
    take(store, a_finding("f-1", kind="vip_access"), a_finding("f-2", kind="vip_access", actor="bob"))
    (second,) = take(store, a_finding("f-3", patient="P-2", hours=5))
    take(store, a_finding("f-4", patient="P-2", hours=5, severity=Severity.HIGH, events=(2,)))
    take(
        store,
        a_finding("f-5", kind="terminated_active", actor="mallory", patient="P-7", hours=6),
        a_finding("f-6", kind="terminated_active", actor="mallory", patient="P-8", hours=6),
    )
    store.resolve(second, by="carol", note="", at=at(7), expected_version=2)

    pages = {query: store.search(query) for query, _ in QUESTIONS}

    assert {query: {alert.patient_id for alert in page.alerts} for query, page in pages.items()} == dict(QUESTIONS)
    assert all(set(page.opened) == {alert.alert_id for alert in page.alerts} for page in pages.values())


def test_an_export_gives_each_alert_as_it_was_last_raised_with_the_status_of_now(store: AlertStore) -> None:
    (name,) = take(store, a_finding("f-1"))
    take(store, a_finding("f-2", hours=1, events=(2,)))
    take(store, a_finding("f-3", hours=2, events=(3,), severity=Severity.HIGH))
    take(store, a_finding("f-4", hours=3, events=(4,)))
    store.resolve(name, by="carol", note="", at=at(9), expected_version=4)

    (alert,) = store.between(at(-1), at(24))
    (earlier,) = store.between(at(-1), at(2))

    assert (alert.time, alert.severity, alert.status) == (at(2), Severity.HIGH, AlertStatus.RESOLVED)
    assert [place.seq for place in alert.evidence] == [1, 2, 3]
    assert (earlier.time, earlier.severity, len(earlier.evidence)) == (at(0), Severity.MEDIUM, 1)
    assert store.between(at(2.5), at(24)) == []
    assert store.between(at(-2), at(0)) == []


def test_alerts_are_counted_by_their_newest_state(store: AlertStore) -> None:
    take(store, a_finding("f-1", patient="P-1"))
    take(store, a_finding("f-2", patient="P-2"))
    (name,) = take(store, a_finding("f-3", patient="P-3"))
    store.resolve(name, by="carol", note="", at=at(1), expected_version=1)

    assert store.tally() == [
        Tally(status=AlertStatus.OPEN, severity=Severity.MEDIUM, kind="household_access", alerts=2),
        Tally(status=AlertStatus.RESOLVED, severity=Severity.MEDIUM, kind="household_access", alerts=1),
    ]


def test_every_step_is_an_event_that_names_the_alert_and_nobody_it_is_about(store: AlertStore, recorded: Recorded) -> None:
    (name,) = take(store, a_finding("f-1"))
    take(store, a_finding("f-2", hours=1, events=(2,)), now=at(1))
    store.acknowledge(name, by="carol", note="P-1 called.", at=at(2), expected_version=2)
    store.resolve(name, by="bob", note="", at=at(3), expected_version=3)

    assert recorded.actions == ["alert_opened", "alert_updated", "alert_acknowledged", "alert_resolved"]
    assert [event.actor.id for event in recorded.events] == ["phitrail", "phitrail", "carol", "bob"]
    assert [event.actor.kind for event in recorded.events[1:3]] == [ActorKind.SERVICE, ActorKind.STAFF]
    for n, event in enumerate(recorded.events):
        assert event.source_system == "phitrail"
        assert event.patient_id is None
        assert event.details == {"alert_id": name, "version": n + 1}
        assert event.time == at(n)


def test_events_told_twice_are_in_the_ledger_once(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock(NINE)) as live:
        store = AlertStore(engine, live.ledger.append)
        (name,) = take(store, a_finding("f-1"))
        store.acknowledge(name, by="carol", note="", at=at(0), expected_version=1)

        again = store.rerecord(since=NINE - timedelta(hours=1))

        assert again == 2
        assert engine.rows("SELECT action FROM events ORDER BY seq") == [("alert_opened",), ("alert_acknowledged",)]
        assert store.rerecord(since=at(1)) == 0


def test_an_event_that_was_lost_on_the_way_is_made_good(engine: Engine) -> None:
    def lost(events: object) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        AlertStore(engine, lost).apply([an_episode()])
    recorded = Recorded()

    AlertStore(engine, recorded).rerecord(since=NINE)

    assert recorded.actions == ["alert_opened"]
