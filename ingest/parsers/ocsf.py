"""OCSF events in JSON (Open Cybersecurity Schema Framework, 1.0 to 1.6): one object, an array or JSON Lines.

Required are only a class and a time. An event about several patients is an event for each, a mail to several recipients one for
each. The whole record but `raw_data` is kept in `details.ocsf`; the tables are in `ocsf_actions`, the places in `ocsf_parts`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Source
from domain.json import Json, canonical, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.addresses import ip_of, mailbox_address, patient_identifier
from ingest.parsers.field_mapping import DETAILS, FieldMapping, checked
from ingest.parsers.ocsf_actions import (
    MAIL_CLASSES,
    action_of,
    activity_of,
    class_name,
    class_of,
    mail_action,
    mail_outcome,
    number,
    outcome_of_event,
)
from ingest.parsers.ocsf_parts import (
    RESOURCE_PLACES,
    actor_of,
    at_path,
    device_of,
    geo_of,
    ip_address,
    patient_in,
    patients,
    records_taken,
    target_of,
)
from ingest.parsers.shapes import decode_json, kind_of, mapping, sequence, text_of
from ingest.parsers.wall_times import from_epoch, moment_of

_PORTAL = frozenset({ActorKind.PATIENT, ActorKind.PROXY})
_DIRECTIONS = {1: "inbound", 2: "outbound", 3: "internal"}
_LEFT_OUT = frozenset({"raw_data"})
MOST_DELIVERIES = 10_000
"""Recipients times patients of one mail."""


class OcsfParser:
    """Reads OCSF events of any class."""

    format = "ocsf"

    def __init__(self, source_system: str, *, mapping: FieldMapping | None = None) -> None:
        """In `mapping`, their names are dotted paths: `patient_id = "unmapped.mrn"`."""
        self._source_system = source_system
        self._mapping = mapping or FieldMapping()

    def parse(self, record: bytes) -> list[Parsed]:
        """An event per patient or recipient, one where there is none, or one Rejected."""
        try:
            return [*self._events(record)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=record)]

    def _events(self, record: bytes) -> list[AuditEvent]:
        event = decode_json(record)
        if not isinstance(event, dict):
            raise InvalidInput(f"the record is {kind_of(event)}, not an object")
        if class_of(event) is None and text_of(event.get("class_name")) is None:
            raise InvalidInput("class_uid is missing: the record is no OCSF event")
        try:
            normal = normalise(event, 1)  # it lies one deeper in `details`
        except ValueError as error:
            raise InvalidInput(str(error)) from None
        assert isinstance(normal, Mapping)
        identifier = (
            self._ours(event, "event_id")
            or text_of(mapping(event.get("metadata")).get("uid"))
            or hashlib.sha256(canonical(normal)).hexdigest()
        )
        moment = _moment(event)
        named = self._ours(event, "patient_id")
        concerned = [patient_identifier(named)[0][:512]] if named else patients(event)
        if class_of(event) in MAIL_CLASSES:
            return self._mail(event, normal, record, identifier, moment, concerned)
        return self._accesses(event, normal, record, identifier, moment, concerned)

    def _accesses(
        self,
        event: Mapping[str, object],
        normal: Mapping[str, Json],
        record: bytes,
        identifier: str,
        moment: datetime,
        concerned: Sequence[str],
    ) -> list[AuditEvent]:
        actor = self._actor(event)
        target = target_of(event, has_patient=bool(concerned))
        action = self._translated(event) or action_of(event, target)
        source = Source(self._ours(event, "source") or (Source.PORTAL if actor.kind in _PORTAL else Source.ACCESS))
        named_ip, device, geo = self._ours(event, "ip"), self._device(event), geo_of(event)
        outcome = self._ours(event, "outcome") or outcome_of_event(event)
        module: dict[str, Json] = {"module": target.kinds[0]} if target.kinds else {}
        details, kept = {**_details(event), **module, **self._mapped_details(event)}, _Kept(normal)
        return [
            AuditEvent(
                source_system=self._source_system,
                event_id=_numbered(identifier, place),
                time=moment,
                source=source,
                action=action,
                actor=actor,
                patient_id=patient,
                outcome=outcome,
                device=device,
                ip=ip_of(named_ip) or ip_address(event),
                geo=geo,
                details={**details, "ocsf": kept.of(patient)},
                raw=record,
                format=self.format,
            )
            for place, patient in enumerate(concerned or [None], start=1)
        ]

    def _mail(
        self,
        event: Mapping[str, object],
        normal: Mapping[str, Json],
        record: bytes,
        identifier: str,
        moment: datetime,
        concerned: Sequence[str],
    ) -> list[AuditEvent]:
        outcome = self._ours(event, "outcome") or mail_outcome(event)
        sender = _sender(event)
        actor = Actor(id=sender[:512], kind=ActorKind.SYSTEM) if sender else self._actor(event)
        recipients: Sequence[str | None] = _recipients(event) or [None]
        whose: Sequence[str | None] = concerned or [None]
        if len(recipients) * len(whose) > MOST_DELIVERIES:
            raise InvalidInput(f"the mail has {len(recipients)} recipients and {len(whose)} patients, too many to tell apart")
        action, device = self._translated(event) or mail_action(event, outcome), self._device(event)
        details, mapped, kept = _details(event), self._mapped_details(event), _Kept(normal)
        pairs = [(to, patient) for to in recipients for patient in whose]
        return [
            AuditEvent(
                source_system=self._source_system,
                event_id=_numbered(identifier, place),
                time=moment,
                source=Source.MAIL,
                action=action,
                actor=actor,
                patient_id=patient,
                outcome=outcome,
                device=device,
                ip=ip_address(event),
                details={**details, **_mail_details(event, sender, to), **mapped, "ocsf": kept.of(patient)},
                raw=record,
                format=self.format,
            )
            for place, (to, patient) in enumerate(pairs, start=1)
        ]

    def _ours(self, event: Mapping[str, object], name: str) -> str | None:
        return checked(name, self._mapping.value(name, lambda path: at_path(event, path)))

    def _actor(self, event: Mapping[str, object]) -> Actor:
        named, kind = self._ours(event, "actor_id"), self._ours(event, "actor_kind")
        if named:
            return Actor(id=named[:512], kind=ActorKind(kind or ActorKind.STAFF))
        actor = actor_of(event)
        return Actor(id=actor.id, kind=ActorKind(kind)) if kind else actor

    def _device(self, event: Mapping[str, object]) -> Device | None:
        named, kind = self._ours(event, "device_id"), self._ours(event, "device_kind")
        if named:
            return Device(id=named[:512], kind=DeviceKind(kind) if kind else None)
        return device_of(event)

    def _translated(self, event: Mapping[str, object]) -> str | None:
        """The mapping's word for what happened: of a field it names, else of the type, the API operation or the activity."""
        if named := self._ours(event, "action"):
            return named[:128]
        translations = self._mapping.values.get("action", {})
        for path in ("type_name", "api.operation", "activity_name"):
            if translated := translations.get((at_path(event, path) or "").lower()):
                return translated
        return None

    def _mapped_details(self, event: Mapping[str, object]) -> dict[str, Json]:
        names = [name for name in {**self._mapping.fields, **self._mapping.constants} if name.startswith(DETAILS)]
        found = {name.removeprefix(DETAILS): self._ours(event, name) for name in names}
        normal = normalise({name: value for name, value in found.items() if value is not None})
        assert isinstance(normal, dict)
        return normal


