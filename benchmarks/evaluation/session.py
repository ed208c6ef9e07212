"""One hospital from seed to figures: build, analyse, replay, compare."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from benchmarks.evaluation.baselines import boosted, outliers, rules
from benchmarks.evaluation.baselines.pairs import pair_days
from benchmarks.evaluation.baselines.ranking import Ranking
from benchmarks.evaluation.figures import Figures, Own, Yardstick
from benchmarks.evaluation.hospital.build import Facts, build
from benchmarks.evaluation.hospital.plan import Plan, Scale
from benchmarks.evaluation.hospital_files import Hospital
from benchmarks.evaluation.measure import replay_differences
from benchmarks.evaluation.run import alerts_until, analyse

TUNING = (1, 2, 3, 4, 5)
"""Seeds to look at while working on the analytics."""

HELD = (101, 102, 103, 104, 105)
"""Seeds nobody looks at while working on the analytics: they are for the figures that are published."""

SCHOOL = 1000
"""Added to a seed: the other hospital that the boosted model learns from."""

LESSONS = 150
"""Incidents of that hospital: as many labels as years of case work give, so that the comparison is with a model at its best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Figures of phitrail (first) and of the methods beside it."""

    facts: Facts
    figures: list[Figures]
    own: Own
    unknown: frozenset[str]
    """Scenarios that no document of phitrail names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """`work` is emptied of each hospital when it is done, unless `keep`."""

    work: Path
    scale: Scale
    baselines: bool = True
    replay: bool = True
    keep: bool = False

    def run(self, seed: int, rarity: int) -> Result:
        """One hospital."""
        place = self.work / f"{seed}-{self.scale}-{rarity}"
        plan = Plan(seed=seed, scale=self.scale, rarity=rarity)
        build(plan, place / "hospital")
        hospital = Hospital.read(place / "hospital")
        outcome = analyse(hospital.directory, place)
        differences = self._replayed(hospital, place) if self.replay else None
        yardstick = Yardstick(hospital)
        figures, own = yardstick.phitrail(outcome, differences)
        others = [yardstick.figures(r.name, r.cases, r.scores) for r in self._others(hospital, seed)] if self.baselines else []
        if not self.keep:
            shutil.rmtree(place, ignore_errors=True)
        unknown = frozenset(incident.scenario for incident in hospital.incidents if not incident.known)
        return Result(facts=hospital.facts, figures=[figures, *others], own=own, unknown=unknown)

    def _replayed(self, hospital: Hospital, place: Path) -> list[str]:
        first = date.fromisoformat(hospital.facts.first_day)
        middle = datetime.combine(
            first + timedelta(days=hospital.facts.days // 2), datetime.min.time(), ZoneInfo(hospital.facts.zone)
        )
        part = analyse(hospital.directory, place, until=middle, facts=False)
        return replay_differences(alerts_until(place, middle), part.alerts)

    def _others(self, hospital: Hospital, seed: int) -> Iterator[Ranking]:
        pairs = pair_days(hospital)
        yield from outliers.rankings(hospital.events, hospital.zone, seed)
        yield from rules.rankings(hospital, pairs)
        yield boosted.ranking(self._school(seed), pairs, hospital.events, seed)

    def _school(self, seed: int) -> pl.DataFrame:
        place = self.work / f"school-{seed}-{self.scale}"
        build(Plan(seed=seed + SCHOOL, scale=self.scale, wanted=LESSONS), place)
        pairs = pair_days(Hospital.read(place))
        shutil.rmtree(place, ignore_errors=True)
        return pairs
