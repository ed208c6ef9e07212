"""Everything measured about one method on one hospital, and about phitrail what only it has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from benchmarks.evaluation import measure
from benchmarks.evaluation.cases import Case, cases
from benchmarks.evaluation.hospital_files import Hospital
from benchmarks.evaluation.misses import Miss, misses
from benchmarks.evaluation.run import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One method on one hospital. Shares are 0..1; workloads are None where the method never finds so many."""

    method: str
    recall: float
    precision: float
    strict: float
    ceiling: float
    for_80: measure.Workload | None
    for_90: measure.Workload | None
    average_precision: float
    targeted_precision: float
    by_scenario: Mapping[str, tuple[int, int]]
    found_at_all: float
    """Recall without a budget: over all cases that the method raises."""
    cases_a_day: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What only phitrail is asked. Delays in seconds, None where nothing of the nature was found."""

    rule_delay: float | None
    behaviour_delay: float | None
    explained: float
    undocumented: float
    replay_differences: Sequence[str] | None
    missed: Sequence[Miss]
    seconds: Mapping[str, float] = field(default_factory=dict)


class Yardstick:
    """Measures methods on one hospital."""

    def __init__(self, hospital: Hospital) -> None:
        self._hospital = hospital
        self._triples = measure.triples_of(hospital.events, hospital.incidents)
        self._targeted = measure.triples_of(hospital.events, hospital.incidents, targeted=True)
        self._true: dict[date, int] = measure.true_cases_a_day(hospital.events)

    def figures(self, method: str, found: Sequence[Case], scores: pl.DataFrame) -> Figures:
        """All figures of a method that gave these cases and these scores (actor, object, day, score)."""
        facts, incidents = self._hospital.facts, self._hospital.incidents
        places = measure.places_a_day(facts.staff)
        budget = measure.at_budget(found, incidents, places=places, days=facts.days, true_cases=self._true)
        hit = {incident_id for case in found for incident_id in case.incidents}
        return Figures(
            method=method,
            recall=budget.recall,
            precision=budget.precision,
            strict=budget.strict,
            ceiling=budget.ceiling,
            for_80=measure.workload(found, incidents, 0.8, staff=facts.staff, days=facts.days),
            for_90=measure.workload(found, incidents, 0.9, staff=facts.staff, days=facts.days),
            average_precision=measure.average_precision(scores, self._triples),
            targeted_precision=measure.average_precision(scores, self._targeted),
            by_scenario=budget.by_scenario,
            found_at_all=len(hit) / len(incidents) if incidents else 0.0,
            cases_a_day=len(found) / facts.days * measure.STAFF / facts.staff,
        )

    def phitrail(self, outcome: Outcome, replay: Sequence[str] | None) -> tuple[Figures, Own]:
        """The figures of phitrail."""
        hospital = self._hospital
        found = cases(outcome.alerts, hospital.incidents, hospital.zone)
        figures = self.figures("phitrail", found, outcome.scores)
        waits = measure.delays(outcome.alerts, hospital.incidents)
        own = Own(
            rule_delay=measure.median_delay(waits, hospital.incidents, "rule"),
            behaviour_delay=measure.median_delay(waits, hospital.incidents, "behaviour"),
            explained=measure.explained_share(hospital.events, outcome.explained),
            undocumented=hospital.facts.undocumented,
            replay_differences=replay,
            missed=misses(hospital, outcome, found, measure.places_a_day(hospital.facts.staff)),
            seconds=outcome.seconds,
        )
        return figures, own
