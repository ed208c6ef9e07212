"""Microsoft 365: the unified audit log, from the Management Activity API, Graph's audit search, or `Search-UnifiedAuditLog`.

The record's own `Id` is the event's id. Every workload is read alike; mailboxes, forwarding, consent, roles, policies and auditing
itself are understood. Where Exchange says that it stopped recording the reads of a mailbox, that is a second event, `audit_gap`.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from domain.clock import rfc3339
from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, Device, DeviceKind
from domain.json import canonical, normalise
from ingest.parsers.access_words import plain
from ingest.parsers.delimited import fields_of
from ingest.parsers.field_mapping import FieldMapping
from ingest.parsers.identity_events import IdentityParser, Said, address, outsider, person, service, system
from ingest.parsers.m365_actions import LOGINS_FAILED, OUTCOMES, operation_of, user_type
from ingest.parsers.m365_details import details_of, target_user
from ingest.parsers.m365_exchange import is_throttled
from ingest.parsers.m365_fields import Fields, unpacked
from ingest.parsers.m365_meanings import Common, meanings_of
from ingest.parsers.m365_records import Rows, is_json, objects_of, utc_moment

STOPPED_FOR = timedelta(hours=24)
"""For how long Exchange records no more reads of a mailbox that had more than 1,000 of them in a day."""

_CARRIERS = ("o365audit", "o365", "audit", "data", "message", "event", "raw")
_KINDS: Mapping[str, ActorKind] = {
    "DcAdmin": ActorKind.VENDOR,
    "PartnerTechnician": ActorKind.VENDOR,
    "System": ActorKind.SYSTEM,
    "CustomPolicy": ActorKind.SYSTEM,
    "SystemPolicy": ActorKind.SYSTEM,
    "Application": ActorKind.SERVICE,
    "ServicePrincipal": ActorKind.SERVICE,
    "Guest": ActorKind.EXTERNAL,
}
_MACHINES = ("app@sharepoint", "sharepoint\\system", "nt authority\\", "s-1-5-18", "s-1-5-20")
_ANONYMOUS = ("anonymous", "urn:spo:anon", "anon@")
_SHARED_WITH = "urn:spo:guest#"
_ADDRESSES = ("clientip", "clientipaddress", "actoripaddress", "senderip")
_TIMES = ("creationtime", "creationdate", "createddatetime", "timegenerated")


class M365AuditParser(IdentityParser):
    """Reads records of the unified audit log, bare or inside the `AuditData` of an export."""

    format = "m365-audit"

    def __init__(self, source_system: str, *, mapping: FieldMapping | None = None) -> None:
        super().__init__(source_system, mapping=mapping)
        self._rows = Rows()

    def _read(self, record: bytes) -> Sequence[Said]:
        found = objects_of(record) if is_json(record) else [self._row(record)]
        return [said for one in found for said in _told(_record_of(one))]

    def _row(self, record: bytes) -> Mapping[str, object]:
        """The cells of a row. `AuditData` says everything, so a row is read without its header too."""
        try:
            return self._rows.read(record)
        except InvalidInput:
            try:
                cells = fields_of(record.decode().strip("\r\n"), ",")
            except (UnicodeDecodeError, InvalidInput):
                cells = []
            data = next((cell for cell in cells if cell.startswith("{") and isinstance(unpacked(cell), dict)), None)
            if data is None:
                raise
            return {"AuditData": data}


def _record_of(value: Mapping[str, object]) -> Fields:
    """The audit record, with what only the row around it says; the record is the one to believe."""
    outer = Fields(value)
    if outer.text("operation", "operations", "auditdata") is None and not outer.inner("auditdata").original:
        outer = next((inner for name in _CARRIERS if (inner := outer.inner(name)).text("operation")), outer)
    data = outer.inner("auditdata")
    if not data.original:
        if "auditdata" in outer:
            raise InvalidInput("AuditData is no JSON object")
        return outer
    inside = {plain(str(name)) for name in data.original} | {"auditdata"}
    return Fields({**data.original, **{name: one for name, one in outer.original.items() if plain(str(name)) not in inside}})


def _told(record: Fields) -> Iterator[Said]:
    name = record.text("operation", "operations")
    if name is None or record.text(*_TIMES) is None:
        raise InvalidInput("the record has no Operation and CreationTime: it is none of the unified audit log")
    operation = operation_of(name)
    time = utc_moment(record.get(*_TIMES), "CreationTime")
    said = _common(record, operation)
    identifier = record.text("id", "recordid", "identity") or _digest(record)
    for number, (action, source, outcome, actor, more) in enumerate(meanings_of(record, operation, said), 1):
        kept, is_person = actor or said.actor
        yield Said(
            event_id=identifier[:480] if number == 1 else f"{identifier[:480]}#{number}",
            time=time,
            action=action,
            actor=kept,
            is_person=is_person,
            source=source,
            outcome=outcome,
            ip=said.ip,
            device=_device(said.details),
            details={**said.details, **more},
            words=(name, operation),
            fields=record.original,
        )
    if is_throttled(record):
        kept, is_person = said.actor
        yield Said(
            event_id=f"{identifier[:480]}#gap",
            time=time,
            action="audit_gap",
            actor=kept,
            is_person=is_person,
            ip=said.ip,
            details=_gap(said.details, rfc3339(time), rfc3339(time + STOPPED_FOR)),
            fields=record.original,
        )


def _common(record: Fields, operation: str) -> Common:
    ip = next((found for name in _ADDRESSES if (found := address(record.text(name)))), None)
    kind = user_type(record.get("usertype"))
    details = details_of(record)
    user, identifier = target_user(record)
    details["target_user"] = user or details.get("target_user")
    details["target_id"] = identifier
    details["user_type"] = kind
    if isinstance(details.get("from"), str) and not details.get("subject"):
        details["subject"] = record.inner("data").text("ms", "von")
    return Common(actor=_actor(record, kind, ip), outcome=_outcome(record, operation), ip=ip, details=details)


def _outcome(record: Fields, operation: str) -> str | None:
    """What the record says; most of SharePoint's and Teams' say nothing, and are written for what was done."""
    if operation in LOGINS_FAILED:
        return "failure"
    if record.text("logonerror") and operation == "userloggedin":
        return "failure"
    return OUTCOMES.get((record.text("resultstatus") or "").lower())


def _actor(record: Fields, kind: str | None, ip: str | None) -> tuple[Actor, bool]:
    """Who acted, and whether that is a person of whom a mapping may say more."""
    user = record.text("userid", "userids", "userprincipalname")
    lower = (user or "").lower()
    if user and lower.startswith(_MACHINES):
        return system(user), False
    if lower.startswith(_ANONYMOUS):
        return outsider(ip) or Actor(id="anonymous", kind=ActorKind.EXTERNAL), False
    if user and lower.startswith(_SHARED_WITH):
        return Actor(id=user[len(_SHARED_WITH) :][:512] or user[:512], kind=ActorKind.EXTERNAL), False
    if user is None:
        named = [Fields(one) for one in record.array("actor")]
        user = next((one.text("id") for one in named if one.get("type") in (5, "5")), None) or record.text("userkey")
    known = _KINDS.get(kind or "")
    if user and known is not None:
        return Actor(id=user[:512], kind=known), known is ActorKind.EXTERNAL
    if user and lower.startswith(("serviceprincipal_", "application_")) and (found := service(user)):
        return found, False
    if found := person(user):
        return found, True
    workload = record.text("workload", "officeworkload", "service")
    return outsider(ip) or system(workload or "Microsoft 365"), False


def _gap(details: Mapping[str, object], start: str, end: str) -> dict[str, object]:
    mailbox = details.get("mailbox") or details.get("mailbox_guid")
    return {
        "mailbox": mailbox,
        "event_type": "MailItemsAccessed",
        "missing": "records of MailItemsAccessed: which mails of this mailbox were read",
        "reason": "throttled: more than 1,000 such records of the mailbox within 24 hours",
        "missing_from": start,
        "missing_until": end,
        "access_type": details.get("access_type"),
        "session_id": details.get("session_id"),
    }


def _device(details: Mapping[str, object]) -> Device | None:
    """The device by its name, where the directory registered it."""
    name = details.get("device_name")
    if not isinstance(name, str):
        return None
    os = str(details.get("os") or details.get("platform") or "").lower()
    mobile = any(word in os for word in ("ios", "android", "iphone", "ipad"))
    desk = any(word in os for word in ("win", "mac", "linux"))
    return Device(id=name[:512], kind=DeviceKind.MOBILE if mobile else DeviceKind.WORKSTATION if desk else None)


def _digest(record: Fields) -> str:
    try:
        normal = normalise(dict(record.original))
    except ValueError as error:
        raise InvalidInput(f"the record is {error}") from None
    assert isinstance(normal, Mapping)
    return hashlib.sha256(canonical(normal)).hexdigest()
