"""What verdicts teach: a logistic regression over the same features, mixed with the experts' weights by how many there are.

Verdicts exist only for what was shown, so ordinary accesses of the training window stand beside them as right; otherwise the model
would take the share of improper among the shown for the share among all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from analytics.detectors.ranking.catalogue import NAMES, OBSERVED
from analytics.detectors.ranking.verdicts import Verdict

FEWEST_VERDICTS = 30
FEWEST_OF_EACH = 5
BACKGROUND = 20
"""Ordinary accesses a verdict."""

HALF_TRUST = 150
"""Verdicts at which the experts and the lesson count the same."""

_COLUMNS = [f"x_{name}" for name in OBSERVED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Weights and bias found in `verdicts` decisions."""

    verdicts: int
    weights: Mapping[str, float]
    bias: float

    @classmethod
    def learn(cls, verdicts: Sequence[Verdict], judged: pl.DataFrame, ordinary: pl.DataFrame, *, seed: int) -> Self | None:
        """From vectors of judged pairs (day, actor_id, object_id, `x_…`) and of ordinary ones. None while there is too little."""
        decisions = pl.DataFrame(
            [{"day": v.day, "actor_id": v.actor_id, "object_id": v.object_id, "improper": int(v.improper)} for v in verdicts],
            schema={"day": pl.Date, "actor_id": pl.String, "object_id": pl.String, "improper": pl.Int8},
        ).unique(["day", "actor_id", "object_id"], keep="last", maintain_order=True)
        shown = judged.join(decisions, on=["day", "actor_id", "object_id"]).sort("day", "actor_id", "object_id")
        improper = int(shown["improper"].sum())
        if shown.height < FEWEST_VERDICTS or min(improper, shown.height - improper) < FEWEST_OF_EACH:
            return None
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - takes seconds to import; most processes never rank

        rest = ordinary.join(decisions, on=["day", "actor_id", "object_id"], how="anti").sort("day", "actor_id", "object_id")
        rest = rest.sample(min(rest.height, BACKGROUND * shown.height), seed=seed, shuffle=True).with_columns(
            improper=pl.lit(0, pl.Int8)
        )
        rows = pl.concat([shown.select(*_COLUMNS, "improper"), rest.select(*_COLUMNS, "improper")])
        fitted = LogisticRegression(C=1.0, max_iter=1000).fit(rows.select(_COLUMNS).to_numpy(), rows["improper"].to_numpy())
        weights = dict(zip(OBSERVED, (float(weight) for weight in fitted.coef_[0]), strict=True))
        return cls(verdicts=shown.height, weights=weights, bias=float(fitted.intercept_[0]))

    def blended(self, experts: Mapping[str, float]) -> Mapping[str, float]:
        """Between the experts' weights and the lesson's. A weight never changes its sign: more suspicion never lowers a score."""
        mixed = {name: self._mix(experts[name], self.weights.get(name, experts[name])) for name in NAMES}
        return {name: max(0.0, weight) if experts[name] > 0 else min(0.0, weight) for name, weight in mixed.items()}

    def blended_bias(self, expert: float) -> float:
        return self._mix(expert, self.bias)

    def _mix(self, expert: float, learned: float) -> float:
        trust = self.verdicts / (self.verdicts + HALF_TRUST)
        return (1 - trust) * expert + trust * learned
