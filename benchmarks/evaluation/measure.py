"""The figures: recall and precision at a daily budget, workload, average precision, delay, explained share, honesty of replay.

The definitions are `docs/evaluation.md`. All functions are pure.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from statistics import median

import numpy as np
import polars as pl
from sklearn.metrics import average_precision_score

from benchmarks.evaluation.cases import Case, cited, moment_of
from benchmarks.evaluation.hospital.truth import Incident

CASES_A_DAY = 10
STAFF = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """To find so many of the incidents, so many cases a day (for 800 staff) are looked at, and this share of them is right."""

    cases_a_day: float
    precision: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AtBudget:
    """What the best cases of every day give. `ceiling` is the precision of a perfect detector that had to fill every place."""

    places: int
    recall: float
    precision: float
    strict: float
    """Precision where a case is right only if a quarter of the events it cites belong to an incident."""
    ceiling: float
    by_scenario: Mapping[str, tuple[int, int]]
    """Found and all, by scenario."""
    missed: Sequence[str]


def places_a_day(staff: int, *, cases_a_day: float = CASES_A_DAY) -> int:
    """N: ten cases a day for 800 staff, at least one."""
    return max(1, round(cases_a_day * staff / STAFF))


def at_budget(
    cases: Sequence[Case], incidents: Sequence[Incident], *, places: int, days: int, true_cases: Mapping[date, int]
) -> AtBudget:
    """Look at the first `places` cases of every day. `true_cases` are how many a perfect detector could raise on each day."""
    by_day: dict[date, list[Case]] = {}
    for case in sorted(cases, key=lambda case: case.order):
        by_day.setdefault(case.day, []).append(case)
    shown = [case for found in by_day.values() for case in found[:places]]
    found = {incident_id for case in shown for incident_id in case.incidents}
    by_scenario: dict[str, tuple[int, int]] = {}
    for incident in incidents:
        hit, every = by_scenario.get(incident.scenario, (0, 0))
        by_scenario[incident.scenario] = (hit + (incident.incident_id in found), every + 1)
    return AtBudget(
        places=places,
        recall=_share(sum(hit for hit, _ in by_scenario.values()), len(incidents)),
        precision=_share(sum(bool(case.incidents) for case in shown), len(shown)),
        strict=_share(sum(bool(case.incidents) and case.real >= 0.25 for case in shown), len(shown)),
        ceiling=_share(sum(min(count, places) for count in true_cases.values()), places * days),
        by_scenario=dict(sorted(by_scenario.items())),
        missed=[incident.incident_id for incident in incidents if incident.incident_id not in found],
    )


def workload(cases: Sequence[Case], incidents: Sequence[Incident], share: float, *, staff: int, days: int) -> Workload | None:
    """The fewest cases, best first over the whole period, that find `share` of the incidents. None where all of them do not."""
    wanted = math.ceil(share * len(incidents) - 1e-9)
    found: set[str] = set()
    right = 0
    for number, case in enumerate(sorted(cases, key=lambda case: (case.order, case.day)), start=1):
        found |= case.incidents
        right += bool(case.incidents)
        if len(found) >= wanted:
            return Workload(cases_a_day=number / days * STAFF / staff, precision=right / number)
    return None


def average_precision(scores: pl.DataFrame, triples: pl.DataFrame) -> float:
    """Average precision over the triples (actor, object, day, wrong): `scores` has actor, object, day, score.

    A triple without a score comes last; a score without a triple (no event of that day) is not counted.
    """
    joined = triples.join(scores, on=["actor", "object", "day"], how="left").with_columns(pl.col("score").fill_null(-1.0))
    wrong = joined["wrong"].to_numpy()
    if not wrong.any():
        return float("nan")
    return float(average_precision_score(wrong, joined["score"].to_numpy()))


def triples_of(events: pl.DataFrame, incidents: Sequence[Incident], *, targeted: bool = False) -> pl.DataFrame:
    """Every (actor, object, day) of the events with `wrong`. The object is the patient or, for mail without one, the domain.

    Triples of incidents in which who acts is wrong, and not whose record it is, are left out; with `targeted` also those of all
    incidents in which nobody looked for a particular person.
    """
    aside = {i.incident_id for i in incidents if i.whole_account or (targeted and not i.targeted)}
    seen = events.filter((pl.col("source") != "mail") | (pl.col("action") == "deliver")).with_columns(
        object=pl.when(pl.col("patient").is_not_null()).then("patient").otherwise("domain")
    )
    grouped = (
        seen.filter(pl.col("object").is_not_null())
        .group_by("actor", "object", "day")
        .agg(wrong=(pl.col("incident") != "").any(), aside=pl.col("incident").is_in(list(aside)).any())
    )
    return grouped.filter(~pl.col("aside")).drop("aside").sort("actor", "object", "day")


def delays(alerts: Iterable[Mapping[str, object]], incidents: Sequence[Incident]) -> dict[str, float]:
    """Seconds from the first event of each incident that was found at all to the first alert that cites one of its events."""
    labels = {event_id: incident for incident in incidents for event_id in incident.event_ids}
    found: dict[str, float] = {}
    for alert in alerts:
        for incident in {id(labels[e]): labels[e] for e in cited(alert) if e in labels}.values():
            waited = (moment_of(alert) - datetime.fromisoformat(incident.first)).total_seconds()
            found[incident.incident_id] = min(waited, found.get(incident.incident_id, math.inf))
    return found


def median_delay(found: Mapping[str, float], incidents: Sequence[Incident], nature: str) -> float | None:
    """The median over the found incidents of one nature, in seconds; None if none was found."""
    mine = [found[i.incident_id] for i in incidents if i.nature == nature and i.incident_id in found]
    return median(mine) if mine else None


def explained_share(events: pl.DataFrame, explained: pl.DataFrame) -> float:
    """Of the accesses of staff and services to patients' records outside incidents: how many have a reason."""
    legitimate = events.filter(
        (pl.col("source") == "access")
        & pl.col("patient").is_not_null()
        & (pl.col("incident") == "")
        & pl.col("kind").is_in(["staff", "service"])
    ).select("event_id")
    known = legitimate.join(explained.select("event_id", "explained"), on="event_id", how="left")
    return float(known.select((pl.col("explained").fill_null(0) > 0).mean()).item() or 0.0)


def true_cases_a_day(events: pl.DataFrame) -> dict[date, int]:
    """How many cases a perfect detector could raise on each day: people (or mailboxes) with an event of an incident on it."""
    pairs = events.filter(pl.col("incident") != "").group_by("day").agg(pl.col("actor").n_unique())
    return dict(pairs.iter_rows())


def replay_differences(whole: Sequence[Mapping[str, object]], part: Sequence[Mapping[str, object]]) -> list[str]:
    """The ids of alerts that differ between an analysis of all history and one of a part, both up to the end of the part."""
    ours, theirs = ({str(alert["alert_id"]): _content(alert) for alert in alerts} for alerts in (whole, part))
    return sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))


def _content(alert: Mapping[str, object]) -> tuple[object, ...]:
    names = ("time", "score", "severity", "kind", "actor", "patient_id", "explanation", "exculpatory")
    return (*(str(alert[name]) for name in names), tuple(sorted(cited(alert))))


def _share(part: float, whole: float) -> float:
    return float(np.divide(part, whole)) if whole else 0.0
