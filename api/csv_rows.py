"""Events as CSV that a spreadsheet can open without running anything (OWASP, CSV injection)."""

import csv
import io
from collections.abc import Iterable, Sequence

from domain.clock import rfc3339
from domain.json import canonical
from domain.record import StoredEvent

COLUMNS = (
    "writer",
    "seq",
    "time",
    "received",
    "source_system",
    "event_id",
    "source",
    "action",
    "actor_id",
    "actor_kind",
    "patient_id",
    "outcome",
    "device_id",
    "device_kind",
    "ip",
    "details",
    "leaf",
)

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def events_csv(events: Iterable[StoredEvent]) -> str:
    """A header line and one line an event, RFC 4180."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for stored in events:
        writer.writerow([safe_cell(cell) for cell in _cells(stored)])
    return text.getvalue()


def safe_cell(text: str) -> str:
    """The text, with a leading apostrophe where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_STARTS_A_FORMULA) else text


def _cells(stored: StoredEvent) -> Sequence[str]:
    event = stored.event
    return (
        stored.writer,
        str(stored.seq),
        rfc3339(event.time),
        rfc3339(stored.received),
        event.source_system,
        event.event_id,
        event.source.value,
        event.action,
        event.actor.id,
        event.actor.kind.value,
        event.patient_id or "",
        event.outcome or "",
        event.device.id if event.device else "",
        (event.device.kind or "") if event.device else "",
        event.ip or "",
        canonical(event.details).decode(),
        stored.leaf.hex(),
    )
