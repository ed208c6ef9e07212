"""Mailgun: HMAC-SHA256 in hex over timestamp and token, all three in the body, which itself is not signed.

So the token is what stands against replay: it is good for the one body it came with first. Mailgun tries again for eight hours and
sends the same signature with it, so its timestamp may be as old as that.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

import orjson

from ingest.parsers.mailgun_forms import SIGNED, form_of, signed_fields
from ingest.parsers.shapes import mapping
from ingest.webhooks.check import Cause, HookRequest, Refused, Verdict
from ingest.webhooks.freshness import Freshness, signing_time


class MailgunCheck:
    """Holds the HTTP webhook signing key of the account, several while one is replaced by another."""

    needs_body = True

    def __init__(self, keys: Sequence[bytes], freshness: Freshness) -> None:
        self._keys = keys
        self._freshness = freshness

    def __call__(self, request: HookRequest) -> Verdict:
        """See Check."""
        timestamp, token, signature, content = _read(request.body)
        signed_at = signing_time(timestamp)
        expected = [hmac.digest(key, f"{timestamp}{token}".encode(), hashlib.sha256).hex() for key in self._keys]
        if not any(hmac.compare_digest(one.encode(), signature.lower().encode()) for one in expected):
            raise Refused(Cause.BAD_SIGNATURE)
        # In one piece, as it was signed: where the timestamp ends and the token begins is not part of the signature.
        self._freshness.admit(f"{timestamp}{token}".encode(), signed_at, content)
        return Verdict.STORE


def _read(body: bytes) -> tuple[str, str, str, bytes]:
    """Timestamp, token and signature of a body, and the rest of it in one spelling. Raises Refused where any is missing."""
    form = form_of(body)
    if form is not None:
        found = signed_fields(form)
        rest: Mapping[str, object] = {name: value for name, value in form.items() if name not in SIGNED[1:]}
    else:
        try:
            value = mapping(orjson.loads(body))
        except orjson.JSONDecodeError:
            value = {}
        block = mapping(value.get("signature"))
        timestamp, token, signature = (block.get(name) for name in SIGNED)
        found = (str(timestamp), token, signature) if isinstance(token, str) and isinstance(signature, str) else None
        rest = {name: item for name, item in value.items() if name != "signature"}
    if found is None:
        raise Refused(Cause.UNSIGNED)
    return *found, orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)
