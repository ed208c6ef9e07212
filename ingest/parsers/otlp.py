"""OTLP logs (OpenTelemetry protocol, `ExportLogsServiceRequest`), protobuf and JSON: one event for each log record.

Applications name things by the semantic conventions, by their own conventions, or inside the body. A log record is read for who,
whom, what and with what outcome under the names that are known (`otlp_names`), after those that a mapping file gives; everything
else is kept in `details.attributes`, `details.body` and `details.resource`.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.event import EARLIEST, LATEST, Actor, ActorKind, AuditEvent, Device, DeviceKind, Geo, Source
from domain.json import Json, canonical, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.access_words import action_word, outcome_word
from ingest.parsers.addresses import patient_identifier
from ingest.parsers.audit_codes import snake
from ingest.parsers.field_mapping import DETAILS, FieldMapping, checked
from ingest.parsers.otlp_model import LogRecord, log_records
from ingest.parsers.otlp_names import DETAIL_NAMES, NAMES, NUMBER_NAMES, Lookup
from ingest.parsers.repeats import Repeats
from ingest.parsers.web_log_facts import outcome_of_status
from ingest.parsers.web_log_fields import address_of
from ingest.parsers.web_log_request import bare_url

MOST_COPIED = 64 * 1024 * 1024
"""Bytes: the size of a request times the log records in it, as each event keeps the record it came in (see `otlp_records`)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ERROR = 17
_PORTAL = frozenset({ActorKind.PATIENT, ActorKind.PROXY})


