"""The e-mail channel against a real SMTP server: TLS or nothing, and what each refusal means."""

import email
import logging
import ssl
from email.policy import default
from pathlib import Path

import pytest

from alerts.channels.email import EmailChannel, MailServer, Security
from alerts.notification import notification
from domain.errors import ConfigError, DeliveryError
from tests.alerts.builders import NINE, an_alert
from tests.alerts.receivers import Certificates, Mailbox, make_certificates, smtp_server
from tests.support.clock import TickingClock

NOTE = notification(an_alert(alert_id="abcdefgh22334455"), delivery_id="msg_1", base_url="https://phitrail.example")
RECIPIENTS = ("privacy@hospital.example", "security@hospital.example")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def send(
    mailbox: Mailbox,
    *,
    ca_file: Path | None,
    security: Security = Security.STARTTLS,
    username: str = "",
    password: str = "",
    recipients: tuple[str, ...] = RECIPIENTS,
) -> None:
    server = MailServer(
        host="127.0.0.1", port=mailbox.port, security=security, ca_file=ca_file, username=username, password=password
    )
    EmailChannel(
        name="mail", server=server, sender="phitrail@hospital.example", recipients=recipients, clock=TickingClock(NINE)
    ).send(NOTE)


def test_the_mail_says_that_there_is_something_and_where(certificates: Certificates) -> None:
    with smtp_server(certificates) as mailbox:
        send(mailbox, ca_file=certificates.authority)

    message = email.message_from_bytes(mailbox.mails[0], policy=default)
    assert b"\r\nSubject: [phitrail] medium: Access" in mailbox.mails[0]
    assert message["Subject"] == "[phitrail] medium: Access to the record of a relative or household member"
    assert message["From"] == "phitrail@hospital.example"
    assert message["To"] == ", ".join(RECIPIENTS)
    assert message["Message-ID"] == "<msg_1@hospital.example>"
    assert message["References"] == "<alert.abcdefgh22334455@hospital.example>"
    assert message["Date"].datetime == NINE
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().replace("\r\n", "\n") == (
        "Access to the record of a relative or household member\n"
        "\n"
        "Alert:     abcdefgh22334455\n"
        "Kind:      household_access\n"
        "Severity:  medium\n"
        "Status:    open\n"
        "Time:      2026-03-02T09:00:00.000000Z\n"
        "Based on:  1 event, 1 finding\n"
        "Controls:  164.312(b)\n"
        "\n"
        "Read on, acknowledge or resolve (login needed):\n"
        "https://phitrail.example/alerts/abcdefgh22334455\n"
        "\n"
        "This mail names no person on purpose. Who and what it is about is on the page.\n"
    )


@pytest.mark.parametrize("security", list(Security))
def test_it_travels_inside_tls(certificates: Certificates, security: Security) -> None:
    with smtp_server(certificates, implicit=security is Security.IMPLICIT) as mailbox:
        send(mailbox, ca_file=certificates.authority, security=security)

        assert mailbox.tls == [True]


def test_a_server_without_tls_gets_nothing_not_even_the_envelope() -> None:
    with smtp_server(None) as mailbox:
        with pytest.raises(DeliveryError, match="no TLS") as failure:
            send(mailbox, ca_file=None)

        assert (mailbox.envelopes, mailbox.mails) == (0, [])
        assert not failure.value.permanent


def test_a_server_that_speaks_plain_where_tls_is_meant_gets_nothing() -> None:
    with smtp_server(None) as mailbox:
        with pytest.raises(DeliveryError, match="no TLS connection"):
            send(mailbox, ca_file=None, security=Security.IMPLICIT)

        assert mailbox.mails == []


@pytest.mark.parametrize("security", list(Security))
def test_a_certificate_that_cannot_be_verified_gets_nothing_and_is_tried_again(
    certificates: Certificates, security: Security
) -> None:
    with smtp_server(certificates, implicit=security is Security.IMPLICIT) as mailbox:
        with pytest.raises(DeliveryError, match="certificate could not be verified") as failure:
            send(mailbox, ca_file=None, security=security)

        assert (mailbox.envelopes, mailbox.mails) == (0, [])
        assert not failure.value.permanent


