"""The plan of one hospital: its seed, its size, its days, and the habits that differ from one hospital to the next.

Instants are seconds since 1970 (UTC). Everything follows from a `Plan`: the same plan gives the same files, byte for byte.
"""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from zoneinfo import ZoneInfo

HOUR = 3600.0
DAY = 86_400.0


class Scale(StrEnum):
    """How much of a hospital: the whole one, one for a first look, one that is quick, one for tests."""

    FULL = "full"
    MODERATE = "moderate"
    SMALL = "small"
    TINY = "tiny"


_SIZES = {
    Scale.FULL: ((200, 1500), 60),
    Scale.MODERATE: ((280, 520), 42),
    Scale.SMALL: ((140, 220), 28),
    Scale.TINY: ((70, 90), 16),
}
"""Fewest and most staff, and days."""

_ZONES = ("America/Chicago", "America/New_York", "America/Los_Angeles", "America/Denver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What differs between hospitals. Shares are 0..1."""

    staff: int
    patients_each: float
    """Patients on file for each member of staff."""
    zone: str
    first_day: date
    gap: float
    """Chance that a piece of care leaves no record."""
    late: float
    """Chance that a visit is recorded hours later."""
    float_share: float
    night_share: float
    swap_share: float
    """Chance that a shift worked is not on the roster."""
    offices_rostered: bool
    name_slope: float
    """How much the commonest surnames outweigh the others."""
    surnames: int
    own_name_share: float
    """Chance that a spouse keeps their own surname."""
    big_buildings: float
    staff_are_patients: float
    incidents_a_day: float
    """Incidents a day for 800 staff."""
    mail_a_day: float
    """Messages a day for each member of staff."""
    portal_share: float
    remote_share: float
    curbside: float
    """Informal consultations for each physician's shift."""
    opening_day: int
    """Day on which a new unit opens and part of the staff moves."""
    change_day: int
    """Day on which the record system changes what some roles do."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`rarity` divides the number of incidents: 7 makes them seven times rarer and leaves everything else as it is.

    `wanted` sets the number instead of the habits of the hospital.
    """

    seed: int
    scale: Scale = Scale.FULL
    rarity: int = 1
    wanted: int | None = None

    def chance(self, topic: str) -> random.Random:
        """A generator of its own for each topic, so that more of one thing does not change another."""
        return random.Random(f"{self.seed}/{self.scale}/{topic}")

    @cached_property
    def habits(self) -> Habits:
        """Drawn from the seed alone."""
        draw = self.chance("habits")
        (fewest, most), days = _SIZES[self.scale]
        return Habits(
            staff=round(fewest * (most / fewest) ** draw.random()),
            patients_each=draw.uniform(9, 20),
            zone=draw.choice(_ZONES),
            first_day=date(2025, 1, 1) + timedelta(days=draw.randrange(300)),
            gap=draw.uniform(0.06, 0.17),
            late=draw.uniform(0.08, 0.30),
            float_share=draw.uniform(0.03, 0.15),
            night_share=draw.uniform(0.25, 0.5),
            swap_share=draw.uniform(0.02, 0.08),
            offices_rostered=draw.random() < 0.4,
            name_slope=draw.uniform(0.55, 1.2),
            surnames=draw.randrange(900, 6000),
            own_name_share=draw.uniform(0.15, 0.55),
            big_buildings=draw.uniform(0.05, 0.4),
            staff_are_patients=draw.uniform(0.2, 0.6),
            incidents_a_day=draw.uniform(1.2, 3.0),
            mail_a_day=draw.uniform(0.1, 0.5),
            portal_share=draw.uniform(0.2, 0.6),
            remote_share=draw.uniform(0.03, 0.2),
            curbside=draw.uniform(0.1, 0.5),
            opening_day=round(days * draw.uniform(0.35, 0.65)),
            change_day=round(days * draw.uniform(0.3, 0.7)),
        )

    @cached_property
    def zone(self) -> ZoneInfo:
        """The clocks on the wall."""
        return ZoneInfo(self.habits.zone)

    @cached_property
    def days(self) -> int:
        """Local days of the period; day 0 is the first."""
        return _SIZES[self.scale][1]

    @cached_property
    def warm_up(self) -> int:
        """First day on which an incident may begin, so that baselines have something to stand on."""
        return 7 if self.days < 20 else 9

    @cached_property
    def _midnights(self) -> dict[int, float]:
        first = self.habits.first_day
        return {n: self._midnight(first + timedelta(days=n)) for n in range(-60, self.days + 60)}

    def _midnight(self, day: date) -> float:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()

    def local_date(self, day: int) -> date:
        """The local date of day `day`; negative days lie before the period."""
        return self.habits.first_day + timedelta(days=day)

    def at(self, day: int, hours: float) -> float:
        """The instant at which the clocks show `hours` after midnight of `day`; `hours` may exceed 24. Knows DST."""
        more, hours = divmod(hours, 24.0)
        day += int(more)
        start = self._midnights.get(day)
        start = self._midnight(self.local_date(day)) if start is None else start
        end = self._midnights.get(day + 1)
        end = self._midnight(self.local_date(day + 1)) if end is None else end
        shifted = end - start - DAY if hours >= 3 else 0.0
        return start + hours * HOUR + shifted

    def day_of(self, moment: float) -> int:
        """The local day an instant lies in."""
        local = datetime.fromtimestamp(moment, self.zone).date()
        return (local - self.habits.first_day).days

    def text(self, moment: float) -> str:
        """The instant as the hospital writes it, to the millisecond, with offset."""
        return datetime.fromtimestamp(moment, self.zone).isoformat(timespec="milliseconds")

    @cached_property
    def start(self) -> float:
        """Midnight of the first day."""
        return self.at(0, 0)

    @cached_property
    def end(self) -> float:
        """Midnight after the last day."""
        return self.at(self.days, 0)

    @cached_property
    def holidays(self) -> list[date]:
        """Three to four days in the period on which offices are closed, besides weekends."""
        draw = self.chance("holidays")
        count = max(1, self.days // 20)
        return sorted(self.local_date(day) for day in draw.sample(range(2, self.days - 1), count))

    def is_open(self, day: int) -> bool:
        """Whether offices and clinics work on that day."""
        date_ = self.local_date(day)
        return date_.weekday() < 5 and date_ not in self.holidays

    @cached_property
    def incidents(self) -> int:
        """How many incidents are put in."""
        if self.wanted is not None:
            return self.wanted
        habits = self.habits
        wanted = habits.incidents_a_day * habits.staff / 800 * (self.days - self.warm_up) / self.rarity
        return max(1, round(wanted))


def utc(moment: float) -> datetime:
    """The instant as an aware datetime."""
    return datetime.fromtimestamp(moment, UTC)