class OtlpLogsParser:
    """Reads ExportLogsServiceRequests, in whichever encoding they are."""

    format = "otlp-logs"

    def __init__(self, source_system: str, *, received: Clock, mapping: FieldMapping | None = None) -> None:
        """`received` stands in for a time that is nowhere. The names of `mapping` are those of attributes or fields of the body."""
        self._source_system = source_system
        self._received = received
        self._mapping = mapping or FieldMapping()
        self._ids = Repeats()

    def parse(self, record: bytes) -> list[Parsed]:
        """An event for each log record in the request, or one Rejected."""
        try:
            return [*self._events(record)]
        except InvalidInput as refusal:
            reason = str(refusal)
        except (ValueError, RecursionError):  # normalise: nested too deep
            reason = "a value of the record is nested too deep"
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=record)]

    def _events(self, record: bytes) -> list[AuditEvent]:
        events: list[AuditEvent] = []
        for one in log_records(record):
            events.append(self._event(record, one))
            if len(events) > 1 and len(events) * len(record) > MOST_COPIED:
                raise InvalidInput(
                    "the request has too many log records for what its resource takes to repeat; send fewer at a time"
                )
        if not events:
            raise InvalidInput("the record holds no log records")
        return events

    def _event(self, record: bytes, one: LogRecord) -> AuditEvent:
        lookup = Lookup(one)
        time, said_by = self._moment(one)
        action = self._action(one, lookup)
        actor = self._actor(lookup)
        patient, authority = self._patient(lookup)
        device, device_kind = self._ours(lookup, "device_id") or lookup.first(NAMES["device"]), self._ours(lookup, "device_kind")
        source = self._ours(lookup, "source") or (Source.PORTAL if actor.kind in _PORTAL else Source.ACCESS)
        return AuditEvent(
            source_system=self._source_system,
            event_id=self._event_id(one, lookup),
            time=time,
            source=Source(source),
            action=action,
            actor=actor,
            patient_id=patient,
            outcome=self._outcome(one, lookup, action),
            device=Device(id=device[:512], kind=DeviceKind(device_kind) if device_kind else None) if device else None,
            ip=self._address(lookup),
            geo=self._geo(lookup),
            details=self._details(one, lookup, {"time_from": said_by, "patient_authority": authority}),
            raw=record,
            format=self.format,
        )

    def _ours(self, lookup: Lookup, name: str) -> str | None:
        return checked(name, self._mapping.value(name, lookup.get))

    def _moment(self, one: LogRecord) -> tuple[datetime, str | None]:
        """When it happened, else when it was observed (logs data model: that is set by whoever collected it), else of receipt."""
        for nanoseconds, said_by in ((one.time, None), (one.observed, "observed")):
            if nanoseconds:
                try:
                    moment = _EPOCH + timedelta(microseconds=nanoseconds // 1_000)
                except OverflowError:
                    continue
                if EARLIEST <= moment < LATEST:
                    return moment, said_by
        if one.time or one.observed:
            raise InvalidInput(f"the time of the log record lies outside {EARLIEST.year} to {LATEST.year}")
        return self._received(), "receipt"

    def _event_id(self, one: LogRecord, lookup: Lookup) -> str:
        """The sender's own id of the record (semantic conventions: `log.record.uid`), else of everything in it."""
        if named := self._ours(lookup, "event_id") or lookup.attribute("log.record.uid"):
            return named[:512]
        content: dict[str, Json] = {
            "time": [str(one.time), str(one.observed) if not one.time else ""],
            "severity": [one.severity_number, one.severity_text],
            "body": one.body,
            "attributes": one.attributes,
            "trace": [one.trace_id, one.span_id],
            "event": one.event_name,
            "resource": one.resource,
            "scope": one.scope,
        }
        return self._ids.event_id(hashlib.sha256(canonical(content)).digest())

    def _action(self, one: LogRecord, lookup: Lookup) -> str:
        if self._mapping.fields.get("action") and (named := self._ours(lookup, "action")):
            mapped = action_word([named])
            return mapped[0] if mapped else snake(named) or named[:128]
        said = [one.event_name, *(lookup.get(name) for name in NAMES["action"])]
        translations = self._mapping.values.get("action", {})
        for text in said:
            if text and (translated := translations.get(text.strip().lower())):
                return translated
        if (known := action_word(said)) is not None:
            return known[0]
        if constant := self._mapping.constants.get("action"):
            return constant
        own = next((word for text in said if text and (word := snake(text))), None)
        return own or ("http_request" if lookup.first(NUMBER_NAMES["status"]) and lookup.first(NAMES["path"]) else "log_record")

    def _actor(self, lookup: Lookup) -> Actor:
        """The user, else the address, else the service."""
        kind = self._ours(lookup, "actor_kind")
        if named := self._ours(lookup, "actor_id") or lookup.first(NAMES["actor"]):
            return Actor(id=named[:512], kind=ActorKind(kind or ActorKind.STAFF))
        if address := self._address(lookup):
            return Actor(id=address, kind=ActorKind.EXTERNAL)
        service = lookup.first(NAMES["service"]) or self._source_system
        return Actor(id=service[:512], kind=ActorKind.SERVICE)

    def _patient(self, lookup: Lookup) -> tuple[str | None, str | None]:
        named = self._ours(lookup, "patient_id") or lookup.patient()
        if not named or not named.strip():
            return None, None
        identifier, authority = patient_identifier(named)
        return identifier[:512] or None, authority

    def _outcome(self, one: LogRecord, lookup: Lookup, action: str) -> str | None:
        """What the record says of it, else the HTTP status, else a failure where it tells an error."""
        if named := self._ours(lookup, "outcome"):
            return named
        for name in NAMES["outcome"]:
            said = lookup.get(name)
            if said and (found := outcome_word(said) or {"true": "success", "false": "failure"}.get(said.lower())):
                return found
        known = action_word([one.event_name, *(lookup.get(name) for name in NAMES["action"])])
        if known is not None and known[1] is not None:
            return known[1]
        status = lookup.number(NUMBER_NAMES["status"])
        if (answered := outcome_of_status(status, action)) is not None:
            return answered
        return "failure" if one.severity_number >= _ERROR or lookup.first(NAMES["error"]) else None

    def _address(self, lookup: Lookup) -> str | None:
        mapped = self._ours(lookup, "ip")
        return address_of(mapped) or next((found for name in NAMES["ip"] if (found := address_of(lookup.get(name)))), None)

    def _geo(self, lookup: Lookup) -> Geo | None:
        place = {
            name: (self._ours(lookup, f"geo_{name}") or lookup.first(NAMES[f"geo_{name}"]))
            for name in ("city", "country", "lat", "lon")
        }
        return Geo(**place) if any(place.values()) else None

    def _details(self, one: LogRecord, lookup: Lookup, more: Mapping[str, Json]) -> dict[str, Json]:
        url = lookup.first(NAMES["path"])
        details: dict[str, Json] = {
            "severity": one.severity,
            "severity_number": one.severity_number or None,
            "event_name": one.event_name or lookup.get("event.name"),
            "message": lookup.message(),
            "trace_id": one.trace_id or None,
            "span_id": one.span_id or None,
            "path": _path(url) if url else None,
            **{name: lookup.first(names) for name, names in DETAIL_NAMES.items()},
            **{name: lookup.number(names) for name, names in NUMBER_NAMES.items()},
            "attributes": one.attributes or None,
            "body": one.body if isinstance(one.body, Mapping | list) else None,
            "resource": one.resource or None,
            "scope": one.scope or None,
            **more,
        }
        for name in {**self._mapping.fields, **self._mapping.constants}:
            if name.startswith(DETAILS) and (value := self._ours(lookup, name)):
                details[name.removeprefix(DETAILS)] = value
        found = normalise({name: value for name, value in details.items() if value is not None})
        assert isinstance(found, dict)
        return found


def _path(url: str) -> str:
    """The path of a URL, whole or not, without its query."""
    bare = bare_url(url)
    _, mark, rest = bare.partition("://")
    return f"/{rest.partition('/')[2]}" if mark else bare