def _numbered(identifier: str, place: int) -> str:
    return identifier if place == 1 else f"{identifier}#{place}"


def _moment(event: Mapping[str, object]) -> datetime:
    """`time` in milliseconds since 1970, or as text; else `time_dt` (RFC 3339). Raises InvalidInput."""
    time, text = event.get("time"), text_of(event.get("time_dt"))
    if (not time or isinstance(time, bool)) and text:
        return moment_of(text, "time_dt", zone=None, formats=("iso",))
    if isinstance(time, str):
        return moment_of(time, "time", zone=None)
    if time is None:
        raise InvalidInput("time is missing")
    if isinstance(time, bool) or not isinstance(time, int | float):
        raise InvalidInput(f"time is {kind_of(time)}, not a number")
    return from_epoch(int(time), "time")


def _details(event: Mapping[str, object]) -> dict[str, Json]:
    """What the record says beside the fields of the event, under the names that all formats have for it."""
    api, request = mapping(event.get("api")), mapping(event.get("http_request"))
    severity = text_of(event.get("severity"))
    details: dict[str, Json] = {
        "class": class_name(event),
        "class_uid": class_of(event),
        "activity": activity_of(event),
        "severity": severity or number(event.get("severity_id")),
        "reason": text_of(event.get("status_detail")),
        "message": text_of(event.get("message")),
        "method": text_of(event.get("auth_protocol")),
        "records": records_taken(event),
        "operation": text_of(api.get("operation")),
        "request_id": text_of(mapping(api.get("request")).get("uid")) or text_of(request.get("uid")),
    }
    return {name: value for name, value in details.items() if value}


