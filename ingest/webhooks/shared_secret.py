"""Providers that do not sign (Postmark, Brevo, Mailjet): HTTP basic authentication (RFC 7617), or a secret token.

The token is taken from `X-Hook-Token`, `Authorization: Bearer`, or the address behind the provider's name. Whoever knows it can
send anything, so these are as good as the secret and the TLS in front.
"""

import base64
import binascii
import hashlib
import hmac

from ingest.webhooks.check import Cause, HookRequest, Refused, Verdict

TOKEN_HEADER = "x-hook-token"  # noqa: S105 - the name of a header


class SharedSecretCheck:
    """Knows a user with a password, a token, or both; either opens."""

    needs_body = False

    def __init__(self, *, user: str | None = None, password: str | None = None, token: str | None = None) -> None:
        self._credentials = _digest(f"{user}:{password}") if user is not None and password is not None else None
        self._token = _digest(token) if token else None

    def __call__(self, request: HookRequest) -> Verdict:
        """See Check."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        text = text.strip()
        tokens = [request.headers.get(TOKEN_HEADER), request.token, text if scheme.lower() == "bearer" else None]
        basic = _decoded(text) if scheme.lower() == "basic" else None
        opened = [_same(self._token, token) for token in tokens] + [_same(self._credentials, basic)]
        if not any(opened):
            raise Refused(Cause.UNAUTHENTICATED)
        return Verdict.STORE


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _same(expected: bytes | None, text: str | None) -> bool:
    """Digests are compared, so that the time taken says nothing, not even how long the secret is."""
    return expected is not None and text is not None and hmac.compare_digest(expected, _digest(text))


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
