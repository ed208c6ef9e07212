"""Amazon SNS: RSA over named fields of the message, signature versions 1 (SHA-1) and 2 (SHA-256).

Anybody with an AWS account has a topic whose messages are well signed, so a signature alone proves nothing: the topic has to be
one that is set here. The certificate is fetched from Amazon's own addresses only, and so is the confirmation of a subscription.
SNS goes on trying for hours with the same message, whose body is signed and whose events have ids: a repeat is a duplicate.
"""

import base64
import binascii
import re
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from urllib.parse import urlsplit

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import load_pem_x509_certificate

from domain.clock import Clock
from domain.errors import Backpressure, InvalidInput, PhitrailError
from ingest.parsers.instants import instant
from ingest.parsers.recent import Recent
from ingest.webhooks.check import Cause, HookRequest, Refused, Verdict
from ingest.webhooks.freshness import Freshness

Fetch = Callable[[str], bytes]
"""Gets what is at an https address, following no redirect. Raises PhitrailError where it cannot."""

_HOST = re.compile(r"sns\.[a-z0-9-]{3,32}\.amazonaws\.com(?:\.cn)?", re.ASCII)
_CERTIFICATES = 16
_RETRY_SECONDS = 30
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_SUBSCRIPTION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED: Mapping[str, tuple[str, ...]] = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _SUBSCRIPTION,
    "UnsubscribeConfirmation": _SUBSCRIPTION,
}
_OPTIONAL = "Subject"
_HASHES: Mapping[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - Amazon's choice


class SnsCheck:
    """Checks messages of the topics given, and confirms subscriptions to them."""

    needs_body = True

    def __init__(self, topics: Collection[str], fetch: Fetch, freshness: Freshness, clock: Clock) -> None:
        self._topics = frozenset(topics)
        self._fetch = fetch
        self._freshness = freshness
        self._clock = clock
        self._guard = threading.Lock()
        self._keys: Recent[str, tuple[rsa.RSAPublicKey, datetime]] = Recent(_CERTIFICATES)

    def __call__(self, request: HookRequest) -> Verdict:
        """See Check. A subscription is confirmed here, after everything else was found good."""
        message = _fields(request.body)
        kind = message.get("Type", "")
        names = _SIGNED.get(kind)
        signature, algorithm = message.get("Signature"), _HASHES.get(message.get("SignatureVersion", ""))
        if names is None or not signature:
            raise Refused(Cause.UNSIGNED)
        if message.get("TopicArn") not in self._topics:
            raise Refused(Cause.NOT_ALLOWED)
        if algorithm is None or any(name not in message for name in names if name != _OPTIONAL):
            raise Refused(Cause.BAD_SIGNATURE)
        signed = "".join(f"{name}\n{message[name]}\n" for name in names if name in message).encode()
        key = self._key(message.get("SigningCertURL", ""))
        try:
            key.verify(base64.b64decode(signature, validate=True), signed, padding.PKCS1v15(), algorithm)
            sent = instant(message["Timestamp"], "Timestamp")
        except (InvalidSignature, binascii.Error, ValueError, InvalidInput):
            raise Refused(Cause.BAD_SIGNATURE) from None
        self._freshness.admit(signed, sent, signed)
        if kind == "SubscriptionConfirmation":
            self._get(_allowed(message["SubscribeURL"]))
        return Verdict.STORE

    def _key(self, url: str) -> rsa.RSAPublicKey:
        """The key of the certificate at an address of Amazon's, fetched once and again when it has run out."""
        address = _allowed(url)
        if not urlsplit(address).path.endswith(".pem"):
            raise Refused(Cause.NOT_ALLOWED)
        now = self._clock()
        with self._guard:
            known = self._keys.get(address)
        if known is not None and now <= known[1]:
            return known[0]
        try:
            certificate = load_pem_x509_certificate(self._get(address))
            key = certificate.public_key()
        except ValueError:
            raise Refused(Cause.BAD_SIGNATURE) from None
        if not isinstance(key, rsa.RSAPublicKey) or not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise Refused(Cause.BAD_SIGNATURE)
        with self._guard:
            self._keys.put(address, (key, certificate.not_valid_after_utc))
        return key

    def _get(self, address: str) -> bytes:
        try:
            return self._fetch(address)
        except PhitrailError:
            raise Backpressure("Amazon cannot be asked at the moment; nothing was accepted", retry_after=_RETRY_SECONDS) from None


def _fields(body: bytes) -> Mapping[str, str]:
    """The message's fields that are text. Raises Refused where the body is no message."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(Cause.UNSIGNED) from None
    if not isinstance(value, dict):
        raise Refused(Cause.UNSIGNED)
    return {name: item for name, item in value.items() if isinstance(item, str)}


def _allowed(url: str) -> str:
    """An https address of Amazon SNS on its usual port, without a user in it. Raises Refused for any other."""
    try:
        parts = urlsplit(url)
        usual = parts.scheme == "https" and parts.port is None and "@" not in parts.netloc
    except ValueError:
        raise Refused(Cause.NOT_ALLOWED) from None
    if not usual or _HOST.fullmatch(parts.netloc) is None or "\\" in url:
        raise Refused(Cause.NOT_ALLOWED)
    return url
