"""Where log records have what an event asks for: OpenTelemetry's semantic conventions first, then names in use beside them."""

from collections.abc import Iterator, Mapping, Sequence

import orjson

from domain.json import Json, normalise
from ingest.parsers.access_words import PATIENT_NAMES, plain
from ingest.parsers.otlp_model import LogRecord
from ingest.parsers.web_log_lines import access_line
from ingest.parsers.web_log_request import request_of

NAMES: Mapping[str, Sequence[str]] = {
    "actor": (
        *("enduser.id", "user.id", "user.name", "user.email", "enduser.pseudo.id", "user.full_name", "usr.id", "user", "user_id"),
        *(
            "username",
            "user_name",
            "userid",
            "actor.id",
            "actor",
            "actor_id",
            "principal",
            "principal.id",
            "subject.id",
            "account.id",
        ),
        *("client_user", "enduser", "auth.user", "login", "remote_user"),
    ),
    "action": (
        *("event.name", "event.action", "audit.action", "action", "event.type", "event", "audit.event", "event_type", "event_name"),
        *("operation", "activity", "audit.event.type", "audit_action"),
    ),
    "outcome": ("event.outcome", "outcome", "audit.outcome", "result", "audit.result", "event.result", "success", "decision"),
    "error": ("error.type", "exception.type", "exception.message", "error.message", "error.code"),
    "ip": (
        *("client.address", "client.ip", "source.address", "source.ip", "http.client_ip", "client_ip", "clientip", "remote_addr"),
        *("net.peer.ip", "net.sock.peer.addr", "network.peer.address", "ip", "ip_address", "remote_ip", "src_ip", "client"),
    ),
    "device": ("device.id", "client.device.id", "device.name", "workstation", "client.host", "client.name"),
    "service": ("service.name", "service", "app.name", "application", "k8s.deployment.name", "k8s.container.name"),
    "path": ("url.path", "http.target", "url.full", "http.url", "url", "path", "request.path", "request_uri", "uri"),
    "geo_city": ("client.geo.locality.name", "geo.locality.name", "geo.city_name", "client.geo.city_name"),
    "geo_country": ("client.geo.country.iso_code", "geo.country.iso_code", "geo.country_iso_code", "client.geo.country_iso_code"),
    "geo_lat": ("client.geo.location.lat", "geo.location.lat"),
    "geo_lon": ("client.geo.location.lon", "geo.location.lon"),
}
"""Fields of an event."""

DETAIL_NAMES: Mapping[str, Sequence[str]] = {
    "application": NAMES["service"],
    "environment": ("deployment.environment.name", "deployment.environment"),
    "host": ("host.name", "server.address", "k8s.node.name"),
    "method": ("http.request.method", "http.method", "method", "request.method", "request_method"),
    "route": ("http.route",),
    "user_agent": ("user_agent.original", "http.user_agent", "user_agent", "useragent"),
    "session_id": ("session.id", "session_id", "sessionid"),
    "request_id": ("http.request.header.x-request-id", "request.id", "request_id", "requestid", "correlation_id"),
    "target_user": ("target.user", "target_user", "target.user.id", "user.target.name", "affected_user"),
    "target_id": ("target.id", "target_id", "resource.id", "object.id", "entity.id"),
    "module": ("module", "app.module", "resource.type", "object.type", "entity.type"),
    "client_id": ("client.id", "client_id", "oauth.client_id"),
    "reason": ("reason", "event.reason", "error.message", "exception.message", "status_message"),
    "error_code": ("error.type", "exception.type", "error.code", "error_code"),
    "mfa": ("mfa", "auth.mfa", "authentication.mfa"),
    "auth_method": ("auth.method", "authentication.method"),
    "purpose": ("purpose_of_use", "purpose", "purpose.of.use"),
    "logger": ("logger.name", "log.logger", "code.namespace"),
}
"""What a person may need, under the names that all formats have for it."""

