"""The ranking as kept: replaced by a repeat, exported in order, vectors sampled the same way every time."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from domain.finding import Score
from store.engine import Engine
from store.scores import Scores

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
NOW = datetime(2026, 3, 4, tzinfo=UTC)
LATER = datetime(2026, 3, 5, tzinfo=UTC)


def score(actor: str, day: date, value: float, object_id: str = "P-1") -> Score:
    return Score(actor_id=actor, object_id=object_id, day=day, score=value, model="m", reasons=("why",))


@pytest.fixture
def scores(engine: Engine) -> Scores:
    return Scores(engine)


def test_scores_come_back_by_day_and_highest_first(scores: Scores) -> None:
    given = [score("alice", TUESDAY, 0.2), score("bob", MONDAY, 0.1), score("carol", TUESDAY, 0.9)]
    scores.add(given, NOW)

    assert list(scores.between(MONDAY, TUESDAY)) == [given[1], given[2], given[0]]
    assert list(scores.between(MONDAY, MONDAY)) == [given[1]]


def test_day_ranked_again_replaces_its_scores(scores: Scores) -> None:
    scores.add([score("alice", MONDAY, 0.2)], NOW)
    scores.add([score("alice", MONDAY, 0.3)], LATER)

    assert [found.score for found in scores.between(MONDAY, MONDAY)] == [0.3]


def test_export_lines(scores: Scores) -> None:
    scores.add([score("alice", MONDAY, 0.25), score("relay", MONDAY, 0.5, "lab.example")], NOW)

    assert list(scores.export(MONDAY, MONDAY)) == [
        {"actor": "relay", "patient_id": "lab.example", "day": "2026-03-02", "score": 0.5},
        {"actor": "alice", "patient_id": "P-1", "day": "2026-03-02", "score": 0.25},
    ]


def test_vectors_of_one_feature_list_are_sampled_repeatably(scores: Scores) -> None:
    vectors = pl.DataFrame(
        {
            "day": [MONDAY] * 50,
            "actor_id": [f"a{n}" for n in range(50)],
            "object_id": ["P-1"] * 50,
            "x_one": [n / 64 for n in range(50)],
            "x_two": [0.5] * 50,
        }
    )
    scores.add_vectors(vectors, features="f/1", names=("x_one", "x_two"), computed_at=NOW)
    scores.add_vectors(vectors.head(3), features="f/1", names=("x_one", "x_two"), computed_at=LATER)

    sample = scores.sample_vectors(MONDAY, MONDAY, features="f/1", names=("x_one", "x_two"), most=20)

    assert sample.height == 20
    assert sample.equals(scores.sample_vectors(MONDAY, MONDAY, features="f/1", names=("x_one", "x_two"), most=20))
    assert sample.join(vectors, on=["day", "actor_id", "object_id", "x_one", "x_two"], how="semi").height == 20
    assert scores.sample_vectors(MONDAY, MONDAY, features="f/2", names=("x_one", "x_two"), most=20).is_empty()
    assert scores.vectors_of(["a7"], MONDAY, MONDAY, features="f/1", names=("x_one", "x_two"))["x_one"].to_list() == [7 / 64]
