"""The rows behind two panels of the first screen: how deliveries left, and which accesses have a reason on record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from dashboards.first_screen import WINDOW, midnight
from domain.errors import InvalidInput
from store.access_overview import AccessOverview, Department, RecordAccess
from store.mail_overview import Band, MailOverview, OutboundDelivery

ROWS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MailList:
    """Deliveries of a period of local days. `total` counts the whole period; the rows are the newest of the chosen band."""

    first: date
    last: date
    band: Band | None
    to_domain: str
    only_phi: bool
    total: int
    bands: Mapping[Band, int]
    rows: Sequence[OutboundDelivery]
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessList:
    """Accesses to records over local days. `department` None: all of them; `explained` None: both kinds."""

    first: date
    last: date
    department: str | None
    explained: bool | None
    departments: Sequence[Department]
    rows: Sequence[RecordAccess]
    is_cut: bool


def mail_list(mail: MailOverview, asked: Mapping[str, str], zone: ZoneInfo, now: datetime) -> MailList:
    """The list of deliveries. Raises InvalidInput for a band or day that is none."""
    newest = mail.newest(now)
    first, last = _days(asked, (newest or now).astimezone(zone).date())
    since, until = midnight(first, zone), midnight(last + timedelta(days=1), zone)
    try:
        band = Band(asked["band"]) if asked.get("band") else None
    except ValueError:
        raise InvalidInput("the protection of a delivery is one of clear, weak, unverified, trusted, verified, unknown") from None
    by_day = mail.days(since, until, zone.key)
    bands = {one: sum(day.get(one, 0) for day in by_day.values()) for one in Band}
    only_phi = asked.get("phi") == "yes"
    to_domain = asked.get("to_domain", "")
    rows = mail.deliveries(since, until, band=band, to_domain=to_domain, only_phi=only_phi, limit=ROWS + 1)
    return MailList(
        first=first,
        last=last,
        band=band,
        to_domain=to_domain,
        only_phi=only_phi,
        total=sum(bands.values()),
        bands=bands,
        rows=rows[:ROWS],
        is_cut=len(rows) > ROWS,
    )


def access_list(accesses: AccessOverview, asked: Mapping[str, str], zone: ZoneInfo, now: datetime) -> AccessList:
    """The list of accesses. Raises InvalidInput for a day that is none."""
    first, last = _days(asked, (accesses.newest_access(now) or now).astimezone(zone).date())
    department = asked.get("department")
    explained = {"yes": True, "no": False}.get(asked.get("explained", ""))
    rows = accesses.accesses(first, last, department=department, explained=explained, limit=ROWS + 1)
    return AccessList(
        first=first,
        last=last,
        department=department,
        explained=explained,
        departments=accesses.departments(first, last),
        rows=rows[:ROWS],
        is_cut=len(rows) > ROWS,
    )


def mail_href(first: date, last: date, **more: str) -> str:
    """The address of a list of deliveries."""
    return f"/mail?{urlencode({'first': first.isoformat(), 'last': last.isoformat(), **more})}"


def access_href(first: date, last: date, **more: str) -> str:
    """The address of a list of accesses."""
    return f"/accesses?{urlencode({'first': first.isoformat(), 'last': last.isoformat(), **more})}"


def _days(asked: Mapping[str, str], newest: date) -> tuple[date, date]:
    """The days asked for; without any, the seven up to the newest."""
    try:
        last = date.fromisoformat(asked["last"]) if asked.get("last") else newest
        first = date.fromisoformat(asked["first"]) if asked.get("first") else last - WINDOW + timedelta(days=1)
    except (ValueError, OverflowError):
        raise InvalidInput("a day is written like 2026-03-10") from None
    if first > last:
        raise InvalidInput("the period ends before it begins")
    return first, last
