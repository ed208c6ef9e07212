"""MailerSend and Mailtrap: HMAC-SHA256 of the body in hex, in a header.

There is no timestamp, so a replay cannot be told from a retry; it need not be, as the same body holds the same events.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence

import orjson

from ingest.webhooks.check import Cause, HookRequest, Refused, Verdict

MAILERSEND = "signature"
MAILTRAP = "mailtrap-signature"

_LONGEST_PING = 1024


class HexHmacCheck:
    """Holds the signing secrets. `is_ping` knows requests that hold no event and may be answered unsigned."""

    needs_body = True

    def __init__(self, header: str, secrets: Sequence[bytes], *, is_ping: Callable[[bytes], bool] = lambda _: False) -> None:
        self._header = header
        self._secrets = secrets
        self._is_ping = is_ping

    def __call__(self, request: HookRequest) -> Verdict:
        """See Check."""
        if self._is_ping(request.body):
            return Verdict.ANSWER
        signature = request.headers.get(self._header, "").strip().lower()
        if not signature:
            raise Refused(Cause.UNSIGNED)
        expected = [hmac.digest(secret, request.body, hashlib.sha256).hex() for secret in self._secrets]
        if not any(hmac.compare_digest(one.encode(), signature.encode()) for one in expected):
            raise Refused(Cause.BAD_SIGNATURE)
        return Verdict.STORE


def is_mailersend_ping(body: bytes) -> bool:
    """
    The request by which MailerSend tries an address before it saves the webhook.

    It is signed with a key that everybody knows, as the webhook has none yet. Nothing of it is stored, so it proves nothing.
    """
    if len(body) > _LONGEST_PING or b"webhook.test" not in body:
        return False
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) and value.get("type") == "webhook.test" and "data" not in value
