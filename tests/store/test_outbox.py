"""The outbox on a real engine: kept before tried, claimed by one, settled once."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from store.engine import Engine
from store.outbox import LEASE, Backlog, Delivery, DeliveryState, Outbox, plan
from tests.alerts.builders import NINE, Recorded, at
from tests.support.clock import TickingClock
from tests.support.node import node


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def outbox(engine: Engine, recorded: Recorded) -> Outbox:
    return Outbox(engine, recorded)


def a_delivery(alert: str = "a1", *, version: int = 1, channel: str = "mail", due: float = 0) -> Delivery:
    return plan(alert_id=alert, version=version, channel=channel, at=NINE, due=at(due))


def claimed(outbox: Outbox, delivery: Delivery, *, hours: float = 0) -> Delivery:
    mine = outbox.claim(delivery, holder="one", now=at(hours))
    assert mine is not None
    return mine


def test_what_is_put_is_due_from_its_time_on_longest_due_first(outbox: Outbox) -> None:
    later, sooner, not_yet = a_delivery("a1", due=1), a_delivery("a2", due=0), a_delivery("a3", due=9)

    assert outbox.put([later, sooner, not_yet]) == 3

    assert outbox.due(at(2)) == [sooner, later]
    assert outbox.due(at(2), limit=1) == [sooner]


def test_the_same_delivery_is_put_once(outbox: Outbox) -> None:
    outbox.put([a_delivery("a1")])

    assert outbox.put([a_delivery("a1"), a_delivery("a2"), a_delivery("a2")]) == 1
    assert outbox.put([]) == 0
    assert len(outbox.due(at(1))) == 2


def test_a_claimed_delivery_is_not_due_until_the_lease_ends(outbox: Outbox) -> None:
    outbox.put([a_delivery()])
    mine = claimed(outbox, a_delivery())

    assert outbox.due(NINE + LEASE - timedelta(seconds=1)) == []
    assert outbox.due(NINE + LEASE) == [mine]
    assert mine.delivery_id == a_delivery().delivery_id


def test_of_many_dispatchers_one_gets_the_delivery(outbox: Outbox) -> None:
    for n in range(5):
        outbox.put([a_delivery(f"a{n}")])
    start, got = threading.Barrier(5), []

    def work(holder: str) -> None:
        start.wait()
        got.extend(mine for due in outbox.due(at(0)) if (mine := outbox.claim(due, holder=holder, now=at(0))))

    threads = [threading.Thread(target=work, args=(f"dispatcher-{n}",)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(mine.alert_id for mine in got) == ["a0", "a1", "a2", "a3", "a4"]


def test_who_lost_the_lease_settles_nothing(outbox: Outbox, recorded: Recorded) -> None:
    outbox.put([a_delivery()])
    slow = claimed(outbox, a_delivery())
    fast = outbox.claim(outbox.due(NINE + LEASE)[0], holder="two", now=NINE + LEASE)
    assert fast is not None
    outbox.sent(fast, at=at(1))

    outbox.fail(slow, at=at(1), error="the mail server did not answer in time")

    (standing,) = outbox.of_alert("a1")
    assert (standing.state, standing.holder) == (DeliveryState.SENT, "two")
    assert recorded.actions == ["alert_delivered"]


def test_a_failed_attempt_is_due_again_later_and_says_why(outbox: Outbox) -> None:
    outbox.put([a_delivery()])

    outbox.postpone(claimed(outbox, a_delivery()), at=at(0.1), due=at(3), error="the receiver answered 503")

    (standing,) = outbox.of_alert("a1")
    assert (standing.state, standing.attempt, standing.error) == (DeliveryState.PENDING, 1, "the receiver answered 503")
    assert outbox.due(at(2.9)) == []
    assert outbox.due(at(3)) == [standing]


def test_what_is_settled_is_never_due_again(outbox: Outbox, recorded: Recorded) -> None:
    deliveries = [a_delivery("a1"), a_delivery("a2"), a_delivery("a3")]
    outbox.put(deliveries)
    sent, failed, withdrawn = (claimed(outbox, delivery) for delivery in deliveries)

    outbox.sent(sent, at=at(1))
    outbox.fail(failed, at=at(1), error="the receiver answered 410: it is gone for good")
    outbox.withdraw(withdrawn, at=at(1))

    assert outbox.due(at(10_000)) == []
    assert [outbox.of_alert(name)[0].state for name in ("a1", "a2", "a3")] == ["sent", "failed", "withdrawn"]
    assert recorded.actions == ["alert_delivered", "alert_undelivered"]
    assert [event.outcome for event in recorded.events] == ["success", "failure"]
    assert recorded.events[0].details == {
        "alert_id": "a1",
        "version": 1,
        "channel": "mail",
        "delivery_id": deliveries[0].delivery_id,
        "attempt": 1,
    }
    assert recorded.events[0].patient_id is None


def test_everything_is_still_there_for_the_next_process(engine: Engine, outbox: Outbox) -> None:
    outbox.put([a_delivery()])
    outbox.postpone(claimed(outbox, a_delivery()), at=at(0), due=at(1), error="x")

    assert Outbox(engine, Recorded()).due(at(1)) == outbox.of_alert("a1")


def test_how_each_channel_stands(outbox: Outbox) -> None:
    outbox.put([a_delivery("a1"), a_delivery("a2"), a_delivery("a1", channel="hook")])
    outbox.sent(claimed(outbox, a_delivery("a1")), at=at(1))
    outbox.fail(claimed(outbox, a_delivery("a1", channel="hook")), at=at(1), error="gone")

    assert outbox.backlog(at(2)) == [
        Backlog(channel="hook", pending=0, sent=0, failed=1, oldest=timedelta(0)),
        Backlog(channel="mail", pending=1, sent=1, failed=0, oldest=timedelta(hours=2)),
    ]


def test_when_an_alert_was_last_announced(outbox: Outbox) -> None:
    outbox.put([a_delivery("a1")])
    outbox.put([plan(alert_id="a1", version=2, channel="mail", at=at(5), due=at(5))])

    assert outbox.last_planned(["a1", "a2"]) == {"a1": at(5)}


def test_events_about_deliveries_told_twice_are_in_the_ledger_once(engine: Engine, tmp_path: Path) -> None:
    with node(engine, tmp_path, TickingClock(NINE)) as live:
        outbox = Outbox(engine, live.ledger.append)
        outbox.put([a_delivery()])
        outbox.sent(claimed(outbox, a_delivery()), at=at(0))

        assert outbox.rerecord(since=NINE) == 1
        assert engine.rows("SELECT action FROM events") == [("alert_delivered",)]