NUMBER_NAMES: Mapping[str, Sequence[str]] = {
    "status": ("http.response.status_code", "http.status_code", "status_code", "http.status"),
    "records": ("records", "record_count", "recordcount", "result.count", "row_count", "rows"),
    "duration_s": ("duration_s", "duration_seconds"),
}
_MOST_VALUES = 1_000
_LONGEST = 2_048


class Lookup:
    """Finds values by name in any capitals: in the attributes, then in the body, then in the resource."""

    __slots__ = ("_attributes", "_body", "_everywhere", "_record", "_text")

    def __init__(self, record: LogRecord) -> None:
        self._record = record
        body, self._text = _body(record.body)
        self._attributes = dict(_texts(record.attributes))
        self._body = dict(_texts(body))
        resource = dict(_texts(record.resource))
        self._everywhere = {**resource, **self._body, **self._attributes}
        for place, values in (("resource", resource), ("body", self._body), ("attributes", self._attributes)):
            self._everywhere |= {f"{place}.{name}": value for name, value in values.items()}

    def get(self, name: str) -> str | None:
        """The value under a name; `body.`, `attributes.` or `resource.` in front of it says where."""
        found = self._everywhere.get(name.lower())
        return found.strip() or None if found else None

    def attribute(self, name: str) -> str | None:
        """The value of an attribute of the record itself."""
        return (self._attributes.get(name) or "").strip() or None

    def first(self, names: Sequence[str]) -> str | None:
        """The value of the first of `names` that has one."""
        return next((found[:_LONGEST] for name in names if (found := self.get(name))), None)

    def number(self, names: Sequence[str]) -> int | None:
        """The count under the first of `names` that has one."""
        for name in names:
            found = self.get(name)
            if found and found.isascii() and found.isdecimal() and len(found) < 16:
                return int(found)
        return None

    def patient(self) -> str | None:
        """A patient's id, by the names that are known for it, whole or as the last part of a dotted name."""
        for values in (self._attributes, self._body):
            plainly: dict[str, str] = {}
            for name, value in values.items():
                if value.strip():
                    for spelling in (plain(name), plain(".".join(name.split(".")[-2:])), plain(name.rpartition(".")[2])):
                        plainly.setdefault(spelling, value.strip())
            for known in PATIENT_NAMES:
                if known in plainly:
                    return plainly[known]
        return None

    def message(self) -> str | None:
        """The text of the body, or the message that an object in it has."""
        text = self._text or self._body.get("message") or self._body.get("msg") or self._attributes.get("message")
        return text[:_LONGEST] if text and text.strip() else None


def _body(body: Json) -> tuple[Mapping[str, Json], str | None]:
    """The body as named values: an object, JSON in a text, or an access line of a web server; and the text that it is."""
    if isinstance(body, Mapping):
        return body, None
    if not isinstance(body, str):
        return {}, None if body is None else str(body)
    bare = body.strip()
    if bare.startswith("{") and bare.endswith("}"):
        try:
            value = orjson.loads(bare)
            normal = normalise(value)
        except ValueError:
            return {}, body
        if isinstance(normal, Mapping):
            return normal, None
    if " HTTP/" in bare and (fields := access_line(bare)) is not None:
        request = request_of(fields)
        return {
            "http.request.method": request.method,
            "url.path": request.path,
            "http.response.status_code": fields.get("status"),
            "client.address": fields.get("remote_addr"),
            "user_agent.original": fields.get("http_user_agent"),
            "remote_user": None if fields.get("remote_user") == "-" else fields.get("remote_user"),
        }, body
    return {}, body


def _texts(values: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Every scalar as text under its dotted name in small letters."""
    left = _MOST_VALUES
    stack: list[tuple[str, Json]] = [(name, value) for name, value in reversed(list(values.items()))]
    while stack and left > 0:
        name, value = stack.pop()
        left -= 1
        if isinstance(value, Mapping):
            stack += [(f"{name}.{inner}", one) for inner, one in reversed(list(value.items()))]
        elif isinstance(value, bool):
            yield name.lower(), "true" if value else "false"
        elif isinstance(value, str | int):
            yield name.lower(), str(value)
        elif isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            yield name.lower(), str(value[0])
