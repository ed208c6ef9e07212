"""What is written for one record: an event as understood, or a rejected record, exactly; read back it equals what was put in.

Events are kept as parsed and not as bytes alone: a line of a mail log is understood together with lines before it, and the parser
that had seen those is gone after a restart.

    length of the fields (4 bytes, big-endian) ‖ the fields as JSON ‖ the raw record

JSON is written by the standard library with ASCII escapes, because it takes what no other encoder does: lone surrogates, integers
of any size and floats come back as they were.
"""

import json
import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from domain.clock import parse_rfc3339, rfc3339
from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Geo, Source
from domain.record import Parsed, Rejected
from store.quarantine import Fragment

_LENGTH = struct.Struct(">I")

UNREADABLE = "this version cannot read what an earlier one kept in the spool"


class Kind(IntEnum):
    """What a frame of the spool holds."""

    EVENT = 1
    REJECTED = 2
    FRAGMENT = 3


def encode(item: Parsed) -> tuple[Kind, bytes]:
    """The kind and the bytes of one record."""
    kind, fields = _event(item) if isinstance(item, AuditEvent) else _rejected(item)
    text = json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode()
    return kind, _LENGTH.pack(len(text)) + text + item.raw


def decode(kind: int, content: bytes) -> Parsed:
    """The record again. One that this version cannot read, written by another one, becomes a Fragment of its bytes: kept."""
    try:
        (length,) = _LENGTH.unpack_from(content)
        fields, raw = json.loads(content[_LENGTH.size : _LENGTH.size + length]), content[_LENGTH.size + length :]
        if kind == Kind.EVENT:
            return _as_event(fields, raw)
        make = {Kind.REJECTED: Rejected, Kind.FRAGMENT: Fragment}[Kind(kind)]
        return make(source_system=fields["source_system"], format=fields["format"], reason=fields["reason"], raw=raw)
    except (InvalidInput, ValueError, KeyError, TypeError, struct.error):
        return Fragment(source_system="spool", format="spool", reason=UNREADABLE, raw=content)


def _event(event: AuditEvent) -> tuple[Kind, Mapping[str, object]]:
    device, geo = event.device, event.geo
    return Kind.EVENT, {
        "source_system": event.source_system,
        "event_id": event.event_id,
        "time": rfc3339(event.time),
        "source": event.source.value,
        "action": event.action,
        "actor": [event.actor.id, event.actor.kind.value],
        "patient_id": event.patient_id,
        "outcome": event.outcome,
        "device": None if device is None else [device.id, None if device.kind is None else device.kind.value],
        "ip": event.ip,
        "geo": None if geo is None else [geo.city, geo.country, geo.lat, geo.lon],
        "details": event.details,
        "format": event.format,
    }


def _rejected(item: Rejected) -> tuple[Kind, Mapping[str, object]]:
    kind = Kind.FRAGMENT if isinstance(item, Fragment) else Kind.REJECTED
    return kind, {"source_system": item.source_system, "format": item.format, "reason": item.reason}


def _as_event(fields: Mapping[str, Any], raw: bytes) -> AuditEvent:
    device, geo = fields["device"], fields["geo"]
    return AuditEvent(
        source_system=fields["source_system"],
        event_id=fields["event_id"],
        time=parse_rfc3339(fields["time"]),
        source=Source(fields["source"]),
        action=fields["action"],
        actor=Actor(id=fields["actor"][0], kind=ActorKind(fields["actor"][1])),
        patient_id=fields["patient_id"],
        outcome=fields["outcome"],
        device=None if device is None else Device(id=device[0], kind=None if device[1] is None else DeviceKind(device[1])),
        ip=fields["ip"],
        geo=None if geo is None else Geo(city=geo[0], country=geo[1], lat=geo[2], lon=geo[3]),
        details=fields["details"],
        raw=raw,
        format=fields["format"],
    )
