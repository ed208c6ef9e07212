"""The dispatcher over a real store: retries, restarts, escalation, and who need not be told any more."""

import random
import threading
from collections import deque
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from alerts.backoff import WAITS
from alerts.channels import Channel, ReceiverBusy
from alerts.channels.email import EmailChannel, MailServer
from alerts.channels.memory import MemoryChannel
from alerts.channels.webhook import WebhookChannel
from alerts.dispatch import Dispatched, Dispatcher
from alerts.group import fold
from alerts.notification import Notification
from domain.errors import DeliveryError
from domain.finding import Severity
from store.alerts import AlertStore
from store.engine import Engine
from store.outbox import LEASE, Delivery, DeliveryState, Outbox, plan
from tests.alerts.builders import NINE, Recorded, a_finding, an_episode, at
from tests.alerts.receivers import http_server, make_certificates, smtp_server
from tests.support.clock import TickingClock

GONE = DeliveryError("the receiver answered 410: it is gone for good", permanent=True)
AWAY = DeliveryError("the receiver could not be reached")


class Moody:
    """A channel that fails as told, then works."""

    def __init__(self, name: str, *moods: Exception) -> None:
        self.name = name
        self.moods = deque(moods)
        self.attempts: list[str] = []

    def send(self, notification: Notification) -> None:
        self.attempts.append(notification.delivery_id)
        if self.moods:
            raise self.moods.popleft()


class Desk:
    """Store, outbox and clock of one test, and dispatchers over them."""

    def __init__(self, engine: Engine) -> None:
        self.clock = TickingClock(NINE)
        self.recorded = Recorded()
        self.alerts = AlertStore(engine, self.recorded)
        self.outbox = Outbox(engine, self.recorded)

    def dispatcher(self, *channels: Channel, holder: str = "one", chance: float = 0) -> Dispatcher:
        return Dispatcher(
            outbox=self.outbox,
            alerts=self.alerts,
            channels=channels,
            base_url="https://phitrail.example",
            holder=holder,
            clock=self.clock,
            chance=lambda: chance,
        )

    def raise_alert(self, *channels: str, patient: str = "P-1") -> str:
        episode = an_episode(a_finding(f"f-{patient}", patient=patient))
        self.alerts.apply([episode])
        alert_id = episode.alert.alert_id
        self.outbox.put(plan(alert_id=alert_id, version=1, channel=name, at=NINE, due=NINE) for name in channels)
        return alert_id

    def worsen(self, alert_id: str, channel: str) -> None:
        """An hour later the alert is critical, and that is to be told."""
        self.clock.now = at(1)
        worse = a_finding("f-2", hours=1, events=(2,), severity=Severity.CRITICAL)
        (grown,) = fold(self.alerts.episodes([an_episode().alert.group_key], since=NINE), [worse], at=at(1), zone=UTC)
        assert self.alerts.apply([grown]) == []
        self.outbox.put([plan(alert_id=alert_id, version=grown.alert.version, channel=channel, at=at(1), due=at(1))])

    def standing(self, alert_id: str) -> dict[str, Delivery]:
        return {delivery.channel: delivery for delivery in self.outbox.of_alert(alert_id)}


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


def test_what_is_due_is_sent_once_and_recorded(desk: Desk) -> None:
    alert_id = desk.raise_alert("mail", "hook")
    mail, hook = MemoryChannel("mail"), MemoryChannel("hook")
    dispatcher = desk.dispatcher(mail, hook)

    assert dispatcher.run_once() == Dispatched(sent=2)
    assert dispatcher.run_once() == Dispatched()

    assert [note.alert_id for note in (*mail.taken, *hook.taken)] == [alert_id, alert_id]
    assert mail.taken[0].delivery_id != hook.taken[0].delivery_id
    assert desk.recorded.actions == ["alert_opened", "alert_delivered", "alert_delivered"]


def test_a_failure_is_tried_again_after_growing_waits_under_the_same_id(desk: Desk) -> None:
    alert_id = desk.raise_alert("mail")
    mail = Moody("mail", AWAY, AWAY, AWAY)
    dispatcher = desk.dispatcher(mail)

    for n, wait in enumerate(WAITS[:3]):
        assert dispatcher.run_once() == Dispatched(postponed=1)
        standing = desk.standing(alert_id)["mail"]
        assert (standing.attempt, standing.due, standing.error) == (n + 1, desk.clock.now + wait, str(AWAY))
        desk.clock.now = standing.due - timedelta(microseconds=1)
        assert dispatcher.run_once() == Dispatched()
        desk.clock.now = standing.due
    assert dispatcher.run_once() == Dispatched(sent=1)

    assert len(mail.attempts) == 4
    assert len(set(mail.attempts)) == 1


def test_jitter_only_lengthens_a_wait(desk: Desk) -> None:
    alert_id = desk.raise_alert("mail")

    desk.dispatcher(Moody("mail", AWAY), chance=0.5).run_once()

    assert desk.standing(alert_id)["mail"].due == NINE + WAITS[0] * 1.1


