"""Keycloak: user and admin events, as lines of the server's log, as its JSON log, or as the objects of REST API and listeners.

An object's `id` (or `uid`) is the event's id; a line has none, so its content is. Lines of a user's later events name only the
user's id, so the name that a login gave to it is remembered for the stream.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo

import orjson

from domain.clock import Clock
from domain.errors import InvalidInput
from ingest.parsers.field_mapping import FieldMapping
from ingest.parsers.identity_events import (
    IdentityParser,
    Said,
    address,
    at_path,
    moment,
    outsider,
    person,
    place,
    service,
    system,
    text_or_number,
)
from ingest.parsers.keycloak_lines import KeycloakLine, event_fields, is_trace, read_line
from ingest.parsers.keycloak_table import admin_action, user_action
from ingest.parsers.mail_lines import LONGEST_LINE
from ingest.parsers.recent import Recent
from ingest.parsers.repeats import Repeats
from ingest.parsers.shapes import decode_json, kind_of, mapping, text_of
from ingest.parsers.syslog import read_syslog

_NAMES = 50_000
_READ = frozenset({"type", "realmId", "realmName", "clientId", "userId", "ipAddress", "error", "username", "sessionId", "time"})
_WRAPS = ("event", "adminEvent", "payload", "data")


class KeycloakParser(IdentityParser):
    """Reads one stream of lines or objects."""

    format = "keycloak"

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC, mapping: FieldMapping | None = None) -> None:
        super().__init__(source_system, mapping=mapping)
        self._received = received
        self._zone = self._mapping.zone or zone
        self._ids = Repeats()
        self._names: Recent[tuple[str, str], str] = Recent(_NAMES)

    def _read(self, record: bytes) -> Sequence[Said]:
        if record.lstrip(b"\xef\xbb\xbf \t").startswith(b"{"):
            return [self._object(decode_json(record), record)]
        if len(record) > LONGEST_LINE:
            raise InvalidInput(f"the line is longer than any line of Keycloak ({LONGEST_LINE} bytes)")
        try:
            text = record.decode().strip("\r\n")
        except UnicodeDecodeError as invalid:
            raise InvalidInput(f"the line is not valid UTF-8 (byte {invalid.start})") from None
        header = read_syslog(record, received=self._received(), zone=self._zone)
        body = header.message.lstrip()
        if body.startswith(b"{"):
            return [self._object(decode_json(body), record, header.time)]
        line = read_line(text, header, received=self._received(), zone=self._zone)
        if not line.fields and not line.head and not is_trace(text):
            raise InvalidInput("the line is no event and no line of Keycloak's log")
        server = None if header.host == line.head.get("level") else header.host  # a level stands where syslog has the host
        extra = {**line.head, "server": server, "time_from": None if line.time else "receipt"}
        return [self._line(line, record, line.time or self._received(), extra)]

    # --- Lines and the JSON log -----------------------------------------------------------------------------------------

    def _line(self, line: KeycloakLine, record: bytes, time: datetime, extra: Mapping[str, object]) -> Said:
        event_id = self._ids.event_id(hashlib.sha256(record).digest())
        if not line.fields:
            facts = {**extra, "message": line.text}
            return Said(event_id=event_id, time=time, action="service_log", actor=system("keycloak"), details=facts)
        return self._event_of(line.fields, event_id, time, extra)

    def _object(self, decoded: object, record: bytes, header_time: datetime | None = None) -> Said:
        if not isinstance(decoded, dict):
            raise InvalidInput(f"the record is {kind_of(decoded)}, not an object")
        inner = (mapping(decoded.get(name)) for name in _WRAPS)
        event: Mapping[str, object] = next((found for found in inner if _is_event(found)), decoded)
        if _is_event(event):
            return self._representation(event, decoded, header_time)
        message = text_of(decoded.get("message"))
        if message is None:
            raise InvalidInput("the object is no event of Keycloak (type, operationType) and no line of its log (message)")
        stamp = next((found for name in ("@timestamp", "timestamp", "time") if (found := decoded.get(name)) is not None), None)
        if stamp is None and header_time is None:
            raise InvalidInput("timestamp is missing")
        time = header_time if stamp is None and header_time else moment(stamp, "timestamp", zone=self._zone)
        extra = {name: _first(decoded, paths) for name, paths in _LOG_PLACES.items()}
        line = KeycloakLine(fields=_from_message(message), text=message)
        return self._line(line, record, time, extra)

    # --- Events ---------------------------------------------------------------------------------------------------------

    def _representation(self, event: Mapping[str, object], whole: Mapping[str, object], header_time: datetime | None) -> Said:
        """An EventRepresentation or AdminEventRepresentation, with the additions of listeners (`uid`, `geo`, `user_agent`)."""
        given = event.get("time") if event.get("time") is not None else event.get("timestamp", event.get("@timestamp"))
        time = header_time if given is None and header_time else moment(given, "time", zone=self._zone)
        own = text_of(event.get("id")) or text_of(event.get("uid")) or text_of(event.get("eventId"))
        event_id = own or self._ids.event_id(hashlib.sha256(orjson.dumps(event, option=orjson.OPT_SORT_KEYS)).digest())
        flat: dict[str, object] = {}
        who = mapping(event.get("authDetails"))
        for part in (event, who, mapping(event.get("details"))):
            for name, value in part.items():
                flat.setdefault(name, value)
        located = mapping(whole.get("geo")) or mapping(event.get("geo"))
        return self._event_of(flat, event_id, time, {}, located)

    def _event_of(
        self,
        fields: Mapping[str, object],
        event_id: str,
        time: datetime,
        extra: Mapping[str, object],
        located: Mapping[str, object] | None = None,
    ) -> Said:
        operation = text_of(fields.get("operationType"))
        kind = (text_of(fields.get("type")) or "").removeprefix("access.")
        if kind.startswith("admin.") or (operation and not kind):
            return self._admin(fields, event_id, time, extra)
        return self._user(fields, kind, event_id, time, extra, located or {})

    def _user(
        self,
        fields: Mapping[str, object],
        kind: str,
        event_id: str,
        time: datetime,
        extra: Mapping[str, object],
        located: Mapping[str, object],
    ) -> Said:
        action, outcome = user_action(kind.upper(), fields, is_portal=self._is_portal)
        ip, error = address(fields.get("ipAddress")), text_or_number(fields.get("error"))
        if error and outcome == "success":
            outcome = "failure"
        name = self._name(fields, learn=outcome == "success")
        is_client = kind.upper().startswith("CLIENT_")
        # Whoever looks through another's eyes is the one who acts, and a member of staff.
        actor = service(fields.get("clientId")) if is_client else person(fields.get("impersonator"))
        user = person(name) if actor is None else None
        point = mapping(located.get("location"))
        return Said(
            event_id=event_id,
            time=time,
            action=action,
            actor=actor
            or user
            or person(fields.get("userId"))
            or outsider(ip)
            or service(fields.get("clientId"))
            or system("keycloak"),
            is_person=actor is None and (user is not None or person(fields.get("userId")) is not None),
            outcome=outcome,
            ip=ip,
            geo=place(city=located.get("city"), country=located.get("country"), lat=point.get("lat"), lon=point.get("lon")),
            details={
                **_common(fields),
                **extra,
                "target_user": name if actor is not None and not is_client else None,
                "error_code": error,
                "reason": text_of(fields.get("reason")) or error,
                "event_type": kind,
            },
            words=(kind,),
            fields=fields,
        )

    def _admin(self, fields: Mapping[str, object], event_id: str, time: datetime, extra: Mapping[str, object]) -> Said:
        operation = (text_of(fields.get("operationType")) or "").upper()
        resource = (text_of(fields.get("resourceType")) or text_of(fields.get("resourceTypeAsString")) or "").upper()
        path = text_of(fields.get("resourcePath")) or ""
        ip, error = address(fields.get("ipAddress")), text_or_number(fields.get("error"))
        user = person(self._name(fields, learn=False)) or person(fields.get("userId"))
        parts = path.split("/")
        target = parts[1] if len(parts) > 1 and parts[0] == "users" else None
        return Said(
            event_id=event_id,
            time=time,
            action=admin_action(operation, resource, path),
            actor=user or service(fields.get("clientId")) or outsider(ip) or system("keycloak"),
            outcome="failure" if error else "success",
            ip=ip,
            details={
                **_common(fields),
                **extra,
                "operation": operation,
                "resource_type": resource,
                "resource_path": path,
                "target_id": target,
                "target_user": self._names.get((_realm(fields), target)) if target else None,
                "error_code": error,
                "reason": error,
                "event_type": text_of(fields.get("type")) or f"{operation}-{resource}",
            },
            words=(text_of(fields.get("type")), f"{operation}-{resource}", operation),
            fields=fields,
        )

    def _name(self, fields: Mapping[str, object], *, learn: bool) -> str | None:
        """The user's name; where only the id is given, the name that this realm's user gave before in this stream."""
        name, user = text_of(fields.get("username")), text_of(fields.get("userId"))
        if user is None:
            return name
        key = (_realm(fields), user)
        if name and learn:
            self._names.put(key, name)
        return name or self._names.get(key)


_LOG_PLACES: Mapping[str, Sequence[str]] = {
    "level": ("log.level", "level"),
    "logger": ("log.logger", "loggerName", "logger"),
    "thread": ("process.thread.name", "threadName"),
    "thread_id": ("process.thread.id", "threadId"),
    "process": ("process.name", "processName"),
    "pid": ("process.pid", "processId"),
    "server": ("host.hostname", "host.name", "hostName"),
    "service": ("service.name",),
    "service_version": ("service.version",),
    "environment": ("service.environment",),
}
"""Where the JSON log has what stands around a message, in Keycloak's own names and in ECS."""


