"""The pages about sources: how each does, whether every system that should send is covered, and the gap ledger.

Nothing on them is PHI: sources, counts, times, and what people wrote about systems. Links to events are for those who may see them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dashboards.charts import histogram
from dashboards.views import Chart
from domain.errors import InvalidInput, NotFound
from store.source_gap_rules import Gap, Loss
from store.source_health import Missing, SourceHealth
from store.source_register import Auditing, Coverage, Declaration
from store.source_verdict import SourceVerdict, day_start
from store.source_watch import SourceView, SourceWatch

VIEWS = {"health": "Health", "coverage": "Coverage register", "gaps": "Gap ledger"}
MOST_GAPS = 200
CAME_LATER = 20
"""Gaps of one source for which late events are counted: each is a question to the ledger."""

TONES = {
    SourceVerdict.STOPPED: "sev-critical",
    SourceVerdict.SILENT: "sev-high",
    SourceVerdict.FAILING: "sev-high",
    SourceVerdict.FLOODING: "sev-medium",
    SourceVerdict.SKEWED: "sev-medium",
    SourceVerdict.LATE: "sev-medium",
    SourceVerdict.QUIET: "sev-medium",
    SourceVerdict.UNKNOWN: "",
    SourceVerdict.OK: "status-resolved",
}
"""The badge of each verdict. Unknown is grey: it has no colour of its own, and never the green one."""

AUDITING_TONES = {
    Auditing.ON: "status-resolved",
    Auditing.UNPROVEN: "",
    Auditing.SILENT: "sev-high",
    Auditing.STOPPED: "sev-critical",
    Auditing.OFF: "sev-low",
    Auditing.NEVER: "sev-high",
}

_FIELD_WORDS = {"patient": "patient", "device": "device", "ip": "address", "details": "details"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """One source on the list. `worst` is the field that most of its events should have and have not; '' where none is missing."""

    health: SourceHealth
    tone: str
    chart: Chart
    open_gaps: int
    worst: str
    worst_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageRow:
    """One system of the register."""

    coverage: Coverage
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow:
    """One gap; `came_later` are events of its interval that were received after all, None where nobody counted."""

    gap: Gap
    length: timedelta
    came_later: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesPage:
    """The page with its three views. `counts` are sources by verdict; `missing` systems should send and are not covered."""

    view: str
    views: Mapping[str, str]
    rows: Sequence[SourceRow]
    coverage: Sequence[CoverageRow]
    gaps: Sequence[GapRow]
    more_gaps: int
    counts: Mapping[SourceVerdict, int]
    tones: Mapping[SourceVerdict, str]
    covered: int
    expected: int
    open_gaps: int
    unexplained: int
    is_watched: bool
    listening_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRow:
    """A field that events of one format and stream should have: how many should, how many have not."""

    missing: Missing
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePage:
    """Everything on the page of one source or system. `health` None: it was never heard. `coverage` None: it is phitrail itself."""

    name: str
    health: SourceHealth | None
    tone: str
    coverage: CoverageRow | None
    chart: Chart | None
    fields: Sequence[MissingRow]
    gaps: Sequence[GapRow]
    more_gaps: int
    declarations: Sequence[Declaration]
    until: datetime
    last: datetime
    losses: Sequence[Loss]
    may_declare: bool


def sources_page(seen: SourceView, *, view: str, zone: ZoneInfo) -> SourcesPage:
    """The page. Raises InvalidInput for a view that does not exist."""
    if view not in VIEWS:
        raise InvalidInput("there is no such view of the sources; start again from the list")
    order = list(SourceVerdict)
    states = sorted(seen.states, key=lambda state: (order.index(state.verdict), state.source_system.casefold()))
    lasting = [gap for gap in seen.gaps if gap.is_open]
    return SourcesPage(
        view=view,
        views=VIEWS,
        rows=[_row(state, lasting, seen.at, zone) for state in states],
        coverage=[CoverageRow(coverage=row, tone=AUDITING_TONES[row.auditing]) for row in seen.coverage],
        gaps=[GapRow(gap=gap, length=gap.length(seen.at)) for gap in _listed(seen.gaps)[:MOST_GAPS]],
        more_gaps=max(0, len(seen.gaps) - MOST_GAPS),
        counts={one: count for one in SourceVerdict if (count := sum(state.verdict is one for state in states))},
        tones=TONES,
        covered=sum(row.is_expected and row.auditing.is_covered for row in seen.coverage),
        expected=sum(row.is_expected for row in seen.coverage),
        open_gaps=len(lasting),
        unexplained=sum(gap.counts and not gap.acknowledged for gap in seen.gaps),
        is_watched=seen.is_watched,
        listening_since=seen.listening_since,
    )


def source_page(seen: SourceView, watch: SourceWatch, *, name: str, zone: ZoneInfo, may_declare: bool) -> SourcePage:
    """The page of a source, or of a system of the register that was never heard. Raises NotFound."""
    coverage = next((row for row in seen.coverage if name in (row.source_system, row.system)), None)
    source = (coverage.source_system if coverage else "") or name
    health = next((state for state in seen.states if state.source_system == source), None)
    gaps = _listed([gap for gap in seen.gaps if gap.source_system == source])
    if coverage is None and not gaps:
        raise NotFound("no source and no system of this name is known")
    system = coverage.system if coverage else source
    rows = [
        GapRow(gap=gap, length=gap.length(seen.at), came_later=watch.gaps.came_later(gap) if place < CAME_LATER else None)
        for place, gap in enumerate(gaps[:MOST_GAPS])
    ]
    today = seen.at.astimezone(zone)
    return SourcePage(
        name=system,
        health=health,
        tone=TONES[health.verdict] if health else "",
        coverage=CoverageRow(coverage=coverage, tone=AUDITING_TONES[coverage.auditing]) if coverage else None,
        chart=_chart(health, seen.at, zone) if health else None,
        fields=[MissingRow(missing=one, word=_FIELD_WORDS[one.field]) for one in (health.missing if health else ())],
        gaps=rows,
        more_gaps=max(0, len(gaps) - MOST_GAPS),
        declarations=list(reversed(watch.register.history(system))),
        until=today + timedelta(days=90),
        last=today + timedelta(days=365),
        losses=[Loss.NONE, Loss.SOME, Loss.UNKNOWN],
        may_declare=may_declare and coverage is not None,
    )


def _listed(gaps: Sequence[Gap]) -> list[Gap]:
    """Those that last first, then those nobody explained, then the newest."""
    return sorted(gaps, key=lambda gap: (not gap.is_open, not (gap.counts and not gap.acknowledged)))


def _row(state: SourceHealth, lasting: Sequence[Gap], at: datetime, zone: ZoneInfo) -> SourceRow:
    worst, share = "", 0.0
    by_field: dict[str, tuple[int, int]] = {}
    for one in state.missing:
        due, missing = by_field.get(one.field, (0, 0))
        by_field[one.field] = due + one.due, missing + one.missing
    for name, (due, missing) in by_field.items():
        if missing / due > share:
            worst, share = _FIELD_WORDS[name], missing / due
    return SourceRow(
        health=state,
        tone=TONES[state.verdict],
        chart=_chart(state, at, zone),
        open_gaps=sum(gap.source_system == state.source_system for gap in lasting),
        worst=worst,
        worst_share=share,
    )


def _chart(state: SourceHealth, at: datetime, zone: ZoneInfo) -> Chart:
    first = day_start(at)
    hours = [first + timedelta(hours=number) for number in range(24)]
    return histogram(
        [(hour.astimezone(zone).strftime("%H:00"), state.day_hours.get(hour, 0), "") for hour in hours],
        title=f"Events received from {state.source_system} by the hour",
        summary=f"{state.day_events:,} events in the last 24 hours.",
    )
