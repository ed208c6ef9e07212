"""A spooled desk over a real ledger and quarantine whose store can be switched away."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ingest.spool.desk import SpooledDesk
from ingest.spool.disk import Disk
from ingest.spool.spool import Spool
from store.engine import Engine
from tests.support.away import SwitchedEngine
from tests.support.clock import TickingClock
from tests.support.desk import Desk, desk

RETRY_SECONDS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """The desk, what is behind it, and the switch."""

    desk: SpooledDesk
    spool: Spool
    store: SwitchedEngine
    at: Desk

    def entries(self) -> list[str]:
        """Ids of the events in the ledger, in its order."""
        return [str(row[0]) for row in self.store.rows("SELECT event_id FROM events ORDER BY seq")]


@contextmanager
def spooled(
    engine: Engine, directory: Path, *, disk: Disk | None = None, inner: Any = None, batch_records: int = 5_000, **options: int
) -> Iterator[Spooled]:
    """`inner(intake)` may stand between desk and intake; `options` are those of the spool."""
    store = SwitchedEngine(engine)
    clock = TickingClock()
    with (
        desk(cast("Engine", store), directory / "node", clock) as at,
        closing(Spool(directory / "spool", clock, disk=disk, retry_after=1, **options)) as spool,
        SpooledDesk(
            inner(at.intake) if inner else at.intake, spool, retry_seconds=RETRY_SECONDS, batch_records=batch_records
        ) as made,
    ):
        try:
            yield Spooled(desk=made, spool=spool, store=store, at=at)
        finally:
            store.come_back()
