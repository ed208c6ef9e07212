"""Our own format: one JSON object a record, every field named in `docs/collectors.md`.

Strict where silence would hide a mistake: a misspelt top-level field, a time without offset or a kind nobody knows is refused
with the field's name. Values never appear in a reason, because any of them may be PHI.
"""

import re
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Geo, Source
from domain.json import Json, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.instants import instant
from ingest.parsers.shapes import decode_json, kind_of

OUTCOMES = ("success", "failure", "denied", "delivered", "bounced", "deferred", "dropped")

_FIELDS = frozenset({"event_id", "time", "source", "action", "actor", "patient_id", "outcome", "device", "ip", "geo", "details"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9.-]{0,39}")
_Choice = TypeVar("_Choice", bound=StrEnum)


class PhitrailParser:
    """Reads `--format phitrail` (JSON Lines, interfaces section 2)."""

    format = "phitrail"

    def __init__(self, source_system: str) -> None:
        self._source_system = source_system

    def parse(self, record: bytes) -> list[Parsed]:
        """One event, or one Rejected."""
        try:
            return [self._event(record)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=record)]

    def _event(self, record: bytes) -> AuditEvent:
        fields = decode_json(record)
        if not isinstance(fields, dict):
            raise InvalidInput(f"the record is {kind_of(fields)}, not an object")
        if unknown := fields.keys() - _FIELDS:
            raise InvalidInput(f"unknown top-level field: {_names(unknown)}; known are {', '.join(sorted(_FIELDS))}")
        return AuditEvent(
            source_system=self._source_system,
            event_id=_required(fields, "event_id"),
            time=instant(fields.get("time"), "time"),
            source=_choice(Source, fields, "source"),
            action=_required(fields, "action"),
            actor=_actor(fields),
            patient_id=_optional(fields, "patient_id"),
            outcome=_outcome(fields),
            device=_device(fields),
            ip=_optional(fields, "ip", limit=64),
            geo=_geo(fields),
            details=_details(fields),
            raw=record,
            format=self.format,
        )


def _names(keys: Collection[str]) -> str:
    """The keys that read like field names; another may be anything, so it is only counted."""
    named = sorted(key for key in keys if _NAME.fullmatch(key))[:5]
    rest = len(keys) - len(named)
    return ", ".join([*named, f"{rest} more"] if named and rest else named or [f"{rest} with an unusual name"])


def _required(fields: Mapping[str, object], name: str, inside: str = "", limit: int = 512) -> str:
    value = fields.get(name)
    if name not in fields:
        raise InvalidInput(f"{inside}{name} is missing")
    if not isinstance(value, str):
        raise InvalidInput(f"{inside}{name} is {kind_of(value)}, not a string")
    if not value.strip():
        raise InvalidInput(f"{inside}{name} is empty")
    if len(value) > limit:
        raise InvalidInput(f"{inside}{name} is longer than {limit} characters")
    return value


def _optional(fields: Mapping[str, object], name: str, inside: str = "", limit: int = 512) -> str | None:
    if fields.get(name) is None:
        return None
    return _required(fields, name, inside, limit)


def _choice(choices: type[_Choice], fields: Mapping[str, object], name: str, inside: str = "") -> _Choice:
    value = _required(fields, name, inside)
    try:
        return choices(value)
    except ValueError:
        raise InvalidInput(f"{inside}{name} is not one of {', '.join(choices)}") from None


def _object(fields: Mapping[str, object], name: str) -> Mapping[str, object] | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidInput(f"{name} is {kind_of(value)}, not an object")
    return value


def _actor(fields: Mapping[str, object]) -> Actor:
    actor = _object(fields, "actor")
    if actor is None:
        raise InvalidInput("actor is missing")
    return Actor(id=_required(actor, "id", "actor."), kind=_choice(ActorKind, actor, "kind", "actor."))


def _outcome(fields: Mapping[str, object]) -> str | None:
    outcome = _optional(fields, "outcome")
    if outcome is not None and outcome not in OUTCOMES:
        raise InvalidInput(f"outcome is not one of {', '.join(OUTCOMES)}")
    return outcome


def _device(fields: Mapping[str, object]) -> Device | None:
    device = _object(fields, "device")
    if device is None:
        return None
    kind = None if device.get("kind") is None else _choice(DeviceKind, device, "kind", "device.")
    return Device(id=_required(device, "id", "device."), kind=kind)


def _geo(fields: Mapping[str, object]) -> Geo | None:
    geo = _object(fields, "geo")
    if geo is None:
        return None
    return Geo(
        city=_optional(geo, "city", "geo."),
        country=_optional(geo, "country", "geo."),
        lat=_degrees(geo, "lat", 90),
        lon=_degrees(geo, "lon", 180),
    )


def _degrees(geo: Mapping[str, object], name: str, bound: int) -> str | None:
    value = geo.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidInput(f"geo.{name} is {kind_of(value)}, not a number")
    text = str(normalise(value))
    try:
        degrees = Decimal(text)
    except InvalidOperation:
        raise InvalidInput(f"geo.{name} is not a number") from None
    if not degrees.is_finite() or abs(degrees) > bound:
        raise InvalidInput(f"geo.{name} lies outside −{bound} to {bound}")
    return text


def _details(fields: Mapping[str, object]) -> Mapping[str, Json]:
    details = _object(fields, "details")
    if details is None:
        return {}
    try:
        normal = normalise(details)
    except ValueError as error:
        raise InvalidInput(f"details: {error}") from None
    assert isinstance(normal, Mapping)
    return normal
