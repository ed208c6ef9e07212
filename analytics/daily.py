"""Daily: what a whole local day looks like, once it is over.

Steps, each as of the end of that day and using nothing later: (1) look again for reasons that were recorded after the access, (2)
unusual volume, (3) ranking of every (actor, patient), (4) exposure of mail. Running a day again gives the same findings and scores.
"""

from datetime import date, datetime, timedelta

import polars as pl

from analytics.daily_findings import access_finding, browsing_finding, spoken, volume_finding
from analytics.detectors.mail import mail_scores
from analytics.detectors.ranking.catalogue import OBSERVED, VERSION
from analytics.detectors.ranking.features import History, pair_features
from analytics.detectors.ranking.learned import Lesson
from analytics.detectors.ranking.model import NAME, RankingModel, train
from analytics.detectors.ranking.rarity import Rarity
from analytics.detectors.ranking.risk import FLOOR, Past, alone_weights, with_actor
from analytics.detectors.ranking.verdicts import NoVerdicts, Verdict, Verdicts
from analytics.detectors.volume import UnusualVolume, VolumePolicy, unusual_volume
from analytics.relationships.knowledge import Knowledge, people
from analytics.relationships.reasons import reasons
from analytics.weak_reasons import WeakReasons
from domain.clock import Clock
from domain.finding import Finding
from domain.organisation import Organisation
from store.access import Accesses
from store.context import ContextStore
from store.context_records import ContextRecords, Selection
from store.engine import Engine
from store.scores import Scores

LOOK_BACK = timedelta(days=28)
MOST_VECTORS = 20_000
SEED = 20_260
SPOKEN = 200
"""So many of a day's ranking get their reasons in words; the rest is a number."""

TOGETHER = 3
"""Charts that stand out on one day from which the actor's day is the case, not the first of them."""

BORNE_OUT = 0.3
"""`x_spree` from which a large number of charts is more than care that nobody recorded."""

LIFTED = 0.5
"""What the actor's other charts and days must add to the logit for that."""

_COLUMNS = [f"x_{name}" for name in OBSERVED]


