"""The facts of accesses: written once by analytics, asked by detectors, rules and the first screen.

An access counts as explained when a reason was known at its moment (`access_facts`) or became known by the end of its local day
(`late_reasons`). Questions name their days, so they read those days and not the history.
"""

from datetime import date
from typing import NamedTuple

import polars as pl

from store.day_cache import DayCache, days_of
from store.engine import Engine

FACT_COLUMNS = (
    *("writer", "seq", "event_id", "time", "received", "source", "source_system", "action", "outcome"),
    *("actor_id", "actor_kind", "patient_id", "device_id", "device_kind", "ip", "details"),
    *("local_day", "actor_role", "actor_department", "staff_id", "known", "explained", "reasons", "flags"),
    *("is_self", "is_household", "same_surname", "surname_rarity", "is_vip", "is_restricted", "terminated_minutes"),
    *("records", "reason", "reason_kinds", "is_coworker", "is_neighbour", "on_leave", "off_shift"),
    *("city", "country", "latitude", "longitude", "network_unit", "speed_kmh", "moves", "strange_place", "idle_days"),
    *("notice_given", "untrained", "own_account", "unregistered", "since_care_days", "is_manager"),
    *("vip_household", "colleague_household"),
)

WEAK_KINDS = ("follow_up", "learned")
"""Reasons that explain an access and are no reason of its own: the charts that only they are for count as without one."""

# The bounds in time let months be skipped: a local day lies within a day and a half of the UTC one.
_IN_DAYS = """
local_day BETWEEN {day_from:Date} AND {day_to:Date}
AND time >= toDateTime64({day_from:Date}, 6, 'UTC') - INTERVAL 2 DAY
AND time < toDateTime64({day_to:Date}, 6, 'UTC') + INTERVAL 3 DAY
"""

_TOLD = """
if(explained = 1 OR (writer, seq) IN
    (SELECT writer, seq FROM late_reasons WHERE local_day BETWEEN {day_from:Date} AND {day_to:Date}), 1, 0)
"""

_REVIEWED = f"""
if(explained = 1 OR (writer, seq) IN
    (SELECT writer, seq FROM late_reasons WHERE local_day BETWEEN {{day_from:Date}} AND {{day_to:Date}}
        AND (empty(reason_kinds) OR arrayExists(kind -> kind NOT IN {WEAK_KINDS}, reason_kinds))), 1, 0)
"""

_DAY = f"""
SELECT {", ".join(f"facts.{name} AS {name}" for name in FACT_COLUMNS if name not in {"explained", "reasons", "reason_kinds"})},
    if(late.seq = facts.seq AND late.writer = facts.writer, 1, facts.explained) AS explained,
    arrayConcat(facts.reasons, late.reasons) AS reasons,
    arrayConcat(facts.reason_kinds, late.reason_kinds) AS reason_kinds
FROM (SELECT * FROM access_facts FINAL WHERE {_IN_DAYS}) AS facts
LEFT JOIN (SELECT * FROM late_reasons FINAL WHERE local_day = {{day_to:Date}}) AS late USING (writer, seq)
ORDER BY facts.time, writer, seq
"""

_ACTOR_DAYS = f"""
SELECT local_day, actor_id, any(actor_role) AS role, any(actor_department) AS department,
    uniqExact(patient_id) AS patients, uniqExactIf(patient_id, reviewed = 0) AS unexplained
FROM (
    SELECT local_day, actor_id, actor_role, actor_department, patient_id, {_REVIEWED} AS reviewed
    FROM access_facts FINAL
    WHERE {_IN_DAYS} AND patient_id != '' AND source = 'access'
)
GROUP BY local_day, actor_id ORDER BY local_day, actor_id
"""

_MEETINGS = f"""
SELECT local_day, actor_id, patient_id, department, min(reviewed) AS always, max(reviewed) AS ever
FROM (
    SELECT local_day, actor_id, patient_id, actor_department AS department, {_REVIEWED} AS reviewed
    FROM access_facts FINAL WHERE {_IN_DAYS} AND patient_id != ''
)
GROUP BY local_day, actor_id, patient_id, department
"""

_ACTOR_ACTIONS = f"""
SELECT local_day, actor_id, action, argMax(actor_role, (time, seq)) AS role, count() AS accesses FROM access_facts FINAL
WHERE {_IN_DAYS} AND patient_id != '' AND source = 'access'
GROUP BY local_day, actor_id, action
"""

_STAMPS = f"""
SELECT local_day, max(written), sum(entries) FROM (
    SELECT local_day, max(written) AS written, count() AS entries FROM access_facts WHERE {_IN_DAYS} GROUP BY local_day
    UNION ALL
    SELECT local_day, max(written), count() FROM late_reasons
    WHERE local_day BETWEEN {{day_from:Date}} AND {{day_to:Date}} GROUP BY local_day
)
GROUP BY local_day
"""

_SHARE = f"""
SELECT department, local_day AS day, count() AS accesses, countIf(reviewed = 1) AS explained, explained / accesses AS share
FROM (
    SELECT actor_department AS department, local_day, {_TOLD} AS reviewed
    FROM access_facts FINAL
    WHERE {_IN_DAYS} AND patient_id != '' AND source = 'access'
)
GROUP BY department, day ORDER BY department, day
"""


