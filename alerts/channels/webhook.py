"""HTTPS webhooks signed after the Standard Webhooks specification (webhook-id, webhook-timestamp, webhook-signature).

The signature covers id, time and body, so a receiver can tell ours from anybody's, drop what is older than five minutes and drop
what it has seen: the id is the delivery's and stays the same over all attempts.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import orjson

from alerts.channels import ReceiverBusy
from alerts.notification import Notification
from domain.clock import Clock, rfc3339
from domain.errors import ConfigError, DeliveryError

TIMEOUT = 20.0
MOST_BYTES = 20_000
_PREFIX = "whsec_"


class WebhookChannel:
    """Posts each notification to one address. Close it when done."""

    def __init__(self, *, name: str, url: str, secrets: Sequence[str], clock: Clock, ca_file: Path | None = None) -> None:
        """`secrets` are `whsec_…`, the current one first; all of them sign while a receiver moves from one to the next.

        `ca_file` replaces the system's certificate authorities. Raises ConfigError for plain HTTP to anything but this machine,
        and for a secret that is none.
        """
        self.name = name
        self._url = _checked(url)
        self._keys = [_key(secret) for secret in secrets]
        if not self._keys:
            raise ConfigError("a webhook needs a secret to sign with")
        self._clock = clock
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Neither proxies from the environment nor a redirect decide where this goes.
        self._client = httpx.Client(verify=context, timeout=TIMEOUT, follow_redirects=False, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(self, notification: Notification) -> None:
        """Post it. Raises DeliveryError: permanent for 410 Gone, otherwise to be tried again."""
        body = payload(notification)
        if len(body) >= MOST_BYTES:
            raise DeliveryError("the notification is longer than receivers accept", permanent=True)
        moment = self._clock()
        headers = {
            "content-type": "application/json",
            "user-agent": "phitrail",
            "webhook-id": notification.delivery_id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": signature(self._keys, notification.delivery_id, moment, body),
        }
        try:
            # The answer's body is never read: it says nothing we act on, and need not end.
            with self._client.stream("POST", self._url, content=body, headers=headers) as response:
                _judge(response, moment)
        except httpx.TimeoutException:
            raise DeliveryError("the receiver did not answer in time") from None
        except httpx.HTTPError as error:
            raise DeliveryError(_trouble(error)) from None


def payload(notification: Notification) -> bytes:
    """The body: `type`, `timestamp` and `data`, as the specification names them."""
    return orjson.dumps(
        {
            "type": "alert.raised",
            "timestamp": rfc3339(notification.time),
            "data": {
                "alert_id": notification.alert_id,
                "kind": notification.kind,
                "title": notification.title,
                "severity": notification.severity,
                "status": notification.status,
                "events": notification.events,
                "findings": notification.findings,
                "controls": notification.controls,
                "url": notification.url,
            },
        }
    )


def signature(keys: Sequence[bytes], message_id: str, moment: datetime, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over "id.timestamp.body", once per key, separated by spaces."""
    signed = b".".join((message_id.encode(), str(int(moment.timestamp())).encode(), body))
    return " ".join(f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}" for key in keys)


def _judge(response: httpx.Response, now: datetime) -> None:
    if response.is_success:
        return
    status = response.status_code
    if status == httpx.codes.GONE:
        raise DeliveryError("the receiver answered 410: it is gone for good", permanent=True)
    if response.is_redirect:
        raise DeliveryError(f"the receiver answered {status}: redirects are not followed, set its new address")
    asked = _retry_after(response.headers.get("retry-after", ""), now)
    if asked is not None:
        raise ReceiverBusy(f"the receiver answered {status} and asked for time", retry_after=asked)
    raise DeliveryError(f"the receiver answered {status}")


def _retry_after(text: str, now: datetime) -> timedelta | None:
    """RFC 9110 section 10.2.3: seconds, or a date. What cannot be read is as if absent."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(aware - now, timedelta(0))


def _trouble(error: httpx.HTTPError) -> str:
    """What went wrong, without the address: it may carry the receiver's own secret."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "the receiver's certificate could not be verified"
        if isinstance(cause, ssl.SSLError):
            return "no TLS connection with the receiver came about"
        cause = cause.__cause__ or cause.__context__
    return "the receiver could not be reached"


def _checked(url: str) -> str:
    parts = httpx.URL(url)
    if parts.scheme == "https" and parts.host:
        return url
    if parts.scheme == "http" and _is_loopback(parts.host):
        return url
    raise ConfigError("a webhook address must begin with https:// (plain http only to this machine)")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise ConfigError("a webhook secret is whsec_ followed by the base64 of 24 to 64 bytes")
    return key
