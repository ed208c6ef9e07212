"""Our own JSON Lines, as the record system, the portal and the mail provider send them."""

from zoneinfo import ZoneInfo

import orjson

from domain.event import AuditEvent
from domain.json import Json


def phitrail_line(event: AuditEvent, zone: ZoneInfo) -> bytes:
    """One event as one line without its end, with the time as the sender's clock shows it."""
    record: dict[str, Json] = {
        "event_id": event.event_id,
        "time": event.time.astimezone(zone).isoformat(timespec="milliseconds"),
        "source": event.source.value,
        "action": event.action,
        "actor": {"id": event.actor.id, "kind": event.actor.kind.value},
        "patient_id": event.patient_id,
    }
    if event.outcome is not None:
        record["outcome"] = event.outcome
    if event.device is not None:
        record["device"] = {"id": event.device.id, "kind": event.device.kind.value if event.device.kind else None}
    if event.ip is not None:
        record["ip"] = event.ip
    if event.geo is not None:
        record["geo"] = {"city": event.geo.city, "country": event.geo.country}
    if event.details:
        record["details"] = event.details
    return orjson.dumps(record)