class Daily:
    """Runs the daily detectors of one store. Not for two threads at once over one day."""

    def __init__(
        self,
        engine: Engine,
        context: ContextStore,
        *,
        clock: Clock,
        verdicts: Verdicts | None = None,
        budget: int = 10,
        threshold: float = 0.5,
        volume: VolumePolicy | None = None,
    ) -> None:
        """`budget`: so many unusual accesses a day can people look at; below `threshold` none is shown. `clock` only dates rows."""
        self._accesses = Accesses(engine)
        self._records = ContextRecords(engine)
        self._scores = Scores(engine)
        self._weak = WeakReasons(engine, clock=clock)
        self._context = context
        self._clock = clock
        self._verdicts = verdicts or NoVerdicts()
        self._budget = budget
        self._threshold = threshold
        self._volume = volume

    def run(self, day: date) -> list[Finding]:
        """The findings of one local day; stores its scores, vectors and model. The day should be over and its facts written."""
        org = self._context.org()
        end = org.midnight(day + timedelta(days=1))
        self._look_again(day, end, org)
        self._weak.run(day, end, org)
        facts = self._accesses.of_day(day)
        actor_days = self._accesses.actor_days(day - LOOK_BACK, day)
        ranked = self._rank(day, end, facts, actor_days)
        rarity = Rarity.of(self._scores.peaks(day - LOOK_BACK, day - timedelta(days=1), model=NAME), day)
        volumes = _borne_out(unusual_volume(actor_days, day, self._volume), ranked)
        found = [volume_finding(unusual, facts, day, end) for unusual in volumes]
        found += self._shown(ranked, {unusual.actor_id for unusual in volumes}, facts, day, end, rarity)
        self._scores.add(mail_scores(self._scores.deliveries(org.midnight(day), end), day), self._clock())
        return found

    def _look_again(self, day: date, end: datetime, org: Organisation) -> None:
        """A visit is often recorded minutes after the first look at the chart: by the end of the day it is knowledge."""
        selection = Selection.unexplained(day)
        accesses = self._records.accesses(selection)
        if accesses.height:
            knowledge = Knowledge.around(self._records, selection, org)
            last = pl.lit(end - timedelta(microseconds=1), pl.Datetime("us", "UTC"))
            found = people(accesses.with_row_index("row").with_columns(known_at=last), knowledge)
            late = found.join(reasons(found, knowledge), on="row").with_columns(local_day=pl.lit(day))
            self._accesses.add_late_reasons(
                late.with_columns(reasons=pl.col("reasons").list.eval(pl.element() + " (recorded later)"))
            )

    def _rank(self, day: date, end: datetime, facts: pl.DataFrame, actor_days: pl.DataFrame) -> pl.DataFrame:
        """The ranking of the day, stored with its vectors and model."""
        history = History(
            pairs=self._accesses.pair_history(day, day - LOOK_BACK, day - timedelta(days=1)),
            company=self._accesses.company(day - LOOK_BACK, day - timedelta(days=2), day),
            actor_days=actor_days,
            actions=self._accesses.actor_actions(day - LOOK_BACK, day - timedelta(days=1)),
        )
        model = self._model(day, end)
        past = Past(risks=self._risks(model, day), worked=actor_days)
        pairs = with_actor(pair_features(facts, history), past, day, weights=model.weights, bias=model.bias)
        ranked = model.rank(pairs).with_columns(model=pl.lit(model.name))
        if ranked.is_empty():
            return ranked
        now = self._clock()
        vectors = pairs.select(pl.lit(day).alias("day"), "actor_id", pl.col("patient_id").alias("object_id"), *_COLUMNS)
        self._scores.add_vectors(vectors, features=VERSION, names=_COLUMNS, computed_at=now)
        self._scores.add_model(model.name, day, model.body(), window=model.window, computed_at=now)
        self._scores.add_ranked(_as_scores(ranked, day), now)
        return ranked

    def _shown(
        self, ranked: pl.DataFrame, known: set[str], facts: pl.DataFrame, day: date, end: datetime, rarity: Rarity
    ) -> list[Finding]:
        """The top of the ranking, one case an actor, within the budget: the actor's day where several charts stand out together,
        otherwise the one chart.

        Who is already shown for the number of charts (`known`) is shown again only for a chart that stands out by itself.
        """
        if ranked.is_empty():
            return []
        standing = pl.when(pl.col("actor_id").is_in(list(known))).then("alone").otherwise("score")
        worthy = ranked.filter(standing >= self._threshold).with_columns(others=pl.len().over("actor_id") - 1)
        cases = worthy.unique("actor_id", keep="first", maintain_order=True).head(self._budget)
        found = []
        for row in cases.iter_rows(named=True):
            if row["others"] + 1 >= TOGETHER and row["actor_id"] not in known and row["c_spree"] + row["c_trail"] >= LIFTED:
                charts = worthy.filter(pl.col("actor_id") == row["actor_id"])
                found.append(browsing_finding(charts, facts, day, end, rarity.worth_together(row["score"])))
            else:
                found.append(access_finding(row, facts, day, end, rarity.worth(row["score"])))
        return found

    def _risks(self, model: RankingModel, day: date) -> pl.DataFrame:
        """What the charts of each day before add up to, under the model of today."""
        weights = alone_weights(model.weights)
        first, last = day - LOOK_BACK, day - timedelta(days=1)
        return self._scores.risks(first, last, features=VERSION, weights=weights, bias=model.bias, floor=FLOOR)

    def _model(self, day: date, end: datetime) -> RankingModel:
        window = (day - LOOK_BACK, day - timedelta(days=1))
        vectors = self._scores.sample_vectors(*window, features=VERSION, names=_COLUMNS, most=MOST_VECTORS)
        return train(vectors, self._lesson(end, vectors), window=window, seed=SEED)

    def _lesson(self, end: datetime, ordinary: pl.DataFrame) -> Lesson | None:
        verdicts: list[Verdict] = sorted(self._verdicts.decided_before(end), key=lambda verdict: verdict.decided_at)
        if not verdicts:
            return None
        days = [verdict.day for verdict in verdicts]
        actors = sorted({verdict.actor_id for verdict in verdicts})
        judged = self._scores.vectors_of(actors, min(days), max(days), features=VERSION, names=_COLUMNS)
        return Lesson.learn(verdicts, judged, ordinary, seed=SEED)


def _borne_out(volumes: list[UnusualVolume], ranked: pl.DataFrame) -> list[UnusualVolume]:
    """Many charts are a finding where they add up to more than role and actor are used to: care that nobody recorded does not."""
    if not volumes or ranked.is_empty():
        return []
    above = ranked.group_by("actor_id").agg(pl.col("x_spree").max())
    kept = set(above.filter(pl.col("x_spree") >= BORNE_OUT)["actor_id"])
    return [unusual for unusual in volumes if unusual.actor_id in kept]


def _as_scores(ranked: pl.DataFrame, day: date) -> pl.DataFrame:
    """The rows of `Scores.add_ranked`: of the first of the ranking with their reasons in words."""
    said = [list(spoken(row)) for row in ranked.head(SPOKEN).iter_rows(named=True)]
    reasons = pl.Series([*said, *([[]] * (ranked.height - len(said)))], dtype=pl.List(pl.String))
    rows = ranked.select(pl.lit(day).alias("day"), "actor_id", pl.col("patient_id").alias("object_id"), "score", "model")
    return rows.with_columns(reasons=reasons)
