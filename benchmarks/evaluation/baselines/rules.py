"""An explanation-only filter, the rules that hospitals run, and both together."""

from collections.abc import Iterator

import polars as pl

from benchmarks.evaluation.baselines.ranking import Ranking, of_days, of_pairs
from benchmarks.evaluation.hospital_files import Hospital, records

WEIGHTS = {
    "self": 1.0, "household": 0.9, "vip": 0.8, "broke_glass": 0.7, "same_surname": 0.6, "same_department": 0.6, "coworker": 0.5,
    "neighbour": 0.4,
}  # fmt: skip
"""The order in which privacy offices look: own chart, household, well known, broken glass, same name, colleagues, neighbours."""

FAILURES = 10
RECORDS = 100


def rankings(hospital: Hospital, pairs: pl.DataFrame) -> Iterator[Ranking]:
    """Three methods over the features of `pairs.pair_days`."""
    events = hospital.events
    left = pairs.group_by("actor", "day").agg(score=pl.col("unexplained").sum().cast(pl.Float64))
    filtered = of_days("explanations only", left, events)
    scores = pairs.select("actor", "object", "day", score=pl.col("unexplained").cast(pl.Float64))
    yield Ranking(name=filtered.name, cases=filtered.cases, scores=scores)
    flag = pl.max_horizontal(pl.col(name).cast(pl.Float64) * weight for name, weight in WEIGHTS.items())
    flagged = pairs.with_columns(score=flag)
    days = _days(hospital)
    yield of_pairs("hospital rules", flagged, days, events)
    both = flagged.with_columns(score=pl.when(pl.col("unexplained") | pl.col("self")).then("score").otherwise(0.0))
    yield of_pairs("explanations + rules", both, days, events)


def _days(hospital: Hospital) -> pl.DataFrame:
    """Rules about accounts and mail: used after the end of employment, guessed passwords, bulk export, PHI in the clear."""
    events = hospital.events
    ends = {r["account_id"]: r.get("termination_date") for r in records(hospital.directory / "context" / "staff.jsonl")}
    gone = pl.DataFrame(
        [{"actor": actor, "gone": end} for actor, end in ends.items() if end], schema={"actor": pl.String, "gone": pl.String}
    ).with_columns(pl.col("gone").str.to_datetime(time_unit="us", time_zone="UTC"))
    late = pl.duration(hours=1)
    after = events.join(gone, on="actor").filter(pl.col("time") > pl.col("gone") + late, pl.col("action") != "logout")
    failed = events.filter(pl.col("outcome") == "failure").group_by("actor", "day").len().filter(pl.col("len") >= FAILURES)
    bulk = events.filter(pl.col("records").fill_null(0) >= RECORDS, pl.col("kind") == "staff")
    clear = events.filter(pl.col("exposed"), pl.col("direction") == "outbound")
    found = [
        after.select("actor", "day").unique().with_columns(score=pl.lit(1.0)),
        failed.select("actor", "day").with_columns(score=pl.lit(0.9)),
        bulk.select("actor", "day").unique().with_columns(score=pl.lit(0.85)),
        clear.select("actor", "day").unique().with_columns(score=pl.lit(0.9)),
    ]
    return pl.concat(found)
