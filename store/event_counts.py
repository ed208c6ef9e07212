"""How many entries a filter finds, spread over time and over the values of the columns people narrow by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from domain.clock import microseconds
from store.engine import Engine
from store.events import EventFilter, condition

FACETS = ("source", "source_system", "action", "outcome", "actor_kind")
"""The columns with few values, in the order they are offered."""

_WIDTHS = tuple(
    [timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360)] + [timedelta(days=days) for days in (1, 7, 28, 91, 364)]
)

_SPAN = "SELECT count(), min(time), max(time) FROM events WHERE {where}"

_HISTOGRAM = """
SELECT roundDown(toUnixTimestamp64Micro(time), {{edges:Array(Int64)}}) AS edge, count()
FROM events WHERE {where} GROUP BY edge
"""

_COLUMNS = ", ".join(FACETS)

_FACETS = f"""
SELECT grouping({_COLUMNS}) AS absent, concat({_COLUMNS}) AS value, count() AS found
FROM events WHERE {{where}}
GROUP BY GROUPING SETS ({", ".join(f"({column})" for column in FACETS)})
ORDER BY absent, found DESC, value
LIMIT {{{{top:UInt32}}}} BY absent
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Entries whose claimed time lies in [start, end)."""

    start: datetime
    end: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts over time without holes: an interval with no entries is a bucket with zero. `total` counts the whole filter."""

    total: int
    width: timedelta
    buckets: Sequence[Bucket]


class EventCounts:
    """Counts entries. Each question is one scan of narrow columns over the filter's time range."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def histogram(self, wanted: EventFilter, zone: ZoneInfo, most: int = 60) -> Histogram:
        """Counts in at most about `most` buckets of one width; buckets of days begin at local midnight, also over a clock change.

        The axis runs over the filter's range, or where it is open over the range of what was found.
        """
        where, parameters = condition(wanted)
        total, first, last = self._engine.frame(_SPAN.format(where=where), **parameters).row(0)
        if not total:
            return Histogram(total=0, width=_WIDTHS[0], buckets=())
        start = (wanted.since or first).astimezone(UTC)
        end = max(wanted.until or last, start).astimezone(UTC)
        width = next((width for width in _WIDTHS if (end - start) / width <= most), _WIDTHS[-1])
        edges = bucket_edges(start, end, width, zone)
        rows = self._engine.rows(_HISTOGRAM.format(where=where), edges=[microseconds(edge) for edge in edges[:-1]], **parameters)
        found = {int(str(edge)): int(str(count)) for edge, count in rows}
        buckets = [Bucket(start=low, end=high, count=found.get(microseconds(low), 0)) for low, high in pairwise(edges)]
        return Histogram(total=total, width=width, buckets=buckets)

    def facets(self, wanted: EventFilter, top: int = 10) -> Mapping[str, Sequence[tuple[str, int]]]:
        """For each column of FACETS its most frequent values and their counts, within the filter. '' is "not stated"."""
        where, parameters = condition(wanted)
        found: dict[str, list[tuple[str, int]]] = {column: [] for column in FACETS}
        for absent, value, count in self._engine.rows(_FACETS.format(where=where), top=top, **parameters):
            found[_present(int(str(absent)))].append((str(value), int(str(count))))
        return found


def bucket_edges(start: datetime, end: datetime, width: timedelta, zone: ZoneInfo) -> list[datetime]:
    """The instants between buckets of `width`, from at or before `start` to after `end`, aligned to local midnight."""
    day = start.astimezone(zone).date()
    edges = [_midnight(day, zone)]
    if width < timedelta(days=1):
        edges[0] += (start - edges[0]) // width * width
    while edges[-1] <= end:
        day += width
        edges.append(edges[-1] + width if width < timedelta(days=1) else _midnight(day, zone))
    return edges


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _present(absent: int) -> str:
    """Which column a row is about: `grouping` sets one bit, first column highest, for each column that is not in the set."""
    return next(column for place, column in enumerate(reversed(FACETS)) if not absent >> place & 1)
