"""When each source was last heard, and how it usually sounds: rolled up by hour of receipt, so that asking never reads the ledger.

`refresh` reads only entries that came since the last roll-up: per writer the roll-up itself says how far it got, and it moves with
the counts in one insert.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict, cast

import polars as pl

from store.engine import Engine

_NEXT_WRITER = "SELECT writer FROM events WHERE writer > {writer:String} ORDER BY writer LIMIT 1"

_CURSOR = "SELECT count(), max(last_seq) FROM source_hours WHERE writer = {writer:String}"

_NEW = """
SELECT source_system, toStartOfHour(received, 'UTC') AS hour, writer, count() AS events,
    min(received) AS first_received, max(received) AS last_received, max(time) AS last_claimed, max(seq) AS last_seq
FROM events
WHERE writer = {writer:String} AND seq >= {first:UInt64}
GROUP BY source_system, hour, writer
"""

_TOTALS = """
SELECT source_system, sum(events) AS events, max(last_received) AS last_received, max(last_claimed) AS last_claimed
FROM source_hours GROUP BY source_system ORDER BY source_system
"""

_HOURS = """
SELECT source_system, hour, sum(events) AS events, min(first_received) AS first_received, max(last_received) AS last_received
FROM source_hours
WHERE hour >= {since:DateTime('UTC')}
GROUP BY source_system, hour ORDER BY source_system, hour
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What came from a source within one hour: how much, from when to when (received)."""

    events: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceActivity:
    """One source: all events ever, when the last was received and what time it claims, and its recent hours in order."""

    source_system: str
    events: int
    last_received: datetime
    last_claimed: datetime
    spans: tuple[Span, ...] = ()


class _TotalRow(TypedDict):
    source_system: str
    events: int
    last_received: datetime
    last_claimed: datetime


class _HourRow(TypedDict):
    source_system: str
    events: int
    first_received: datetime
    last_received: datetime


class Sources:
    """Reads and keeps up the roll-up. Thread-safe, as its engine is; `refresh` belongs to one scheduler."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def refresh(self) -> int:
        """Take in what is new in the ledger. Returns the entries read."""
        return sum(self._roll_up(writer) for writer in self._writers())

    def activity(self, *, since: datetime) -> list[SourceActivity]:
        """Every source ever heard, by name, with its hours from `since` on; as of the last refresh."""
        spans: dict[str, list[Span]] = {}
        for hour in cast("Iterator[_HourRow]", self._engine.frame(_HOURS, since=since).iter_rows(named=True)):
            span = Span(
                events=hour["events"], first=hour["first_received"].astimezone(UTC), last=hour["last_received"].astimezone(UTC)
            )
            spans.setdefault(hour["source_system"], []).append(span)
        return [
            SourceActivity(
                source_system=row["source_system"],
                events=row["events"],
                last_received=row["last_received"].astimezone(UTC),
                last_claimed=row["last_claimed"].astimezone(UTC),
                spans=tuple(spans.get(row["source_system"], ())),
            )
            for row in cast("Iterator[_TotalRow]", self._engine.frame(_TOTALS).iter_rows(named=True))
        ]

    def _writers(self) -> Iterator[str]:
        writer = ""
        while found := self._engine.rows(_NEXT_WRITER, writer=writer):
            writer = str(found[0][0])
            yield writer

    def _roll_up(self, writer: str) -> int:
        rows, last = cast("tuple[int, int]", self._engine.rows(_CURSOR, writer=writer)[0])
        first = last + 1 if rows else 0
        fresh: pl.DataFrame = self._engine.frame(_NEW, writer=writer, first=first)
        if fresh.is_empty():
            return 0
        # The token keeps two schedulers that overlap for a moment from counting the same entries twice.
        self._engine.insert("source_hours", fresh, token=f"{writer}:{first}")
        return int(fresh["events"].sum())
