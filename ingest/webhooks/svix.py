"""Resend, by Svix: HMAC-SHA256 in base64 over `id.timestamp.body`, one of several signatures in the header.

Svix signs every attempt anew (Standard Webhooks), so the timestamp alone tells a replay. Its own retries have the same body, and
are duplicates in the ledger.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from domain.errors import ConfigError
from ingest.webhooks.check import Cause, HookRequest, Refused, Verdict
from ingest.webhooks.freshness import Freshness, signing_time

_PREFIX = "whsec_"
_VERSION = "v1"
_MOST_SIGNATURES = 16


class SvixCheck:
    """Holds the signing secrets of the endpoint, several while one is replaced by another."""

    needs_body = True

    def __init__(self, secrets: Sequence[bytes], freshness: Freshness) -> None:
        self._secrets = secrets
        self._freshness = freshness

    def __call__(self, request: HookRequest) -> Verdict:
        """See Check."""
        identifier, timestamp, signatures = (
            request.headers.get(f"svix-{name}") or request.headers.get(f"webhook-{name}") or ""
            for name in ("id", "timestamp", "signature")
        )
        if not identifier or not timestamp or not signatures:
            raise Refused(Cause.UNSIGNED)
        signed_at = signing_time(timestamp)
        signed = f"{identifier}.{timestamp}.".encode() + request.body
        offered = [one.partition(",") for one in signatures.split(" ")[:_MOST_SIGNATURES]]
        expected = [base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)) for secret in self._secrets]
        fits = [
            hmac.compare_digest(ours, theirs.encode()) for version, _, theirs in offered if version == _VERSION for ours in expected
        ]
        if not any(fits):
            raise Refused(Cause.BAD_SIGNATURE)
        self._freshness.admit(signed, signed_at, request.body)
        return Verdict.STORE


def signing_secret(text: str) -> bytes:
    """The key of `whsec_…`. Raises ConfigError, without the text."""
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < 16:
        raise ConfigError(f"the signing secret is not {_PREFIX} followed by base64; copy it from the provider's settings again")
    return key
