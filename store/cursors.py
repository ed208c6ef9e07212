"""How far the followers of the ledger have come, and what they have not seen yet. The ledger is the queue; this is the place in it.

A follower does its work, then moves its cursor: after a crash in between it sees the same entries again, so the work is idempotent.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from domain.clock import microseconds
from store.engine import Engine
from store.events import Events

_GET = "SELECT writer, max(seq) FROM cursors WHERE name = {name:String} GROUP BY writer ORDER BY writer"

_NEXT = """
SELECT count(), max(seq), min(time), max(time)
FROM (SELECT seq, time FROM events WHERE writer = {writer:String} AND seq >= {first:UInt64} ORDER BY seq LIMIT {limit:UInt32})
"""

_BETWEEN = """
SELECT writer, min(seq), max(seq) FROM events
WHERE time >= fromUnixTimestamp64Micro({start:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({end:Int64}, 'UTC')
GROUP BY writer ORDER BY writer
"""

_DAYS_OF = """
SELECT DISTINCT toDate(time, {zone:String}) AS day FROM events
WHERE writer = {writer:String} AND seq >= {first:UInt64} AND seq <= {last:UInt64}
"""

_DAYS_BETWEEN = """
SELECT DISTINCT toDate(time, {zone:String}) AS day FROM events
WHERE time >= fromUnixTimestamp64Micro({start:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({end:Int64}, 'UTC') ORDER BY day
"""

_DUE = """
SELECT day FROM follower_days WHERE name = {name:String} AND day < {before:Date}
GROUP BY day HAVING max(touched) > max(closed) AND max(touched_at) <= fromUnixTimestamp64Micro({quiet_since:Int64}, 'UTC')
ORDER BY day
"""

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Consecutive entries of one writer's log: from `first` to `last`, both included."""

    writer: str
    first: int
    last: int

    @property
    def size(self) -> int:
        """How many places it covers."""
        return self.last - self.first + 1


class Cursors:
    """The place of each named follower. Thread-safe, as its engine is; one follower of a name at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, name: str) -> dict[str, int]:
        """The last seq the follower has done, for every writer it has met."""
        return {str(writer): int(str(seq)) for writer, seq in self._engine.rows(_GET, name=name)}

    def advance(self, name: str, positions: Mapping[str, int]) -> None:
        """Everything up to and including these places is done; durable on return. A lower place than known changes nothing."""
        if positions:
            rows = {"name": [name] * len(positions), "writer": list(positions), "seq": list(positions.values())}
            self._engine.insert("cursors", pl.DataFrame(rows, schema={"name": pl.String, "writer": pl.String, "seq": pl.Int64}))


class Backlog:
    """Entries as spans: what comes after a follower's place, and what lies in a period."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._events = Events(engine)

    def after(self, positions: Mapping[str, int], limit: int) -> list[Span]:
        """The next entries after these places, at most `limit` in all, shared fairly among the writers that have any.

        A writer without a place starts at its first entry. Empty when everything has been seen.
        """
        writers = self._events.writers()
        share = max(1, limit // max(1, len(writers)))
        spans = []
        for writer in writers:
            first = positions.get(writer, -1) + 1
            count, last, *_ = self._engine.rows(_NEXT, writer=writer, first=first, limit=share)[0]
            if count:
                spans.append(Span(writer=writer, first=first, last=int(str(last))))
        return spans

    def between(self, start: datetime, end: datetime, limit: int) -> Iterator[Span]:
        """Every entry whose claimed time lies in [start, end), and those between them in the log, in spans of at most `limit`."""
        for writer, first, last in self._engine.rows(_BETWEEN, start=microseconds(start), end=microseconds(end)):
            place, final = int(str(first)), int(str(last))
            while place <= final:
                yield Span(writer=str(writer), first=place, last=min(place + limit - 1, final))
                place += limit

    def days(self, spans: Sequence[Span], zone: str) -> list[date]:
        """The local days of the claimed times of these entries, in order."""
        found = {
            row[0]
            for span in spans
            for row in self._engine.rows(_DAYS_OF, writer=span.writer, first=span.first, last=span.last, zone=zone)
        }
        return sorted(day for day in found if isinstance(day, date))

    def days_between(self, start: datetime, end: datetime, zone: str) -> list[date]:
        """The local days in [start, end) that have entries, in order."""
        rows = self._engine.rows(_DAYS_BETWEEN, start=microseconds(start), end=microseconds(end), zone=zone)
        return [row[0] for row in rows if isinstance(row[0], date)]


class FollowerDays:
    """Which local days a follower has still to close, because events came that it had not seen when it last closed them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def touch(self, name: str, days: Collection[date], progress: int, at: datetime) -> None:
        """Events of these days were consumed at `at`; `progress` counts all events consumed so far (at least 1)."""
        self._mark(name, sorted(days), touched=progress, closed=0, at=at)

    def close(self, name: str, day: date, progress: int) -> None:
        """The day was evaluated with everything up to `progress`."""
        self._mark(name, [day], touched=0, closed=progress, at=_NEVER)

    def due(self, name: str, before: date, quiet_since: datetime) -> list[date]:
        """Days before `before` with events not yet evaluated, the last of which came no later than `quiet_since`; in order."""
        rows = self._engine.rows(_DUE, name=name, before=before, quiet_since=microseconds(quiet_since))
        return [row[0] for row in rows if isinstance(row[0], date)]

    def _mark(self, name: str, days: Sequence[date], *, touched: int, closed: int, at: datetime) -> None:
        if days:
            columns = {
                "name": pl.Series([name] * len(days), dtype=pl.String),
                "day": pl.Series(days, dtype=pl.Date),
                "touched": pl.Series([touched] * len(days), dtype=pl.UInt64),
                "closed": pl.Series([closed] * len(days), dtype=pl.UInt64),
                "touched_at": pl.Series([at] * len(days), dtype=pl.Datetime("us", "UTC")),
            }
            self._engine.insert("follower_days", pl.DataFrame(columns))