def test_a_receiver_that_asks_for_time_gets_it(desk: Desk) -> None:
    alert_id = desk.raise_alert("hook")
    busy = ReceiverBusy("the receiver answered 429 and asked for time", retry_after=timedelta(hours=2))

    desk.dispatcher(Moody("hook", busy)).run_once()

    assert desk.standing(alert_id)["hook"].due == at(2)


def test_after_three_days_of_failures_it_is_given_up(desk: Desk) -> None:
    alert_id = desk.raise_alert("mail")
    mail = Moody("mail", *[AWAY] * 99)
    dispatcher = desk.dispatcher(mail)

    runs = 0
    while desk.standing(alert_id)["mail"].state is DeliveryState.PENDING:
        dispatcher.run_once()
        desk.clock.advance(hours=25)
        runs += 1

    assert runs == len(WAITS) + 1 == len(mail.attempts)
    assert desk.standing(alert_id)["mail"].error == str(AWAY)
    assert desk.recorded.actions[-1] == "alert_undelivered"


def test_what_failed_for_good_goes_to_the_next_channel(desk: Desk) -> None:
    alert_id = desk.raise_alert("hook")
    hook, mail = Moody("hook", GONE), MemoryChannel("mail")
    dispatcher = desk.dispatcher(hook, mail)

    assert dispatcher.run_once() == Dispatched(failed=1, escalated=1)
    assert dispatcher.run_once() == Dispatched(sent=1)
    assert dispatcher.run_once() == Dispatched()

    standing = desk.standing(alert_id)
    assert (standing["hook"].state, standing["mail"].state) == (DeliveryState.FAILED, DeliveryState.SENT)
    assert [note.alert_id for note in mail.taken] == [alert_id]


def test_when_every_channel_has_been_told_there_is_none_to_escalate_to(desk: Desk) -> None:
    desk.raise_alert("hook", "mail")
    dispatcher = desk.dispatcher(Moody("hook", GONE), Moody("mail", GONE))

    assert dispatcher.run_once() == Dispatched(failed=2)
    assert dispatcher.run_once() == Dispatched()


def test_a_channel_that_left_the_settings_hands_over_to_another(desk: Desk) -> None:
    alert_id = desk.raise_alert("pager")
    dispatcher = desk.dispatcher(MemoryChannel("mail"))

    assert dispatcher.run_once() == Dispatched(failed=1, escalated=1)
    assert dispatcher.run_once() == Dispatched(sent=1)
    assert desk.standing(alert_id)["pager"].error == "this channel is no longer in the settings"


def test_a_dead_channel_holds_up_nobody_else(desk: Desk) -> None:
    for n in range(3):
        desk.raise_alert("hook", "mail", patient=f"P-{n}")
    hook, mail = Moody("hook", *[AWAY] * 9), MemoryChannel("mail")

    assert desk.dispatcher(hook, mail).run_once() == Dispatched(sent=3, postponed=1)

    assert len(hook.attempts) == 1


