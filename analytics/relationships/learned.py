"""Reasons learned from the weeks before: whose people usually open charts of patients in which care.

Much collaboration is on no single record: the laboratory opens charts of the emergency department on a word by telephone, one ward
helps the next. That it is usual can be counted (collaborative explanations: Fabbri and LeFevre, PVLDB 2011; JAMIA 2013). What is
usual for a department excuses nobody: a learned reason is weak, is named as such, never stands where a flag speaks against the
access, and counts as a reason of its own only once people have approved it.

All functions are pure; what they are given decides as of when they speak.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from analytics.relationships.knowledge import was_known
from analytics.relationships.policy import ties_frame

VERSION = "collaboration/1"

CARE: Mapping[str, str] = {
    "stay": "patients who are, or lately were, on a unit of {place}",
    "visit": "patients who visit {place}, or lately did",
    "clinic_day": "patients with an appointment in {place} these days",
    "performing_department": "patients with an order to {place} these days",
}
"""The care that counts, and how it is said. A tie that does not end with care (primary care, a cohort) says nothing about today."""

LATELY = timedelta(days=14)
"""Charting, coding, results and calls go on so long after care (the window of those who treated)."""

EVERYBODY = ""
"""The department under which the charts of all are counted."""

LEARNED, APPROVED = "learned", "learned_approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What a collaboration must have to be called usual: so many people, charts and days, and this share of the charts of such
    patients that anybody opened."""

    people: int = 3
    charts: int = 10
    days: int = 3
    share: float = 0.05


def in_care(accesses: pl.DataFrame, ties: pl.DataFrame, houses: Mapping[str, str]) -> pl.DataFrame:
    """In which care the patient of each access was at its time: row, care, place (the department). Several rows, or none.

    `accesses` has row, time, known_at, patient_id; `ties` are those of `store.context_records`, `houses` the department of a unit.
    """
    cares = ties.filter(pl.col("link").is_in(list(CARE)))
    met = accesses.select("row", "time", "known_at", "patient_id").join(cares, on="patient_id").filter(was_known())
    met = met.join(ties_frame().select("link", "before", "after", "open_for"), on="link")
    end = (pl.col("valid_to") + pl.max_horizontal("after", pl.lit(LATELY))).fill_null(pl.col("valid_from") + pl.col("open_for"))
    holding = met.filter(pl.col("valid_from") - pl.col("before") <= pl.col("time"), pl.col("time") <= end)
    of_unit = pl.col("subject").replace_strict(dict(houses), default=pl.col("subject"), return_dtype=pl.String)
    place = pl.when(pl.col("subject_kind") == "unit").then(of_unit).otherwise("subject")
    return holding.select("row", care="link", place=place).filter(pl.col("place") != "").unique().sort("row", "care", "place")


def collaborations(accesses: pl.DataFrame, care: pl.DataFrame) -> pl.DataFrame:
    """Who opened how many charts in which care that day: department, care, place, actors (sorted), charts (distinct patients).

    `accesses` has row, actor_id, patient_id, department; rows of `EVERYBODY` count all departments together.
    """
    met = accesses.filter(pl.col("department") != "").select("row", "actor_id", "patient_id", "department").join(care, on="row")
    counts = [pl.col("actor_id").unique().sort().alias("actors"), pl.col("patient_id").n_unique().cast(pl.UInt32).alias("charts")]
    each = met.group_by("department", "care", "place").agg(counts)
    every = met.with_columns(department=pl.lit(EVERYBODY)).group_by("department", "care", "place").agg(counts)
    return pl.concat([each, every]).sort("department", "care", "place")


def mined(days: pl.DataFrame, window: tuple[date, date], bar: Bar | None = None) -> pl.DataFrame:
    """What the days of the window teach: reason_id, department, care, place, the counts that the bar is for, and the window.

    `days` are rows of `collaborations` with their day. A chart counts once a day. A department's own care is not learned: that is a
    reason already.
    """
    bar = bar or Bar()
    inside = days.filter(pl.col("day").is_between(*window))
    every = inside.filter(pl.col("department") == EVERYBODY).group_by("care", "place").agg(of_charts=pl.col("charts").sum())
    each = (
        inside.filter(pl.col("department") != EVERYBODY)
        .group_by("department", "care", "place")
        .agg(people=pl.col("actors").explode().n_unique(), charts=pl.col("charts").sum(), days=pl.col("day").n_unique())
    )
    found = each.join(every, on=["care", "place"]).filter(
        pl.col("department") != pl.col("place"),
        pl.col("people") >= bar.people,
        pl.col("charts") >= bar.charts,
        pl.col("days") >= bar.days,
        pl.col("charts") >= bar.share * pl.col("of_charts"),
    )
    ids = [reason_id(row["department"], row["care"], row["place"]) for row in found.iter_rows(named=True)]
    counts = [pl.col(name).cast(pl.UInt32) for name in ("people", "charts", "of_charts", "days")]
    return found.select(
        pl.Series("reason_id", ids, dtype=pl.String),
        "department",
        "care",
        "place",
        *counts,
        window_from=pl.lit(window[0]),
        window_to=pl.lit(window[1]),
    ).sort("department", "care", "place")


def reason_id(department: str, care: str, place: str) -> str:
    """The same collaboration has the same name on every day, so that a decision about it lasts."""
    return hashlib.sha256("\0".join((department, care, place)).encode()).hexdigest()[:12]


def said(department: str, care: str, place: str) -> str:
    """A collaboration in words: `People of Radiology usually open charts of patients who visit Emergency`."""
    return f"People of {department} usually open charts of {CARE[care].format(place=place)}"


def learned_reasons(accesses: pl.DataFrame, care: pl.DataFrame, learned: pl.DataFrame, approved: Collection[str]) -> pl.DataFrame:
    """The accesses that a learned reason is for: row, `reasons`, `reason_kinds` (parallel), approved ones first.

    `accesses` has row and department; `learned` are rows of `mined`; `approved` the ids that people had approved by then.
    """
    if learned.is_empty():
        return pl.DataFrame(schema={"row": pl.UInt32, "reasons": pl.List(pl.String), "reason_kinds": pl.List(pl.String)})
    told = learned.with_columns(
        is_approved=pl.col("reason_id").is_in(list(approved)),
        text=pl.struct("department", "care", "place").map_elements(
            lambda one: said(one["department"], one["care"], one["place"]), return_dtype=pl.String
        ),
        span=(pl.col("window_to") - pl.col("window_from")).dt.total_days() + 1,
    )
    state = pl.when("is_approved").then(pl.lit("approved")).otherwise(pl.lit("not yet approved"))
    sentence = pl.format("{} (learned from {} days; {})", "text", "span", state)
    told = told.select(
        "department",
        "care",
        "place",
        "is_approved",
        sentence=sentence,
        kind=pl.when("is_approved").then(pl.lit(APPROVED)).otherwise(pl.lit(LEARNED)),
    )
    met = accesses.select("row", "department").join(care, on="row").join(told, on=["department", "care", "place"])
    ordered = met.sort(["row", "is_approved", "sentence"], descending=[False, True, False])
    return ordered.group_by("row", maintain_order=True).agg(reasons=pl.col("sentence").head(2), reason_kinds=pl.col("kind").head(2))
