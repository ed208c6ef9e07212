"""What the logs of web servers have in common: from fields to an event, by the routes of the site where it has given them.

An access line is one request. What the request did is known to the application behind the server; a route file says it. Without
one, or where no route fits, the event is a `http_request`: kept, counted, searchable by path, no claim about anybody's record.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import ClassVar

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.event import EARLIEST, LATEST, Actor, ActorKind, AuditEvent, Device, DeviceKind, Source
from domain.json import Json, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.addresses import patient_identifier
from ingest.parsers.repeats import Repeats
from ingest.parsers.syslog import SyslogRecord, read_syslog
from ingest.parsers.web_log_facts import client_of, duration_of, host_of, outcome_of_status, shown
from ingest.parsers.web_log_fields import address_of, milliseconds, moment_of_log, text_of_log, whole
from ingest.parsers.web_log_json import json_fields
from ingest.parsers.web_log_lines import access_line
from ingest.parsers.web_log_request import Request, bare_url, request_of
from ingest.parsers.web_log_routes import ACTOR, PATIENT, Match, RouteMapping

LONGEST_LINE = 64 * 1024
"""Bytes. A request line and its headers are at most 32 KiB in the default settings of both servers."""

_JSON = (b"{", b"[")
_TEXT_FIELDS = {
    "request_id": "request_id",
    "remote_ident": "ident",
    "sent_http_content_type": "content_type",
    "ssl_protocol": "tls_version",
    "ssl_cipher": "tls_cipher",
    "upstream_addr": "upstream",
    "upstream_status": "upstream_status",
    "scheme": "scheme",
    "extra": "extra",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLine:
    """A line of an error log. `user` is who could not sign in, where that is what the line says."""

    time: str | None = None
    level: str | None = None
    client: str | None = None
    user: str | None = None
    request: str | None = None
    path: str | None = None
    host: str | None = None
    referer: str | None = None
    details: Mapping[str, Json]


class WebLogParser(ABC):
    """Reads one stream of the lines of a web server, access and error log mixed as they come. One thread at a time."""

    format: ClassVar[str]
    maker: ClassVar[str]
    """Whose lines these are, for people."""

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC, routes: RouteMapping | None = None) -> None:
        """`zone` is that of error lines, which have no offset; `received` stands in for a time that a line does not have."""
        self._source_system = source_system
        self._received = received
        self._zone = zone
        self._routes = routes or RouteMapping()
        self._ids = Repeats()

    def parse(self, record: bytes) -> list[Parsed]:
        """One event, or one Rejected."""
        try:
            return [self._read(record)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=record)]

    @abstractmethod
    def _error_line(self, text: str) -> ErrorLine | None:
        """The line as one of the server's error log, or None where it is none."""

    def _read(self, record: bytes) -> AuditEvent:
        if len(record) > LONGEST_LINE:
            raise InvalidInput(f"the line is longer than any line of {self.maker} ({LONGEST_LINE} bytes)")
        received = self._received()
        payload = record.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n\0")
        header = SyslogRecord(message=payload)
        if not payload.startswith(_JSON) and not self._is_own(payload):
            header = read_syslog(payload, received=received, zone=self._zone)
            payload = header.message.strip(b" \t\r\n\0").removeprefix(b"@cee:").lstrip()
        return self._understood(record, payload, header, received)

    def _is_own(self, payload: bytes) -> bool:
        """True for a line in the site's own format, whose start may look like a syslog header."""
        return self._routes.read_line is not None and self._routes.read_line(payload.decode("utf-8", "replace")) is not None

    def _understood(self, record: bytes, payload: bytes, header: SyslogRecord, received: datetime) -> AuditEvent:
        text = payload.decode("utf-8", "replace")
        fields: Mapping[str, str] | None = None
        if payload.startswith(b"{"):
            found = json_fields(payload)
            if isinstance(found, str):  # a container's wrapper around the line
                text = found
            else:
                fields = found
        if fields is None:
            fields = (self._routes.read_line(text) if self._routes.read_line else None) or access_line(text)
        if fields is not None and not _is_error(fields):
            return self._access(record, payload, header, received, fields)
        error = _error_of(fields) if fields is not None else self._error_line(text)
        if error is None or (fields is not None and not error.details):
            raise InvalidInput(f"the line is no access line and no error line of {self.maker}")
        return self._error(record, payload, header, received, error)

    # --- Access --------------------------------------------------------------------------------------------------------------

    def _access(
        self, record: bytes, payload: bytes, header: SyslogRecord, received: datetime, fields: Mapping[str, str]
    ) -> AuditEvent:
        request = request_of(fields)
        status = whole(fields.get("status"))
        host, port = host_of(text_of_log(fields.get("host", "")) or request.host)
        match = None
        if request.path is not None:
            match = self._routes.match(request.method, request.path, host=host, query=request.query)
        said = fields.get("time")
        moment, said_by = self._moment(said, header, received)
        ip, peer = client_of(fields, self._routes.proxies)
        action = match.action if match else "http_request"
        details: dict[str, Json] = {
            "method": request.method,
            "path": request.path,
            "query_names": list(request.query_names) or None,
            "protocol": request.protocol,
            "request": request.odd,
            "request_kind": "tls_handshake" if request.is_tls else None,
            "status": status,
            "bytes": whole(fields.get("body_bytes_sent")),
            "referrer": shown(fields, "http_referer", bare_url),
            "user_agent": shown(fields, "http_user_agent"),
            "host": host,
            "forwarded_for": shown(fields, "http_x_forwarded_for") or fields.get("client_list"),
            "peer_ip": peer,
            "duration_ms": duration_of(fields),
            "upstream_duration_ms": milliseconds(fields.get("upstream_response_time"), 1),
            "request_length": whole(fields.get("request_length")),
            "client_port": whole(fields.get("remote_port")),
            "server_port": whole(port or fields.get("server_port")),
            **{name: shown(fields, own) for own, name in _TEXT_FIELDS.items()},
            "time_from": said_by,
            **self._of_route(match),
        }
        return self._event(
            record,
            self._event_id(payload, header, said),
            time=moment,
            source=match.source if match else self._routes.source,
            action=action,
            actor=self._actor(fields, match, ip),
            patient_id=_patient(match),
            outcome=outcome_of_status(status, action),
            ip=ip,
            details=details,
            server=header.host,
        )

    def _of_route(self, match: Match | None) -> dict[str, Json]:
        if match is None:
            return {}
        own = {name: value for name, value in match.captured.items() if name not in (PATIENT, ACTOR)}
        return {**own, "route": match.route, "module": match.module}

    def _actor(self, fields: Mapping[str, str], match: Match | None, ip: str | None) -> Actor:
        """The user that the log names, else the address; what a route captured as the actor goes first."""
        kind = match.actor_kind if match else self._routes.actor_kind
        named = match.captured.get(ACTOR) if match else None
        for name in (match.actor if match else self._routes.actor) if named is None else ():
            if (found := shown(fields, name)) is not None:
                named = found.strip()
                break
        if named:
            return Actor(id=named[:512], kind=kind or ActorKind.STAFF)
        client = ip or text_of_log(fields.get("remote_addr", "")) or self._source_system
        return Actor(id=client[:512], kind=ActorKind.EXTERNAL)

    # --- Errors --------------------------------------------------------------------------------------------------------------

    def _error(self, record: bytes, payload: bytes, header: SyslogRecord, received: datetime, error: ErrorLine) -> AuditEvent:
        request = request_of({"request": error.request}) if error.request else Request()
        moment, said_by = self._moment(error.time, header, received)
        ip = address_of(error.client)
        host, port = host_of(error.host)
        details: dict[str, Json] = {
            "level": error.level,
            "method": request.method,
            "path": request.path or error.path,
            "query_names": list(request.query_names) or None,
            "protocol": request.protocol,
            "host": host,
            "server_port": whole(port),
            "referrer": bare_url(error.referer) if error.referer else None,
            "target_user": error.user,
            **error.details,
            "time_from": said_by,
        }
        actor = Actor(id=(ip or error.client or header.host or self._source_system)[:512], kind=ActorKind.SYSTEM)
        if error.user:
            actor = Actor(id=error.user[:512], kind=self._routes.actor_kind or ActorKind.STAFF)
        elif ip:
            actor = Actor(id=ip, kind=ActorKind.EXTERNAL)
        return self._event(
            record,
            self._event_id(payload, header, error.time),
            time=moment,
            source=self._routes.source,
            action="login" if error.user else "http_error",
            actor=actor,
            patient_id=None,
            outcome="failure" if error.user or (error.level or "") in _FAILURES else None,
            ip=ip,
            details=details,
            server=header.host,
        )

    # --- Both ----------------------------------------------------------------------------------------------------------------

    def _moment(self, said: str | None, header: SyslogRecord, received: datetime) -> tuple[datetime, str | None]:
        """When, and who said so where it was not the line itself."""
        if said is not None and text_of_log(said):
            moment = moment_of_log(said, self._zone)
            if not EARLIEST <= moment < LATEST:
                raise InvalidInput(f"the time of the line lies outside {EARLIEST.year} to {LATEST.year}")
            return moment, None
        if header.time is not None and EARLIEST <= header.time < LATEST:
            return header.time, "syslog"
        return received, "receipt"

    def _event_id(self, payload: bytes, header: SyslogRecord, said: str | None) -> str:
        """Of the line without its syslog header, so that it may come again in a new one; with it where only that has the time."""
        stamp = b"" if said or header.time is None else header.time.isoformat().encode()
        return self._ids.event_id(hashlib.sha256(stamp + b"\n" + payload).digest())

    def _event(
        self,
        record: bytes,
        event_id: str,
        *,
        time: datetime,
        source: Source,
        action: str,
        actor: Actor,
        patient_id: str | None,
        outcome: str | None,
        ip: str | None,
        details: Mapping[str, Json],
        server: str | None,
    ) -> AuditEvent:
        kept = normalise(
            {**{name: value for name, value in details.items() if value is not None}, **({"server": server} if server else {})}
        )
        assert isinstance(kept, dict)
        return AuditEvent(
            source_system=self._source_system,
            event_id=event_id,
            time=time,
            source=source,
            action=action,
            actor=actor,
            patient_id=patient_id,
            outcome=outcome,
            device=Device(id=server[:512], kind=DeviceKind.SERVER) if server and action == "http_error" else None,
            ip=ip,
            details=kept,
            raw=record,
            format=self.format,
        )


_FAILURES = frozenset({"error", "err", "crit", "critical", "alert", "emerg", "emergency", "fatal"})


def _patient(match: Match | None) -> str | None:
    named = match.captured.get(PATIENT) if match else None
    return patient_identifier(named)[0][:512] or None if named and named.strip() else None


def _is_error(fields: Mapping[str, str]) -> bool:
    """True for a JSON object that is no request: of an error log, or of something else."""
    return not {"status", "request", "request_uri"} & fields.keys()


def _error_of(fields: Mapping[str, str]) -> ErrorLine:
    if "message" not in fields:
        return ErrorLine(details={})
    level = text_of_log(fields.get("level", ""))
    known = {
        "message": fields["message"][:2_048],
        "pid": fields.get("pid"),
        "module": fields.get("module"),
        "function": fields.get("function"),
    }
    return ErrorLine(
        time=fields.get("time"),
        level=level.lower().rpartition(":")[2] if level else None,
        client=text_of_log(fields.get("remote_addr", "")),
        host=text_of_log(fields.get("host", "")),
        referer=text_of_log(fields.get("http_referer", "")),
        details={name: value for name, value in known.items() if value},
    )
