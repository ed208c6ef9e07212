"""The ranking as kept: scores, the feature vectors behind them, and the models that gave them.

A day ranked again replaces its rows. Questions name their days.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime

import polars as pl

from domain.clock import microseconds
from domain.finding import Score
from domain.json import Json, canonical
from store.day_cache import DayCache, days_of
from store.engine import Engine

_BETWEEN = """
SELECT day, actor_id, object_id, score, model, reasons FROM scores FINAL
WHERE day BETWEEN {day_from:Date} AND {day_to:Date} ORDER BY day, score DESC, actor_id, object_id
"""

# A stable sample: the same rows whenever it is asked, because the order is a hash of the key. The first of a stretch of days are
# among the first of each of its days.
_SAMPLE = """
SELECT day, actor_id, object_id, cityHash64(toString(day), actor_id, object_id) AS place, vector FROM score_features FINAL
WHERE day BETWEEN {day_from:Date} AND {day_to:Date} AND features = {features:String}
ORDER BY place, day, actor_id, object_id LIMIT {most:UInt64} BY day
"""

_VECTORS_WRITTEN = """
SELECT day, max(computed_at), count() FROM score_features
WHERE day BETWEEN {day_from:Date} AND {day_to:Date} AND features = {features:String} GROUP BY day
"""

_SCORES_WRITTEN = """
SELECT day, max(computed_at), count() FROM scores WHERE day BETWEEN {day_from:Date} AND {day_to:Date} GROUP BY day
"""

_OF_KEYS = """
SELECT day, actor_id, object_id, vector FROM score_features FINAL
WHERE features = {features:String} AND day BETWEEN {day_from:Date} AND {day_to:Date} AND actor_id IN {actors:Array(String)}
"""

# What each actor's charts of a day add up to under given weights: the logistic score of every vector above the floor, summed.
_RISKS = """
SELECT day, actor_id, sum(score) AS risk FROM (
    SELECT day, actor_id, 1 / (1 + exp(-({bias:Float64} + arraySum(arrayMap((x, w) -> x * w, vector, {weights:Array(Float64)})))))
        AS score
    FROM score_features FINAL
    WHERE day BETWEEN {day_from:Date} AND {day_to:Date} AND features = {features:String}
        AND length(vector) = length({weights:Array(Float64)})
)
WHERE score >= {floor:Float64} GROUP BY day, actor_id ORDER BY day, actor_id
"""

_PEAKS = """
SELECT day, actor_id, max(score) AS peak FROM scores FINAL
WHERE day BETWEEN {day_from:Date} AND {day_to:Date} AND startsWith(model, {model:String})
GROUP BY day, actor_id ORDER BY day, actor_id
"""

_MAIL = """
SELECT actor_id, patient_id, to_domain, phi, encryption, auto_forwarded, tls_verdict, tls_weak, opted_in FROM delivery_facts FINAL
WHERE action = 'deliver' AND outcome IN ('', 'success', 'delivered') AND direction NOT IN ('inbound', 'internal')
  AND time >= fromUnixTimestamp64Micro({start:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({end:Int64}, 'UTC')
ORDER BY time, writer, seq
"""

_MODELS = "SELECT model, day, window_from, window_to, rows, verdicts, body FROM score_models FINAL ORDER BY day, model"


class Scores:
    """Thread-safe, as its engine is. What the days before say is kept in memory by day (`DayCache`)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: dict[str, tuple[object, DayCache[pl.DataFrame]]] = {}

    def add(self, scores: Sequence[Score], computed_at: datetime) -> None:
        """Write scores; one of the same actor, object and day replaces the former."""
        if scores:
            frame = pl.DataFrame(
                {
                    "day": [score.day for score in scores],
                    "actor_id": [score.actor_id for score in scores],
                    "object_id": [score.object_id for score in scores],
                    "score": [score.score for score in scores],
                    "model": [score.model for score in scores],
                    "reasons": [list(score.reasons) for score in scores],
                    "computed_at": [computed_at] * len(scores),
                },
                schema_overrides={"reasons": pl.List(pl.String), "computed_at": pl.Datetime("us", "UTC")},
            )
            self._insert("scores", frame)

    def add_ranked(self, ranked: pl.DataFrame, computed_at: datetime) -> None:
        """Write the scores of one day as columns: day, actor_id, object_id, score, model, reasons (lists of sentences)."""
        if ranked.height:
            kept = ranked.select("day", "actor_id", "object_id", "score", "model", "reasons")
            self._insert("scores", kept.with_columns(computed_at=pl.lit(computed_at, pl.Datetime("us", "UTC"))))

    def between(self, day_from: date, day_to: date) -> Iterator[Score]:
        """All scores of local days, both included: by day, highest first."""
        for row in self._engine.frame(_BETWEEN, day_from=day_from, day_to=day_to).iter_rows(named=True):
            yield Score(
                actor_id=row["actor_id"],
                object_id=row["object_id"],
                day=row["day"],
                score=row["score"],
                model=row["model"],
                reasons=tuple(row["reasons"]),
            )

    def export(self, day_from: date, day_to: date) -> Iterator[dict[str, str | float]]:
        """The lines of `phitrail scores export`: actor, patient_id (for mail without a patient the domain), day, score."""
        for score in self.between(day_from, day_to):
            yield {"actor": score.actor_id, "patient_id": score.object_id, "day": score.day.isoformat(), "score": score.score}

    def add_vectors(self, vectors: pl.DataFrame, *, features: str, names: Sequence[str], computed_at: datetime) -> None:
        """Keep feature vectors: day, actor_id, object_id and one column for each name, in their order."""
        if vectors.height:
            kept = vectors.select(
                "day",
                "actor_id",
                "object_id",
                features=pl.lit(features),
                vector=pl.concat_list(pl.col(name).cast(pl.Float32) for name in names),
                computed_at=pl.lit(computed_at, pl.Datetime("us", "UTC")),
            )
            self._insert("score_features", kept)

    def sample_vectors(self, day_from: date, day_to: date, *, features: str, names: Sequence[str], most: int) -> pl.DataFrame:
        """At most so many vectors of the days, as they were added; the same ones whenever it is asked."""
        kept = self._by_day("sample", _SAMPLE, _VECTORS_WRITTEN, features=features, most=most)
        first = kept(day_from, day_to).sort("place", "day", "actor_id", "object_id").head(most)
        return _columns(first, names)

    def vectors_of(
        self, actors: Sequence[str], day_from: date, day_to: date, *, features: str, names: Sequence[str]
    ) -> pl.DataFrame:
        """The vectors of some actors on the days."""
        frame = self._engine.frame(_OF_KEYS, actors=list(actors), day_from=day_from, day_to=day_to, features=features)
        return _columns(frame, names)

    def risks(
        self, day_from: date, day_to: date, *, features: str, weights: Sequence[float], bias: float, floor: float
    ) -> pl.DataFrame:
        """day, actor_id, risk: the sum of the logistic scores, from `floor` up, of the actor's vectors of a day."""
        given: dict[str, object] = {"features": features, "weights": list(weights), "bias": bias, "floor": floor}
        return self._by_day("risks", _RISKS, _VECTORS_WRITTEN, **given)(day_from, day_to)

    def peaks(self, day_from: date, day_to: date, *, model: str) -> pl.DataFrame:
        """day, actor_id, peak: the highest score of each actor and day by models whose name begins so."""
        return self._by_day("peaks", _PEAKS, _SCORES_WRITTEN, model=model)(day_from, day_to)

    def deliveries(self, start: datetime, end: datetime) -> pl.DataFrame:
        """Outbound mail delivered in [start, end), as far as it was judged: what mail scores are computed from."""
        return self._engine.frame(_MAIL, start=microseconds(start), end=microseconds(end))

    def add_model(
        self, model: str, day: date, body: Mapping[str, Json], *, window: tuple[date, date], computed_at: datetime
    ) -> None:
        """Record the model that ranked a day."""
        frame = pl.DataFrame(
            {
                "model": [model],
                "day": [day],
                "window_from": [window[0]],
                "window_to": [window[1]],
                "rows": [body["rows"]],
                "verdicts": [body["verdicts"]],
                "body": [canonical(body).decode()],
                "computed_at": [computed_at],
            },
            schema_overrides={"rows": pl.UInt64, "verdicts": pl.UInt64, "computed_at": pl.Datetime("us", "UTC")},
        )
        self._engine.insert("score_models", frame)

    def models(self) -> pl.DataFrame:
        """Every recorded model: model, day, window_from, window_to, rows, verdicts, body (canonical JSON)."""
        return self._engine.frame(_MODELS)

    def _by_day(self, name: str, sql: str, stamps: str, **given: object) -> Callable[[date, date], pl.DataFrame]:
        """A question whose answer is that of each day, put together; days are kept while it is asked with the same values."""

        def load(day_from: date, day_to: date) -> dict[date, pl.DataFrame]:
            frame = self._engine.frame(sql, day_from=day_from, day_to=day_to, **given)
            days = {part["day"][0]: part for part in frame.partition_by("day", maintain_order=True)}
            none = frame.clear()
            return {day: days.get(day, none) for day in days_of(day_from, day_to)}

        def written(day_from: date, day_to: date) -> dict[date, object]:
            values = {key: value for key, value in given.items() if "{" + key + ":" in stamps}
            rows = self._engine.frame(stamps, day_from=day_from, day_to=day_to, **values).iter_rows()
            return {day: stamp for day, *stamp in rows}

        known = self._kept.get(name)
        if known is None or known[0] != given:
            known = (given, DayCache(written, load))
            self._kept[name] = known
        cache = known[1]

        def asked(day_from: date, day_to: date) -> pl.DataFrame:
            days = list(cache.between(day_from, day_to).values())
            return pl.concat(days) if days else self._engine.frame(sql, day_from=day_from, day_to=day_to, **given)

        return asked

    def _insert(self, table: str, frame: pl.DataFrame) -> None:
        self._engine.insert(table, frame)
        for changed in frame["day"].unique().to_list():
            for _, cache in self._kept.values():
                cache.forget(changed)


def _columns(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """One column for each name from the vectors; a vector of another length is of another list and left out."""
    fitting = frame.filter(pl.col("vector").list.len() == len(names))
    return fitting.select(
        "day",
        "actor_id",
        "object_id",
        *(pl.col("vector").list.get(number).cast(pl.Float64).alias(name) for number, name in enumerate(names)),
    )
