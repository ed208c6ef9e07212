"""The webhook channel against a real receiver: signature, answers, and where it refuses to go."""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from alerts.channels import ReceiverBusy
from alerts.channels.webhook import WebhookChannel, signature
from alerts.notification import Notification, notification
from domain.errors import ConfigError, DeliveryError
from tests.alerts.builders import NINE, an_alert
from tests.alerts.receivers import Certificates, Hook, http_server, make_certificates
from tests.support.clock import TickingClock

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
NOTE = notification(an_alert(alert_id="abcdefgh22334455"), delivery_id="msg_1", base_url="https://phitrail.example/")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def hook() -> Iterator[Hook]:
    with http_server() as receiver:
        yield receiver


def send(url: str, note: Notification = NOTE, *, secrets: tuple[str, ...] = (SECRET,), ca_file: Path | None = None) -> None:
    channel = WebhookChannel(name="hook", url=url, secrets=secrets, clock=TickingClock(NINE), ca_file=ca_file)
    try:
        channel.send(note)
    finally:
        channel.close()


def test_the_body_is_what_the_documentation_says(hook: Hook) -> None:
    send(hook.url)

    ((headers, body),) = hook.requests
    assert headers["content-type"] == "application/json"
    assert orjson.loads(body) == {
        "type": "alert.raised",
        "timestamp": "2026-03-02T09:00:00.000000Z",
        "data": {
            "alert_id": "abcdefgh22334455",
            "kind": "household_access",
            "title": "Access to the record of a relative or household member",
            "severity": "medium",
            "status": "open",
            "events": 1,
            "findings": 1,
            "controls": ["164.312(b)"],
            "url": "https://phitrail.example/alerts/abcdefgh22334455",
        },
    }


def test_a_receiver_can_check_the_signature_from_what_it_got(hook: Hook) -> None:
    send(hook.url)

    ((headers, body),) = hook.requests
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-timestamp"] == str(int(NINE.timestamp()))
    assert headers["webhook-id"] == "msg_1"


def test_the_signature_is_that_of_the_specification() -> None:
    """The value was computed with OpenSSL: printf '%s' msg_1.1772442000.{} | openssl dgst -sha256 -hmac … -binary | base64."""
    assert signature([KEY], "msg_1", NINE, b"{}") == "v1,D+oSzNduu99/OKDm+8JeR3+K6CUgpTe4uGl+rNJ8QLw="


def test_while_a_secret_is_exchanged_both_sign(hook: Hook) -> None:
    other = f"whsec_{base64.b64encode(b'f' * 24).decode()}"

    send(hook.url, secrets=(SECRET, other))

    signatures = hook.requests[0][0]["webhook-signature"].split(" ")
    assert len(set(signatures)) == 2
    assert all(entry.startswith("v1,") for entry in signatures)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_every_success_is_one(hook: Hook, status: int) -> None:
    hook.status = status

    send(hook.url)

    assert len(hook.requests) == 1


@pytest.mark.parametrize(("status", "permanent"), [(400, False), (404, False), (410, True), (429, False), (503, False)])
def test_only_gone_is_for_good(hook: Hook, status: int, permanent: bool) -> None:
    hook.status = status

    with pytest.raises(DeliveryError, match=str(status)) as failure:
        send(hook.url)

    assert failure.value.permanent is permanent


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), ("0", 0), ("Mon, 02 Mar 2026 09:05:00 GMT", 300), ("Mon, 02 Mar 2026 08:00:00 GMT", 0)],
)
def test_a_receiver_may_ask_for_time(hook: Hook, text: str, seconds: int) -> None:
    hook.status, hook.headers = 429, {"Retry-After": text}

    with pytest.raises(ReceiverBusy) as failure:
        send(hook.url)

    assert failure.value.retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["soon", "-5", "1e3", "99999999999999999999", "Mon, 99 Foo 2026"])
def test_a_time_that_cannot_be_read_is_as_if_none_was_asked(hook: Hook, text: str) -> None:
    hook.status, hook.headers = 503, {"Retry-After": text}

    with pytest.raises(DeliveryError) as failure:
        send(hook.url)

    assert not isinstance(failure.value, ReceiverBusy)


def test_a_redirect_is_not_followed(hook: Hook) -> None:
    with http_server() as elsewhere:
        hook.status, hook.headers = 307, {"Location": elsewhere.url}

        with pytest.raises(DeliveryError, match="redirects are not followed"):
            send(hook.url)

        assert elsewhere.requests == []


def test_a_certificate_that_cannot_be_verified_gets_nothing(certificates: Certificates) -> None:
    with http_server(certificates) as receiver:
        with pytest.raises(DeliveryError, match="certificate could not be verified") as failure:
            send(receiver.url)

        assert receiver.requests == []
        assert not failure.value.permanent

        send(receiver.url, ca_file=certificates.authority)

        assert len(receiver.requests) == 1


def test_a_certificate_for_another_host_gets_nothing(tmp_path: Path) -> None:
    foreign = make_certificates(tmp_path, host="192.0.2.1")
    with http_server(foreign) as receiver:
        with pytest.raises(DeliveryError, match="certificate could not be verified"):
            send(receiver.url, ca_file=foreign.authority)

        assert receiver.requests == []


def test_a_body_beyond_what_receivers_take_is_never_sent(hook: Hook) -> None:
    with pytest.raises(DeliveryError, match="longer than") as failure:
        send(hook.url, replace(NOTE, controls=("164.312(b)",) * 2_000))

    assert failure.value.permanent
    assert hook.requests == []


@pytest.mark.parametrize("url", ["http://receiver.example/hook", "http://10.0.0.1/", "ftp://127.0.0.1/", "https:///x", "hook", ""])
def test_plain_http_is_for_this_machine_only(url: str) -> None:
    with pytest.raises(ConfigError, match="https://"):
        send(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://127.9.9.9/", "http://[::1]/", "http://localhost/", "https://a.example/"]
)
def test_these_addresses_are_accepted(url: str) -> None:
    WebhookChannel(name="hook", url=url, secrets=[SECRET], clock=TickingClock()).close()


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", SECRET.removeprefix("whsec_"), "whsec_%%%", f"whsec_{'A' * 100}"]
)
def test_a_secret_that_is_none_stops_the_start(secret: str) -> None:
    with pytest.raises(ConfigError, match="whsec_") as failure:
        send("https://a.example/", secrets=(secret,))

    assert secret in {"", "whsec_"} or secret not in str(failure.value)


def test_without_a_secret_there_is_no_webhook() -> None:
    with pytest.raises(ConfigError, match="secret"):
        send("https://a.example/", secrets=())
