"""What all charts of one actor together say: today against the days of role and actor, the weeks against the weeks of peers.

One chart without a reason is mostly care that nobody wrote down. Several in one shift, or a few on each of many days, that role and
actor are not used to, are what browsing, identity theft and slow export have in common though no single chart stands out. A day's
risk is the sum of the scores of its charts, each taken alone; older days count less (half after 30 days).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from analytics.detectors.ranking.catalogue import OBSERVED, OF_THE_ACTOR

FLOOR = 0.05
"""Charts scored below it alone are ordinary and add nothing, however many they are."""

LEAST = 0.25
"""Risk below which no day counts as unusual, however quiet the role."""

LEAST_WEEKS = 1.0

MOST_A_DAY = 1.0
"""So much of one day enters the weeks: a trail is several days, and one spree is shown as a spree."""

HALF_LIFE_DAYS = 30

FEWEST_OWN_DAYS, FEWEST_ROLE_DAYS, FEWEST_PEERS = 5, 20, 4

ROLE_QUANTILE, OWN_QUANTILE, PEER_QUANTILE = 0.97, 0.9, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """`risks` (day, actor_id, risk) of the weeks before, only days with any; `worked` (local_day, actor_id, role): days at work."""

    risks: pl.DataFrame
    worked: pl.DataFrame


def alone_weights(weights: Mapping[str, float]) -> list[float]:
    """The weights of a stored vector with which a chart is scored by itself, in the order of `OBSERVED`."""
    return [0.0 if name in OF_THE_ACTOR else weights[name] for name in OBSERVED]


def with_actor(pairs: pl.DataFrame, past: Past, day: date, *, weights: Mapping[str, float], bias: float) -> pl.DataFrame:
    """The pairs of `pair_features` with `x_spree` and `x_trail`, and what their sentences name.

    `risk` is the actor's day, `bar` what it is held against, `weeks` and `weeks_bar` the same over the decayed days before.
    """
    logit = pl.sum_horizontal(pl.col(f"x_{name}") * weights[name] for name in OBSERVED if name not in OF_THE_ACTOR) + bias
    scored = pairs.with_columns(by_itself=1 / (1 + (-logit).exp()))
    counted = pl.when(pl.col("by_itself") >= FLOOR).then("by_itself").otherwise(0.0)
    scored = scored.with_columns(counted=counted).with_columns(risk=pl.col("counted").sum().over("actor_id"))
    actors = scored.group_by("actor_id", maintain_order=True).agg(pl.col("role").last(), pl.col("risk").first())
    seen = scored.join(_bars(actors, past, day), on="actor_id", how="left").with_columns(
        pl.col("bar").fill_null(float("inf")), pl.col("weeks_bar").fill_null(float("inf")), pl.col("weeks").fill_null(0.0)
    )
    # The others of the day lift a chart, not the chart itself: one that stands out alone is no spree.
    others = pl.col("risk") - pl.col("counted")
    touched = pl.col("x_unexplained") * (0.3 + 0.7 * pl.max_horizontal("x_foreign", "x_odd_action"))
    return seen.with_columns(
        x_spree=_above(others, pl.col("bar")) * touched,
        x_trail=_above(pl.col("weeks"), pl.col("weeks_bar")) * touched,
        trail_times=(pl.col("weeks") / pl.col("weeks_bar")).round(1),
    ).drop("counted")


def _above(value: pl.Expr, bar: pl.Expr) -> pl.Expr:
    """0 up to the bar, 1 from four times as much."""
    return ((value / bar).log(2) / 2).clip(0.0, 1.0).fill_nan(0.0)


def _bars(actors: pl.DataFrame, past: Past, day: date) -> pl.DataFrame:
    """For each actor of the day: bar, weeks and weeks_bar; null where there is too little to compare with."""
    worked = past.worked.filter(pl.col("local_day") < day).rename({"local_day": "day"})
    days = worked.join(past.risks, on=["day", "actor_id"], how="left").with_columns(pl.col("risk").fill_null(0.0))
    own = days.group_by("actor_id").agg(own_days=pl.len(), own=pl.col("risk").quantile(OWN_QUANTILE, "linear"))
    age = (pl.lit(day) - pl.col("day")).dt.total_days()
    weeks = days.group_by("actor_id").agg(
        pl.col("role").last(), weeks=(pl.col("risk").clip(upper_bound=MOST_A_DAY) * 0.5 ** (age / HALF_LIFE_DAYS)).sum()
    )
    # Leaving the actor out matters only where the actor is above something; the rest need no comparison.
    asked = actors.join(weeks.select("actor_id", "weeks"), on="actor_id", how="left").with_columns(pl.col("weeks").fill_null(0.0))
    asked = asked.filter((pl.col("risk") >= LEAST) | (pl.col("weeks") >= LEAST_WEEKS))
    mine = asked.select("actor_id", "role")
    role = (
        mine.join(days.select("role", "risk", peer="actor_id"), on="role")
        .filter(pl.col("peer") != pl.col("actor_id"))
        .group_by("actor_id")
        .agg(role_days=pl.len(), usual=pl.col("risk").quantile(ROLE_QUANTILE, "linear"))
    )
    peers = (
        mine.join(weeks.select("role", peer="actor_id", peer_weeks="weeks"), on="role")
        .filter(pl.col("peer") != pl.col("actor_id"))
        .group_by("actor_id")
        .agg(peers=pl.len(), weeks_bar=pl.col("peer_weeks").quantile(PEER_QUANTILE, "linear"))
    )
    compared = (
        asked.join(own, on="actor_id", how="left").join(role, on="actor_id", how="left").join(peers, on="actor_id", how="left")
    )
    settled = pl.col("own_days").fill_null(0) >= FEWEST_OWN_DAYS
    # Two or three colleagues do not say what a role can do on its busiest days.
    few = pl.when(pl.col("peers").fill_null(0) < FEWEST_PEERS).then(2.0).otherwise(1.0)
    return compared.select(
        "actor_id",
        "weeks",
        bar=pl.when(pl.col("role_days") >= FEWEST_ROLE_DAYS).then(
            pl.max_horizontal("usual", pl.when(settled).then("own"), pl.lit(LEAST)) * few
        ),
        weeks_bar=pl.when(pl.col("peers") >= FEWEST_PEERS).then(pl.max_horizontal("weeks_bar", pl.lit(LEAST_WEEKS))),
    )
