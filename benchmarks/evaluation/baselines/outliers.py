"""IsolationForest, ECOD and LOF on the standard features of a person's day."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler

from benchmarks.evaluation.baselines.ecod import ecod
from benchmarks.evaluation.baselines.ranking import Ranking, of_days

FEATURES = (
    "events", "patients", "actions", "devices", "addresses", "night_share", "searches", "failures", "prints", "exports", "records",
    "writes_share", "remote_share", "seconds_each", "span_hours", "patients_share",
)  # fmt: skip
_WRITES = ("edit_note", "edit_result", "edit_vitals", "med_admin", "verify_med", "sign_order", "route_result", "edit_billing")


def user_days(events: pl.DataFrame, zone: ZoneInfo) -> pl.DataFrame:
    """One row for each (actor, day) with the features, `FEATURES`. Events of the access source only, staff and services."""
    mine = events.filter((pl.col("source") == "access") & pl.col("kind").is_in(["staff", "service"]))
    hour = pl.col("time").dt.convert_time_zone(zone.key).dt.hour()
    action = pl.col("action")
    return (
        mine.group_by("actor", "day")
        .agg(
            events=pl.len(),
            patients=pl.col("patient").n_unique(),
            actions=action.n_unique(),
            devices=pl.col("device").n_unique(),
            addresses=pl.col("ip").n_unique(),
            night_share=((hour < 6) | (hour >= 22)).mean(),
            searches=(action == "search").sum(),
            failures=(pl.col("outcome") == "failure").sum(),
            prints=(action == "print").sum(),
            exports=action.is_in(["export", "extract", "report_run"]).sum(),
            records=pl.col("records").fill_null(0).sum(),
            writes_share=action.is_in(_WRITES).mean(),
            remote_share=pl.col("device_kind").is_in(["remote", "browser"]).mean(),
            seconds_each=pl.col("seconds").mean().fill_null(0.0),
            span_hours=(pl.col("time").max() - pl.col("time").min()).dt.total_seconds() / 3600,
            patients_share=pl.col("patient").n_unique() / pl.len(),
        )
        .sort("actor", "day")
    )


def rankings(events: pl.DataFrame, zone: ZoneInfo, seed: int) -> Iterator[Ranking]:
    """The three methods over all days at once, which looks ahead and so flatters them."""
    days = user_days(events, zone)
    values = np.log1p(days.select(FEATURES).to_numpy().astype(np.float64))
    scaled: NDArray[np.float64] = StandardScaler().fit_transform(values)
    forest = IsolationForest(n_estimators=200, max_samples=min(1024, len(scaled)), random_state=seed, n_jobs=2).fit(scaled)
    yield _ranking("IsolationForest", days, -forest.score_samples(scaled), events)
    yield _ranking("ECOD", days, ecod(scaled), events)
    scaled += np.random.default_rng(seed).normal(0, 1e-3, scaled.shape)  # equal days have no local density
    local = LocalOutlierFactor(n_neighbors=min(35, len(scaled) - 1), n_jobs=2).fit(scaled)
    yield _ranking("LOF", days, -local.negative_outlier_factor_, events)


def _ranking(name: str, days: pl.DataFrame, scores: NDArray[np.float64], events: pl.DataFrame) -> Ranking:
    return of_days(name, days.select("actor", "day").with_columns(score=pl.Series(scores - scores.min() + 1e-6)), events)
