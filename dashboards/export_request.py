"""What is asked for in an export, checked, recorded and said back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from dashboards.reports.wording import moment
from domain.clock import rfc3339
from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json
from store.events import EventFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is asked for. `by` is the account of who asks; without `with_private` the private parts are withheld, and still proven.

    `recipient` is the age public key of the one reader that the export is encrypted to; `since_checkpoint` is an earlier signed
    checkpoint of this ledger, with which the export shall be shown to be consistent.
    """

    wanted: EventFilter
    purpose: str
    by: str
    with_private: bool = True
    recipient: str | None = None
    since_checkpoint: str | None = None


def asked(wanted: EventFilter) -> Mapping[str, Json]:
    """The filter as it was given; what was not asked is left out."""
    found: dict[str, Json] = {}
    for name in wanted.names():
        value = getattr(wanted, name)
        found[name] = rfc3339(value) if isinstance(value, datetime) else list(value) if isinstance(value, tuple) else value
    return found


def asked_words(request: ExportRequest, export_id: str, zone: ZoneInfo) -> Mapping[str, str]:
    """The request as a report says it back."""
    labels = {"since": "From", "until": "Until, not including", "patient_id": "Patient", "actor_id": "Person or program"}
    words = {"Export": export_id, "Asked by": request.by, "Purpose": request.purpose}
    for name in request.wanted.names():
        value = getattr(request.wanted, name)
        label = labels.get(name, name.replace("_", " ").capitalize())
        words[label] = (
            moment(value, zone) if isinstance(value, datetime) else str(value) if isinstance(value, str) else ", ".join(value)
        )
    return words


def check_request(request: ExportRequest, out: Path) -> None:
    """Raises InvalidInput for what cannot be given, before anything is done."""
    if not request.by.strip() or not request.purpose.strip():
        raise InvalidInput("an export needs the person who asks for it and the purpose (45 CFR 164.502(b), minimum necessary)")
    since, until = request.wanted.since, request.wanted.until
    if since is not None and until is not None and since >= until:
        raise InvalidInput("the period ends before it begins")
    if out.exists():
        raise InvalidInput(f"{out.name} exists: an export never replaces a file")
    if not out.parent.is_dir():
        raise InvalidInput(f"the folder {out.parent} does not exist")


def request_event(export_id: str, made_at: datetime, request: ExportRequest) -> AuditEvent:
    """The request as an event; whom it is about and why lies in the private part of its ledger entry."""
    return AuditEvent(
        source_system="phitrail",
        event_id=f"export:{export_id}",
        time=made_at,
        source=Source.ACCESS,
        action="export",
        actor=Actor(id=request.by, kind=ActorKind.STAFF),
        patient_id=request.wanted.patient_id,
        outcome="success",
        details={
            "export_id": export_id,
            "purpose": request.purpose,
            "asked": asked(request.wanted),
            "private_part": "given" if request.with_private else "withheld",
            **({} if request.recipient is None else {"encrypted_to": request.recipient.strip()}),
        },
    )
