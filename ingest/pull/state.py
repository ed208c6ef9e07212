"""How a connector is doing, for health pages and metrics."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ingest.pipeline import Counts
from ingest.pull.contract import Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class PullState:
    """
    A connector at one moment. Times are UTC; None is "not yet" or "not now".

    `last_success` is when a page was last stored and its cursor moved; `reached` up to where the source is read, `lag` how far
    that is behind the clock; `cursor_at` when the durable cursor last moved. `last_error` is a sentence without secrets and without
    content of records, and stays after the next success (`failures` is 0 then); `notice` is a trouble that did not stop the last
    page. `next_try` is when the source is asked next. `gaps` are those noted since the start, last first.
    """

    name: str
    kind: str
    source_system: str
    format: str
    last_success: datetime | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None
    failures: int = 0
    notice: str | None = None
    next_try: datetime | None = None
    reached: datetime | None = None
    lag: timedelta | None = None
    cursor_at: datetime | None = None
    pages: int = 0
    counts: Counts = field(default_factory=Counts)
    gaps: Sequence[Gap] = ()

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed."""
        return self.failures > 0