def _first(record: Mapping[str, object], paths: Sequence[str]) -> str | None:
    return next((found for path in paths if (found := at_path(record, path))), None)


def _from_message(message: str) -> Mapping[str, object]:
    """The fields of a logged event, which listeners write as text or as JSON."""
    if message.lstrip().startswith("{"):
        try:
            decoded = mapping(orjson.loads(message))
        except orjson.JSONDecodeError:
            return {}
        return {**mapping(decoded.get("details")), **decoded} if _is_event(decoded) else {}
    return event_fields(message)


def _is_event(record: Mapping[str, object]) -> bool:
    """True for the object of a user event (it has a realm) or of an admin event."""
    if text_of(record.get("operationType")) and (text_of(record.get("realmId")) or mapping(record.get("authDetails"))):
        return True
    return text_of(record.get("type")) is not None and any(
        name in record for name in ("realmId", "realmName", "clientId", "userId", "ipAddress", "authDetails")
    )


def _realm(fields: Mapping[str, object]) -> str:
    return text_of(fields.get("realmId")) or text_of(fields.get("realmName")) or ""


def _common(fields: Mapping[str, object]) -> dict[str, object]:
    """What user and admin events both may have, under our names; the rest of the fields in `attributes`."""
    taken = {
        "realm": text_of(fields.get("realmName")) or text_of(fields.get("realmId")),
        "realm_id": fields.get("realmId"),
        "client_id": fields.get("clientId"),
        "application": fields.get("clientId"),
        "user_id": fields.get("userId"),
        "username": fields.get("username"),
        "session_id": fields.get("sessionId") or fields.get("code_id"),
        "method": fields.get("auth_method"),
        "auth_type": fields.get("auth_type"),
        "grant_type": fields.get("grant_type"),
        "redirect_uri": fields.get("redirect_uri"),
        "identity_provider": fields.get("identity_provider"),
        "credential_type": fields.get("credential_type"),
        "scopes": fields.get("scope"),
        "user_agent": fields.get("user_agent") if isinstance(fields.get("user_agent"), str) else None,
    }
    rest = {name: value for name, value in fields.items() if name not in _READ and isinstance(value, str | int | float | bool)}
    for name in (*_NOT_KEPT, *(name for name in taken if name in rest)):
        rest.pop(name, None)
    return {**taken, "attributes": rest}


_NOT_KEPT = (
    "id",
    "uid",
    "@class",
    "operationType",
    "resourceType",
    "resourcePath",
    "representation",
    "auth_method",
    "code_id",
    "scope",
)
"""In details under other names, or (the representation of what an admin changed) in the record only: it may hold anything."""
