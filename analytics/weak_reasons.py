"""WeakReasons: once a day is over, what a department usually does is held beside the accesses for which no record says why.

As of the end of that day: learned from the days before it, approved before it ended. Such reasons are kept with those that were
recorded late, under kinds of their own (`store.access.WEAK_KINDS`), and rules that run near real time never see them.
"""

from datetime import date, datetime, timedelta

import polars as pl

from analytics.relationships.colleagues import follow_ups, nothing_against
from analytics.relationships.learned import APPROVED, LEARNED, VERSION, collaborations, in_care, learned_reasons, mined
from domain.clock import Clock
from domain.organisation import Organisation
from store.access import Accesses
from store.context_records import ContextRecords, Selection
from store.engine import Engine
from store.learned_reasons import LearnedReasons
from store.movements import Movements

LOOK_BACK = timedelta(days=28)

_NO_EXCUSE = ("break_glass", "print", "export", "extract", "download_record", "report_run")
"""What is usual for a department is no answer to an emergency that nobody documented, or to a record taken out."""


_OURS = ("follow_up", LEARNED, APPROVED)


def _open() -> pl.Expr:
    """Without a reason on record. What an earlier run of the day found here is looked for again."""
    return (pl.col("explained") == 0) | (
        (pl.col("reason_kinds").list.len() > 0) & pl.col("reason_kinds").list.eval(pl.element().is_in(_OURS)).list.all()
    )


class WeakReasons:
    """Looks at the charts of one local day. Running a day again finds the same."""

    def __init__(self, engine: Engine, *, clock: Clock) -> None:
        """`clock` only dates rows."""
        self._accesses = Accesses(engine)
        self._records = ContextRecords(engine)
        self._learned = LearnedReasons(engine)
        self._movements = Movements(engine)
        self._clock = clock

    def run(self, day: date, end: datetime, org: Organisation) -> None:
        """Count the day, learn from the days before it, and keep the weak reasons of its accesses."""
        facts = self._accesses.of_day(day).filter(
            (pl.col("patient_id") != "") & (pl.col("source") == "access") & (pl.col("staff_id") != "")
        )
        if facts.is_empty():
            return
        last = pl.lit(end - timedelta(microseconds=1), pl.Datetime("us", "UTC"))
        seen = facts.with_row_index("row").with_columns(known_at=last, department="actor_department")
        houses = {unit.unit: unit.department for unit in org.units.values()}
        care = in_care(seen, self._records.ties(Selection.of_day(day)), houses)
        first, until = day - LOOK_BACK, day - timedelta(days=1)
        before = self._learned.days(first, until)
        oldest = before["day"].min()
        learned = mined(before, (oldest if isinstance(oldest, date) else first, until))
        now = self._clock()
        self._learned.add_day(day, collaborations(seen, care), now)
        self._learned.add(day, learned, VERSION, now)
        weak = pl.all_horizontal((pl.col(name) == 0) for name in ("is_restricted", "is_manager", "off_shift"))
        asked = seen.filter(_open() & ~pl.col("action").is_in(_NO_EXCUSE) & weak & nothing_against())
        if asked.is_empty():
            return
        found = pl.concat(
            [
                learned_reasons(asked, care, learned, self._learned.approved_before(end)),
                follow_ups(asked.select("row", "time", "patient_id", "department", "actor_id"), self._movements),
            ]
        )
        together = found.group_by("row", maintain_order=True).agg(pl.col("reasons", "reason_kinds").explode())
        self._accesses.add_late_reasons(
            asked.join(together, on="row", suffix="_found").select(
                "writer", "seq", "local_day", reasons="reasons_found", reason_kinds="reason_kinds_found"
            )
        )
