"""Aggregates of single days, made once and kept in memory as long as what they were made from has not changed.

Questions about the four weeks before a day are asked for every day of a history. Made new each time they read the same accesses 28
times; kept by day, each is read once. Whether a kept day still holds is asked of the store before every use (a stamp a day), so
that late events, facts made anew, or another process as the writer never leave something outdated.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Generic, TypeVar

Kept = TypeVar("Kept")

_MOST = 62
"""Days kept beyond which those outside the question are let go."""


class DayCache(Generic[Kept]):
    """`stamps(first, last)` says what each day that has anything is made from, `load(first, last)` makes days. Thread-safe."""

    def __init__(
        self, stamps: Callable[[date, date], Mapping[date, object]], load: Callable[[date, date], Mapping[date, Kept]]
    ) -> None:
        self._stamps = stamps
        self._load = load
        self._days: dict[date, tuple[object, Kept]] = {}
        self._guard = threading.Lock()

    def between(self, first: date, last: date) -> dict[date, Kept]:
        """Every day of [first, last] that has anything, in order."""
        with self._guard:
            stamps = self._stamps(first, last)
            missing = sorted(day for day, stamp in stamps.items() if self._days.get(day, (None,))[0] != stamp)
            for begin, end in _runs(missing):
                made = self._load(begin, end)
                for day in (day for day in missing if begin <= day <= end):
                    self._days.pop(day, None)
                    if day in made:
                        self._days[day] = (stamps[day], made[day])
            if len(self._days) > _MOST:
                self._days = {day: kept for day, kept in self._days.items() if first <= day <= last}
            return {day: self._days[day][1] for day in sorted(stamps) if day in self._days}

    def forget(self, day: date) -> None:
        """The day is about to change."""
        with self._guard:
            self._days.pop(day, None)


def days_of(first: date, last: date) -> list[date]:
    """The days from first to last, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _runs(days: list[date]) -> Iterator[tuple[date, date]]:
    """Consecutive days together: one question for each run."""
    begin = end = None
    for day in days:
        if begin is not None and end is not None and day - end > timedelta(days=1):
            yield begin, end
            begin = None
        begin, end = begin or day, day
    if begin is not None and end is not None:
        yield begin, end
