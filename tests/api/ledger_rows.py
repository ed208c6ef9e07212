"""Rows of the ledger, made by the domain's own maths and inserted without a writer: for tests of what reads them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from domain.clock import rfc3339
from domain.entry import draft, place
from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Source
from domain.json import Json
from store.engine import Engine

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
"""A Tuesday, two days after the clocks of America/New_York went forward."""


def access(number: int, **changes: object) -> AuditEvent:
    """A chart view by Nurse Alice of patient P-1, `number` seconds after noon, with the given fields changed."""
    details: dict[str, Json] = {"module": "chart", "duration_s": number}
    fields: dict[str, object] = {
        "source_system": "ehr",
        "event_id": f"E-{number}",
        "time": NOON + timedelta(seconds=number),
        "source": Source.ACCESS,
        "action": "view_chart",
        "actor": Actor(id="alice", kind=ActorKind.STAFF),
        "patient_id": "P-1",
        "outcome": "success",
        "device": Device(id="ws-07", kind=DeviceKind.WORKSTATION),
        "ip": "10.1.2.3",
        "details": details,
        "raw": f'{{"n": {number}}}'.encode(),
    }
    return AuditEvent(**(fields | changes))  # type: ignore[arg-type]


def put(
    engine: Engine, events: Sequence[AuditEvent], *, writer: str = "w1", first: int = 0, received: datetime | None = None
) -> None:
    """Insert events as the entries `first`, `first + 1`, … of a writer."""
    previous, rows = b"\0" * 32, []
    for seq, event in enumerate(events, first):
        moment = received or event.time
        entry = place(draft(event), writer=writer, seq=seq, received=rfc3339(moment), secret=b"s" * 32, previous=previous)
        previous = entry.leaf
        rows.append(
            {
                "epoch": moment.year * 100 + moment.month,
                "writer": writer,
                "seq": seq,
                "leaf": entry.leaf,
                "header": entry.header.decode(),
                "private": entry.private.decode(),
                "event_id": event.event_id,
                "source_system": event.source_system,
                "source": event.source.value,
                "action": event.action,
                "actor_id": event.actor.id,
                "actor_kind": event.actor.kind.value,
                "patient_id": event.patient_id or "",
                "outcome": event.outcome or "",
                "time": event.time,
                "received": moment,
                "device_id": event.device.id if event.device else "",
                "device_kind": (event.device.kind or "") if event.device else "",
                "ip": event.ip or "",
                "format": event.format,
            }
        )
    if rows:
        engine.insert(
            "events", pl.DataFrame(rows, schema_overrides={"epoch": pl.UInt32, "seq": pl.UInt64}, infer_schema_length=None)
        )