class _Day(NamedTuple):
    """What one local day adds to the weeks: `meetings` (who was in whose chart, from which department, with a reason always or
    ever), `actors` (charts of each), `actions` (what each did how often)."""

    meetings: pl.DataFrame
    actors: pl.DataFrame
    actions: pl.DataFrame


class Accesses:
    """Writes and reads access facts. Thread-safe, as its engine is.

    What each day adds to the questions about weeks is kept in memory (`DayCache`): it grows with staff, charts and days.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._days = DayCache(self._stamps, self._load)

    def add(self, facts: pl.DataFrame) -> None:
        """Write facts (`FACT_COLUMNS`). The same entry again replaces its row."""
        self._engine.insert("access_facts", facts.select(FACT_COLUMNS))

    def add_late_reasons(self, found: pl.DataFrame) -> None:
        """Write reasons that became known by the end of the day: writer, seq, local_day, reasons, reason_kinds."""
        if found.height:
            self._engine.insert("late_reasons", found.select("writer", "seq", "local_day", "reasons", "reason_kinds"))

    def of_day(self, day: date) -> pl.DataFrame:
        """The facts of one local day in order of time, late reasons included."""
        return self._engine.frame(_DAY, day_from=day, day_to=day)

    def actor_days(self, day_from: date, day_to: date) -> pl.DataFrame:
        """Charts a day and actor: local_day, actor_id, role, department, patients (distinct), unexplained (distinct)."""
        days = [day.actors for day in self._days.between(day_from, day_to).values()]
        return pl.concat(days) if days else self._engine.frame(_ACTOR_DAYS, day_from=day_from, day_to=day_to)

    def pair_history(self, day: date, day_from: date, day_to: date) -> pl.DataFrame:
        """For the pairs seen on `day`: on how many of the days `day_from` to `day_to` they met, explained and not."""
        every = self._meetings(min(day_from, day), max(day_to, day))
        pairs = every.filter(pl.col("local_day") == day).select("actor_id", "patient_id").unique()
        met = every.filter(pl.col("local_day").is_between(day_from, day_to)).join(pairs, on=["actor_id", "patient_id"], how="semi")
        return met.group_by("actor_id", "patient_id").agg(
            unexplained_days=_different("local_day", pl.col("always") == 0),
            explained_days=_different("local_day", pl.col("ever") == 1),
        )

    def company(self, day_from: date, recent: date, day_to: date) -> pl.DataFrame:
        """Who else was in the charts seen on `day_to`: patient_id, department and how many of it, `actors` since `day_from`,
        `recent` since that day, `reasoned` of these with a reason."""
        every = self._meetings(day_from, day_to)
        patients = every.filter(pl.col("local_day") == day_to).select("patient_id").unique()
        met = every.join(patients, on="patient_id", how="semi")
        lately = pl.col("local_day") >= recent
        return (
            met.group_by("patient_id", "department")
            .agg(
                actors=pl.col("actor_id").n_unique().cast(pl.UInt64),
                recent=_different("actor_id", lately),
                reasoned=_different("actor_id", lately & (pl.col("ever") == 1)),
            )
            .sort("patient_id", "department")
        )

    def actor_actions(self, day_from: date, day_to: date) -> pl.DataFrame:
        """What each actor did in patients' charts: actor_id, role, action, accesses. The role is that of the last time."""
        days = [day.actions for day in self._days.between(day_from, day_to).values()]
        every = pl.concat(days) if days else self._engine.frame(_ACTOR_ACTIONS, day_from=day_from, day_to=day_to)
        return (
            every.group_by("actor_id", "action", maintain_order=True)
            .agg(pl.col("role").last(), pl.col("accesses").sum())
            .select("actor_id", "role", "action", "accesses")
            .sort("actor_id", "action")
        )

    def explained_share(self, day_from: date, day_to: date) -> pl.DataFrame:
        """Of the accesses to patient records, how many are explained: department, day, accesses, explained, share (0..1)."""
        return self._engine.frame(_SHARE, day_from=day_from, day_to=day_to)

    def _meetings(self, day_from: date, day_to: date) -> pl.DataFrame:
        days = [day.meetings for day in self._days.between(day_from, day_to).values()]
        return pl.concat(days) if days else self._engine.frame(_MEETINGS, day_from=day_from, day_to=day_to)

    def _stamps(self, day_from: date, day_to: date) -> dict[date, object]:
        rows = self._engine.frame(_STAMPS, day_from=day_from, day_to=day_to).iter_rows()
        return {day: stamp for day, *stamp in rows}

    def _load(self, day_from: date, day_to: date) -> dict[date, _Day]:
        frames = [self._engine.frame(sql, day_from=day_from, day_to=day_to) for sql in (_MEETINGS, _ACTOR_DAYS, _ACTOR_ACTIONS)]
        parts = [frame.partition_by("local_day", as_dict=True) for frame in frames]
        return {
            day: _Day(*(of.get((day,), frame.clear()) for of, frame in zip(parts, frames, strict=True)))
            for day in days_of(day_from, day_to)
        }


def _different(column: str, condition: pl.Expr) -> pl.Expr:
    return pl.col(column).filter(condition).n_unique().cast(pl.UInt64)
