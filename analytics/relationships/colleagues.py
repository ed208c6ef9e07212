"""The weakest reason: a colleague of the same department had a reason for the same patient shortly before.

Much care is on record for one of a team only. Such a reason says that the department treats the patient, not that this person does:
it never excuses an access that a flag stands against (kin, namesake, co-worker, neighbour, somebody well known, an own chart,
leave, an employment that ended), and no access is explained by another that is explained in this way only.
"""

from datetime import UTC, datetime, timedelta

import polars as pl

from store.movements import Movements

WITHIN = timedelta(days=3)
FOLLOW_UP = timedelta(days=30)
"""Patients call, and results come, within a month of care (detection practice: telephone 30 days)."""

KIND = "colleague"

_AGAINST = (
    *("is_self", "is_household", "is_vip", "is_neighbour", "is_coworker", "on_leave", "strange_place"),
    *("vip_household", "colleague_household"),
)


def with_colleagues(found: pl.DataFrame, asked: Movements) -> pl.DataFrame:
    """The frame of facts with such a reason where there is no other: columns reasons, reason_kinds (null: none)."""
    open_ones = found.filter(
        pl.col("reasons").is_null() & (pl.col("patient_id") != "") & (pl.col("department") != "") & nothing_against()
    ).select("row", "time", "patient_id", "department", "actor_id")
    if open_ones.is_empty():
        return found
    begin, end = open_ones["time"].min(), open_ones["time"].max()
    assert isinstance(begin, datetime)
    assert isinstance(end, datetime)
    patients = open_ones["patient_id"].unique().to_list()
    earlier = asked.caring(patients, begin.astimezone(UTC) - WITHIN, end.astimezone(UTC))
    inside = found.filter(pl.col("reasons").is_not_null() & pl.col("patient_id").is_in(patients)).select(
        "patient_id", "department", colleague_id="actor_id", seen="time"
    )
    met = open_ones.join(pl.concat([earlier, inside]).unique(), on=["patient_id", "department"]).filter(
        pl.col("colleague_id") != pl.col("actor_id"),
        pl.col("seen") < pl.col("time"),
        pl.col("time") - pl.col("seen") <= WITHIN,
    )
    sentence = "A colleague of the department " + pl.col("department").first() + " had a reason for this patient on the days before"
    said = met.group_by("row").agg(said=sentence)
    told = found.join(said, on="row", how="left")
    return told.with_columns(
        reasons=pl.when(pl.col("said").is_not_null()).then(pl.concat_list("said")).otherwise("reasons"),
        reason_kinds=pl.when(pl.col("said").is_not_null()).then(pl.lit([KIND])).otherwise("reason_kinds"),
    ).drop("said")


def follow_ups(open_ones: pl.DataFrame, asked: Movements) -> pl.DataFrame:
    """The accesses about a patient for whom the department had a reason within the month before: row, reasons, reason_kinds.

    `open_ones` has row, time, patient_id, department, actor_id.
    """
    begin, end = open_ones["time"].min(), open_ones["time"].max()
    if not isinstance(begin, datetime) or not isinstance(end, datetime):
        return pl.DataFrame(schema={"row": pl.UInt32, "reasons": pl.List(pl.String), "reason_kinds": pl.List(pl.String)})
    patients = open_ones["patient_id"].unique().sort().to_list()
    cared = asked.caring(patients, begin.astimezone(UTC) - FOLLOW_UP, end.astimezone(UTC))
    met = open_ones.filter(pl.col("department") != "").join(cared, on=["patient_id", "department"])
    met = met.filter(pl.col("seen") < pl.col("time"), pl.col("time") - pl.col("seen") <= FOLLOW_UP)
    sentence = "The department " + pl.col("department").first() + " had a reason for this patient within the month before"
    return (
        met.group_by("row")
        .agg(reasons=sentence)
        .with_columns(pl.concat_list("reasons").alias("reasons"), reason_kinds=pl.lit(["follow_up"]))
    )


def nothing_against() -> pl.Expr:
    """No flag that a weak reason may not excuse."""
    none = [(pl.col(name) == 0).fill_null(value=True) for name in _AGAINST]
    return pl.all_horizontal(
        *none,
        (pl.col("surname_rarity") < 0.5).fill_null(value=True),
        (pl.col("terminated_minutes") < 0).fill_null(value=True),
    )
