"""Isolation forest: how unlike the accesses of the weeks before one is. One feature among others, never an alarm by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import polars as pl

from analytics.detectors.ranking.catalogue import OBSERVED
from domain.json import Json

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

FEWEST_ROWS = 200
MOST_ROWS = 5_000
TREES = 100
_COLUMNS = [f"x_{name}" for name in OBSERVED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """A fitted forest; strangeness runs from 0 at the median of the training data to 1 at its 99.5th percentile."""

    model: "IsolationForest"
    middle: float
    edge: float

    @classmethod
    def fit(cls, vectors: pl.DataFrame, *, seed: int) -> Self | None:
        """Fit on at most 5,000 of the vectors, drawn by the seed. None while there are too few to say what is usual."""
        if vectors.height < FEWEST_ROWS:
            return None
        from sklearn.ensemble import IsolationForest  # noqa: PLC0415 - takes seconds to import; most processes never rank

        drawn = vectors.sample(min(vectors.height, MOST_ROWS), seed=seed, shuffle=True).select(_COLUMNS)
        model = IsolationForest(n_estimators=TREES, random_state=seed).fit(drawn.to_numpy())
        usual = pl.Series(-model.score_samples(drawn.to_numpy()))
        middle, edge = usual.quantile(0.5), usual.quantile(0.995)
        assert middle is not None
        assert edge is not None
        return cls(model=model, middle=middle, edge=max(edge, middle + 1e-6))

    def strangeness(self, pairs: pl.DataFrame) -> pl.Series:
        """0..1 for each pair."""
        if pairs.is_empty():
            return pl.Series(dtype=pl.Float64)
        # Most accesses look alike: each different vector is scored once.
        vectors = pairs.select(_COLUMNS)
        different = vectors.unique(maintain_order=True)
        scored = different.with_columns(odd=pl.Series(-self.model.score_samples(different.to_numpy())))
        odd = vectors.join(scored, on=_COLUMNS, how="left", maintain_order="left")["odd"]
        return ((odd - self.middle) / (self.edge - self.middle)).clip(0.0, 1.0)

    def describe(self) -> Mapping[str, Json]:
        """What it was made with, and where its scale lies."""
        return {"trees": TREES, "rows": MOST_ROWS, "middle": f"{self.middle:.6f}", "edge": f"{self.edge:.6f}"}
