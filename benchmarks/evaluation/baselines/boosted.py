"""A supervised boosted model, trained with all the answers of another hospital and used on this one."""

import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.evaluation.baselines.pairs import NUMBERS
from benchmarks.evaluation.baselines.ranking import Ranking, of_pairs

ORDINARY = 400_000


def ranking(train: pl.DataFrame, pairs: pl.DataFrame, events: pl.DataFrame, seed: int) -> Ranking:
    """`train` and `pairs` are frames of `pairs.pair_days`, of the other hospital and of this one."""
    wrong = train.filter(pl.col("wrong") & ~pl.col("aside"))
    right = train.filter(~pl.col("wrong"))
    chosen = pl.concat([wrong, right.sample(min(ORDINARY, right.height), seed=seed)])
    model = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.06, max_leaf_nodes=15, l2_regularization=1.0, class_weight="balanced", random_state=seed
    )
    with threadpool_limits(
        1, user_api="openmp"
    ):  # its threads spin while they wait, which on a shared machine costs more than it gives
        model.fit(_values(chosen), chosen["wrong"].to_numpy())
        scored = pairs.with_columns(score=pl.Series(model.predict_proba(_values(pairs))[:, 1]))
    empty = pl.DataFrame(schema={"actor": pl.String, "day": pl.Date, "score": pl.Float64})
    return of_pairs("boosting, other hospital", scored, empty, events)


def _values(pairs: pl.DataFrame) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    return pairs.select(pl.col(NUMBERS).cast(pl.Float64)).to_numpy()
