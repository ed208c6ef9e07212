"""The pages of a patient (who was in the record, and why) and of an actor (what they do, from where, and what was found)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dashboards.charts import histogram
from dashboards.search import EventRow, event_rows
from dashboards.views import Chart
from domain.errors import NotFound
from domain.finding import Alert
from store.access_overview import AccessOverview
from store.alerts import AlertQuery, AlertStore
from store.events import EventFilter, Events
from store.people import People, Place, Post, Span, Visitor

ROWS = 50
DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientPage:
    """Everything on the page of one patient."""

    patient_id: str
    span: Span
    visitors: Sequence[Visitor]
    rows: Sequence[EventRow]
    has_more: bool
    alerts: Sequence[Alert]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorPage:
    """Everything on the page of one actor. `busiest` is their most patients on one of the `days` shown."""

    actor_id: str
    span: Span
    post: Post | None
    chart: Chart
    first_day: datetime
    busiest: int
    usual: float
    places: Sequence[Place]
    rows: Sequence[EventRow]
    has_more: bool
    alerts: Sequence[Alert]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where these pages get their numbers."""

    people: People
    events: Events
    accesses: AccessOverview
    alerts: AlertStore


def patient_page(sources: Sources, patient_id: str) -> PatientPage:
    """The page of a patient. Raises NotFound where nothing is recorded about them."""
    span = sources.people.patient(patient_id)
    if span is None:
        raise NotFound("nothing is recorded about a patient with this id")
    rows, has_more = _rows(sources, EventFilter(patient_id=patient_id))
    return PatientPage(
        patient_id=patient_id,
        span=span,
        visitors=sources.people.visitors(patient_id, 100),
        rows=rows,
        has_more=has_more,
        alerts=sources.alerts.search(AlertQuery(patient_id=patient_id), limit=20).alerts,
    )


def actor_page(sources: Sources, actor_id: str, zone: ZoneInfo) -> ActorPage:
    """The page of an actor: their last thirty days, counted from the newest event. Raises NotFound where they did nothing."""
    span = sources.people.actor(actor_id)
    if span is None:
        raise NotFound("nothing is recorded about a person or program with this id")
    last = span.last.astimezone(zone).date()
    first = last - timedelta(days=DAYS - 1)
    since = datetime.combine(first, datetime.min.time(), zone)
    by_day = {day.day: day for day in sources.people.days(actor_id, since, zone.key)}
    days = [first + timedelta(days=number) for number in range(DAYS)]
    patients = [by_day[day].patients if day in by_day else 0 for day in days]
    worked = sorted(count for day, count in zip(days, patients, strict=True) if day in by_day)
    rows, has_more = _rows(sources, EventFilter(actor_id=actor_id))
    return ActorPage(
        actor_id=actor_id,
        span=span,
        post=sources.people.post(actor_id, since),
        chart=histogram(
            [(day.strftime("%a %-d %b"), count, "") for day, count in zip(days, patients, strict=True)],
            title="Different patients a day",
            summary=f"Different patients on each of {DAYS} days to {last}; at most {max(patients)}.",
        ),
        first_day=since,
        busiest=max(patients),
        usual=worked[len(worked) // 2] if worked else 0,
        places=sources.people.places(actor_id, since, 12),
        rows=rows,
        has_more=has_more,
        alerts=sources.alerts.search(AlertQuery(actor_id=actor_id), limit=20).alerts,
    )


def _rows(sources: Sources, wanted: EventFilter) -> tuple[Sequence[EventRow], bool]:
    page = sources.events.search(wanted, None, ROWS)
    return event_rows(page.events, sources.accesses), page.next is not None
