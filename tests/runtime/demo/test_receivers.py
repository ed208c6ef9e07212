"""The receivers, over real sockets, from the product's own channels and from impostors."""

import base64
import hashlib
import hmac
import smtplib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509

from domain.clock import system_clock
from runtime.demo.certificates import ServerCertificate, certify_loopback
from runtime.demo.receivers import MailReceiver, WebhookReceiver

NOW = datetime(2026, 3, 17, 20, tzinfo=UTC)
KEY = bytes(range(32))
MESSAGE = "From: phitrail@a.example\r\nMessage-ID: <one@a.example>\r\nSubject: Alert\r\n\r\nOpen the dashboard.\r\n"


@pytest.fixture
def webhook() -> Iterator[WebhookReceiver]:
    with WebhookReceiver(key=KEY, clock=lambda: NOW) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ServerCertificate:
    return certify_loopback(tmp_path_factory.mktemp("tls"), system_clock)


@pytest.fixture
def mail(certificate: ServerCertificate) -> Iterator[MailReceiver]:
    with MailReceiver(certificate) as receiver:
        yield receiver


def _signed(body: bytes, *, key: bytes = KEY, moment: datetime = NOW, message_id: str = "msg_1") -> dict[str, str]:
    stamp = str(int(moment.timestamp()))
    digest = hmac.new(key, b".".join((message_id.encode(), stamp.encode(), body)), hashlib.sha256).digest()
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}


def _post(receiver: WebhookReceiver, body: bytes, headers: dict[str, str]) -> int:
    return httpx.post(receiver.url, content=body, headers=headers, trust_env=False).status_code


def test_a_signed_webhook_is_kept(webhook: WebhookReceiver) -> None:
    assert _post(webhook, b'{"a":1}', _signed(b'{"a":1}')) == 204

    assert webhook.received().messages == (b'{"a":1}',)


def test_the_same_delivery_counts_once(webhook: WebhookReceiver) -> None:
    for _ in range(2):
        assert _post(webhook, b"x", _signed(b"x")) == 204

    assert len(webhook.received().messages) == 1


def test_one_of_several_signatures_is_enough(webhook: WebhookReceiver) -> None:
    headers = _signed(b"x")
    headers["webhook-signature"] = f"v1,{base64.b64encode(bytes(32)).decode()} {headers['webhook-signature']}"

    assert _post(webhook, b"x", headers) == 204


@pytest.mark.parametrize(
    "headers",
    [
        {},
        _signed(b"x", key=bytes(32)),
        _signed(b"another body"),
        _signed(b"x", moment=NOW - timedelta(minutes=6)),
        _signed(b"x", moment=NOW + timedelta(minutes=6)),
        _signed(b"x") | {"webhook-id": "msg_2"},
        _signed(b"x") | {"webhook-timestamp": "soon"},
        _signed(b"x") | {"webhook-signature": "v2,AAAA"},
    ],
)
def test_an_impostor_is_refused(webhook: WebhookReceiver, headers: dict[str, str]) -> None:
    assert _post(webhook, b"x", headers) == 401

    assert webhook.received().messages == ()
    assert webhook.received().refused == 1


def test_mail_is_taken_inside_verified_tls(mail: MailReceiver) -> None:
    with smtplib.SMTP(mail.host, mail.port, timeout=10) as client:
        client.starttls(context=ssl.create_default_context(cafile=str(mail.ca_file)))
        client.sendmail("phitrail@a.example", ["privacy@a.example"], MESSAGE)

    (message,) = mail.received().messages
    assert b"Subject: Alert" in message


def test_mail_in_the_clear_is_refused(mail: MailReceiver) -> None:
    with smtplib.SMTP(mail.host, mail.port, timeout=10) as client, pytest.raises(smtplib.SMTPException, match="STARTTLS"):
        client.sendmail("phitrail@a.example", ["privacy@a.example"], MESSAGE)

    assert mail.received().messages == ()


def test_a_sender_that_does_not_know_the_authority_sends_nothing(mail: MailReceiver) -> None:
    with smtplib.SMTP(mail.host, mail.port, timeout=10) as client:
        with pytest.raises(ssl.SSLCertVerificationError):
            client.starttls(context=ssl.create_default_context())
        client.close()

    assert mail.received().messages == ()


def test_the_key_of_the_certificate_is_for_its_owner_only(certificate: ServerCertificate) -> None:
    assert certificate.key.stat().st_mode & 0o077 == 0
    assert b"PRIVATE" not in certificate.ca_file.read_bytes() + certificate.certificate.read_bytes()


def test_the_certificate_is_for_this_machine_only(certificate: ServerCertificate) -> None:
    made = x509.load_pem_x509_certificate(certificate.certificate.read_bytes())

    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1", "::1"]
