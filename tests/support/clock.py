"""A clock that tests wind by hand."""

from datetime import UTC, datetime, timedelta


class TickingClock:
    """Returns a moment that moves only when told. `step` moves it on every reading."""

    def __init__(self, start: datetime = datetime(2026, 3, 2, 8, tzinfo=UTC), step: timedelta = timedelta(0)) -> None:
        self.now = start
        self.step = step

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now

    def advance(self, **by: float) -> None:
        """Move on by keyword arguments of timedelta."""
        self.now += timedelta(**by)
