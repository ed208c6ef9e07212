"""The ranking model of one day: expert weights, an isolation forest over the weeks before, and what verdicts taught.

Everything in it follows from its training window, the verdicts and the seed, so a model can be made again and its hash compared.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from analytics.detectors.ranking.catalogue import BIAS, NAMES, OBSERVED, OF_THE_ACTOR, VERSION, WEIGHTS
from analytics.detectors.ranking.forest import Forest
from analytics.detectors.ranking.learned import Lesson
from domain.json import Json, canonical

NAME = "access-ranking/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingModel:
    """`window` is the first and last day of the training data, `rows` how many vectors it held, `data` their hash."""

    window: tuple[date, date]
    rows: int
    data: str
    seed: int
    forest: Forest | None
    lesson: Lesson | None

    @property
    def name(self) -> str:
        """`access-ranking/1+` and the beginning of the hash of everything that decides a score."""
        return f"{NAME}+{hashlib.sha256(canonical(self.body())).hexdigest()[:12]}"

    @property
    def weights(self) -> Mapping[str, float]:
        """The weight of each feature after learning."""
        return self.lesson.blended(WEIGHTS) if self.lesson else WEIGHTS

    @property
    def bias(self) -> float:
        return self.lesson.blended_bias(BIAS) if self.lesson else BIAS

    def body(self) -> Mapping[str, Json]:
        """What the model is, for the record. Numbers as decimal text: the canonical form has no floats."""
        return {
            "name": NAME,
            "features": VERSION,
            "weights": {name: f"{weight:.6f}" for name, weight in self.weights.items()},
            "bias": f"{self.bias:.6f}",
            "forest": self.forest.describe() if self.forest else None,
            "verdicts": self.lesson.verdicts if self.lesson else 0,
            "window": [self.window[0].isoformat(), self.window[1].isoformat()],
            "rows": self.rows,
            "data": self.data,
            "seed": self.seed,
        }

    def rank(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The pairs (`pair_features`) by `score` (0..1), highest first, with `x_isolation` and what each feature adds (`c_…`).

        `alone` is the score without the actor's other charts of the day: whether this pair stands out by itself.
        """
        isolation = self.forest.strangeness(pairs) if self.forest else pl.repeat(0.0, pairs.height, eager=True)
        # Being unlike the rest counts in full only where no reason was found: rare care is no misconduct.
        pairs = pairs.with_columns(x_isolation=isolation * (0.2 + 0.8 * pl.col("without_reason").cast(pl.Float64)))
        pairs = pairs.with_columns(**{f"c_{name}": pl.col(f"x_{name}") * self.weights[name] for name in NAMES})
        logit = pl.sum_horizontal(f"c_{name}" for name in NAMES) + self.bias
        together = pl.sum_horizontal(f"c_{name}" for name in OF_THE_ACTOR)
        ranked = pairs.with_columns(score=_logistic(logit), alone=_logistic(logit - together))
        return ranked.sort(["score", "actor_id", "patient_id"], descending=[True, False, False])


def _logistic(logit: pl.Expr) -> pl.Expr:
    return (1 / (1 + (-logit).exp())).round(6)


def train(vectors: pl.DataFrame, lesson: Lesson | None, *, window: tuple[date, date], seed: int) -> RankingModel:
    """The model for the day after `window` from the stored vectors of its days: day, actor_id, object_id and `x_…` columns."""
    vectors = vectors.sort("day", "actor_id", "object_id")
    text = vectors.select("day", "actor_id", "object_id", *(pl.col(f"x_{name}").round(5) for name in OBSERVED)).write_csv()
    return RankingModel(
        window=window,
        rows=vectors.height,
        data=hashlib.sha256(text.encode()).hexdigest(),
        seed=seed,
        forest=Forest.fit(vectors, seed=seed),
        lesson=lesson,
    )
