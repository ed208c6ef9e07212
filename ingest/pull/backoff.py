"""How long to wait after a failure: twice as long each time up to a bound, less a random part so that many do not return at
once."""

from collections.abc import Callable

Jitter = Callable[[], float]
"""A random number from 0 up to 1."""


class BackOff:
    """Counts failures in a row. Not shared between threads."""

    def __init__(self, jitter: Jitter, *, first: float = 2.0, longest: float = 600.0) -> None:
        """`first` and `longest` are seconds. A wait lies between half of the step and the whole of it."""
        self._jitter = jitter
        self._first = first
        self._longest = longest
        self.failures = 0

    def failed(self, retry_after: float | None = None) -> float:
        """Count a failure; the seconds to wait. Never less than the source asked for, however long that is."""
        step = min(self._longest, self._first * 2.0 ** min(self.failures, 60))
        self.failures += 1
        wait = step * (0.5 + 0.5 * self._jitter())
        return wait if retry_after is None else max(retry_after, 0.0) + min(wait, self._first)

    def succeeded(self) -> None:
        """Begin anew."""
        self.failures = 0
