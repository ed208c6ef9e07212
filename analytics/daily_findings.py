"""Daily results as findings: reasons in sentences, what speaks for the actor beside them, evidence, controls and a runbook."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

import polars as pl

from analytics.detectors.ranking.catalogue import FEATURES
from analytics.detectors.volume import UnusualVolume
from analytics.relationships.policy import has_reason
from domain.finding import EventRef, Finding, Severity

MOST_EVIDENCE = 200
CONTROLS = ("164.312(b)", "164.308(a)(1)(ii)(D)", "164.502(b)")
"""Audit controls; review of information system activity; minimum necessary."""

VOLUME_VERSION = "1"
MEDIUM_FROM = 0.73
"""What one person in 800 reaches a day."""

SMALLEST = 0.05
"""Contributions below this are not worth a sentence."""

_ACCESS_RUNBOOK = """\
1. Open the chart accesses of this actor to this patient, the day before to the day after.
2. Compare with the schedule, the care team and open orders: is a record missing, or was there no reason?
3. Ask the actor's manager, without naming the suspicion, what the actor worked on.
4. Record the decision; if it was right, propose the missing reason so that it is found next time."""

_VOLUME_RUNBOOK = """\
1. List the charts without a reason: do they share a unit, a surname, an age, a billing code?
2. Ask the manager whether the actor had a special task that day.
3. If not, lock exports for the account and review the days before.
4. Record the decision; an approved task becomes a worklist or a protocol."""


def volume_finding(unusual: UnusualVolume, facts: pl.DataFrame, day: date, end: datetime) -> Finding:
    """One actor's day of too many charts; evidence is the first look at each chart without a reason."""
    opened = facts.filter((pl.col("actor_id") == unusual.actor_id) & (pl.col("patient_id") != "") & (pl.col("source") == "access"))
    alone = opened.filter((~has_reason()).all().over("patient_id")).unique("patient_id", keep="first", maintain_order=True)
    explained = unusual.charts - unusual.unexplained
    return Finding(
        finding_id=_identity("unusual-volume", unusual.actor_id, day),
        kind="unusual_volume",
        title="Far more charts opened than usual",
        time=end,
        score=round(1 - 1 / (1 + unusual.excess / 4), 4),
        severity=Severity.HIGH if unusual.unexplained >= 30 else Severity.MEDIUM,
        rule_id="unusual-volume",
        rule_version=VOLUME_VERSION,
        group_key=f"{unusual.actor_id}|{day.isoformat()}",
        actor_id=unusual.actor_id,
        patient_id=None,
        evidence=_evidence(alone if alone.height else opened),
        explanation=tuple(unusual.sentences()),
        exculpatory=(f"{explained} of the charts have a reason on record",) if explained else (),
        controls=CONTROLS,
        runbook=_VOLUME_RUNBOOK,
        inputs={"charts": unusual.charts, "unexplained": unusual.unexplained, "excess": f"{unusual.excess:.2f}"},
    )


def browsing_finding(charts: pl.DataFrame, facts: pl.DataFrame, day: date, end: datetime, score: float) -> Finding:
    """One actor's day on which several charts stand out together: rows of `RankingModel.rank` with `model`, highest first."""
    first = charts.row(0, named=True)
    actor, patients = str(first["actor_id"]), charts["patient_id"].to_list()
    seen = facts.filter((pl.col("actor_id") == actor) & pl.col("patient_id").is_in(patients))
    against, favour = _said(first, raising=True), _said(first, raising=False)
    return Finding(
        finding_id=_identity("browsing", actor, day),
        kind="browsing",
        title="Several records opened that share no reason",
        time=end,
        score=score,
        severity=Severity.MEDIUM if score >= MEDIUM_FROM else Severity.LOW,
        rule_id="browsing",
        rule_version=str(first["model"]),
        group_key=f"{actor}|{day.isoformat()}",
        actor_id=actor,
        patient_id=None,
        evidence=_evidence(seen),
        explanation=(
            f"{len(patients)} charts stand out together; of the first of them:",
            *(said.sentence for said in against),
        ),
        exculpatory=tuple(said.sentence for said in favour),
        controls=CONTROLS,
        runbook=_VOLUME_RUNBOOK,
        inputs={
            "model": str(first["model"]),
            "charts": len(patients),
            "highest": f"{first['score']:.4f}",
            "day": f"{first['risk']:.2f}",
            "weeks": f"{first['weeks']:.2f}",
            "contributions": {said.feature: f"{said.value:+.2f}" for said in (*against, *favour)},
        },
    )


def access_finding(row: Mapping[str, object], facts: pl.DataFrame, day: date, end: datetime, score: float) -> Finding:
    """One pair from the top of the ranking: a row of `RankingModel.rank` with `model` and `others`, the actor's further pairs.

    `score` is what the case is worth beside others (`Rarity.worth`).
    """
    actor, patient, model = str(row["actor_id"]), str(row["patient_id"]), str(row["model"])
    seen = facts.filter((pl.col("actor_id") == actor) & (pl.col("patient_id") == patient))
    found = dict.fromkeys(sentence for sentences in seen["reasons"].to_list() for sentence in sentences)
    against, favour = _said(row, raising=True), _said(row, raising=False)
    others = [f"Further charts of this actor that ranked as high that day: {row['others']}"] if row["others"] else []
    return Finding(
        finding_id=_identity("unusual-access", actor, patient, day),
        kind="unusual_access",
        title="Unusual access to a record",
        time=end,
        score=score,
        severity=Severity.MEDIUM if score >= MEDIUM_FROM else Severity.LOW,
        rule_id="unusual-access",
        rule_version=model,
        group_key=f"{actor}|{patient}|{day.isoformat()}",
        actor_id=actor,
        patient_id=patient,
        evidence=_evidence(seen),
        explanation=(*(said.sentence for said in against), *others),
        exculpatory=(*(said.sentence for said in favour), *found),
        controls=CONTROLS,
        runbook=_ACCESS_RUNBOOK,
        inputs={
            "model": model,
            "ranked": f"{row['score']:.4f}",
            "contributions": {said.feature: f"{said.value:+.2f}" for said in (*against, *favour)},
        },
    )


def spoken(row: Mapping[str, object]) -> Sequence[str]:
    """The contributions of one ranked pair as sentences, largest first: `The patient is a colleague … (+2.3)`."""
    every = (*_said(row, raising=True), *_said(row, raising=False))
    return [f"{said.sentence} ({said.value:+.1f})" for said in every]


class _Said(NamedTuple):
    feature: str
    sentence: str
    value: float


def _said(row: Mapping[str, object], *, raising: bool) -> list[_Said]:
    """The contributions that raise the score, or those that lower it, largest first."""
    every = [_Said(feature.name, feature.text.format_map(row), float(str(row[f"c_{feature.name}"]))) for feature in FEATURES]
    counted = [said for said in every if abs(said.value) >= SMALLEST and (said.value > 0) is raising]
    return sorted(counted, key=lambda said: -abs(said.value))


def _evidence(facts: pl.DataFrame) -> tuple[EventRef, ...]:
    rows = facts.head(MOST_EVIDENCE).select("writer", "seq", "event_id").iter_rows()
    return tuple(EventRef(writer=writer, seq=seq, event_id=event_id) for writer, seq, event_id in rows)


def _identity(*parts: object) -> str:
    """The same finding has the same id whenever the day is run."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]
