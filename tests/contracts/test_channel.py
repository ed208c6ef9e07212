"""What every channel keeps, whatever it speaks: one suite over all of them, with real receivers on loopback.

A new channel is added to WORKING and FAILING with a receiver of its own; `test_every_channel_is_under_contract` insists on it.
"""

import pkgutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

import alerts.channels
from alerts.channels import Channel
from alerts.channels.email import EmailChannel, MailServer, Security
from alerts.channels.memory import MemoryChannel
from alerts.channels.webhook import WebhookChannel
from alerts.notification import Notification, notification
from domain.errors import DeliveryError
from tests.alerts.builders import an_alert
from tests.alerts.receivers import Certificates, http_server, make_certificates, smtp_server
from tests.support.clock import TickingClock

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@dataclass(frozen=True)
class Rig:
    """A channel and what its receiver has: one text per notification taken (headers and body), and how many attempts it saw."""

    channel: Channel
    taken: Callable[[], list[str]]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def mail_channel(port: int, certificates: Certificates, security: Security = Security.STARTTLS) -> EmailChannel:
    server = MailServer(host="127.0.0.1", port=port, security=security, ca_file=certificates.authority)
    return EmailChannel(
        name="mail",
        server=server,
        sender="phitrail@b.example",
        recipients=["privacy@b.example"],
        clock=TickingClock(),
    )


@contextmanager
def webhook_channel(url: str, certificates: Certificates) -> Iterator[WebhookChannel]:
    channel = WebhookChannel(name="hook", url=url, secrets=[SECRET], clock=TickingClock(), ca_file=certificates.authority)
    try:
        yield channel
    finally:
        channel.close()


@contextmanager
def memory(certificates: Certificates) -> Iterator[Rig]:
    channel = MemoryChannel()
    yield Rig(channel, lambda: [repr(taken) for taken in channel.taken])


@contextmanager
def webhook(certificates: Certificates) -> Iterator[Rig]:
    with http_server(certificates) as hook, webhook_channel(hook.url, certificates) as channel:
        yield Rig(channel, lambda: [f"{headers}{body.decode()}" for headers, body in hook.requests])


@contextmanager
def starttls(certificates: Certificates) -> Iterator[Rig]:
    with smtp_server(certificates) as mailbox:
        yield Rig(mail_channel(mailbox.port, certificates), lambda: [mail.decode() for mail in mailbox.mails])


@contextmanager
def implicit_tls(certificates: Certificates) -> Iterator[Rig]:
    with smtp_server(certificates, implicit=True) as mailbox:
        yield Rig(mail_channel(mailbox.port, certificates, Security.IMPLICIT), lambda: [mail.decode() for mail in mailbox.mails])


@contextmanager
def nobody_listens_to_http(certificates: Certificates) -> Iterator[Rig]:
    with http_server(certificates) as hook:
        url = hook.url
    with webhook_channel(url, certificates) as channel:
        yield Rig(channel, list)


@contextmanager
def nobody_listens_to_smtp(certificates: Certificates) -> Iterator[Rig]:
    with smtp_server(certificates) as mailbox:
        port = mailbox.port
    yield Rig(mail_channel(port, certificates), list)


@contextmanager
def busy_http(certificates: Certificates) -> Iterator[Rig]:
    with http_server(certificates) as hook, webhook_channel(hook.url, certificates) as channel:
        hook.status = 503
        yield Rig(channel, list)


@contextmanager
def busy_smtp(certificates: Certificates) -> Iterator[Rig]:
    with smtp_server(certificates) as mailbox:
        mailbox.answer = "451 try later, privacy@b.example"
        yield Rig(mail_channel(mailbox.port, certificates), lambda: [mail.decode() for mail in mailbox.mails])


Setup = Callable[[Certificates], AbstractContextManager[Rig]]
WORKING: list[Setup] = [memory, webhook, starttls, implicit_tls]
FAILING: list[Setup] = [nobody_listens_to_http, nobody_listens_to_smtp, busy_http, busy_smtp]
UNDER_CONTRACT = {"memory", "webhook", "email"}


@pytest.fixture
def note() -> Notification:
    return notification(an_alert(), delivery_id="msg_0123456789abcdef", base_url="https://phitrail.example")


@pytest.mark.parametrize("setup", WORKING, ids=lambda setup: setup.__name__)
def test_a_notification_arrives_with_its_id_and_the_way_to_the_page(
    setup: Setup, certificates: Certificates, note: Notification
) -> None:
    with setup(certificates) as rig:
        rig.channel.send(note)

        (text,) = rig.taken()

    assert note.delivery_id in text
    assert note.url in text
    assert note.title in text
    assert note.severity.value in text


@pytest.mark.parametrize("setup", WORKING, ids=lambda setup: setup.__name__)
def test_the_same_delivery_again_can_be_told_from_a_new_one(setup: Setup, certificates: Certificates, note: Notification) -> None:
    with setup(certificates) as rig:
        rig.channel.send(note)
        rig.channel.send(note)

        texts = rig.taken()

    assert 1 <= len(texts) <= 2
    assert all(note.delivery_id in text for text in texts)


@pytest.mark.parametrize("setup", FAILING, ids=lambda setup: setup.__name__)
def test_a_receiver_in_trouble_is_to_be_tried_again_and_is_not_named(
    setup: Setup, certificates: Certificates, note: Notification
) -> None:
    with setup(certificates) as rig:
        with pytest.raises(DeliveryError) as failure:
            rig.channel.send(note)

        assert rig.taken() == []

    assert not failure.value.permanent
    assert not any(name in str(failure.value) for name in ("127.0.0.1", "b.example", "/hook"))
    # Nor does a traceback print the library's error, which does name it.
    assert failure.value.__context__ is None or failure.value.__suppress_context__


@pytest.mark.parametrize("setup", WORKING, ids=lambda setup: setup.__name__)
def test_a_channel_has_a_name_for_the_routes(setup: Setup, certificates: Certificates) -> None:
    with setup(certificates) as rig:
        assert rig.channel.name.isidentifier()


def test_a_channel_is_handed_nothing_that_names_a_person() -> None:
    assert {field.name for field in fields(Notification)} == {
        "delivery_id",
        "alert_id",
        "kind",
        "title",
        "severity",
        "status",
        "time",
        "events",
        "findings",
        "controls",
        "url",
    }


def test_every_channel_is_under_contract() -> None:
    assert {module.name for module in pkgutil.iter_modules([str(Path(alerts.channels.__file__).parent)])} == UNDER_CONTRACT
