"""How a feed would be understood, record by record, without storing anything."""

import json
from collections.abc import Iterator
from pathlib import Path

from domain.clock import rfc3339
from domain.entry import private_fields
from domain.event import AuditEvent
from ingest.parsers import Parser
from ingest.pipeline import parsed_records


def understood(path: Path, parser: Parser) -> Iterator[dict[str, object]]:
    """One object a record: `n` from 1, `status` event or quarantined, `reason`, and the events in the outward form."""
    with path.open("rb") as file:
        chunks = iter(lambda: file.read(256 * 1024), b"")
        for n, record in enumerate(parsed_records(chunks, parser, source_system="test"), 1):
            events = [item for item in record if isinstance(item, AuditEvent)]
            reasons = [item.reason for item in record if not isinstance(item, AuditEvent)]
            status = "quarantined" if reasons else "event"
            yield {"n": n, "status": status, "reason": "; ".join(reasons) or None, "events": [outward(event) for event in events]}


def outward(event: AuditEvent) -> dict[str, object]:
    """An event in the form of `--format phitrail`."""
    hidden = private_fields(event)
    return {
        "event_id": event.event_id,
        "time": rfc3339(event.time),
        "source": event.source.value,
        "action": event.action,
        "actor": {"id": event.actor.id, "kind": event.actor.kind.value},
        "patient_id": event.patient_id,
        "outcome": event.outcome,
        "device": None if event.device is None else {"id": event.device.id, "kind": event.device.kind},
        "ip": event.ip,
        "geo": hidden.get("geo"),
        "details": json.loads(json.dumps(event.details)),
    }
