"""The plan of one synthetic period: its seed, its days, and where chance comes from.

Everything in the hospital follows from a `Plan`: the same plan gives the same people, care, events and incidents, byte for byte.
"""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain.errors import ConfigError

QUIET_DAYS = 5
"""Days of ordinary history before the first incident, so that baselines have something to stand on."""

FEWEST_DAYS = QUIET_DAYS + 5
"""Quiet history, four whole days for incidents (so that offices are open on some of them), and the day that is still running."""

MOST_DAYS = 60
HOME = ZoneInfo("America/Chicago")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`until` (aware) is the end of the period, exclusive; `days` counts local days including the one it lies in.

    Raises ConfigError where the days leave no room for history and incidents.
    """

    seed: int
    until: datetime
    days: int = 14
    zone: ZoneInfo = HOME

    def __post_init__(self) -> None:
        if not FEWEST_DAYS <= self.days <= MOST_DAYS:
            raise ConfigError(f"the demo needs {FEWEST_DAYS} to {MOST_DAYS} days; choose --days in that range")

    def chance(self, topic: str) -> random.Random:
        """A generator of its own for each topic, so that more of one thing does not change another."""
        return random.Random(f"{self.seed}/{topic}")  # noqa: S311 (repeatable make-believe, nothing secret)

    def day(self, index: int) -> date:
        """The local date of day `index`; 0 is the first day, negative ones lie before the period."""
        return self.until.astimezone(self.zone).date() - timedelta(days=self.days - 1 - index)

    def at(self, day: date, hours: float) -> datetime:
        """The instant (UTC) at which clocks on the wall show `hours` after midnight of `day`; may exceed 24."""
        wall = datetime.combine(day, time()) + timedelta(seconds=round(hours * 3600))
        return wall.replace(tzinfo=self.zone).astimezone(UTC)

    def local(self, moment: datetime) -> datetime:
        """The same instant as people in the hospital write it."""
        return moment.astimezone(self.zone)

    @property
    def start(self) -> datetime:
        """Local midnight of the first day, in UTC."""
        return self.at(self.day(0), 0)

    @property
    def dates(self) -> list[date]:
        """The local days of the period, the running one last."""
        return [self.day(index) for index in range(self.days)]

    @property
    def incident_dates(self) -> list[date]:
        """The whole local days on which incidents may lie."""
        return [self.day(index) for index in range(QUIET_DAYS, self.days - 1)]
