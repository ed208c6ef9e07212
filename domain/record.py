"""What a collector hands over: a record that became events, or one that could not, with the reason.

The sum holds for every feed: accepted + duplicate + quarantined = read, once what was spooled meanwhile has been drained.
"""

from collections.abc import Sequence
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
    """What became of one record. `spooled` is not final: it is durable on this node's disk, and becomes one of the others later."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    SPOOLED = "spooled"


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


def became(receipts: Sequence[Receipt]) -> Status:
    """What became of a record that holds several events (one a patient): the status of its events that says most.

    Quarantined when any part of it is; else spooled when any part still waits; else accepted when any part is new; else duplicate.
    """
    statuses = {receipt.status for receipt in receipts}
    for status in (Status.QUARANTINED, Status.SPOOLED, Status.ACCEPTED):
        if status in statuses:
            return status
    return Status.DUPLICATE


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
