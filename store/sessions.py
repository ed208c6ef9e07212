"""Sessions of people at the pages: a random token in a cookie, its digest in the store, and two clocks that end it.

Idle after 30 minutes (45 CFR 164.312(a)(2)(iii), automatic logoff) and over after 12 hours, whatever happens. The token itself is
never stored, so a copy of the database signs nobody in.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from domain.clock import Clock
from store.accounts import TokenSource
from store.engine import Engine

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)

# A session is marked as seen at most this often: what the idle limit may be early by, and what keeps reads from becoming writes.
_MARK_EVERY = timedelta(minutes=1)

_NEWEST = """
SELECT account, started, max(seen) AS seen, max(ended) AS ended FROM sessions
WHERE digest = unhex({digest:String}) GROUP BY account, started
"""

_OPEN_OF = """
SELECT hex(digest) AS digest, started FROM sessions WHERE account = {account:String}
GROUP BY digest, started HAVING max(ended) = 0
"""

_PRUNE = "DELETE FROM sessions WHERE started < fromUnixTimestamp64Micro({before:Int64}, 'UTC')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A live session. `csrf` is the token that a form of this session must carry; `expires` is when it ends if nothing happens."""

    account: str
    started: datetime
    seen: datetime
    expires: datetime
    csrf: str


class Sessions:
    """Starts, resumes and ends sessions. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, clock: Clock, new_token: TokenSource) -> None:
        self._engine = engine
        self._clock = clock
        self._new_token = new_token

    def start(self, account: str) -> str:
        """Open a session and return its token, which only the browser keeps."""
        token, now = self._new_token(), self._clock()
        self._store(_digest(token), account, started=now, seen=now, ended=False)
        return token

    def resume(self, token: str) -> Session | None:
        """The live session of this token, now seen; None where there is none, it idled too long, or it is over."""
        digest, now = _digest(token), self._clock()
        frame = self._engine.frame(_NEWEST, digest=digest.hex())
        if frame.is_empty():
            return None
        account, started, seen, ended = frame.row(0)
        if ended or now - seen >= IDLE or now - started >= LONGEST:
            return None
        if now - seen >= _MARK_EVERY:
            self._store(digest, account, started=started, seen=now, ended=False)
            seen = now
        return Session(
            account=account, started=started, seen=seen, expires=min(now + IDLE, started + LONGEST), csrf=csrf_token(token)
        )

    def end(self, token: str) -> None:
        """Close a session; its token is worthless from now on."""
        digest = _digest(token)
        frame = self._engine.frame(_NEWEST, digest=digest.hex())
        for account, started, _, _ in frame.iter_rows():
            self._store(digest, account, started=started, seen=self._clock(), ended=True)

    def end_all(self, account: str) -> None:
        """Close every open session of an account: after a new password, or when it is disabled."""
        for digest, started in self._engine.frame(_OPEN_OF, account=account).iter_rows():
            self._store(bytes.fromhex(digest), account, started=started, seen=self._clock(), ended=True)

    def prune(self) -> None:
        """Forget sessions that ended long ago. For the scheduler, once a day."""
        before = self._clock() - 2 * LONGEST
        self._engine.execute(_PRUNE, before=int(before.timestamp() * 1_000_000))

    def _store(self, digest: bytes, account: str, *, started: datetime, seen: datetime, ended: bool) -> None:
        self._engine.insert(
            "sessions",
            pl.DataFrame(
                {
                    "digest": pl.Series([digest], dtype=pl.Binary),
                    "account": [account],
                    "started": [started],
                    "seen": [seen],
                    "ended": pl.Series([int(ended)], dtype=pl.UInt8),
                }
            ),
        )


def csrf_token(token: str) -> str:
    """The token that forms of a session carry: it proves the page came from us, and tells nothing about the session's own token."""
    return hmac.new(token.encode(), b"phitrail form", hashlib.sha256).hexdigest()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
