"""The first screen: is the record whole, what waits for people, how did mail leave, which accesses stand out, who went silent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dashboards.charts import histogram, stacked_bars
from dashboards.views import Chart, RecordState, Site
from domain.clock import Clock
from domain.finding import Alert, AlertStatus, Severity
from store.access_overview import AccessOverview, Department, RankedAccess
from store.alert_overview import AlertOverview, Waiting
from store.alerts import AlertStore
from store.completeness import Verdict
from store.fsck import Integrity
from store.mail_overview import Band, ClearDomain, MailOverview, PhiInMail
from store.overview import Checkpoint, Overview, Size, SourceState

WINDOW = timedelta(days=7)
HOURS = 24
GRAVEST = 5
RANKED = 8
BREAK_GLASS = "break_glass"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPanel:
    """Whether the record is whole, in one sentence and the numbers behind it. `tone` is good, bad, warn or unknown."""

    sentence: str
    advice: str
    tone: str
    state: RecordState
    size: Size
    checkpoint: Checkpoint | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityCount:
    """Alerts that are not resolved. `oldest` is when the one that waits longest was opened; `untouched` nobody took on yet."""

    severity: Severity
    alerts: int
    untouched: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsPanel:
    """What waits for people, by severity, and the gravest of it (empty for those who may not see it)."""

    counts: Sequence[SeverityCount]
    gravest: Sequence[Alert]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPanel:
    """How outbound mail left in a period of local days; `is_fallback` says that the period is not the last seven days."""

    since: datetime
    until: datetime
    first: date
    last: date
    is_fallback: bool
    total: int
    bands: Mapping[Band, int]
    chart: Chart
    phi: PhiInMail
    domains: Sequence[ClearDomain]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPanel:
    """What stands out. `day` is the ranked day, `first` to `last` the days of the explained shares."""

    day: date | None
    is_today: bool
    top: Sequence[RankedAccess]
    break_glass: int
    break_glass_oldest: datetime | None
    first: date | None
    last: date | None
    departments: Sequence[Department]
    accesses: int
    explained: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """One source system and its last day by the hour. `lag` is what lies between happening and receipt of the newest event."""

    state: SourceState
    silence: timedelta
    lag: timedelta
    chart: Chart


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstScreen:
    """Everything on the page. A panel without data is None and says on the page what to do."""

    record: RecordPanel
    alerts: AlertsPanel
    mail: MailPanel | None
    access: AccessPanel
    sources: Sequence[SourceRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the first screen gets its numbers."""

    overview: Overview
    mail: MailOverview
    accesses: AccessOverview
    alerts: AlertStore
    waiting: AlertOverview
    record_state: Callable[[], RecordState]
    clock: Clock


def first_screen(sources: Sources, site: Site, *, sees_phi: bool) -> FirstScreen:
    """The first screen as of now. Without `sees_phi` nothing on it names anybody."""
    now = sources.clock()
    waiting = sources.waiting.waiting()
    return FirstScreen(
        record=_record(sources),
        alerts=_alerts(sources.alerts, waiting, sees_phi=sees_phi),
        mail=_mail(sources.mail, now, site.zone),
        access=_access(sources.accesses, waiting, now, site.zone, sees_phi=sees_phi),
        sources=_source_rows(sources.overview, now, site.zone),
    )


def _record(sources: Sources) -> RecordPanel:
    state = sources.record_state()
    sentence, advice, tone = verdict(state)
    return RecordPanel(
        sentence=sentence,
        advice=advice,
        tone=tone,
        state=state,
        size=sources.overview.size(),
        checkpoint=sources.overview.checkpoint(),
    )


def verdict(state: RecordState) -> tuple[str, str, str]:
    """The sentence, what to do, and the tone. Integrity and completeness are two verdicts: neither stands in for the other."""
    if state.integrity is Integrity.TAMPERED:
        advice = "Stop what writes, keep the disks as they are, run phitrail verify, and call whoever answers for incidents."
        return "The record was changed.", f"What is stored is not what was signed. {advice}", "bad"
    if state.integrity is Integrity.UNKNOWN or state.verified_at is None:
        return "The record is not verified yet.", "The first verification runs by itself; phitrail verify runs one now.", "unknown"
    if state.gaps is Verdict.GAPS:
        advice = "Nothing stored was changed. What is known to be missing is listed here."
        return "The record is intact, but not complete.", advice, "warn"
    if state.gaps is Verdict.UNKNOWN:
        advice = "Nothing stored was changed. Whether everything came in that should have is not known yet."
        return "The record is intact.", advice, "good"
    return "The record is intact, and no gap is known.", "Nothing stored was changed, and nothing is known to be missing.", "good"


