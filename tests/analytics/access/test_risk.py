"""An actor's charts together: a spree, a trail, and who has neither; and how rare a score is."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.detectors.ranking.catalogue import BIAS, OBSERVED, OF_THE_ACTOR, WEIGHTS
from analytics.detectors.ranking.rarity import Rarity
from analytics.detectors.ranking.risk import Past, alone_weights, with_actor

TODAY = date(2026, 3, 20)
STRANGER = {"unexplained": 1.0, "foreign": 1.0}
PEERS = ("bob", "carol", "dave", "erin", "finn")


def pairs(actor: str, *vectors: Mapping[str, float]) -> pl.DataFrame:
    """Charts of one nurse today, with the given features of the pair."""
    rows = [
        {"actor_id": actor, "patient_id": f"P-{n:02}", "role": "nurse"}
        | {f"x_{name}": float(vector.get(name, 0.0)) for name in OBSERVED if name not in OF_THE_ACTOR}
        for n, vector in enumerate(vectors)
    ]
    return pl.DataFrame(rows)


def past(risks: Mapping[str, Sequence[float]], *, days: int = 20) -> Past:
    """`risks` of actors over the last days before today; everybody worked on every day."""
    calendar = [TODAY - timedelta(days=days - n) for n in range(days)]
    people = sorted({*PEERS, *risks})
    worked = [(day, actor, "nurse") for day in calendar for actor in people]
    known = [
        (day, actor, risk) for actor, of in risks.items() for day, risk in zip(calendar[-len(of) :], of, strict=True) if risk > 0
    ]
    return Past(
        risks=pl.DataFrame(known, schema={"day": pl.Date, "actor_id": pl.String, "risk": pl.Float64}, orient="row"),
        worked=pl.DataFrame(worked, schema={"local_day": pl.Date, "actor_id": pl.String, "role": pl.String}, orient="row"),
    )


def judged(frame: pl.DataFrame, before: Past) -> pl.DataFrame:
    return with_actor(frame, before, TODAY, weights=WEIGHTS, bias=BIAS).sort("patient_id")


def test_several_strangers_in_one_shift_lift_each_other() -> None:
    found = judged(pairs("mallory", *[STRANGER] * 6), past({"mallory": [0.0]}))

    assert found["x_spree"].min() > 0.5  # type: ignore[operator]
    assert found["x_trail"].to_list() == [0.0] * 6, "one day is no trail"


def test_a_chart_does_not_lift_itself() -> None:
    found = judged(pairs("mallory", {**STRANGER, "household": 1.0}, {}), past({"mallory": [0.0]}))

    assert found["x_spree"].to_list() == [0.0, 0.0]


def test_charts_with_a_reason_are_not_lifted() -> None:
    found = judged(pairs("mallory", *[STRANGER] * 6, {}), past({"mallory": [0.0]}))

    assert found["x_spree"].to_list()[6] == 0.0


def test_what_the_role_or_the_actor_is_used_to_is_no_spree() -> None:
    used = {"mallory": [0.0] * 5} | {peer: [1.5] * 20 for peer in PEERS}

    assert judged(pairs("mallory", *[STRANGER] * 6), past(used))["x_spree"].max() == 0.0
    assert judged(pairs("mallory", *[STRANGER] * 6), past({"mallory": [1.5] * 20}))["x_spree"].max() == 0.0


def test_a_little_on_many_days_is_a_trail_and_one_earlier_spree_is_none() -> None:
    often = judged(pairs("mallory", STRANGER), past({"mallory": [0.6] * 10}))
    once = judged(pairs("mallory", STRANGER), past({"mallory": [60.0, *[0.0] * 9]}))

    assert often["x_trail"][0] > 0.4
    assert once["x_trail"][0] == 0.0
    assert often["trail_times"][0] > 2


def test_older_days_count_less() -> None:
    late = judged(pairs("mallory", STRANGER), past({"mallory": [0.0] * 15 + [0.6] * 5}))
    early = judged(pairs("mallory", STRANGER), past({"mallory": [0.6] * 5 + [0.0] * 15}))

    assert late["x_trail"][0] > early["x_trail"][0]


def test_without_anything_to_compare_with_nothing_is_said() -> None:
    alone = Past(risks=past({}).risks, worked=past({}).worked.filter(pl.col("actor_id") == "nobody"))

    found = judged(pairs("mallory", *[STRANGER] * 30), alone)

    assert (found["x_spree"].to_list(), found["x_trail"].to_list()) == ([0.0] * 30, [0.0] * 30)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.integers(1, 5))
def test_one_more_stranger_never_lowers_the_others(foreign: list[float], more: int) -> None:
    vectors = [{"unexplained": 1.0, "foreign": value} for value in foreign]
    before = judged(pairs("mallory", *vectors), past({"mallory": [0.0]}))
    after = judged(pairs("mallory", *vectors, *[STRANGER] * more), past({"mallory": [0.0]}))

    for one, other in zip(before["x_spree"], after["x_spree"].head(len(foreign)), strict=True):
        assert other >= one - 1e-12


def test_alone_a_chart_is_scored_without_the_actor() -> None:
    weights = dict(zip(OBSERVED, alone_weights(WEIGHTS), strict=True))

    assert [name for name, weight in weights.items() if weight == 0.0] == list(OF_THE_ACTOR)


def peaks(*levels: float, days: int = 10) -> pl.DataFrame:
    """The same highest scores of as many people on each of the days before."""
    rows = [(TODAY - timedelta(days=n + 1), f"a{number}", level) for n in range(days) for number, level in enumerate(levels)]
    return pl.DataFrame(rows, schema={"day": pl.Date, "actor_id": pl.String, "peak": pl.Float64}, orient="row")


def test_rarity_counts_people_a_day_in_800() -> None:
    rarity = Rarity.of(peaks(0.1, 0.2, 0.3, 0.9), TODAY)

    assert rarity.a_day(0.9) == pytest.approx(200)
    assert rarity.a_day(0.05) == pytest.approx(800)
    assert rarity.a_day(0.95) == 0
    assert rarity.worth(0.95) == pytest.approx(0.92)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1), st.floats(0, 1), st.integers(0, 12))
def test_a_higher_score_is_never_worth_less(levels: list[float], one: float, other: float, days: int) -> None:
    rarity = Rarity.of(peaks(*levels, days=days), TODAY)

    assert rarity.worth(max(one, other)) >= rarity.worth(min(one, other))
    assert 0 < rarity.worth(one) <= rarity.worth_together(one) < 0.95


def test_later_days_say_nothing_about_rarity() -> None:
    later = peaks(0.99).with_columns(day=pl.col("day") + timedelta(days=30))

    assert Rarity.of(pl.concat([peaks(0.1, 0.5), later]), TODAY).a_day(0.9) == 0


def test_before_a_week_is_known_a_table_serves() -> None:
    rarity = Rarity.of(peaks(0.1, days=3), TODAY)

    assert rarity.a_day(0.99) < rarity.a_day(0.9) < rarity.a_day(0.5) < rarity.a_day(0.1)
