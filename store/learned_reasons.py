"""What was learned about who works with whom, day by day, and what people decided about it (tables of migration 0025).

Counts and what they taught can be computed again. A decision is a person's word: first an event of the ledger, then a row, never
changed; what counts at a moment is the newest before it.
"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum

import polars as pl

from domain.clock import microseconds
from domain.errors import InvalidInput, NotFound
from domain.event import AuditEvent
from store.alert_events import SERVICE, Record, alert_event
from store.engine import Engine

MOST_NOTE = 2_000
"""Characters of a note."""

_DAYS = """
SELECT day, department, care, place, actors, charts FROM collaborations FINAL
WHERE day BETWEEN {day_from:Date} AND {day_to:Date} ORDER BY day, department, care, place
"""

_COLUMNS = "toString(reason_id) AS reason_id, department, care, place, people, charts, of_charts, days, window_from, window_to"

_LEARNED = f"""
SELECT day, {_COLUMNS}, version FROM learned_reasons FINAL WHERE day = {{day:Date}} ORDER BY department, care, place
"""

_NEWEST = "SELECT max(day) FROM learned_reasons HAVING count() > 0"

_DECIDED = """
SELECT toString(reason_id) AS reason_id, argMax(decision, decided_at) AS decision, argMax(account, decided_at) AS account,
    argMax(note, decided_at) AS note, max(decided_at) AS decided
FROM learned_decisions WHERE decided_at < fromUnixTimestamp64Micro({moment:Int64}, 'UTC')
GROUP BY reason_id ORDER BY reason_id
"""

_KNOWN = "SELECT count() FROM learned_reasons WHERE reason_id = {reason_id:String}"


class Decision(StrEnum):
    """What people said of a learned reason."""

    APPROVED = "approved"
    WITHDRAWN = "withdrawn"


class LearnedReasons:
    """Keeps counts and what they taught. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_day(self, day: date, counts: pl.DataFrame, computed_at: datetime) -> None:
        """Keep who opened charts in which care on a day: department, care, place, actors, charts."""
        if counts.height:
            dated = counts.with_columns(day=pl.lit(day), computed_at=pl.lit(computed_at, pl.Datetime("us", "UTC")))
            self._engine.insert("collaborations", dated)

    def days(self, day_from: date, day_to: date) -> pl.DataFrame:
        """The counts of the days, both included, with their day."""
        return self._engine.frame(_DAYS, day_from=day_from, day_to=day_to)

    def add(self, day: date, learned: pl.DataFrame, version: str, computed_at: datetime) -> None:
        """Keep what was learned for a day from the days before it."""
        if learned.height:
            dated = learned.with_columns(
                day=pl.lit(day), version=pl.lit(version), computed_at=pl.lit(computed_at, pl.Datetime("us", "UTC"))
            )
            self._engine.insert("learned_reasons", dated)

    def of_day(self, day: date) -> pl.DataFrame:
        """What had been learned for a day: day, reason_id, department, care, place, counts, window, version."""
        return self._engine.frame(_LEARNED, day=day)

    def newest(self) -> date | None:
        """The last day for which anything was learned."""
        rows = self._engine.rows(_NEWEST)
        return rows[0][0] if rows else None  # type: ignore[return-value]

    def decided_before(self, moment: datetime) -> pl.DataFrame:
        """The newest decision on each reason before a moment: reason_id, decision, account, note, decided."""
        return self._engine.frame(_DECIDED, moment=microseconds(moment))

    def approved_before(self, moment: datetime) -> list[str]:
        """The ids of the reasons that were approved at a moment."""
        decided = self.decided_before(moment)
        return decided.filter(pl.col("decision") == Decision.APPROVED.value)["reason_id"].to_list()


class LearnedReasonBook:
    """Takes people's decisions on learned reasons. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, record: Record) -> None:
        """`record` is where the event of each decision goes (`Ledger.append`)."""
        self._engine = engine
        self._record = record
        self._reasons = LearnedReasons(engine)

    def decide(self, reason_id: str, decision: Decision, *, by: str, note: str, at: datetime) -> None:
        """Approve a reason, or withdraw the approval; it counts for the days that end after `at`.

        Raises InvalidInput for a decision without person or note, NotFound for a reason that was never learned, or an approval that
        does not exist.
        """
        note = note.strip()
        if by in ("", SERVICE):
            raise InvalidInput("a decision is a person's word: say who decides")
        if not 0 < len(note) <= MOST_NOTE:
            raise InvalidInput(f"the reason has 1 to {MOST_NOTE:,} characters, and no patient data")
        if not self._engine.rows(_KNOWN, reason_id=reason_id)[0][0]:
            raise NotFound("no learned reason has this id; list them to see which there are")
        if decision is Decision.WITHDRAWN and reason_id not in self._reasons.approved_before(at):
            raise NotFound("this reason is not approved; there is nothing to withdraw")
        self._record([_event(reason_id, decision, by, note, at)])
        row = {"reason_id": reason_id, "decision": decision.value, "account": by, "note": note, "decided_at": at}
        self._engine.insert("learned_decisions", pl.DataFrame([row], schema=_SCHEMA))


_SCHEMA: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("reason_id", "decision", "account", "note"), pl.String()),
    "decided_at": pl.Datetime("us", "UTC"),
}


def _event(reason_id: str, decision: Decision, by: str, note: str, at: datetime) -> AuditEvent:
    return alert_event(
        event_id=f"learned_reason.{microseconds(at)}.{reason_id}",
        action=f"learned_reason_{decision.value}",
        by=by,
        at=at,
        details={"reason_id": reason_id, "reason": note},
    )
