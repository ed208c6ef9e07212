"""The search page: a question in the address, and everything that narrows, widens or turns it into a file.

The address holds the whole state: a page can be kept, shared inside the organisation and compared with a file of the same filter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from dashboards.charts import histogram
from dashboards.views import Chart
from domain.clock import parse_rfc3339, rfc3339
from domain.errors import InvalidInput
from domain.event import Source
from domain.record import StoredEvent
from store.access_overview import AccessFact, AccessOverview, DeliveryFact
from store.event_counts import FACETS, EventCounts
from store.events import EventFilter, Events

PAGE_ROWS = 50

Pairs = Sequence[tuple[str, str]]
"""Names and values of a query, in order; a name may be repeated."""

PRESETS: Mapping[str, tuple[str, timedelta]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("24 hours", timedelta(hours=24)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
}

LABELS = {
    "source": "Source",
    "source_system": "System",
    "action": "Action",
    "outcome": "Outcome",
    "actor_kind": "Actor kind",
    "actor": "Actor",
    "patient": "Patient",
    "device": "Device",
    "ip": "Address",
    "q": "Text",
    "from": "From",
    "to": "Before",
    "last": "Period",
}

_ONE = ("actor", "patient", "device", "ip", "q", "from", "to", "last")
_LONGEST = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A filter in use, and the address without it."""

    label: str
    value: str
    without: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A value to narrow by: `href` puts it on or, when it is on, takes it off."""

    value: str
    count: int
    is_on: bool
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A column to narrow by, with its most frequent values under the present filter."""

    name: str
    label: str
    choices: Sequence[Choice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A period relative to now."""

    label: str
    is_on: bool
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event in a table. `fact` and `delivery` are None where analytics has not looked at it, or it is of another kind."""

    stored: StoredEvent
    fact: AccessFact | None
    delivery: DeliveryFact | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """The page. `newest` is the address of its first page when this is not it; `older` that of the next, if there is one."""

    values: Mapping[str, str]
    kept: Pairs
    chips: Sequence[Chip]
    presets: Sequence[Preset]
    facets: Sequence[Facet]
    total: int
    chart: Chart
    bucket: timedelta
    axis: tuple[datetime, datetime] | None
    rows: Sequence[EventRow]
    newest: str | None
    older: str | None
    csv: str
    json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query as understood: the pairs that mean something, the filter they make, and where to go on reading."""

    pairs: Pairs
    wanted: EventFilter
    cursor: str | None


def question(pairs: Iterable[tuple[str, str]], zone: ZoneInfo, now: datetime) -> Question:
    """Understand the query of the search page. Raises InvalidInput for a name or time that means nothing."""
    kept = [(name, value.strip()) for name, value in pairs if value.strip()]
    cursor = next((value for name, value in kept if name == "cursor"), None)
    kept = [(name, value) for name, value in kept if name != "cursor"]
    one: dict[str, str] = {}
    several: dict[str, list[str]] = {name: [] for name in FACETS}
    for name, value in kept:
        if len(value) > _LONGEST:
            raise InvalidInput("a search value is longer than 512 characters")
        if name in several:
            several[name].append("" if value == NOT_STATED else value)
        elif name in _ONE:
            one[name] = value
        else:
            raise InvalidInput("the address has a search term that does not exist; start again from the search page")
    since, until = _moment(one.get("from"), zone), _moment(one.get("to"), zone)
    if since is None and until is None and (preset := PRESETS.get(one.get("last", ""))):
        since = now - preset[1]
    wanted = EventFilter(
        since=since,
        until=until,
        actor_id=one.get("actor"),
        patient_id=one.get("patient"),
        device_id=one.get("device"),
        ip=one.get("ip"),
        text=one.get("q"),
        actions=tuple(several["action"]),
        sources=tuple(several["source"]),
        source_systems=tuple(several["source_system"]),
        outcomes=tuple(several["outcome"]),
        actor_kinds=tuple(several["actor_kind"]),
    )
    return Question(pairs=tuple(kept), wanted=wanted, cursor=cursor)


NOT_STATED = "(not stated)"
"""How an empty value is written in the address and on the page."""


def search_page(asked: Question, *, events: Events, counts: EventCounts, accesses: AccessOverview, zone: ZoneInfo) -> SearchPage:
    """Ask the store and lay out the answer."""
    pairs = asked.pairs
    page = events.search(asked.wanted, asked.cursor, PAGE_ROWS)
    spread = counts.histogram(asked.wanted, zone)
    query = api_query(asked.wanted)
    return SearchPage(
        values={name: value for name, value in pairs if name in _ONE},
        kept=[(name, value) for name, value in pairs if name not in _ONE],
        chips=[
            Chip(label=LABELS[name], value=_shown(name, value), without=href(_minus(pairs, name, value))) for name, value in pairs
        ],
        presets=_presets(pairs),
        facets=_facets(pairs, counts.facets(asked.wanted)),
        total=spread.total,
        chart=histogram(
            [
                (
                    bucket.start.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z"),
                    bucket.count,
                    href([*_without(pairs, "from", "to", "last"), ("from", rfc3339(bucket.start)), ("to", rfc3339(bucket.end))]),
                )
                for bucket in spread.buckets
            ],
            title="Events over time",
            summary=f"{spread.total:,} events in {len(spread.buckets)} intervals; each bar leads to its interval.",
        ),
        bucket=spread.width,
        axis=(spread.buckets[0].start, spread.buckets[-1].end) if spread.buckets else None,
        rows=event_rows(page.events, accesses),
        newest=href(pairs) if asked.cursor else None,
        older=href([*pairs, ("cursor", page.next)]) if page.next else None,
        csv=f"/v1/events.csv?{urlencode([*query, ('limit', '1000')])}",
        json=f"/v1/events.json?{urlencode([*query, ('limit', '1000')])}",
    )


def event_rows(found: Sequence[StoredEvent], accesses: AccessOverview) -> list[EventRow]:
    """Events with what analytics knew about each, in two questions for all of them."""
    facts = accesses.facts((stored.writer, stored.seq) for stored in found if stored.event.source is not Source.MAIL)
    deliveries = accesses.deliveries((stored.writer, stored.seq) for stored in found if stored.event.source is Source.MAIL)
    return [
        EventRow(stored=stored, fact=facts.get((stored.writer, stored.seq)), delivery=deliveries.get((stored.writer, stored.seq)))
        for stored in found
    ]


def href(pairs: Iterable[tuple[str, str]]) -> str:
    """The address of a search."""
    query = urlencode(list(pairs))
    return f"/events?{query}" if query else "/events"


def api_query(wanted: EventFilter) -> Pairs:
    """The same filter as the API takes it, so that a file holds what the page shows."""
    one = {
        "from": wanted.since and rfc3339(wanted.since),
        "to": wanted.until and rfc3339(wanted.until),
        "actor": wanted.actor_id,
        "patient": wanted.patient_id,
        "device": wanted.device_id,
        "ip": wanted.ip,
        "q": wanted.text,
    }
    several = {
        "action": wanted.actions,
        "source": wanted.sources,
        "source_system": wanted.source_systems,
        "outcome": wanted.outcomes,
        "actor_kind": wanted.actor_kinds,
    }
    return [(name, value) for name, value in one.items() if value] + [(name, value) for name in several for value in several[name]]


def _moment(text: str | None, zone: ZoneInfo) -> datetime | None:
    """A time from the address: RFC 3339, or what a date field gives, which is local."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=zone) if moment.tzinfo is None else parse_rfc3339(text)
    except (ValueError, OverflowError):
        raise InvalidInput("a time in the search is not one; write it like 2026-03-10T12:00") from None


def _facets(pairs: Pairs, found: Mapping[str, Sequence[tuple[str, int]]]) -> Sequence[Facet]:
    facets = []
    for name in FACETS:
        choices = []
        for value, count in found[name]:
            shown = value or NOT_STATED
            is_on = (name, shown) in pairs
            target = _minus(pairs, name, shown) if is_on else [*pairs, (name, shown)]
            choices.append(Choice(value=shown, count=count, is_on=is_on, href=href(target)))
        facets.append(Facet(name=name, label=LABELS[name], choices=choices))
    return facets


def _presets(pairs: Pairs) -> Sequence[Preset]:
    rest = _without(pairs, "from", "to", "last")
    has_bounds = any(name in ("from", "to") for name, _ in pairs)
    chosen = next((value for name, value in pairs if name == "last"), "")
    presets = [
        Preset(label=label, is_on=not has_bounds and chosen == name, href=href([*rest, ("last", name)]))
        for name, (label, _) in PRESETS.items()
    ]
    return [*presets, Preset(label="All time", is_on=not has_bounds and not chosen, href=href(rest))]


def _shown(name: str, value: str) -> str:
    return PRESETS[value][0] if name == "last" and value in PRESETS else value


def _minus(pairs: Pairs, name: str, value: str) -> Pairs:
    return [pair for pair in pairs if pair != (name, value)]


def _without(pairs: Pairs, *names: str) -> Pairs:
    return [pair for pair in pairs if pair[0] not in names]
