"""authentik: its events as log lines, as objects of the Event API, in notifications, and the requests its log tells of.

An event's `pk` is its id; a log line has none, so its content is. Time stamps of log lines have no offset and are in the zone of
the server (UTC in its containers).
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.event import Actor, Geo
from ingest.parsers.audit_codes import snake
from ingest.parsers.authentik_table import OUTCOMES, event_action, request_outcome
from ingest.parsers.field_mapping import FieldMapping
from ingest.parsers.identity_events import IdentityParser, Said, address, moment, outsider, person, place, system, text_or_number
from ingest.parsers.json_records import json_records
from ingest.parsers.json_walk import unwrapped
from ingest.parsers.records import Feed, Oversize
from ingest.parsers.repeats import Repeats
from ingest.parsers.shapes import decode_json, kind_of, mapping, text_of
from ingest.parsers.syslog import read_syslog

_REQUEST = re.compile(r"/\S*")
_SCOPES = re.compile(r"[\s,]+")
_CONTEXT = frozenset({"geo", "asn", "http_request", "password", "stage", "model", "username"})


def authentik_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """Lines and objects; the events of an answer of the Event API (`results`) one by one."""
    return unwrapped(json_records(feed, limit), frozenset({"results"}))


class AuthentikParser(IdentityParser):
    """Reads one stream of lines or objects."""

    format = "authentik"

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC, mapping: FieldMapping | None = None) -> None:
        super().__init__(source_system, mapping=mapping)
        self._received = received
        self._zone = self._mapping.zone or zone
        self._ids = Repeats()

    def _read(self, record: bytes) -> Sequence[Said]:
        text = record.lstrip(b"\xef\xbb\xbf \t")
        header_time = None
        if not text.startswith(b"{"):
            header = read_syslog(record, received=self._received(), zone=self._zone)
            text, header_time = header.message[max(0, header.message.find(b"{")) :], header.time
        decoded = decode_json(text)
        if not isinstance(decoded, dict):
            raise InvalidInput(f"the record is {kind_of(decoded)}, not an object")
        inner = next((found for name in ("event", "data") if _is_event(found := mapping(decoded.get(name)))), None)
        if inner is not None or _is_event(decoded):
            return [self._event_of(inner or decoded, decoded, record, header_time)]
        if "event_user_username" in decoded and "body" in decoded:
            return [self._notification(decoded, record, header_time)]
        if text_of(decoded.get("event")) and (text_of(decoded.get("logger")) or text_of(decoded.get("level"))):
            return [self._log(decoded, record, header_time)]
        raise InvalidInput("the object is no event of authentik (action, context) and no line of its log (event, logger)")

    def _time(self, record: Mapping[str, object], header_time: datetime | None, *names: str) -> datetime:
        given = next((found for name in names if (found := record.get(name)) is not None), None)
        return header_time if given is None and header_time else moment(given, names[0], zone=self._zone)

    def _digest(self, record: bytes) -> str:
        return self._ids.event_id(hashlib.sha256(record).digest())

    # --- Events ---------------------------------------------------------------------------------------------------------

    def _event_of(
        self, event: Mapping[str, object], whole: Mapping[str, object], record: bytes, header_time: datetime | None
    ) -> Said:
        context, user = mapping(event.get("context")), mapping(event.get("user"))
        kind = text_of(event.get("action")) or ""
        model = mapping(context.get("model"))
        ip = address(event.get("client_ip"))
        actor, is_person = _actor(kind, context, user, ip)
        return Said(
            event_id=text_of(event.get("pk")) or text_of(event.get("event_uuid")) or self._digest(record),
            time=self._time(event, header_time, "created", "timestamp"),
            action=event_action(kind, context, text_of(model.get("model_name")) or ""),
            actor=actor,
            is_person=is_person,
            outcome=OUTCOMES.get(kind),
            ip=None if ip == "255.255.255.255" else ip,
            geo=_geo(context),
            details={**_event_details(event, context, user, kind), "severity": whole.get("severity"), **_line_details(event)},
            words=(kind,),
            fields=event,
        )

    def _notification(self, record: Mapping[str, object], raw: bytes, header_time: datetime | None) -> Said:
        """What the generic webhook says: a sentence and whose event it was. It carries no time; that of receipt stands for it."""
        user = person(record.get("event_user_username"))
        return Said(
            event_id=self._digest(raw),
            time=header_time or self._received(),
            action="notification",
            actor=user or system("authentik"),
            is_person=user is not None,
            details={
                "message": record.get("body"),
                "severity": record.get("severity"),
                "recipient": record.get("user_username"),
                "time_from": "syslog" if header_time else "receipt",
            },
            words=("notification",),
            fields=record,
        )

    # --- The log --------------------------------------------------------------------------------------------------------

    def _log(self, record: Mapping[str, object], raw: bytes, header_time: datetime | None) -> Said:
        """A request, a failed step of a sign-in, or anything else the servers write."""
        said = text_of(record.get("event")) or ""
        ip = address(record.get("remote")) or address(record.get("client_ip")) or address(record.get("client"))
        user = person(record.get("user")) or person(mapping(record.get("user")).get("username"))
        action, outcome, path = "service_log", None, None
        if said == "invalid_login" or record.get("action") == "invalid_identifier":
            user, action, outcome = person(record.get("identifier")) or user, "login", "failure"
        elif _REQUEST.fullmatch(said) and (text_of(record.get("method")) or record.get("status") is not None):
            method, path = text_of(record.get("method")), said
            action, outcome = f"http_{snake(method)}" if method else "web_access", request_outcome(record.get("status"))
        return Said(
            event_id=self._digest(raw),
            time=self._time(record, header_time, "timestamp"),
            action=action,
            actor=user or outsider(ip) or system("authentik"),
            is_person=user is not None,
            outcome=outcome,
            ip=ip,
            details={
                "event_type": text_of(record.get("action")),
                "message": said,
                "path": path,
                "status": record.get("status"),
                "http_method": record.get("method"),
                "duration_ms": record.get("runtime"),
                "user_agent": record.get("user_agent"),
                "method": record.get("auth_via"),
                "reason": text_of(record.get("error")) or text_of(record.get("exc")) or text_of(record.get("action")),
                "stage": text_or_number(record.get("stage")),
                **_line_details(record),
            },
            words=(text_of(record.get("action")), said),
            fields=record,
        )


def _is_event(record: Mapping[str, object]) -> bool:
    """True for an event of the API or a line that tells of one; a failed step of a flow (`invalid_login`) is a line like others."""
    return text_of(record.get("action")) is not None and isinstance(record.get("context"), dict) and "user" in record


def _actor(kind: str, context: Mapping[str, object], user: Mapping[str, object], ip: str | None) -> tuple[Actor, bool]:
    """The user of the event; at a failed login the name that was tried; and whether that is a user."""
    names = [user.get("username"), user.get("email")]
    if kind == "login_failed":
        names.insert(0, context.get("username"))
    for name in names:
        if found := person(name):
            return found, True
    if kind.startswith(("system_", "update_", "export_", "policy_exception", "property_mapping_")):
        return system("authentik"), False
    return outsider(ip) or system("authentik"), False


def _geo(context: Mapping[str, object]) -> Geo | None:
    geo = mapping(context.get("geo"))
    return place(city=geo.get("city"), country=geo.get("country"), lat=geo.get("lat"), lon=geo.get("long") or geo.get("lon"))


def _event_details(
    event: Mapping[str, object], context: Mapping[str, object], user: Mapping[str, object], kind: str
) -> dict[str, object]:
    model, stage = mapping(context.get("model")), mapping(context.get("stage"))
    application = mapping(context.get("authorized_application")) or mapping(context.get("application"))
    request, device = mapping(context.get("http_request")), mapping(context.get("device"))
    asn, behalf = mapping(context.get("asn")), mapping(user.get("on_behalf_of"))
    target = context.get("username") if kind in ("user_write", "password_set") else None
    if kind.startswith(("model_", "impersonation_")) and text_of(model.get("model_name")) in ("user", None):
        target = target or model.get("name")
    scopes = context.get("scopes")
    return {
        "event_type": kind,
        "app": event.get("app"),
        "message": text_or_number(context.get("message")) or text_or_number(context.get("body")),
        "reason": text_or_number(context.get("reason")) or text_or_number(context.get("error")),
        "user_id": text_or_number(user.get("pk")) if person(user.get("username")) else None,
        "email": user.get("email"),
        "impersonated_user": behalf.get("username"),
        "target_user": target or mapping(context.get("impersonated")).get("username"),
        "target_id": text_or_number(model.get("pk")),
        "target_type": model.get("model_name"),
        "target_name": model.get("name"),
        "application": application.get("name"),
        "application_id": application.get("pk"),
        "client_id": text_or_number(context.get("client_id")),
        "scopes": _SCOPES.split(scopes.strip()) if isinstance(scopes, str) else scopes,
        "method": text_or_number(context.get("auth_method")),
        "mfa": device.get("model_name"),
        "stage": stage.get("name"),
        "flow": text_or_number(context.get("flow")),
        "http_method": request.get("method"),
        "path": request.get("path"),
        "user_agent": request.get("user_agent"),
        "request_id": request.get("request_id"),
        "as_number": asn.get("asn"),
        "as_org": asn.get("as_org"),
        "brand": mapping(event.get("brand")).get("name") or mapping(event.get("tenant")).get("name"),
        "context": {
            name: value for name, value in context.items() if name not in _CONTEXT and isinstance(value, str | int | float | bool)
        },
    }


def _line_details(record: Mapping[str, object]) -> dict[str, object]:
    """What a log line has beside its event. An object of the API has none of it."""
    found = {
        "level": record.get("level"),
        "logger": record.get("logger"),
        "server": record.get("host"),
        "pid": record.get("pid"),
        "request_id": record.get("request_id"),
    }
    return {name: value for name, value in found.items() if value is not None}
