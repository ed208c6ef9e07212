"""How old a signed request may be, and how a retry is told from a replay.

Where the signature covers time and body, a request is new while its time is near now. A provider that tries again with the same
bytes after we asked it to (503) is let in though time has passed: its request was seen while fresh. What such a request holds is
in the ledger already or was never stored, so neither can do harm.

Where it covers no body (Mailgun), a signature stands for one body only: the first it came with.
"""

import hashlib
import threading
from datetime import UTC, datetime, timedelta

from domain.clock import Clock
from ingest.parsers.recent import Recent
from ingest.webhooks.check import Cause, Refused

REMEMBERED = 65_536
"""Signatures kept: at 100 bytes each a few megabytes, and hours of a busy sender. Only good signatures are kept."""

_FUTURE = timedelta(seconds=300)


class Freshness:
    """What was signed when, and what was seen before. Thread-safe; asked only after a signature was found good."""

    def __init__(self, clock: Clock, *, max_age: timedelta, remembered: int = REMEMBERED) -> None:
        """A request is fresh from five minutes before its time, or `max_age` if that is shorter, until `max_age` after."""
        self._clock = clock
        self._max_age = max_age
        self._guard = threading.Lock()
        self._seen: Recent[bytes, bytes] = Recent(remembered)

    def admit(self, signature: bytes, signed_at: datetime, body: bytes) -> None:
        """Let a request in. Raises Refused: REPLAYED where the signature came with another body, STALE where it is too old."""
        key, digest = hashlib.sha256(signature).digest(), hashlib.sha256(body).digest()
        age = self._clock() - signed_at
        with self._guard:
            earlier = self._seen.get(key)
            if earlier is not None and earlier != digest:
                raise Refused(Cause.REPLAYED)
            if earlier is None and not -min(_FUTURE, self._max_age) <= age <= self._max_age:
                raise Refused(Cause.STALE)
            self._seen.put(key, digest)


def signing_time(text: str) -> datetime:
    """The moment of seconds since 1970 as senders put them into a header. Raises Refused for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 11):
        raise Refused(Cause.BAD_SIGNATURE)
    return datetime.fromtimestamp(int(text), UTC)