class _Kept:
    """The whole record but its copy of the source, for each patient without the resources that are other patients."""

    def __init__(self, normal: Mapping[str, Json]) -> None:
        self._common = {name: value for name, value in normal.items() if name not in (*_LEFT_OUT, *RESOURCE_PLACES)}
        self._lists = {name for name in RESOURCE_PLACES if isinstance(normal.get(name), list)}
        self._shared: dict[str, list[Json]] = {}
        self._own: dict[str, dict[str, list[Json]]] = {}
        for name in RESOURCE_PLACES:
            found = normal.get(name)
            for one in found if isinstance(found, list) else [] if found is None else [found]:
                patient = patient_in(mapping(one))
                places = self._shared if patient is None else self._own.setdefault(patient, {})
                places.setdefault(name, []).append(one)

    def of(self, patient: str | None) -> Mapping[str, Json]:
        """The record as the event of one patient keeps it."""
        own = self._own.get(patient or "", {})
        kept = {name: [*self._shared.get(name, []), *own.get(name, [])] for name in RESOURCE_PLACES}
        return self._common | {name: ones if name in self._lists else ones[0] for name, ones in kept.items() if ones}


# --- Mail ------------------------------------------------------------------------------------------------------------------


def _address(value: object) -> str | None:
    """The bare address of a mailbox, with or without the name of a person in front."""
    text = text_of(value)
    if text is None:
        return None
    address = mailbox_address(text)
    return (address if "@" in address else text.strip())[:512]


def _sender(event: Mapping[str, object]) -> str | None:
    """The envelope's sender, else the header's."""
    email = mapping(event.get("email"))
    places = (event.get("from"), email.get("smtp_from"), email.get("from"), *sequence(email.get("from_list")))
    return next((found for place in places if (found := _address(place))), None)


def _recipients(event: Mapping[str, object]) -> list[str]:
    """The envelope's recipients, else those of the header, each once."""
    email = mapping(event.get("email"))
    for places in (
        (event.get("to"), email.get("smtp_to")),
        (email.get("delivered_to"), email.get("delivered_to_list")),
        (email.get("to"), email.get("cc"), email.get("bcc")),
    ):
        found = [address for place in places for one in sequence(place) if (address := _address(one))]
        if found:
            return list(dict.fromkeys(found))
    return []


def _mail_details(event: Mapping[str, object], sender: str | None, to: str | None) -> dict[str, Json]:
    email = mapping(event.get("email"))
    size = number(email.get("size"))
    details: dict[str, Json] = {
        "from": sender,
        "to": to,
        "to_domain": to.rpartition("@")[2].lower() or None if to and "@" in to else None,
        "subject": text_of(email.get("subject")),
        "message_id": text_of(email.get("message_uid")) or text_of(email.get("internet_message_id")),
        "direction": _DIRECTIONS.get(number(event.get("direction_id")) or 0) or _direction(event),
        "size": size if size is not None and size >= 0 else None,
        **_tls(event),
    }
    return {name: value for name, value in details.items() if value is not None}


def _direction(event: Mapping[str, object]) -> str | None:
    named = (text_of(event.get("direction")) or "").lower()
    return named if named in _DIRECTIONS.values() else None


def _tls(event: Mapping[str, object]) -> dict[str, Json]:
    """Version and cipher where the sender gives a `tls` object. The standard's email classes have none; then nothing is known."""
    tls = mapping(event.get("tls"))
    found = {name: text for name in ("version", "cipher") if (text := text_of(tls.get(name)))}
    return {"tls": found, "tls_field": ", ".join(f"tls.{name}" for name in found)} if found else {}
