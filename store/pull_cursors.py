"""How far each pull connector has read its source, and what the source no longer gave.

A connector's records are stored first, then its cursor is moved: after a crash in between it reads the same page again, and what is
in the ledger already becomes duplicates. Unlike the cursors of followers (store/cursors.py) a place in somebody else's system is
no number: it is text that only the connector understands.
"""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from store.engine import Engine

_GET = "SELECT cursor, step, moved FROM pull_cursors WHERE name = {name:String} ORDER BY step DESC LIMIT 1"

_GAPS = """
SELECT name, start, end, reason, noted FROM pull_gaps FINAL
WHERE {name:String} = '' OR name = {name:String} ORDER BY noted DESC, start DESC, name LIMIT {limit:UInt32}
"""

_INSTANT = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a connector stands: its cursor, and how many times it was moved. Step 0 with no cursor is the beginning."""

    cursor: str | None
    step: int
    moved: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PullGap:
    """A period that a connector could not read to its end. `reason` is a sentence for people without content of records."""

    name: str
    start: datetime
    end: datetime
    reason: str
    noted: datetime


class PullCursors:
    """The place of each named connector. Thread-safe, as its engine is; one connector of a name at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, name: str) -> Place:
        """Where the connector stands."""
        frame = self._engine.frame(_GET, name=name)
        for row in frame.iter_rows(named=True):
            return Place(cursor=row["cursor"], step=row["step"], moved=row["moved"])
        return Place(cursor=None, step=0)

    def move(self, name: str, place: Place, cursor: str, at: datetime) -> Place:
        """Everything behind `cursor` is stored; durable on return. `place` is the one that the page was fetched from.

        Moving twice from one place leaves either cursor, both of which are true. A place that is older than the newest is no move.
        """
        step = place.step + 1
        columns = {
            "name": [name],
            "step": pl.Series([step], dtype=pl.UInt64),
            "cursor": [cursor],
            "moved": pl.Series([at], dtype=_INSTANT),
        }
        self._engine.insert("pull_cursors", pl.DataFrame(columns))
        return Place(cursor=cursor, step=step, moved=at)

    def note_gap(self, gap: PullGap) -> None:
        """Remember that something may be missing; durable on return. The same start and reason again replaces what was noted."""
        columns = {
            "name": [gap.name],
            "start": pl.Series([gap.start], dtype=_INSTANT),
            "end": pl.Series([gap.end], dtype=_INSTANT),
            "reason": [gap.reason],
            "noted": pl.Series([gap.noted], dtype=_INSTANT),
        }
        self._engine.insert("pull_gaps", pl.DataFrame(columns))

    def gaps(self, name: str = "", *, limit: int = 100) -> list[PullGap]:
        """What may be missing, last noted first; of one connector, or of all."""
        return [PullGap(**row) for row in self._engine.frame(_GAPS, name=name, limit=limit).iter_rows(named=True)]
