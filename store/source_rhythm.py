"""What is usual for a source, learned from its own past, and how what it sends now compares with that. Pure.

Three things are learned. How many events come in each hour of the week: the median, and how far hours scatter around it (median
absolute deviation, both untouched by a single outage or flood). How long it pauses: for sources too sparse for that. How late its
events come. What was not learned is not known, and nothing here takes unknown for good.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from math import floor, log2, sqrt
from statistics import median

from store.sources import Span

WEEKS = 8
"""How far back hours of the week are compared."""
LEAST_SAMPLES = 4
"""Hours of the same kind that must have been listened to before their median says anything: four Mondays at nine."""
MAD_TO_DEVIATION = 1.4826
"""The median absolute deviation of a normal distribution, times this, is its standard deviation."""
DESCRIBED = 0.5
"""Where less than this part of its active hours usually are active, medians do not describe a source: it is too sparse."""

USUAL_GAPS = 6
SHORTEST = timedelta(hours=1)
LEAST_HOURS = 12
"""With fewer active hours nothing is learned: the import of one file is no feed."""
LEAST_PAUSES = 3
"""Fewer pauses than this are no rhythm: one outage does not excuse the next."""
PAUSE_MARGIN = 1.25

_HOUR = timedelta(hours=1)
_SUNDAY = 6


@dataclass(frozen=True, slots=True)
class Usual:
    """The usual number of events in an hour of one kind, and its scatter (standard deviation)."""

    events: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Expected:
    """How many events a period should have brought. `deviation` is one standard deviation, at least that of chance (Poisson)."""

    events: float
    deviation: float

    @property
    def low(self) -> float:
        """Fewer than this is unusual."""
        return max(0.0, self.events - 4 * self.deviation)

    @property
    def high(self) -> float:
        """More than this is unusual."""
        return self.events + 6 * self.deviation


class Rhythm:
    """What is usual in each hour of the week, on the clocks of `zone`; a holiday is taken for a Sunday."""

    def __init__(self, usual: Mapping[tuple[int, int], Usual], zone: tzinfo, holidays: Collection[date] = ()) -> None:
        self._usual = usual
        self._zone = zone
        self._holidays = frozenset(holidays)

    @classmethod
    def learn(
        cls, counts: Mapping[datetime, int], listened: Collection[datetime], zone: tzinfo = UTC, holidays: Collection[date] = ()
    ) -> "Rhythm | None":
        """From events by hour (the start of each, UTC) and the hours in which somebody listened. None: too little, or too sparse.

        An hour that was listened to and brought nothing counts as nought, from the first event on. Where an hour of the week has
        too few samples, the same hour of all work days (or of Saturdays and Sundays) speaks for it.
        """
        if not counts:
            return None
        first = min(counts)
        exact: dict[tuple[int, int], list[int]] = {}
        alike: dict[tuple[bool, int], list[int]] = {}
        hours = [hour for hour in listened if hour > first]
        for hour in hours:
            day, of_day = _place(hour, zone, holidays)
            exact.setdefault((day, of_day), []).append(counts.get(hour, 0))
            alike.setdefault((day < 5, of_day), []).append(counts.get(hour, 0))
        usual: dict[tuple[int, int], Usual] = {}
        for day in range(7):
            for of_day in range(24):
                samples = exact.get((day, of_day), [])
                if len(samples) < LEAST_SAMPLES:
                    samples = alike.get((day < 5, of_day), [])
                if len(samples) >= LEAST_SAMPLES:
                    usual[day, of_day] = _usual(samples)
        active = [hour for hour in hours if counts.get(hour)]
        described = sum(place in usual and usual[place].events > 0 for place in (_place(hour, zone, holidays) for hour in active))
        return cls(usual, zone, holidays) if active and described >= DESCRIBED * len(active) else None

    def between(self, start: datetime, end: datetime) -> Expected | None:
        """What [start, end) should bring, parts of hours in proportion; nothing where it is empty.

        None where an hour in it is not known.
        """
        events, variance = 0.0, 0.0
        end = max(start, end)
        hour = start.replace(minute=0, second=0, microsecond=0)
        while hour < end:
            usual = self._usual.get(_place(hour, self._zone, self._holidays))
            if usual is None:
                return None
            part = (min(end, hour + _HOUR) - max(start, hour)) / _HOUR
            events += part * usual.events
            variance += part * usual.deviation**2
            hour += _HOUR
        return Expected(events, sqrt(variance))


def _usual(samples: Sequence[int]) -> Usual:
    middle = median(samples)
    scatter = MAD_TO_DEVIATION * median(abs(sample - middle) for sample in samples)
    # Even a source as regular as a clock scatters by chance: the variance of a count is at least the count.
    return Usual(middle, max(scatter, sqrt(middle)))


def _place(hour: datetime, zone: tzinfo, holidays: Collection[date]) -> tuple[int, int]:
    local = hour.astimezone(zone)
    return (_SUNDAY if local.date() in holidays else local.weekday()), local.hour


def learned(spans: Sequence[Span]) -> timedelta | None:
    """How long a source with these hours behind it may be quiet, or None where they tell too little.

    Six times the usual gap between two events, at least an hour; and where it pauses regularly (nights, week-ends, a nightly
    batch), a quarter longer than nearly all of its pauses.
    """
    if len(spans) < LEAST_HOURS:
        return None
    between = [max(later.first - earlier.last, timedelta(0)) for earlier, later in pairwise(spans)]
    gaps = [((span.last - span.first) / (span.events - 1), span.events - 1) for span in spans if span.events > 1]
    gaps += [(gap, 1) for gap in between]
    patience = max(USUAL_GAPS * _weighted(sorted(gaps), 0.5), SHORTEST)
    pauses = sorted(gap for gap in between if gap > SHORTEST)
    if len(pauses) >= LEAST_PAUSES:
        nearly_all = pauses[(9 * len(pauses) - 1) // 10]
        patience = max(patience, PAUSE_MARGIN * nearly_all)
    return patience


def _weighted(ordered: Sequence[tuple[timedelta, int]], share: float) -> timedelta:
    """The value below which this share of the weight lies."""
    bound = sum(weight for _, weight in ordered) * share
    passed = 0
    for value, weight in ordered:
        passed += weight
        if passed >= bound:
            return value
    raise AssertionError("a quantile needs at least one value")


def lag_bucket(lag: timedelta) -> int:
    """The bucket of a lag, in half octaves of (1 + seconds); negative where the claimed time lies in the future."""
    seconds = lag / timedelta(seconds=1)
    return floor(2 * log2(1 + seconds)) if seconds >= 0 else -1 - floor(2 * log2(1 - seconds))


def bucket_end(bucket: int) -> timedelta:
    """The end of a bucket that is farther from nought: no lag in it is larger (bucket >= 0) or further in the future (< 0)."""
    if bucket >= 0:
        return timedelta(seconds=2 ** ((bucket + 1) / 2) - 1)
    return timedelta(seconds=1 - 2 ** (-bucket / 2))


def lag_quantile(buckets: Mapping[int, int], share: float, end: Callable[[int], timedelta] = bucket_end) -> timedelta | None:
    """The lag that this share of events does not exceed, to within its bucket (about 40 % of it). None of nothing."""
    ordered = [(end(bucket), events) for bucket, events in sorted(buckets.items()) if events]
    return _weighted(ordered, share) if ordered else None
