"""Rules as questions to the facts: which events does a rule cite, for which group, on which local day."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import polars as pl

from domain.clock import microseconds
from store.cursors import Span
from store.engine import Engine
from store.rule_fields import as_text
from store.rule_plans import Match, Missing, Plan, Window
from store.rule_sql import BETWEEN, Question, bounds, touches

_NAMES = {"k": "key", "w": "writer", "q": "seq", "e": "event_id", "a": "actor_id", "p": "patient_id", "f": "flags", "x": "reasons"}

_TYPES = {
    "day": pl.Date(),
    "seq": pl.UInt64(),
    "flags": pl.List(pl.String),
    "reasons": pl.List(pl.String),
    "time": pl.Datetime("us", "UTC"),
    "true_at": pl.Datetime("us", "UTC"),
}

_EVER = datetime(2262, 1, 1, tzinfo=UTC)


class Rules:
    """Asks the facts. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def evidence(
        self,
        plan: Plan,
        window: Window,
        columns: Sequence[str],
        *,
        spans: Sequence[Span] | None = None,
        settled: datetime | None = None,
    ) -> pl.DataFrame:
        """The events a rule cites, for every group and local day of the window.

        Columns: day, key (the group's values, each followed by U+001F), time (UTC), writer, seq, event_id, actor_id, patient_id,
        flags and reasons (lists; empty where the log source has none), true_at (when the rule became true on that day with this
        event; null where it did not), then `columns` as text under `field <name>`; ordered by day, key, time, writer, seq.
        With `spans`, only groups (of a single predicate: groups and days) of entries in them. With `settled`, what failed to
        come is said only of events received by then. Raises InvalidInput for a field that the log source does not have.
        """
        question = Question(plan, window, columns, spans)
        bound = {**question.parameters, "settled": microseconds(settled or _EVER)}
        names = _NAMES | {f"c{number}": f"field {name}" for number, name in enumerate(columns)}
        if question.hits and self._engine.rows(question.hits, **bound)[0][0] == 0:
            return pl.DataFrame(
                schema={name: _TYPES.get(name, pl.String()) for name in ("day", *names.values(), "time", "true_at")}
            )
        frame = self._engine.frame(question.sql, **bound)
        delay = plan.span * 1_000_000 if isinstance(plan, Missing) else 0
        moment = pl.from_epoch("t", time_unit="us").dt.replace_time_zone("UTC")
        # Evidence reaches back over midnight, to events with which the rule became true on the days before.
        true_at = moment + pl.duration(microseconds=delay)
        is_of_day = true_at.dt.convert_time_zone(window.zone).dt.date() == pl.col("day")
        return (
            frame.with_columns(
                time=moment,
                true_at=pl.when(pl.col("h").cast(pl.Boolean) & is_of_day).then(true_at),
            )
            .drop("t", "h")
            .rename(names)
        )

    def touched(self, plan: Plan, spans: Sequence[Span]) -> bool:
        """Whether any of these entries is one of the events of the plan: what makes asking for its evidence worth while."""
        sql, parameters = touches(plan, spans)
        return self._engine.rows(sql, **parameters)[0][0] != 0

    def days_seen(self, match: Match, values: Mapping[str, str], window: Window, *, matching: bool) -> int:
        """On how many local days of the window events with these field values occurred; with `matching`, events that it cites."""
        tests = [f"{as_text(match.source, name)} = {{v{index}:String}}" for index, name in enumerate(values)]
        conditions = [BETWEEN, *tests, *([f"({match.where.text})"] if matching else [])]
        sql = f"SELECT uniqExact(toDate(time, {{zone:String}})) FROM {match.source.table} WHERE {' AND '.join(conditions)}"
        bound = {f"v{index}": value for index, value in enumerate(values.values())} | dict(
            match.where.parameters if matching else {}
        )
        return int(str(self._engine.rows(sql, **bounds(window, 0), **bound)[0][0]))
