"""AccessFacts: what was known about an access at its moment, computed once and kept (table `access_facts`).

As of the moment of the access, whenever it is computed: a record that came later is no knowledge, so a replay gives the same facts.
"""

from collections.abc import Mapping

import polars as pl

from analytics.relationships.circumstances import circumstances
from analytics.relationships.colleagues import with_colleagues
from analytics.relationships.flags import flags
from analytics.relationships.knowledge import Knowledge, people
from analytics.relationships.movements import movements
from analytics.relationships.reasons import reasons
from domain.organisation import Organisation
from store.access import FACT_COLUMNS, Accesses
from store.context import ContextStore
from store.context_records import ContextRecords, Selection
from store.engine import Engine
from store.movements import Movements

BATCH = 100_000
"""Entries of the log looked at in one go: bounds memory, and is plenty to be set-based."""


class AccessFacts:
    """Enriches new entries of the ledger. One instance per follower; safe to repeat over the same entries."""

    def __init__(self, engine: Engine, context: ContextStore) -> None:
        self._records = ContextRecords(engine)
        self._facts = Accesses(engine)
        self._movements = Movements(engine)
        self._context = context

    def enrich(self, ranges: Mapping[str, tuple[int, int]]) -> int:
        """Write the facts of every access and portal entry in the ranges (writer to first and last seq, inclusive); how many."""
        org = self._context.org()
        applications = self._context.frame("applications").select("application", "approved", "hosts")
        count = 0
        for writer, (first, last) in ranges.items():
            for start in range(first, last + 1, BATCH):
                end = min(last, start + BATCH - 1)
                selection = Selection.entries(writer, start, end)
                accesses = self._records.accesses(selection)
                if accesses.height:
                    knowledge = Knowledge.around(self._records, selection, org, applications)
                    located = self._movements.located(writer, start, end)
                    self._facts.add(facts(accesses, knowledge, self._movements, located))
                    count += accesses.height
        return count


def facts(accesses: pl.DataFrame, knowledge: Knowledge, asked: Movements, located: pl.DataFrame) -> pl.DataFrame:
    """The rows of `access_facts` for the given accesses, as of the time of each."""
    found = people(accesses.with_row_index("row").with_columns(known_at="time"), knowledge)
    found = found.join(reasons(found, knowledge), on="row", how="left")
    for part in (flags(found, knowledge), circumstances(found, knowledge), movements(found, asked, located, knowledge)):
        found = found.join(part, on="row", how="left")
    found = with_colleagues(found, asked)
    records = pl.col("details").str.json_path_match("$.records").cast(pl.Int64, strict=False)
    return (
        found.sort("row")
        .with_columns(
            local_day=local_day(knowledge.org),
            actor_role="role",
            actor_department="department",
            explained=pl.col("reasons").is_not_null().cast(pl.UInt8),
            reasons=pl.col("reasons").fill_null([]),
            reason_kinds=pl.col("reason_kinds").fill_null([]),
            records=records.fill_null(0),
            reason=pl.col("details").str.json_path_match("$.reason").fill_null(""),
        )
        .select(FACT_COLUMNS)
    )


def local_day(org: Organisation) -> pl.Expr:
    """The organisation's calendar day of `time`."""
    return pl.col("time").dt.convert_time_zone(org.timezone.key).dt.date()
