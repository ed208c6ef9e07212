"""AuditEvent: who did what to whose record, when, from where, with what outcome.

The shape is `docs/log-format.md` section 1 (the outward form is JSON Lines, `--format phitrail`). Every collector ends here,
whatever format it speaks; nothing downstream knows where an event came from except by `source_system` and `format`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from domain.errors import InvalidInput
from domain.json import Json

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


class Source(StrEnum):
    """The three streams of the mission."""

    ACCESS = "access"
    MAIL = "mail"
    PORTAL = "portal"


class ActorKind(StrEnum):
    """`system` is a mailbox or a machine; for `staff` the id is the account_id of the reference data."""

    STAFF = "staff"
    PATIENT = "patient"
    PROXY = "proxy"
    SERVICE = "service"
    SYSTEM = "system"
    VENDOR = "vendor"
    EXTERNAL = "external"


PERSONAL_KINDS = frozenset({ActorKind.PATIENT, ActorKind.PROXY, ActorKind.EXTERNAL})
"""Actors whose id says who a patient is: kept in the private part of the ledger entry."""


class DeviceKind(StrEnum):
    WORKSTATION = "workstation"
    MOBILE = "mobile"
    REMOTE = "remote"
    SERVER = "server"
    BROWSER = "browser"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    id: str
    kind: ActorKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    id: str
    kind: DeviceKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Geo:
    """A place. Latitude and longitude in decimal degrees, kept as text (the canonical form has no floats)."""

    city: str | None = None
    country: str | None = None
    lat: str | None = None
    lon: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One event as understood, with the bytes it was understood from.

    `event_id` is unique within `source_system`; `time` is the claimed time, aware, UTC. `details` are inside the canonical
    profile (`domain.json.normalise`). `raw` is the record exactly as received. Raises InvalidInput where a bound is broken.
    """

    source_system: str
    event_id: str
    time: datetime
    source: Source
    action: str
    actor: Actor
    patient_id: str | None = None
    outcome: str | None = None
    device: Device | None = None
    ip: str | None = None
    geo: Geo | None = None
    details: Mapping[str, Json] = field(default_factory=dict)
    raw: bytes = b""
    format: str = "phitrail"

    def __post_init__(self) -> None:
        for name, value, limit in (
            ("source_system", self.source_system, 128),
            ("event_id", self.event_id, 512),
            ("action", self.action, 128),
            ("actor.id", self.actor.id, 512),
        ):
            if not value:
                raise InvalidInput(f"{name} is empty")
            if len(value) > limit:
                raise InvalidInput(f"{name} is longer than {limit} characters")
        if not EARLIEST <= self.time < LATEST:
            raise InvalidInput(f"time lies outside {EARLIEST.year} to {LATEST.year}")
