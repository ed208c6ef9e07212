"""What a collector hands over: a record that became events, or one that could not, with the reason.

The sum holds for every feed: accepted + duplicate + quarantined = read.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.event import AuditEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A record that could not be parsed: kept whole, with a reason that names no content of the record."""

    source_system: str
    format: str
    reason: str
    raw: bytes


Parsed = AuditEvent | Rejected


class Status(StrEnum):
    """What became of one record."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The answer for one record, given only after it is durable.

    `seq` and `leaf` (hex) locate an accepted event in its writer's log; a duplicate carries those of the first copy where known.
    `reason` and `quarantine_id` are set when quarantined.
    """

    status: Status
    event_id: str | None = None
    writer: str | None = None
    seq: int | None = None
    leaf: str | None = None
    reason: str | None = None
    quarantine_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a writer's log: everything up to and including `seq`. `seq` −1 is the empty log."""

    writer: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as it stands in the ledger. `received` never decreases within a writer; `leaf` is 32 bytes."""

    writer: str
    seq: int
    received: datetime
    leaf: bytes
    event: AuditEvent
