"""The facts of accesses: written once by analytics, asked by detectors, rules and the first screen.

An access counts as explained when a reason was known at its moment (`access_facts`) or became known by the end of its local day
(`late_reasons`). Questions name their days, so they read those days and not the history.
"""

from datetime import date

import polars as pl

from store.engine import Engine

FACT_COLUMNS = (
    *("writer", "seq", "event_id", "time", "received", "source", "source_system", "action", "outcome"),
    *("actor_id", "actor_kind", "patient_id", "device_id", "device_kind", "ip", "details"),
    *("local_day", "actor_role", "actor_department", "staff_id", "known", "explained", "reasons", "flags"),
    *("is_self", "is_household", "same_surname", "surname_rarity", "is_vip", "is_restricted", "terminated_minutes"),
    *("records", "reason", "reason_kinds", "is_coworker", "is_neighbour", "on_leave", "off_shift"),
    *("city", "country", "latitude", "longitude", "network_unit", "speed_kmh", "moves", "strange_place", "idle_days"),
    *("notice_given", "untrained", "own_account", "unregistered", "since_care_days", "is_manager"),
)

# The bounds in time let months be skipped: a local day lies within a day and a half of the UTC one.
_IN_DAYS = """
local_day BETWEEN {day_from:Date} AND {day_to:Date}
AND time >= toDateTime64({day_from:Date}, 6, 'UTC') - INTERVAL 2 DAY
AND time < toDateTime64({day_to:Date}, 6, 'UTC') + INTERVAL 3 DAY
"""

_REVIEWED = """
if(explained = 1 OR (writer, seq) IN
    (SELECT writer, seq FROM late_reasons WHERE local_day BETWEEN {day_from:Date} AND {day_to:Date}), 1, 0)
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

_PAIR_HISTORY = f"""
SELECT actor_id, patient_id,
    uniqExactIf(local_day, reviewed = 0) AS unexplained_days, uniqExactIf(local_day, reviewed = 1) AS explained_days
FROM (
    SELECT actor_id, patient_id, local_day, {_REVIEWED} AS reviewed
    FROM access_facts FINAL
    WHERE {_IN_DAYS} AND (actor_id, patient_id) IN
        (SELECT actor_id, patient_id FROM access_facts WHERE local_day = {{day:Date}} AND patient_id != '')
)
GROUP BY actor_id, patient_id
"""

_COMPANY = f"""
SELECT patient_id, department, uniqExact(actor_id) AS actors,
    uniqExactIf(actor_id, local_day >= {{recent:Date}}) AS recent,
    uniqExactIf(actor_id, local_day >= {{recent:Date}} AND reviewed = 1) AS reasoned
FROM (
    SELECT patient_id, actor_department AS department, actor_id, local_day, {_REVIEWED} AS reviewed
    FROM access_facts FINAL
    WHERE {_IN_DAYS} AND patient_id IN
        (SELECT patient_id FROM access_facts WHERE local_day = {{day_to:Date}} AND patient_id != '')
)
GROUP BY patient_id, department ORDER BY patient_id, department
"""

_ACTOR_ACTIONS = f"""
SELECT actor_id, argMax(actor_role, (time, seq)) AS role, action, count() AS accesses FROM access_facts FINAL
WHERE {_IN_DAYS} AND patient_id != '' AND source = 'access'
GROUP BY actor_id, action ORDER BY actor_id, action
"""

_SHARE = f"""
SELECT department, local_day AS day, count() AS accesses, countIf(reviewed = 1) AS explained, explained / accesses AS share
FROM (
    SELECT actor_department AS department, local_day, {_REVIEWED} AS reviewed
    FROM access_facts FINAL
    WHERE {_IN_DAYS} AND patient_id != '' AND source = 'access'
)
GROUP BY department, day ORDER BY department, day
"""


class Accesses:
    """Writes and reads access facts. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

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
        return self._engine.frame(_ACTOR_DAYS, day_from=day_from, day_to=day_to)

    def pair_history(self, day: date, day_from: date, day_to: date) -> pl.DataFrame:
        """For the pairs seen on `day`: on how many of the days `day_from` to `day_to` they met, explained and not."""
        return self._engine.frame(_PAIR_HISTORY, day=day, day_from=day_from, day_to=day_to)

    def company(self, day_from: date, recent: date, day_to: date) -> pl.DataFrame:
        """Who else was in the charts seen on `day_to`: patient_id, department and how many of it, `actors` since `day_from`,
        `recent` since that day, `reasoned` of these with a reason."""
        return self._engine.frame(_COMPANY, day_from=day_from, recent=recent, day_to=day_to)

    def actor_actions(self, day_from: date, day_to: date) -> pl.DataFrame:
        """What each actor did in patients' charts: actor_id, role, action, accesses."""
        return self._engine.frame(_ACTOR_ACTIONS, day_from=day_from, day_to=day_to)

    def explained_share(self, day_from: date, day_to: date) -> pl.DataFrame:
        """Of the accesses to patient records, how many are explained: department, day, accesses, explained, share (0..1)."""
        return self._engine.frame(_SHARE, day_from=day_from, day_to=day_to)
