"""How rare a score is: what a case is worth is how few people a day reach it, not what the logistic curve happens to give."""

import math
from dataclasses import dataclass
from datetime import date

import polars as pl

FEWEST_DAYS = 7
"""Days of history below which rarity is taken from a table of what is usual."""

PER_STAFF = 800

TOP, STEP = 0.92, 0.15
"""A score that one person in 800 reaches a day is worth 0.73, one in ten days 0.89, four a day 0.54."""

LEAST = 0.05

AGREEING = 0.1
"""More than one chart says the same."""

_USUAL = ((0.5, 12.0), (0.7, 5.0), (0.8, 3.0), (0.9, 1.0), (0.95, 0.5), (0.99, 0.1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rarity:
    """`peaks` are the highest scores of every person and day of the weeks before, ascending."""

    peaks: pl.Series
    staff_days: float

    @classmethod
    def of(cls, peaks: pl.DataFrame, day: date) -> "Rarity":
        """From `Scores.peaks` (day, actor_id, peak) of the days before `day`."""
        before = peaks.filter(pl.col("day") < day)
        days = before["day"].n_unique()
        staff = before["actor_id"].n_unique()
        return cls(peaks=before["peak"].sort(), staff_days=float(days * staff) if days >= FEWEST_DAYS else 0.0)

    def a_day(self, score: float) -> float:
        """How many people a day, of 800, reach the score."""
        if not self.staff_days:
            return next((expected for level, expected in reversed(_USUAL) if score >= level), 2 * _USUAL[0][1])
        reached = self.peaks.len() - int(self.peaks.search_sorted(score, side="left"))
        return reached / self.staff_days * PER_STAFF

    def worth(self, score: float) -> float:
        """0..1: high where hardly anybody reaches the score, and never as certain as a rule that names what happened."""
        return round(max(TOP - STEP * math.log2(1 + 2 * self.a_day(score)), LEAST), 4)

    def worth_together(self, score: float) -> float:
        """The same for a case of several charts of which this is the highest score."""
        return round(min(self.worth(score) + AGREEING, TOP), 4)
