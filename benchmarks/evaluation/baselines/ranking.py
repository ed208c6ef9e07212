"""What a method of the comparison says: a score for each person's day, and one for each (actor, object, day)."""

from dataclasses import dataclass

import polars as pl

from benchmarks.evaluation.cases import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """`cases` best first; `scores` has actor, object, day, score."""

    name: str
    cases: list[Case]
    scores: pl.DataFrame


def of_days(name: str, days: pl.DataFrame, events: pl.DataFrame) -> Ranking:
    """From a score for each (actor, day): every day of every person is a case. Days with a score of 0 or less are none."""
    return Ranking(name=name, cases=_cases(days, events), scores=_spread(days, events))


def of_pairs(name: str, pairs: pl.DataFrame, extra_days: pl.DataFrame, events: pl.DataFrame) -> Ranking:
    """From a score for each (actor, object, day), and for days without one: a day is as bad as its worst pairs.

    The worst pair decides, the others add a little, so that of two equal days the one with more comes first.
    """
    worst = pairs.group_by("actor", "day").agg(score=pl.col("score").max() + 1e-4 * pl.col("score").clip(lower_bound=0).sum())
    days = pl.concat([worst, extra_days.select("actor", "day", "score")]).group_by("actor", "day").agg(pl.col("score").max())
    return Ranking(name=name, cases=_cases(days, events), scores=pairs.select("actor", "object", "day", "score"))


def _cases(days: pl.DataFrame, events: pl.DataFrame) -> list[Case]:
    wrong = events.filter(pl.col("incident") != "").group_by("actor", "day").agg(pl.col("incident").unique())
    share = events.group_by("actor", "day").agg(real=(pl.col("incident") != "").mean())
    found = days.filter(pl.col("score") > 0).join(wrong, on=["actor", "day"], how="left").join(share, on=["actor", "day"])
    every = [
        Case(day=row["day"], subject=row["actor"], score=row["score"], incidents=frozenset(row["incident"] or ()), real=row["real"])
        for row in found.iter_rows(named=True)
    ]
    return sorted(every, key=lambda case: (case.order, case.day))


def _spread(days: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """A method that judges days says the same of every record opened on them."""
    objects = events.select("actor", "day", object=pl.coalesce("patient", "domain")).drop_nulls().unique()
    return objects.join(days.select("actor", "day", "score"), on=["actor", "day"]).select("actor", "object", "day", "score")
