"""The model: monotone, explained by its own numbers, taught by verdicts, made again from its window and seed."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.detectors.ranking.catalogue import BIAS, NAMES, OBSERVED, WEIGHTS
from analytics.detectors.ranking.learned import FEWEST_VERDICTS, Lesson
from analytics.detectors.ranking.model import RankingModel, train
from analytics.detectors.ranking.verdicts import Verdict

MONDAY = date(2026, 3, 2)
WINDOW = (MONDAY - timedelta(days=28), MONDAY - timedelta(days=1))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def pairs(*vectors: dict[str, float]) -> pl.DataFrame:
    """Pairs with the given features; the rest is 0."""
    rows = [
        {
            "actor_id": f"a{n:04}",
            "patient_id": "P-1",
            "object_id": "P-1",
            "day": WINDOW[1],
            "without_reason": v.get("unexplained", 0) > 0,
        }
        | {f"x_{name}": float(v.get(name, 0.0)) for name in OBSERVED}
        for n, v in enumerate(vectors)
    ]
    return pl.DataFrame(rows)


def scores(model: RankingModel, frame: pl.DataFrame) -> list[float]:
    return model.rank(frame).sort("actor_id")["score"].to_list()


EXPERTS = RankingModel(window=WINDOW, rows=0, data="", seed=1, forest=None, lesson=None)


def test_a_planted_snoop_ranks_above_routine() -> None:
    snoop = {"unexplained": 1.0, "household": 1.0, "searched": 1.0}
    ranked = EXPERTS.rank(pairs({}, {"weak_reason": 0.4}, snoop, {"unexplained": 1.0}, {"household_explained": 1.0}))

    assert ranked["actor_id"].to_list() == ["a0002", "a0003", "a0004", "a0001", "a0000"]
    assert ranked["score"][0] > 0.75
    assert ranked["score"][1] < 0.5, "one access without a reason is no case"
    assert ranked["score"][4] < 0.02


def test_contributions_add_up_to_the_score() -> None:
    ranked = EXPERTS.rank(pairs({"unexplained": 1.0, "vip": 1.0, "wrote": 1.0}))

    total = sum(ranked[f"c_{name}"][0] for name in NAMES) + BIAS

    assert ranked["score"][0] == pytest.approx(1 / (1 + pow(2.718281828459045, -total)), abs=1e-6)
    assert ranked["c_wrote"][0] == WEIGHTS["wrote"] < 0


@given(st.dictionaries(st.sampled_from(OBSERVED), st.floats(0, 1)), st.sampled_from(OBSERVED), st.floats(0, 1))
def test_more_of_a_feature_never_means_the_opposite(vector: dict[str, float], name: str, more: float) -> None:
    raised = {**vector, name: max(vector.get(name, 0.0), more)}

    before, after = scores(EXPERTS, pairs(vector, raised))

    assert after >= before if WEIGHTS[name] > 0 else after <= before


def _history(count: int) -> pl.DataFrame:
    """Ordinary accesses of the weeks before, a few of them odd."""
    return pairs(
        *({"weak_reason": (n % 5) / 10, "off_shift": 0.3 * (n % 11 == 0), "unexplained": float(n % 40 == 0)} for n in range(count))
    )


def test_forest_lifts_what_is_unlike_the_weeks_before() -> None:
    model = train(_history(400), None, window=WINDOW, seed=1)
    assert model.forest is not None

    ranked = model.rank(pairs({"weak_reason": 0.2}, {"unexplained": 1.0, "took": 1.0, "restricted": 1.0, "remote": 1.0})).sort(
        "actor_id"
    )

    assert ranked["x_isolation"][0] < 0.05
    assert ranked["x_isolation"][1] == pytest.approx(1.0)


def test_model_is_made_again_from_window_and_seed() -> None:
    history, today = _history(400), pairs(*({"unexplained": 1.0, "breadth": n / 10} for n in range(10)))

    first, again = (train(frame, None, window=WINDOW, seed=1) for frame in (history, history.reverse()))
    other = train(history.head(399), None, window=WINDOW, seed=1)

    assert first.name == again.name
    assert scores(first, today) == scores(again, today)
    assert other.name != first.name
    assert train(history, None, window=WINDOW, seed=2).name != first.name
    assert first.name.startswith("access-ranking/1+")


def _verdicts(frame: pl.DataFrame, improper: Sequence[bool]) -> list[Verdict]:
    return [
        Verdict(actor_id=row["actor_id"], object_id=row["object_id"], day=row["day"], improper=bad, decided_at=NOON)
        for row, bad in zip(frame.iter_rows(named=True), improper, strict=True)
    ]


def test_verdicts_move_the_weights_and_never_turn_their_sign() -> None:
    """Colleagues were always fine, public figures never: the ranking follows."""
    judged = pairs(*({"unexplained": 1.0, "coworker": 1.0} if n % 2 else {"unexplained": 1.0, "vip": 1.0} for n in range(200)))
    ordinary = _history(300).with_columns(actor_id="o" + pl.col("actor_id"))
    lesson = Lesson.learn(_verdicts(judged, [n % 2 == 0 for n in range(200)]), judged, ordinary, seed=1)
    assert lesson is not None
    taught = train(_history(10), lesson, window=WINDOW, seed=1)

    before = scores(EXPERTS, pairs({"unexplained": 1.0, "coworker": 1.0}, {"unexplained": 1.0, "vip": 1.0}, {}))
    after = scores(taught, pairs({"unexplained": 1.0, "coworker": 1.0}, {"unexplained": 1.0, "vip": 1.0}, {}))

    assert before[1] - before[0] < after[1] - after[0]
    assert after[2] < 0.05, "what nobody was shown stays ordinary"
    assert all((taught.weights[name] >= 0) is (WEIGHTS[name] > 0) or taught.weights[name] == 0 for name in NAMES)
    assert taught.body()["verdicts"] == 200


@pytest.mark.parametrize("improper", [[True] * FEWEST_VERDICTS, [False] * 200, [True] * 5 + [False] * (FEWEST_VERDICTS - 6)])
def test_too_few_verdicts_teach_nothing(improper: list[bool]) -> None:
    judged = pairs(*({"unexplained": 1.0} for _ in improper))

    assert Lesson.learn(_verdicts(judged, improper), judged, _history(50), seed=1) is None
