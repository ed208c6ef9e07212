"""The lock-out: guessing a password gets slower with every failure, for one account and for one address.

A delay, never a lasting lock: an outsider who knows a name can make its owner wait at most 15 minutes.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from domain.clock import Clock, microseconds
from store.engine import Engine

FREE_PER_ACCOUNT = 5
FREE_PER_ADDRESS = 50
"""Failures that cost nothing. An address may be a whole hospital behind one translation, so it has more."""

WINDOW = timedelta(minutes=15)

_OF_NAME = """
SELECT time, succeeded FROM login_attempts
WHERE name_digest = unhex({digest:String}) AND time > fromUnixTimestamp64Micro({since:Int64}, 'UTC') ORDER BY time DESC LIMIT 64
"""

_OF_ADDRESS = """
SELECT time FROM login_attempts
WHERE address = {address:String} AND succeeded = 0 AND time > fromUnixTimestamp64Micro({since:Int64}, 'UTC')
ORDER BY time DESC LIMIT {free:UInt32}
"""

_PRUNE = "DELETE FROM login_attempts WHERE time < fromUnixTimestamp64Micro({before:Int64}, 'UTC')"


class LoginAttempts:
    """Remembers attempts to sign in and says how long the next one must wait. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def wait(self, name: str, address: str) -> timedelta:
        """How long nobody may try this name, or from this address; zero or less when an attempt is allowed now."""
        now = self._clock()
        since = microseconds(now - WINDOW)
        mine = self._engine.frame(_OF_NAME, digest=_digest(name).hex(), since=since).rows()
        theirs = self._engine.frame(_OF_ADDRESS, address=address, since=since, free=FREE_PER_ADDRESS)["time"].to_list()
        opens = [moment for moment in (account_opens(mine), address_opens(theirs)) if moment is not None]
        return max([moment - now for moment in opens], default=timedelta(0))

    def record(self, name: str, address: str, *, succeeded: bool) -> None:
        """Keep one attempt. A success forgives the account's failures, not the address's."""
        self._engine.insert(
            "login_attempts",
            pl.DataFrame(
                {
                    "name_digest": pl.Series([_digest(name)], dtype=pl.Binary),
                    "address": [address],
                    "time": [self._clock()],
                    "succeeded": pl.Series([int(succeeded)], dtype=pl.UInt8),
                }
            ),
        )

    def prune(self) -> None:
        """Forget attempts that no longer count. For the scheduler, once a day."""
        self._engine.execute(_PRUNE, before=microseconds(self._clock() - 2 * WINDOW))


def account_opens(attempts: Sequence[tuple[datetime, int]]) -> datetime | None:
    """When an account may be tried again, from its attempts, newest first: 30 s after the fifth failure in a row, then doubling."""
    failures = next((place for place, (_, succeeded) in enumerate(attempts) if succeeded), len(attempts))
    if failures < FREE_PER_ACCOUNT:
        return None
    delay = timedelta(seconds=30) * (1 << min(failures - FREE_PER_ACCOUNT, 10))
    return attempts[0][0] + min(delay, WINDOW)


def address_opens(failures: Sequence[datetime]) -> datetime | None:
    """When an address may try again, from its newest failures: once fewer than FREE_PER_ADDRESS lie in the window."""
    return failures[-1] + WINDOW if len(failures) >= FREE_PER_ADDRESS else None


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.strip().lower().encode()).digest()
