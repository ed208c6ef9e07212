"""From the facts of a day and the days before to one vector for each (actor, patient)."""

from dataclasses import dataclass

import polars as pl

from analytics.detectors.ranking.catalogue import OBSERVED
from analytics.relationships.policy import WEIGHTS

WRITES = ("edit_note", "edit_result", "edit_vitals", "med_admin", "verify_med", "sign_order", "route_result", "edit_billing")
TAKES = ("print", "export", "extract", "download_record")
SEARCH_LEADS = "5m"
GLIMPSE_SECONDS = 10
FEWEST_ROLE_DAYS = 10
RARE = 0.5
"""Surname rarity below which a shared surname says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the days before say: `pairs` (days met, explained and not), `crowds` (actors a department), `actor_days` (charts)."""

    pairs: pl.DataFrame
    crowds: pl.DataFrame
    actor_days: pl.DataFrame


def pair_features(facts: pl.DataFrame, history: History) -> pl.DataFrame:
    """One row for each actor and patient of the day: the observed features (0..1) and the counts that the sentences name.

    `facts` are `access_facts` rows of one local day; all days of `history` lie before or on it.
    """
    visits = facts.filter(pl.col("patient_id") != "")
    pairs = _of_the_visit(visits).join(_after_a_search(facts, visits), on=["actor_id", "patient_id"], how="left")
    pairs = (
        pairs.join(history.pairs, on=["actor_id", "patient_id"], how="left")
        .join(history.crowds.rename({"actors": "same_department"}), on=["patient_id", "department"], how="left")
        .join(_usual_share(history.actor_days), on="role", how="left")
        .with_columns(
            pl.col("unexplained_days", "explained_days").fill_null(0),
            same_department=pl.when(pl.col("department") == "").then(0).otherwise(pl.col("same_department").fill_null(1) - 1),
            searched=pl.col("searched").fill_null(value=False),
            onlookers=pl.col("without_reason").sum().over("patient_id"),
            unexplained_charts=pl.col("without_reason").sum().over("actor_id"),
        )
    )
    alone = pl.col("without_reason").cast(pl.Float64)
    # Where most work of a role never has a reason on record, its absence says little, and so does what hangs on it.
    telling = alone * (1 - pl.col("usual_share").fill_null(0.0))
    values = {
        "unexplained": telling,
        "weak_reason": pl.when(pl.col("without_reason")).then(0.0).otherwise((1 - pl.col("best_reason")).clip(0, 1)),
        "self": pl.col("is_self").cast(pl.Float64),
        "household": pl.col("is_household") * alone,
        "household_explained": pl.col("is_household") * (1 - alone),
        "surname": ((pl.col("surname_rarity") - RARE) / (1 - RARE)).clip(0, 1) * alone * (1 - pl.col("is_household")),
        "coworker": pl.col("is_coworker") / 2 * alone,
        "neighbour": pl.col("is_neighbour") * alone,
        "vip": pl.col("is_vip") * alone,
        "restricted": pl.col("is_restricted") * alone,
        "terminated": pl.col("terminated").cast(pl.Float64),
        "on_leave": pl.col("on_leave").cast(pl.Float64),
        "off_shift": pl.col("off_shift") * (0.3 + 0.7 * alone),
        "remote": pl.col("remote") * telling,
        "broke_glass": pl.col("broke_glass") * alone,
        "took": pl.col("took") * telling,
        "searched": pl.col("searched") * telling,
        "breadth": ((pl.col("breadth_count") - 1) / 4).clip(0, 1) * telling,
        "repeated": (1 - 0.5 ** pl.col("unexplained_days")) * telling,
        "spree": (pl.col("unexplained_charts") / (2 + pl.col("usual_charts").fill_null(0))).log(2).clip(0, 3) / 3 * telling,
        "crowd": ((pl.col("onlookers").cast(pl.Int64) - 1) / 3).clip(0, 1) * telling,
        "colleagues": (pl.col("same_department") / 3).clip(0, 1) * alone,
        "wrote": pl.col("wrote") * alone,
        "glimpse": pl.col("glimpse") * alone,
        "known_before": (1 - 0.5 ** pl.col("explained_days")) * alone,
    }
    assert tuple(values) == OBSERVED
    found = pairs.with_columns(**{f"x_{name}": value.cast(pl.Float64).fill_nan(0.0) for name, value in values.items()})
    return found.sort("actor_id", "patient_id")


def _of_the_visit(visits: pl.DataFrame) -> pl.DataFrame:
    """What a pair's own accesses of the day say."""
    seconds = pl.col("details").str.json_path_match("$.duration_s").cast(pl.Float64, strict=False)
    best = pl.col("reason_kinds").list.eval(pl.element().replace_strict(WEIGHTS, default=0.5, return_dtype=pl.Float64)).list.max()
    return visits.group_by("actor_id", "patient_id", maintain_order=True).agg(
        pl.col("actor_role").last().alias("role"),
        pl.col("actor_department").last().alias("department"),
        pl.col("is_self", "is_household", "surname_rarity", "is_coworker", "is_neighbour", "is_vip", "is_restricted").max(),
        pl.col("on_leave", "off_shift").max(),
        events=pl.len(),
        without_reason=pl.col("explained").max() == 0,
        best_reason=best.max().fill_null(0.0),
        terminated=pl.col("terminated_minutes").max() >= 0,
        remote=(pl.col("device_kind") == "remote").any(),
        broke_glass=(pl.col("action") == "break_glass").any(),
        took=pl.col("action").is_in(TAKES).any(),
        wrote=pl.col("action").is_in(WRITES).any(),
        breadth_count=pl.col("action").n_unique(),
        glimpse=(pl.len() == 1) & (seconds.max() < GLIMPSE_SECONDS).fill_null(value=False),
    )


def _after_a_search(facts: pl.DataFrame, visits: pl.DataFrame) -> pl.DataFrame:
    """Whether the first look at a chart came within minutes of a search by the same actor that named nobody else."""
    searches = facts.filter(pl.col("action") == "search").select("actor_id", "time", sought="patient_id", searched_at="time")
    opened = visits.filter(pl.col("action") != "search").group_by("actor_id", "patient_id").agg(time=pl.col("time").min())
    met = opened.sort("time").join_asof(
        searches.sort("time"), on="time", by="actor_id", strategy="backward", tolerance=SEARCH_LEADS, check_sortedness=False
    )
    led = pl.col("searched_at").is_not_null() & ((pl.col("sought") == "") | (pl.col("sought") == pl.col("patient_id")))
    return met.select("actor_id", "patient_id", searched=led)


def _usual_share(actor_days: pl.DataFrame) -> pl.DataFrame:
    """Per role, over people's days: the median share of charts without a reason on record, and the median number of such charts.

    Medians, so that one spree is no excuse for itself. A role with fewer than ten days on record says nothing yet.
    """
    usual = actor_days.group_by("role").agg(
        days=pl.len(),
        usual_charts=pl.col("unexplained").median(),
        usual_share=(pl.col("unexplained") / pl.col("patients")).median(),
    )
    return usual.filter(pl.col("days") >= FEWEST_ROLE_DAYS).drop("days")