def test_a_defect_in_a_channel_is_a_failed_attempt_and_no_more(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    alert_id = desk.raise_alert("hook", "mail")

    assert desk.dispatcher(Moody("hook", KeyError("x")), MemoryChannel("mail")).run_once() == Dispatched(sent=1, postponed=1)

    assert desk.standing(alert_id)["hook"].error == "the channel failed with KeyError"
    assert "channel hook failed unexpectedly" in caplog.text


def test_the_outbox_outlives_its_dispatcher(desk: Desk, engine: Engine) -> None:
    """Failed once, stopped, started again as another process: sent when due, under the same id."""
    alert_id = desk.raise_alert("mail")
    before = Moody("mail", AWAY)
    desk.dispatcher(before).run_once()

    reborn = Desk(engine)
    reborn.clock.advance(minutes=1)
    mail = MemoryChannel("mail")

    assert reborn.dispatcher(mail, holder="two").run_once() == Dispatched(sent=1)
    assert [note.delivery_id for note in mail.taken] == before.attempts
    assert reborn.standing(alert_id)["mail"].attempt == 2


class PowerCut(BaseException):
    """The process ends here."""


def test_a_stop_between_sending_and_recording_sends_again_under_the_same_id(desk: Desk) -> None:
    desk.raise_alert("mail")
    mail = MemoryChannel("mail")

    class Dying:
        name = "mail"

        def send(self, notification: Notification) -> None:
            mail.send(notification)
            raise PowerCut

    with pytest.raises(PowerCut):
        desk.dispatcher(Dying()).run_once()
    second = desk.dispatcher(mail, holder="two")

    assert second.run_once() == Dispatched()
    desk.clock.now = NINE + LEASE
    assert second.run_once() == Dispatched(sent=1)
    assert len(mail.taken) == 1


def test_two_dispatchers_send_each_notification_once(desk: Desk) -> None:
    for n in range(8):
        desk.raise_alert("mail", patient=f"P-{n}")
    mail = Moody("mail")
    start = threading.Barrier(2)

    def work(holder: str) -> None:
        start.wait()
        desk.dispatcher(mail, holder=holder).run_once()

    threads = [threading.Thread(target=work, args=(holder,)) for holder in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(mail.attempts) == len(set(mail.attempts)) == 8


@pytest.mark.parametrize("step", ["acknowledge", "resolve"])
def test_who_has_taken_it_on_need_not_be_told(desk: Desk, step: str) -> None:
    alert_id = desk.raise_alert("mail")
    mail = Moody("mail", AWAY)
    dispatcher = desk.dispatcher(mail)
    dispatcher.run_once()
    getattr(desk.alerts, step)(alert_id, by="carol", note="", at=at(0), expected_version=1)
    desk.clock.advance(hours=1)

    assert dispatcher.run_once() == Dispatched(withdrawn=1)
    assert desk.standing(alert_id)["mail"].state is DeliveryState.WITHDRAWN


def test_a_rise_after_the_acknowledgement_is_told(desk: Desk) -> None:
    alert_id = desk.raise_alert("mail")
    desk.dispatcher(MemoryChannel("mail")).run_once()
    desk.alerts.acknowledge(alert_id, by="carol", note="", at=at(0), expected_version=1)
    desk.worsen(alert_id, "mail")
    mail = MemoryChannel("mail")

    assert desk.dispatcher(mail).run_once() == Dispatched(sent=1)
    assert mail.taken[0].severity is Severity.CRITICAL


def test_a_channel_that_told_of_the_beginning_can_be_the_next_to_tell_of_the_rise(desk: Desk) -> None:
    alert_id = desk.raise_alert("mail")
    mail = MemoryChannel("mail")
    dispatcher = desk.dispatcher(Moody("hook", GONE), mail)
    dispatcher.run_once()
    desk.worsen(alert_id, "hook")

    assert dispatcher.run_once() == Dispatched(failed=1, escalated=1)
    assert dispatcher.run_once() == Dispatched(sent=1)
    assert [note.severity for note in mail.taken] == [Severity.MEDIUM, Severity.CRITICAL]


def test_a_delivery_whose_alert_is_not_written_yet_waits_for_it(desk: Desk) -> None:
    episode = an_episode()
    desk.outbox.put([plan(alert_id=episode.alert.alert_id, version=1, channel="mail", at=NINE, due=NINE)])
    mail = MemoryChannel("mail")
    dispatcher = desk.dispatcher(mail)

    assert dispatcher.run_once() == Dispatched()
    desk.alerts.apply([episode])
    desk.clock.now = NINE + LEASE

    assert dispatcher.run_once() == Dispatched(sent=1)
    assert len(mail.taken) == 1


def test_a_wrong_certificate_means_not_sent_and_tried_again_until_it_is_right(desk: Desk, tmp_path: Path) -> None:
    """End to end over TLS: the server first shows a certificate of an unknown authority, then the right one."""
    ours, theirs = make_certificates(tmp_path / "ours"), make_certificates(tmp_path / "theirs")
    alert_id = desk.raise_alert("mail")

    def channel(port: int) -> EmailChannel:
        server = MailServer(host="127.0.0.1", port=port, ca_file=ours.authority)
        return EmailChannel(name="mail", server=server, sender="a@b.example", recipients=["c@d.example"], clock=desk.clock)

    with smtp_server(theirs) as mailbox:
        assert desk.dispatcher(channel(mailbox.port)).run_once() == Dispatched(postponed=1)
        assert mailbox.mails == []
    assert desk.standing(alert_id)["mail"].error == "the mail server's certificate could not be verified; nothing was sent"
    desk.clock.advance(minutes=1)
    with smtp_server(ours) as mailbox:
        assert desk.dispatcher(channel(mailbox.port)).run_once() == Dispatched(sent=1)
        assert len(mailbox.mails) == 1


def test_a_plaintext_mail_server_means_not_sent_and_tried_again(desk: Desk) -> None:
    alert_id = desk.raise_alert("mail")
    with smtp_server(None) as mailbox:
        server = MailServer(host="127.0.0.1", port=mailbox.port)
        mail = EmailChannel(name="mail", server=server, sender="a@b.example", recipients=["c@d.example"], clock=desk.clock)

        assert desk.dispatcher(mail).run_once() == Dispatched(postponed=1)
        assert mailbox.mails == []

    assert desk.standing(alert_id)["mail"].state is DeliveryState.PENDING


def test_a_webhook_that_comes_back_gets_the_id_it_was_first_offered(desk: Desk) -> None:
    desk.raise_alert("hook")
    secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    with http_server() as receiver:
        hook = WebhookChannel(name="hook", url=receiver.url, secrets=[secret], clock=desk.clock)
        dispatcher = desk.dispatcher(hook, chance=random.Random(7).random())
        receiver.status, receiver.headers = 503, {"Retry-After": "600"}

        assert dispatcher.run_once() == Dispatched(postponed=1)
        desk.clock.advance(seconds=599)
        assert dispatcher.run_once() == Dispatched()
        receiver.status, receiver.headers = 200, {}
        desk.clock.advance(seconds=1)
        assert dispatcher.run_once() == Dispatched(sent=1)
        hook.close()

    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.requests}) == 2
