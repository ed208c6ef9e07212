"""The watch over sources: takes in what is new, judges every source, and keeps the gap ledger. One look a minute is enough.

A look may be stopped anywhere and repeated: counts have their cursor, gaps are named after where they begin.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.organisation import Organisation
from store.alert_events import Record
from store.engine import Engine
from store.source_gap_rules import Gap, GapKind, Step, closed, lost_numbers, own_gaps, silences, stops, troubles
from store.source_gaps import GapLedger, open_since
from store.source_health import HealthBook, SourceHealth, Told
from store.source_register import Coverage, SourceRegister
from store.source_rollup import SourceRollup

NewGaps = Sequence[Gap]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """Everything about sources at one moment, as of the last look: health, gaps newest first, and the coverage register.

    `listening_since` is since when somebody has been looking without a break; not `is_watched`: nobody looks now.
    """

    at: datetime
    states: Sequence[SourceHealth]
    gaps: Sequence[Gap]
    coverage: Sequence[Coverage]
    listening_since: datetime | None
    is_watched: bool


class SourceWatch:
    """Everything about sources, put together over one engine. Thread-safe; `look` belongs to one scheduler."""

    def __init__(self, engine: Engine, record: Record, organisation: Callable[[], Organisation] = Organisation) -> None:
        """`record` is where events about gaps and declarations go (`Ledger.append`)."""
        self.rollup = SourceRollup(engine)
        self.book = HealthBook(engine)
        self.gaps = GapLedger(engine, record)
        self.register = SourceRegister(engine, record)
        self._organisation = organisation
        self._restarts_read: datetime | None = None

    def look(self, now: datetime, *, listening_since: datetime | None = None) -> NewGaps:
        """Take in what is new, open and close gaps. Returns the versions written."""
        self.rollup.refresh(now)
        organisation = self._organisation()
        standing = self.gaps.all()
        known = {gap.gap_id: gap for gap in standing}
        # What sources say of themselves comes first: a recording that is off is no silence to wonder about.
        written = self.gaps.write(self._estimated(list(stops(known, self.gaps.marks(), now)), now, organisation))
        standing = self.gaps.all() if written else standing
        states = self._judged(now, standing, organisation, listening_since)
        due = [*silences(standing, states, now), *troubles(standing, states, now)]
        due += lost_numbers(standing, self.book.holes(), now)
        due += self._own(known, now)
        return [*written, *self.gaps.write(self._estimated([self._ended(gap, now) for gap in due], now, organisation))]

    def states(self, now: datetime) -> list[SourceHealth]:
        """Every source with its verdict, as of the last look."""
        return self._judged(now, self.gaps.all(), self._organisation(), None)

    def view(self, now: datetime) -> SourceView:
        """Everything that pages and reports show."""
        gaps = self.gaps.all()
        states = self._judged(now, gaps, self._organisation(), None)
        since, is_watched = self.book.listening(now)
        return SourceView(
            at=now,
            states=states,
            gaps=gaps,
            coverage=self.register.coverage(states, gaps, now),
            listening_since=since,
            is_watched=is_watched,
        )

    def event_ids(self, gaps: Sequence[Gap]) -> dict[tuple[str, int], str]:
        """The ids of the entries that gaps name as evidence, by their place."""
        return self.register.event_ids([gap.evidence for gap in gaps if gap.evidence is not None])

    def told(self, now: datetime) -> dict[str, Told]:
        """What people said about sources (`SourceRegister.told`)."""
        return self.register.told(now)

    def _judged(
        self, now: datetime, gaps: Sequence[Gap], organisation: Organisation, listening_since: datetime | None
    ) -> list[SourceHealth]:
        return self.book.states(
            now,
            organisation=organisation,
            told=self.register.told(now),
            awaited=self.register.awaited(now),
            stopped=open_since(gaps, GapKind.STOPPED),
            silent=open_since(gaps, GapKind.SILENCE),
            listening_since=listening_since,
        )

    def _ended(self, gap: Gap, now: datetime) -> Gap:
        """A silence that is over ended with the first receipt after it began."""
        if gap.kind is not GapKind.SILENCE or gap.step is not Step.CLOSED or gap.ended is not None:
            return gap
        before = replace(gap, version=gap.version - 1)
        return closed(before, self.gaps.returned(gap) or now, now, gap.note)

    def _estimated(self, gaps: Sequence[Gap], now: datetime, organisation: Organisation) -> list[Gap]:
        """With how many events each silence or stop that is over would usually have brought."""
        return [
            replace(gap, expected=self.book.expected(gap.source_system, gap.began, gap.ended, now, organisation))
            if gap.ended is not None and gap.kind in (GapKind.SILENCE, GapKind.STOPPED) and gap.ended > gap.began
            else gap
            for gap in gaps
        ]

    def _own(self, known: dict[str, Gap], now: datetime) -> list[Gap]:
        """phitrail's own absences, looked for at the start and once an hour: they end where a start is recorded."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        if self._restarts_read == hour:
            return []
        found = list(own_gaps(known, self.gaps.restarts(), now))
        self._restarts_read = hour
        return found
