"""Sources that send: history as the roll-up holds it, live events through a ledger, and a watch that looks."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import polars as pl

from domain.event import AuditEvent
from store.engine import Engine
from tests.support.cast import chart_view

HOUR = timedelta(hours=1)
NOW = datetime(2026, 3, 2, 10, 30, tzinfo=UTC)
"""A Monday, half past ten."""

_numbers = count(1)


def history(engine: Engine, name: str = "ehr", *, weeks: int = 5, until: datetime = NOW, each: int = 60, lag: int = 2) -> None:
    """So many weeks of a source around the clock, `each` events an hour, the last one five minutes before `until`."""
    last = (until - timedelta(minutes=5)).replace(second=0, microsecond=0)
    hours = [last.replace(minute=0) - n * HOUR for n in range(weeks * 168)]
    rows = [_row(name, hour, each, lag, last=last if hour == hours[0] else hour + timedelta(minutes=59)) for hour in hours]
    engine.insert("source_health", pl.DataFrame(rows, schema_overrides=_TYPES))
    beats = [{"hour": hour, "first": hour, "last": min(hour + timedelta(minutes=59), until)} for hour in hours]
    engine.insert("source_watch", pl.DataFrame(beats))


def an_event(name: str = "ehr", at: datetime = NOW, **changes: object) -> AuditEvent:
    """A chart that is opened at `at`."""
    event = replace(chart_view(0), source_system=name, event_id=f"live-{next(_numbers)}", time=at)
    return replace(event, **changes) if changes else event  # type: ignore[arg-type]


_TYPES: Mapping[str, pl.DataType] = {
    "lag": pl.Int16(),
    **{f"{field}_{what}": pl.UInt64() for field in ("patient", "device", "ip", "details") for what in ("due", "missing")},
    "events": pl.UInt64(),
    "first_seq": pl.UInt64(),
    "last_seq": pl.UInt64(),
}


def _row(name: str, hour: datetime, events: int, lag: int, *, last: datetime) -> dict[str, object]:
    fields = {
        f"{field}_{what}": events if what == "due" else 0
        for field in ("patient", "device", "ip", "details")
        for what in ("due", "missing")
    }
    return {
        "source_system": name,
        "hour": hour,
        "writer": "history",
        "format": "phitrail",
        "stream": "access",
        "lag": lag,
        "events": events,
        **fields,
        "first_received": hour,
        "last_received": last,
        "last_claimed": last,
        "first_seq": 0,
        "last_seq": 0,
    }
