"""Unusual volume: one person opened far more charts in a day than they and their role usually do.

Median and MAD instead of mean and deviation: a busy week or one earlier spree does not hide the next. Both the own history and the
peers must be exceeded, so neither a busy role nor a person back from leave stands out; too short an own history leaves the peers,
with a higher bar. Charts with a reason count only beside charts without one: a long shift is no incident.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

FEWEST_DAYS = 5
"""Own days at work below which the own history says too little."""

FEWEST_PEER_DAYS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePolicy:
    """Where volume becomes unusual. `bar` counts robust deviations; `alone` is the bar where only peers are there to compare."""

    bar: float = 4.0
    alone: float = 8.0
    fewest_charts: int = 25
    fewest_unexplained: int = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusualVolume:
    """One actor's day. Counts are distinct patients; `excess` is the smaller of the two robust deviations."""

    actor_id: str
    role: str
    charts: int
    unexplained: int
    own_days: int
    own_median: float | None
    peer_days: int
    peer_median: float
    excess: float

    def sentences(self) -> Sequence[str]:
        """The reason in numbers."""
        said = [f"Opened {self.charts} charts in one day; {self.unexplained} without a reason found"]
        if self.own_median is None:
            said.append(f"Only {self.own_days} earlier days to compare with, so the bar for the role was raised")
        else:
            said.append(f"Own median {self.own_median:g} over {self.own_days} days")
        said.append(f"Median of the role {self.role or 'unknown'}: {self.peer_median:g} over {self.peer_days} days of colleagues")
        return said


def unusual_volume(actor_days: pl.DataFrame, day: date, policy: VolumePolicy | None = None) -> list[UnusualVolume]:
    """Who stands out on `day` among `actor_days` (local_day, actor_id, role, patients, unexplained) of that day and those before.

    Ordered by excess, largest first.
    """
    policy = policy or VolumePolicy()
    today = actor_days.filter(pl.col("local_day") == day)
    before = actor_days.filter(pl.col("local_day") < day)
    found = today.filter(
        (pl.col("unexplained") >= policy.fewest_unexplained)
        | ((pl.col("patients") >= policy.fewest_charts) & (pl.col("unexplained") >= 0.2 * pl.col("patients")))
    )
    judged = found.with_columns(excess=pl.lit(0.0), own_days=pl.lit(0))
    for measure, fewest in (("unexplained", policy.fewest_unexplained), ("patients", policy.fewest_charts)):
        judged = _judge(judged, before, measure, fewest, policy)
    judged = judged.filter(pl.col("excess") > 0).sort(["excess", "actor_id"], descending=[True, False])
    return [
        UnusualVolume(
            actor_id=row["actor_id"],
            role=row["role"],
            charts=row["patients"],
            unexplained=row["unexplained"],
            own_days=row["own_days"],
            own_median=row["own_patients"] if row["own_days"] >= FEWEST_DAYS else None,
            peer_days=row["peer_days"],
            peer_median=row["peer_patients"],
            excess=row["excess"],
        )
        for row in judged.iter_rows(named=True)
    ]


def _judge(found: pl.DataFrame, before: pl.DataFrame, measure: str, fewest: int, policy: VolumePolicy) -> pl.DataFrame:
    """Raise `excess` for those whose `measure` is out of the ordinary; adds the medians it was compared with."""
    own = before.group_by("actor_id").agg(
        own_days=pl.len().cast(pl.Int32),
        **{f"own_{measure}": pl.col(measure).median(), "own_spread": _spread(measure)},
    )
    peers = found.select("actor_id", "role").join(before.rename({"actor_id": "peer_id"}), on="role")
    peers = (
        peers.filter(pl.col("peer_id") != pl.col("actor_id"))
        .group_by("actor_id")
        .agg(peer_days=pl.len(), **{f"peer_{measure}": pl.col(measure).median(), "peer_spread": _spread(measure)})
    )
    seen = (
        found.drop("own_days", "peer_days", strict=False)
        .join(own, on="actor_id", how="left")
        .join(peers, on="actor_id", how="left")
    )
    seen = seen.with_columns(pl.col("own_days", "peer_days").fill_null(0))
    against_own = (pl.col(measure) - pl.col(f"own_{measure}")) / pl.col("own_spread")
    against_peers = (pl.col(measure) - pl.col(f"peer_{measure}")) / pl.col("peer_spread")
    settled, compared = pl.col("own_days") >= FEWEST_DAYS, pl.col("peer_days") >= FEWEST_PEER_DAYS
    excess = (
        pl.when(settled & compared & (pl.min_horizontal(against_own, against_peers) >= policy.bar))
        .then(pl.min_horizontal(against_own, against_peers))
        .when(~settled & compared & (against_peers >= policy.alone))
        .then(against_peers)
        .otherwise(0.0)
    )
    raised = pl.when(pl.col(measure) >= fewest).then(excess).otherwise(0.0)
    return seen.with_columns(excess=pl.max_horizontal("excess", raised)).drop("own_spread", "peer_spread")


def _spread(measure: str) -> pl.Expr:
    """Robust deviation, never so small that an ordinary fluctuation of small counts becomes unusual."""
    median = pl.col(measure).median()
    mad = (pl.col(measure) - median).abs().median() * 1.4826
    return pl.max_horizontal(mad, median * 0.3, pl.lit(1.5))
