"""IHE ATNA audit messages: DICOM PS3.15 A.5 and its ancestor RFC 3881, as they come from real senders.

Either spelling of codes (`csd-code`, `code`), any syslog header or none. One event per patient object. What the message says is
kept in `details` under one set of names; queries and object details stay as the base64 they came in.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Device, Source
from domain.json import Json, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.addresses import origin_of, patient_identifier
from ingest.parsers.atna_xml import attributes, audit_message, children, local_name, split_header
from ingest.parsers.audit_codes import dicom_action, dicom_code, outcome_of, snake, under_purpose
from ingest.parsers.instants import instant

_MACHINE_ROLES = frozenset({"110150", "110152", "110153", "110154", "110155"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patient:
    id: str
    facts: Mapping[str, Json]


class AtnaParser:
    """Reads one AuditMessage a record (DICOM PS3.15 A.5.1; RFC 3881; ITI-20)."""

    format = "atna"

    def __init__(self, source_system: str) -> None:
        self._source_system = source_system

    def parse(self, record: bytes) -> list[Parsed]:
        """An event per patient object, one event where there is none, or one Rejected."""
        try:
            return [*self._events(record)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=record)]

    def _events(self, record: bytes) -> list[AuditEvent]:
        _, document = split_header(record)
        message = audit_message(document)
        identification = next(children(message, "EventIdentification"), None)
        if identification is None:
            raise InvalidInput("EventIdentification is missing")
        event = attributes(identification)
        code = _code(next(children(identification, "EventID"), None))
        types = [_code(kind) for kind in children(identification, "EventTypeCode")]
        participants = [_participant(element) for element in children(message, "ActiveParticipant")]
        requestor = _requestor(participants)
        origin = origin_of(_access_points(requestor, participants))
        patients, objects = _objects(message)
        details: dict[str, Json] = {
            "event": code,
            "types": types,
            "participants": participants,
            "objects": objects,
            "audit_source": _audit_source(message),
        }
        for name, key in (("eventactioncode", "action_code"), ("eventoutcomeindicator", "outcome_code")):
            if name in event:
                details[key] = event[name]
        purposes = [_code(purpose) for purpose in children(identification, "PurposeOfUse")]
        if purposes:
            details["purpose_of_use"] = [purpose.get("code") for purpose in purposes]
            details["reason"] = "; ".join(str(purpose.get("name") or purpose.get("code")) for purpose in purposes)
        for description in children(identification, "EventOutcomeDescription"):
            if description.text and description.text.strip():
                details["outcome_description"] = description.text.strip()
        moment = instant(event.get("eventdatetime"), "EventDateTime")
        access = _action(code, types, event.get("eventactioncode"))
        action = under_purpose(access, [purpose.get("code") for purpose in purposes])
        if action != access:
            details["access"] = access
        digest = hashlib.sha256(document).hexdigest()
        return [
            AuditEvent(
                source_system=self._source_system,
                event_id=digest if number == 1 else f"{digest}#{number}",
                time=moment,
                source=Source.ACCESS,
                action=action,
                actor=Actor(id=str(requestor["user_id"])[:512], kind=_kind(requestor)),
                patient_id=patient.id if patient else None,
                outcome=outcome_of(event.get("eventoutcomeindicator")),
                device=Device(id=origin.machine) if origin.machine else None,
                ip=origin.ip,
                details={**details, "patient": patient.facts} if patient else details,
                raw=record,
                format=self.format,
            )
            for number, patient in enumerate(patients or [None], start=1)
        ]


def _action(code: Mapping[str, Json], types: Sequence[Mapping[str, Json]], verb: str | None) -> str:
    number = dicom_code(str(code.get("code", "")), str(code.get("name", "")))
    named = dicom_action(number, [str(kind.get("code", "")) for kind in types], verb)
    return named or snake(str(code.get("name") or code.get("code") or "")) or "audit_message"


def _code(element: etree._Element | None) -> dict[str, Json]:
    """A coded value: `csd-code`/`originalText` (DICOM) or `code`/`displayName` (RFC 3881), with `codeSystemName` in both."""
    found = attributes(element) if element is not None else {}
    parts = {
        "code": found.get("csd-code") or found.get("code"),
        "system": found.get("codesystemname"),
        "name": found.get("originaltext") or found.get("displayname"),
    }
    return {name: value for name, value in parts.items() if value}


def _participant(element: etree._Element) -> dict[str, Json]:
    found = attributes(element)
    parts: dict[str, Json] = {
        "user_id": found.get("userid"),
        "alternative_user_id": found.get("alternativeuserid"),
        "user_name": found.get("username"),
        "network_access_point": found.get("networkaccesspointid"),
        "network_access_point_type": found.get("networkaccesspointtypecode"),
    }
    roles = [_code(role) for role in children(element, "RoleIDCode")]
    # RFC 3881 §5.2.4: without the attribute a participant is the requestor.
    requestor = found.get("userisrequestor", "true").lower() in ("true", "1")
    return {**{name: value for name, value in parts.items() if value}, "requestor": requestor, "roles": roles}


def _requestor(participants: Sequence[Mapping[str, Json]]) -> Mapping[str, Json]:
    """The person who asked, else the program that did, else anyone named. Raises InvalidInput where no one is."""
    named = [participant for participant in participants if participant.get("user_id")]
    if not named:
        raise InvalidInput("no ActiveParticipant has a UserID")
    return min(named, key=lambda participant: (not participant["requestor"], _kind(participant) is ActorKind.SERVICE))


def _kind(participant: Mapping[str, Json]) -> ActorKind:
    """A machine by its role, unless a name of a person is given; `…$` is a Windows machine account whatever its role."""
    roles = participant.get("roles")
    machine = isinstance(roles, list) and any(isinstance(role, Mapping) and role.get("code") in _MACHINE_ROLES for role in roles)
    if str(participant.get("user_id")).endswith("$") or (machine and not participant.get("user_name")):
        return ActorKind.SERVICE
    return ActorKind.STAFF


def _access_points(requestor: Mapping[str, Json], participants: Sequence[Mapping[str, Json]]) -> list[str]:
    """Network access points of the one who asked, then of the others that count as requestors (the program that was used)."""
    asking = [requestor, *(participant for participant in participants if participant["requestor"])]
    return [point for participant in asking if isinstance(point := participant.get("network_access_point"), str)]


def _audit_source(message: etree._Element) -> dict[str, Json]:
    source = next(children(message, "AuditSourceIdentification"), None)
    if source is None:
        return {}
    found = attributes(source)
    parts: dict[str, Json] = {
        "id": found.get("auditsourceid"),
        "enterprise_site_id": found.get("auditenterprisesiteid"),
        "types": [_code(kind) for kind in children(source, "AuditSourceTypeCode")] or None,
    }
    return {name: value for name, value in parts.items() if value}


def _objects(message: etree._Element) -> tuple[list[_Patient], list[Json]]:
    """The patient objects, and all others."""
    patients: dict[str, _Patient] = {}
    others: list[Json] = []
    for element in children(message, "ParticipantObjectIdentification"):
        found = attributes(element)
        facts = _object(element, found)
        identifier = found.get("participantobjectid")
        if identifier and _is_patient(found, facts):
            bare, authority = patient_identifier(identifier)
            if authority:
                facts["authority"] = authority
            patients.setdefault(identifier, _Patient(id=bare[:512], facts=facts))
        else:
            others.append(facts)
    return list(patients.values()), others


def _is_patient(found: Mapping[str, str], facts: Mapping[str, Json]) -> bool:
    """A person (type 1) in the role of the patient (1); where the role is missing, one named by a patient number (id type 2)."""
    if found.get("participantobjecttypecode", "1") != "1":
        return False
    role, id_type = found.get("participantobjecttypecoderole"), facts.get("id_type")
    return role == "1" or (role is None and isinstance(id_type, Mapping) and id_type.get("code") == "2")


def _object(element: etree._Element, found: Mapping[str, str]) -> dict[str, Json]:
    parts: dict[str, Json] = {
        "id": found.get("participantobjectid"),
        "type": found.get("participantobjecttypecode"),
        "role": found.get("participantobjecttypecoderole"),
        "life_cycle": found.get("participantobjectdatalifecycle"),
        "sensitivity": found.get("participantobjectsensitivity"),
        "name": found.get("participantobjectname"),
        "id_type": next((_code(kind) for kind in children(element, "ParticipantObjectIDTypeCode")), None),
        "details": [
            {"type": pair.get("type"), "value": pair.get("value")}
            for pair in (attributes(detail) for detail in children(element, "ParticipantObjectDetail"))
        ],
    }
    for child in element:
        text = (child.text or "").strip()
        if local_name(child) in ("ParticipantObjectName", "ParticipantObjectQuery") and text:
            parts[local_name(child).removeprefix("ParticipantObject").lower()] = text
        elif local_name(child) == "ParticipantObjectDescription":
            described = [text] if text else [f"{local_name(part)} {' '.join(attributes(part).values())}" for part in child]
            parts["description"] = described
    normal = normalise({name: value for name, value in parts.items() if value})
    assert isinstance(normal, dict)
    return normal
