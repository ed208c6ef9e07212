"""The pages about mail domains: how mail to each of them left, what it publishes, what changed, and the state of its agreement.

A share is of deliveries whose protection the source reported; how many were not reported stands beside it, and is never good.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from dashboards.charts import stacked_bars
from dashboards.domain_words import Aspect, agreement, aspects, is_stale, own_aspects, problem_words, record_of, what_words
from dashboards.fact_lists import mail_href
from dashboards.first_screen import midnight
from dashboards.views import Chart
from domain.errors import NotFound
from domain.json import Json
from store.domain_overview import DomainMail, DomainOverview
from store.domain_posture import Posture, PostureChange
from store.domain_view import DomainView, domain_view
from store.engine import Engine
from store.mail_overview import Band

RECENT = timedelta(days=30)
WEEKS = 13
ROWS = 500
CHANGES = 100

BANDS = {
    Band.VERIFIED: "verified",
    Band.TRUSTED: "trusted, name not compared",
    Band.UNVERIFIED: "encrypted, peer not verified",
    Band.WEAK: "weak TLS",
    Band.CLEAR: "in the clear",
    Band.UNKNOWN: "not known",
}
INSECURE = (Band.CLEAR, Band.WEAK, Band.UNVERIFIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRow:
    """One domain on the list. `mail` None: it got none in the period. `looked` None: nobody ever looked at it."""

    domain: str
    kind: str
    is_own: bool
    mail: DomainMail | None
    agreement: Aspect
    aspects: Sequence[Aspect]
    looked: datetime | None
    is_stale: bool
    problems: int
    insecure_href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """Something that became different."""

    change: PostureChange
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainsPage:
    """The list. `looked` are domains that were ever looked at, `stale` those of them whose look is too old."""

    first: date
    last: date
    rows: Sequence[DomainRow]
    more: int
    changes: Sequence[ChangeRow]
    more_changes: int
    looked: int
    stale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """Deliveries of seven local days."""

    first: date
    last: date
    bands: Mapping[Band, int]
    total: int
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Insecure:
    """Deliveries of the last 30 days that left badly, and where they are listed."""

    band: Band
    word: str
    deliveries: int
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPage:
    """Everything about one domain."""

    domain: str
    first: date
    last: date
    register_name: str
    register: Mapping[str, Json]
    agreement: Aspect
    mail: DomainMail | None
    versions: Mapping[str, int]
    chart: Chart | None
    weeks: Sequence[Week]
    bands: Mapping[Band, str]
    posture: Posture | None
    is_stale: bool
    aspects: Sequence[Aspect]
    problems: Sequence[str]
    changes: Sequence[ChangeRow]
    insecure: Sequence[Insecure]


def domains_page(engine: Engine, now: datetime, zone: ZoneInfo) -> DomainsPage:
    """The list: ours, then those where PHI left badly, then by deliveries of the last 30 days."""
    first, last = _days(now, zone)
    view = domain_view(engine, midnight(first, zone), midnight(last + timedelta(days=1), zone), now)
    mail = {one.domain: one for one in view.mail}
    rows = sorted((_row(view, name, mail.get(name), first, last, zone) for name in view.names()), key=_order)
    changes = [ChangeRow(change=change, what=what_words(change)) for change in reversed(view.changes)]
    return DomainsPage(
        first=first,
        last=last,
        rows=rows[:ROWS],
        more=max(0, len(rows) - ROWS),
        changes=changes[:CHANGES],
        more_changes=max(0, len(changes) - CHANGES),
        looked=len(view.postures),
        stale=sum(is_stale(one, now) for one in view.postures.values()),
    )


def domain_page(engine: Engine, domain: str, now: datetime, zone: ZoneInfo) -> DomainPage:
    """One domain. Raises NotFound where neither mail, nor the register, nor a look knows it."""
    first, last = _days(now, zone)
    since, until = midnight(first, zone), midnight(last + timedelta(days=1), zone)
    name = domain.strip().lower().rstrip(".")
    view = domain_view(engine, since, until, now, only=name)
    begin = last - timedelta(days=7 * WEEKS - 1)
    days = DomainOverview(engine).days(name, midnight(begin, zone), until, zone.key)
    found = record_of(name, view.registered)
    if not (days or view.mail or view.postures) and found is None:
        raise NotFound("no domain of this name got mail, is registered, or was looked at")
    posture = view.postures.get(name)
    weeks = [_week(name, begin + timedelta(days=7 * number), days) for number in range(WEEKS)]
    bands = {
        band: sum(count for day, by in days.items() if day >= first for one, count in by.items() if one is band) for band in Band
    }
    return DomainPage(
        domain=name,
        first=first,
        last=last,
        register_name=found[0] if found else "",
        register=found[1] if found else {},
        agreement=agreement(name, view.registered, now.astimezone(zone).date()),
        mail=view.mail[0] if view.mail else None,
        versions=view.versions.get(name, {}),
        chart=_chart(name, weeks) if days else None,
        weeks=list(reversed(weeks)),
        bands=BANDS,
        posture=posture,
        is_stale=posture is not None and is_stale(posture, now),
        aspects=[*aspects(posture, now), *(own_aspects(posture, now) if posture is not None and posture.is_own else [])],
        problems=[problem_words(problem) for problem in posture.problems] if posture is not None else [],
        changes=[ChangeRow(change=one, what=what_words(one)) for one in reversed(view.all_changes)][:CHANGES],
        insecure=[
            Insecure(
                band=band, word=BANDS[band], deliveries=bands[band], href=mail_href(first, last, band=band.value, to_domain=name)
            )
            for band in INSECURE
        ],
    )


def _days(now: datetime, zone: ZoneInfo) -> tuple[date, date]:
    last = now.astimezone(zone).date()
    return last - RECENT + timedelta(days=1), last


def _row(view: DomainView, name: str, mail: DomainMail | None, first: date, last: date, zone: ZoneInfo) -> DomainRow:
    posture = view.postures.get(name)
    found = record_of(name, view.registered)
    return DomainRow(
        domain=name,
        kind=str(found[1].get("kind") or "") if found else "",
        is_own=posture is not None and posture.is_own,
        mail=mail,
        agreement=agreement(name, view.registered, view.at.astimezone(zone).date()),
        aspects=aspects(posture, view.at),
        looked=posture.observed_at if posture is not None else None,
        is_stale=posture is not None and is_stale(posture, view.at),
        problems=len(posture.problems) if posture is not None else 0,
        insecure_href=mail_href(first, last, band=Band.CLEAR.value, to_domain=name),
    )


def _order(row: DomainRow) -> tuple[bool, int, int, str]:
    mail = row.mail
    return (not row.is_own, -(mail.phi_badly if mail else 0), -(mail.deliveries if mail else 0), row.domain)


def _week(domain: str, first: date, days: Mapping[date, Mapping[Band, int]]) -> Week:
    last = first + timedelta(days=6)
    bands = {band: sum(by.get(band, 0) for day, by in days.items() if first <= day <= last) for band in Band}
    return Week(first=first, last=last, bands=bands, total=sum(bands.values()), href=mail_href(first, last, to_domain=domain))


def _chart(domain: str, weeks: Sequence[Week]) -> Chart:
    total = sum(week.total for week in weeks)
    verified = sum(week.bands[Band.VERIFIED] for week in weeks)
    unknown = sum(week.bands[Band.UNKNOWN] for week in weeks)
    chart = stacked_bars(
        [(f"week from {week.first}", {band.value: count for band, count in week.bands.items()}) for week in weeks],
        [band.value for band in BANDS],
        title=f"How mail to {domain} was protected, by week",
        summary=f"Of {total:,} deliveries in {WEEKS} weeks {verified:,} were verified; of {unknown:,} it is not known.",
        share=True,
    )
    return replace(chart, marks=[week.first.strftime("%-d %b") for week in weeks])
