"""Rows of the `events` table read back as the events they were made from (the inverse of `domain/entry.py`)."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import cast

import orjson

from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Geo, Source
from domain.json import Json
from domain.record import StoredEvent

COLUMNS = (
    "writer, seq, received, leaf, private, event_id, source_system, source, action, actor_id, actor_kind, patient_id, outcome, "
    "time, device_id, device_kind, ip, format"
)


def stored_event(row: Mapping[str, object]) -> StoredEvent:
    """One row, by column name, as a StoredEvent. An entry whose private part was redacted has no details and no raw record."""
    private = _object(orjson.loads(_text(row["private"]) or "{}"))
    received, time, leaf, seq = row["received"], row["time"], row["leaf"], row["seq"]
    assert isinstance(received, datetime)
    assert isinstance(time, datetime)
    assert isinstance(leaf, bytes)
    assert isinstance(seq, int)
    return StoredEvent(
        writer=_text(row["writer"]),
        seq=seq,
        received=received,
        leaf=leaf,
        event=AuditEvent(
            source_system=_text(row["source_system"]),
            event_id=_text(row["event_id"]),
            time=time,
            source=Source(_text(row["source"])),
            action=_text(row["action"]),
            actor=Actor(id=_text(row["actor_id"]) or "redacted", kind=ActorKind(_text(row["actor_kind"]))),
            patient_id=_text(row["patient_id"]) or None,
            outcome=_text(row["outcome"]) or None,
            device=_device(_text(row["device_id"]), _text(row["device_kind"])),
            ip=_text(row["ip"]) or None,
            geo=_geo(private.get("geo")),
            details=cast("Mapping[str, Json]", private.get("details") or {}),
            raw=_raw(private),
            format=_text(row["format"]),
        ),
    )


def _device(identity: str, kind: str) -> Device | None:
    return Device(id=identity, kind=DeviceKind(kind) if kind else None) if identity or kind else None


def _geo(value: object) -> Geo | None:
    if not isinstance(value, Mapping):
        return None
    place = {name: None if value.get(name) is None else str(value[name]) for name in ("city", "country", "lat", "lon")}
    return Geo(**place)


def _raw(private: Mapping[str, object]) -> bytes:
    if "raw_base64" in private:
        return base64.b64decode(_text(private["raw_base64"]))
    return _text(private.get("raw") or "").encode()


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    assert isinstance(value, str)
    return value