def test_a_certificate_for_another_host_gets_nothing(tmp_path: Path) -> None:
    foreign = make_certificates(tmp_path, host="192.0.2.1")
    with smtp_server(foreign) as mailbox:
        with pytest.raises(DeliveryError, match="certificate could not be verified"):
            send(mailbox, ca_file=foreign.authority)

        assert mailbox.envelopes == 0


def test_tls_of_the_year_2008_is_the_least(certificates: Certificates) -> None:
    channel = EmailChannel(
        name="mail",
        server=MailServer(host="127.0.0.1", port=1, ca_file=certificates.authority),
        sender="a@b.example",
        recipients=["c@d.example"],
        clock=TickingClock(),
    )

    assert channel.tls.minimum_version is ssl.TLSVersion.TLSv1_2
    assert channel.tls.verify_mode is ssl.CERT_REQUIRED
    assert channel.tls.check_hostname


@pytest.mark.parametrize(
    ("answer", "permanent"), [("451 later", False), ("554 no", True), ("552 too much for privacy@hospital.example", True)]
)
def test_what_the_server_says_about_the_message_decides(certificates: Certificates, answer: str, permanent: bool) -> None:
    with smtp_server(certificates) as mailbox:
        mailbox.answer = answer
        with pytest.raises(DeliveryError, match=answer[:3]) as failure:
            send(mailbox, ca_file=certificates.authority)

    assert failure.value.permanent is permanent
    assert "hospital.example" not in str(failure.value)


@pytest.mark.parametrize(("refusal", "permanent"), [("550 unknown", True), ("450 greylisted", False)])
def test_when_every_recipient_is_refused_it_was_not_sent(certificates: Certificates, refusal: str, permanent: bool) -> None:
    with smtp_server(certificates) as mailbox:
        mailbox.refuse = lambda address: refusal
        with pytest.raises(DeliveryError, match="every recipient") as failure:
            send(mailbox, ca_file=certificates.authority)

        assert mailbox.mails == []

    assert failure.value.permanent is permanent


def test_when_some_are_refused_the_others_have_it_and_the_log_says_how_many(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    with smtp_server(certificates) as mailbox, caplog.at_level(logging.WARNING):
        mailbox.refuse = lambda address: "550 unknown" if address == RECIPIENTS[0] else None

        send(mailbox, ca_file=certificates.authority)

        assert len(mailbox.mails) == 1

    assert "refused 1 of 2 recipients" in caplog.text
    assert "hospital.example" not in caplog.text


def test_a_login_is_made_inside_tls(certificates: Certificates) -> None:
    with smtp_server(certificates) as mailbox:
        send(mailbox, ca_file=certificates.authority, username="phitrail", password="right")

        assert len(mailbox.mails) == 1


def test_a_refused_login_is_tried_again(certificates: Certificates) -> None:
    with smtp_server(certificates) as mailbox:
        with pytest.raises(DeliveryError, match="login") as failure:
            send(mailbox, ca_file=certificates.authority, username="phitrail", password="wrong")

        assert mailbox.mails == []

    assert not failure.value.permanent


@pytest.mark.parametrize(
    "address", ["", "nobody", "a@b@c", "a b@c.example", "a@c.example\nBcc: x@y.example", "a@c.example,d@e.example", "ä@c.example"]
)
def test_an_address_that_is_none_stops_the_start(address: str) -> None:
    with pytest.raises(ConfigError, match="plain addresses"):
        send(Mailbox(), ca_file=None, recipients=(address,))


def test_without_recipients_there_is_no_channel() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        send(Mailbox(), ca_file=None, recipients=())


def test_the_password_is_not_printed() -> None:
    assert "right" not in repr(MailServer(host="mx", port=25, username="u", password="right"))
