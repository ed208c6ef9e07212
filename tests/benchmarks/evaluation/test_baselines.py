"""The methods beside phitrail do what their papers say."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.evaluation.baselines import boosted, outliers, rules
from benchmarks.evaluation.baselines.ecod import ecod
from benchmarks.evaluation.baselines.pairs import NUMBERS, pair_days
from benchmarks.evaluation.baselines.ranking import Ranking
from benchmarks.evaluation.hospital.build import build
from benchmarks.evaluation.hospital.plan import Plan, Scale
from benchmarks.evaluation.hospital_files import Hospital


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    place = tmp_path_factory.mktemp("hospital")
    build(Plan(seed=4, scale=Scale.TINY, wanted=30), place)
    return Hospital.read(place)


@pytest.fixture(scope="module")
def pairs(hospital: Hospital) -> pl.DataFrame:
    return pair_days(hospital)


@pytest.fixture(scope="module")
def taught(hospital: Hospital, pairs: pl.DataFrame) -> Ranking:
    """The boosted model, which here has seen the answers."""
    return boosted.ranking(pairs, pairs, hospital.events, 1)


def test_ecod_by_hand() -> None:
    """Of 1, 2, 3, 10 the skewness is positive, so the right tails count: 10 has 1 of 4, then 2, 3 and all."""
    scores = ecod(np.array([[1.0], [2.0], [3.0], [10.0]]))

    assert scores == pytest.approx([-np.log(1 / 4), -np.log(2 / 4), -np.log(2 / 4), -np.log(1 / 4)])


@given(arrays(np.float64, (12, 3), elements=st.integers(-50, 50).map(float)))
def test_ecod_does_not_depend_on_scale(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    assert ecod(values * 8.0) == pytest.approx(ecod(values))


def test_the_methods_speak_about_days_and_pairs_of_the_hospital(hospital: Hospital, pairs: pl.DataFrame, taught: Ranking) -> None:
    days = set(hospital.events.select("actor", "day").iter_rows())
    methods = [*outliers.rankings(hospital.events, hospital.zone, 1), *rules.rankings(hospital, pairs), taught]

    assert [method.name for method in methods] == [
        "IsolationForest", "ECOD", "LOF", "explanations only", "hospital rules", "explanations + rules", "boosting, other hospital",
    ]  # fmt: skip
    for method in methods:
        assert {(case.subject, case.day) for case in method.cases} <= days
        assert method.cases == sorted(method.cases, key=lambda case: (case.order, case.day))
        assert method.scores.select("actor", "object", "day").is_unique().all()


def test_a_model_that_has_seen_the_answers_ranks_them_first(taught: Ranking) -> None:
    assert sum(bool(case.incidents) for case in taught.cases[:10]) >= 8


def test_own_charts_and_households_are_seen(hospital: Hospital, pairs: pl.DataFrame) -> None:
    scenario = {incident.incident_id: incident.scenario for incident in hospital.incidents}
    named = pairs.with_columns(scenario=pl.col("incident").replace_strict(scenario, default=""))

    assert named.filter(pl.col("scenario") == "self_access")["self"].all()
    assert named.filter(pl.col("scenario") == "household_access")["household"].all()
    assert set(NUMBERS) <= set(pairs.columns)


def test_most_ordinary_work_has_a_record(pairs: pl.DataFrame) -> None:
    assert pairs.filter(~pl.col("wrong"))["unexplained"].mean() < 0.3
    assert pairs.filter(pl.col("wrong"))["unexplained"].mean() > 0.6