def _alerts(alerts: AlertStore, waiting: Sequence[Waiting], *, sees_phi: bool) -> AlertsPanel:
    counts = []
    for severity in reversed(Severity):
        mine = [one for one in waiting if one.severity is severity]
        counts.append(
            SeverityCount(
                severity=severity,
                alerts=sum(one.alerts for one in mine),
                untouched=sum(one.alerts for one in mine if one.status is AlertStatus.OPEN),
                oldest=min((one.oldest for one in mine), default=None),
            )
        )
    return AlertsPanel(
        counts=counts,
        gravest=alerts.open(limit=GRAVEST) if sees_phi else (),
        total=sum(count.alerts for count in counts),
    )


def _mail(mail: MailOverview, now: datetime, zone: ZoneInfo) -> MailPanel | None:
    newest = mail.newest(now)
    if newest is None:
        return None
    today = now.astimezone(zone).date()
    last = newest.astimezone(zone).date()
    is_fallback = today - last >= WINDOW
    last = last if is_fallback else today
    first = last - WINDOW + timedelta(days=1)
    since, until = midnight(first, zone), midnight(last + timedelta(days=1), zone)
    by_day = mail.days(since, until, zone.key)
    days = [first + timedelta(days=number) for number in range(WINDOW.days)]
    bands = {band: sum(by_day.get(day, {}).get(band, 0) for day in days) for band in Band}
    total = sum(bands.values())
    return MailPanel(
        since=since,
        until=until,
        first=first,
        last=last,
        is_fallback=is_fallback,
        total=total,
        bands=bands,
        chart=stacked_bars(
            [(day.strftime("%a %-d"), {band.value: count for band, count in by_day.get(day, {}).items()}) for day in days],
            [Band.VERIFIED, Band.TRUSTED, Band.UNKNOWN, Band.UNVERIFIED, Band.WEAK, Band.CLEAR],
            title="Outbound deliveries a day, by protection",
            summary=f"{total:,} deliveries in seven days, {bands[Band.CLEAR]:,} of them in the clear.",
        ),
        phi=mail.phi(since, until),
        domains=mail.clear_domains(since, until),
    )


def _access(accesses: AccessOverview, waiting: Sequence[Waiting], now: datetime, zone: ZoneInfo, *, sees_phi: bool) -> AccessPanel:
    today = now.astimezone(zone).date()
    day = accesses.newest_scored(today)
    newest = accesses.newest_access(now)
    last = None if newest is None else newest.astimezone(zone).date()
    first = None if last is None else last - WINDOW + timedelta(days=1)
    departments = accesses.departments(first, last) if first is not None and last is not None else ()
    unreviewed = [one for one in waiting if one.kind == BREAK_GLASS]
    return AccessPanel(
        day=day,
        is_today=day == today,
        top=accesses.top(day, RANKED) if day is not None and sees_phi else (),
        break_glass=sum(one.alerts for one in unreviewed),
        break_glass_oldest=min((one.oldest for one in unreviewed), default=None),
        first=first,
        last=last,
        departments=departments,
        accesses=sum(department.accesses for department in departments),
        explained=sum(department.explained for department in departments),
    )


def _source_rows(overview: Overview, now: datetime, zone: ZoneInfo) -> Sequence[SourceRow]:
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    hours = [this_hour - timedelta(hours=number) for number in reversed(range(HOURS))]
    by_source = overview.source_hours(hours[0])
    rows = []
    for state in overview.sources(hours[0]):
        counts = by_source.get(state.source_system, {})
        rows.append(
            SourceRow(
                state=state,
                silence=now - state.last_received,
                lag=max(state.last_received - state.last_claimed, timedelta(0)),
                chart=histogram(
                    [(hour.astimezone(zone).strftime("%H:00"), counts.get(hour, 0), "") for hour in hours],
                    title=f"Events received from {state.source_system} by the hour",
                    summary=f"{state.lately:,} events in the last {HOURS} hours.",
                ),
            )
        )
    return rows


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a local day begins."""
    return datetime.combine(day, time(), zone)
