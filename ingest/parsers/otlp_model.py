"""OTLP log records out of protobuf and JSON (opentelemetry-proto: collector/logs/v1, logs/v1, common/v1), in one shape.

JSON is read as the OTLP specification has it: identifiers in hex, 64-bit numbers as text or number, names in lowerCamelCase; snake
case, which Protocol Buffers allow too, is understood.
"""

import base64
import binascii
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from domain.errors import InvalidInput
from domain.json import Json, normalise
from ingest.parsers import otlp_wire as wire
from ingest.parsers.shapes import decode_json, kind_of, mapping, sequence, text_of

DEEPEST = 12
"""Levels of arrays and maps inside an attribute or a body."""

_IS_JSON = re.compile(rb'(?:\xef\xbb\xbf)?[ \t\r\n]*[\[{][ \t\r\n]*(?:"[\x20-\x7e]|[{}\[\]])')
_HEX = re.compile(r"[0-9a-fA-F]{2,64}", re.ASCII)
_KINDS = {
    **dict.fromkeys((3, 5, 6, 9, 10, 12), wire.BYTES),
    **dict.fromkeys((2, 7), wire.VARINT),
    **dict.fromkeys((1, 11), wire.FIXED64),
    8: wire.FIXED32,
}
"""What the fields of a LogRecord are on the wire."""

_SEVERITIES = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One log record with what it came from. Times are nanoseconds since 1970, 0 where not known; ids are hex, empty where not."""

    time: int = 0
    observed: int = 0
    severity_number: int = 0
    severity_text: str = ""
    body: Json = None
    attributes: Mapping[str, Json] = field(default_factory=dict)
    trace_id: str = ""
    span_id: str = ""
    event_name: str = ""
    resource: Mapping[str, Json] = field(default_factory=dict)
    scope: Mapping[str, Json] = field(default_factory=dict)

    @property
    def severity(self) -> str | None:
        """The text, else the name of the range of the number (logs data model, "SeverityNumber")."""
        if self.severity_text.strip():
            return self.severity_text.strip()[:64]
        return _SEVERITIES[(self.severity_number - 1) // 4] if 1 <= self.severity_number <= 24 else None


def is_json(record: bytes) -> bool:
    """Whether bytes are JSON and not protobuf: a request in protobuf begins with a line feed, which is also white space."""
    return _IS_JSON.match(record) is not None


def log_records(record: bytes) -> Iterator[LogRecord]:
    """The log records of an ExportLogsServiceRequest. Raises InvalidInput where the bytes are none."""
    return _of_json(record) if is_json(record) else _of_request(record)


# --- Protobuf --------------------------------------------------------------------------------------------------------------------


def _of_request(request: bytes) -> Iterator[LogRecord]:
    for number, _, value in wire.fields(request):
        if number == 1 and isinstance(value, bytes):
            yield from _of_resource_logs(value)


def _of_resource_logs(message: bytes) -> Iterator[LogRecord]:
    parts = list(wire.fields(message))
    resource: dict[str, Json] = {}
    for number, _, value in parts:
        if number == 1 and isinstance(value, bytes):
            resource |= _attributes(value, 1)
    for number, _, value in parts:
        if number in (2, 1000) and isinstance(value, bytes):  # 1000: InstrumentationLibraryLogs of 0.15 and before
            inner = list(wire.fields(value))
            scope: dict[str, Json] = {}
            for place, _, one in inner:
                if place == 1 and isinstance(one, bytes):
                    scope |= _scope(one)
            for place, _, one in inner:
                if place == 2 and isinstance(one, bytes):
                    yield _log_record(one, resource, scope)


def _scope(message: bytes) -> dict[str, Json]:
    names = {1: "name", 2: "version"}
    found: dict[str, Json] = {
        names[number]: _text(value)
        for number, _, value in wire.fields(message)
        if number in names and isinstance(value, bytes) and value
    }
    attributes = _attributes(message, 3)
    return {**found, **({"attributes": attributes} if attributes else {})}


def _log_record(message: bytes, resource: Mapping[str, Json], scope: Mapping[str, Json]) -> LogRecord:
    numbers = {1: 0, 2: 0, 11: 0}
    texts = {3: b"", 9: b"", 10: b"", 12: b""}
    body: Json = None
    for number, kind, value in wire.fields(message):
        if _KINDS.get(number, kind) != kind:
            raise InvalidInput("the message is no log record (traces and metrics have addresses of their own)")
        if number in numbers and isinstance(value, int):
            numbers[number] = value
        elif number in texts and isinstance(value, bytes):
            texts[number] = value
        elif number == 5 and isinstance(value, bytes):
            body = _any(value, 0)
    return LogRecord(
        time=numbers[1],
        observed=numbers[11],
        severity_number=numbers[2],
        severity_text=_text(texts[3]),
        body=body,
        attributes=_attributes(message, 6),
        trace_id=_identifier(texts[9]),
        span_id=_identifier(texts[10]),
        event_name=_text(texts[12]),
        resource=resource,
        scope=scope,
    )


def _attributes(message: bytes, place: int, depth: int = 0) -> dict[str, Json]:
    """The KeyValues in the repeated field `place`; of a key that comes twice, which is not allowed, the first."""
    found: dict[str, Json] = {}
    for number, _, value in wire.fields(message):
        if number == place and isinstance(value, bytes):
            key, content = b"", b""
            for inner, _, one in wire.fields(value):
                if inner == 1 and isinstance(one, bytes):
                    key = one
                elif inner == 2 and isinstance(one, bytes):
                    content = one
            found.setdefault(_key(_text(key)), _any(content, depth))
    return found


def _any(message: bytes, depth: int) -> Json:
    """An AnyValue. The last of its kinds counts, as for every oneof."""
    if depth > DEEPEST:
        raise InvalidInput(f"a value is nested more than {DEEPEST} levels deep")
    found: Json = None
    for number, _, value in wire.fields(message):
        if isinstance(value, int):
            if number == 2:
                found = bool(value)
            elif number == 3:
                found = normalise(wire.signed(value))
            elif number == 4:
                found = _float(wire.double(value))
        elif number == 1:
            found = _text(value)
        elif number == 5:
            found = [_any(one, depth + 1) for place, _, one in wire.fields(value) if place == 1 and isinstance(one, bytes)]
        elif number == 6:
            found = _attributes(value, 1, depth + 1)
        elif number == 7:
            found = base64.b64encode(value).decode()
    return found


def _text(value: bytes) -> str:
    return wire.text(value)


def _identifier(value: bytes) -> str:
    return value.hex() if any(value) else ""


# --- JSON ------------------------------------------------------------------------------------------------------------------------


def _of_json(record: bytes) -> Iterator[LogRecord]:
    request = decode_json(record)
    if not isinstance(request, dict):
        raise InvalidInput(f"the record is {kind_of(request)}, not an object")
    for resource_logs in sequence(_get(request, "resourceLogs")):
        resource = _json_attributes(_get(mapping(_get(mapping(resource_logs), "resource")), "attributes"))
        scopes = _get(mapping(resource_logs), "scopeLogs") or _get(mapping(resource_logs), "instrumentationLibraryLogs")
        for scope_logs in sequence(scopes):
            inner = mapping(scope_logs)
            scope = _json_scope(mapping(_get(inner, "scope") or _get(inner, "instrumentationLibrary")))
            for one in sequence(_get(inner, "logRecords") or _get(inner, "logs")):
                yield _json_record(mapping(one), resource, scope)


def _json_scope(scope: Mapping[str, object]) -> dict[str, Json]:
    found: dict[str, Json] = {name: said for name in ("name", "version") if (said := _clean(text_of(scope.get(name))))}
    attributes = _json_attributes(scope.get("attributes"))
    return {**found, **({"attributes": attributes} if attributes else {})}


def _json_record(one: Mapping[str, object], resource: Mapping[str, Json], scope: Mapping[str, Json]) -> LogRecord:
    return LogRecord(
        time=_nanoseconds(_get(one, "timeUnixNano"), "timeUnixNano"),
        observed=_nanoseconds(_get(one, "observedTimeUnixNano"), "observedTimeUnixNano"),
        severity_number=_severity(_get(one, "severityNumber")),
        severity_text=_clean(text_of(_get(one, "severityText"))) or "",
        body=_json_any(one.get("body"), 0),
        attributes=_json_attributes(one.get("attributes")),
        trace_id=_json_identifier(_get(one, "traceId")),
        span_id=_json_identifier(_get(one, "spanId")),
        event_name=_clean(text_of(_get(one, "eventName"))) or "",
        resource=resource,
        scope=scope,
    )


def _get(value: Mapping[str, object], name: str) -> object:
    found = value.get(name)
    return value.get(re.sub(r"(?=[A-Z])", "_", name).lower()) if found is None else found


def _json_attributes(values: object, depth: int = 0) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for one in sequence(values):
        entry = mapping(one)
        key = entry.get("key")
        if isinstance(key, str):
            found.setdefault(_key(key), _json_any(entry.get("value"), depth))
    return found


def _json_any(value: object, depth: int) -> Json:
    if depth > DEEPEST:
        raise InvalidInput(f"a value is nested more than {DEEPEST} levels deep")
    if not isinstance(value, dict):  # not as specified, but what is meant is plain
        return normalise(value) if isinstance(value, str | int | float) else None
    for name, inner in value.items():
        match _key(name).replace("_", "").lower():
            case "stringvalue":
                return _clean(inner) if isinstance(inner, str) else None
            case "boolvalue":
                return inner if isinstance(inner, bool) else None
            case "intvalue":
                return _integer(inner)
            case "doublevalue":
                return _json_float(inner)
            case "bytesvalue":
                return _clean(inner) if isinstance(inner, str) else None
            case "arrayvalue":
                return [_json_any(one, depth + 1) for one in sequence(mapping(inner).get("values"))]
            case "kvlistvalue":
                return _json_attributes(mapping(inner).get("values"), depth + 1)
    return None


def _integer(value: object) -> Json:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    return normalise(int(text)) if re.fullmatch(r"-?\d{1,19}", text, re.ASCII) else None


def _json_float(value: object) -> Json:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return _float(float(value))
    except ValueError:
        return None


def _float(value: float) -> Json:
    return normalise(value) if math.isfinite(value) else repr(value)


def _nanoseconds(value: object, name: str) -> int:
    if value in (None, "", 0):
        return 0
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,20}", text, re.ASCII):
        raise InvalidInput(f"{name} is no number of nanoseconds")
    return int(text)


def _severity(value: object) -> int:
    """The number, or the name of the enum (`SEVERITY_NUMBER_INFO2`), which the specification forbids and senders write."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value <= 24 else 0
    found = (
        re.fullmatch(r"SEVERITY_NUMBER_(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)([234]?)", str(value)) if isinstance(value, str) else None
    )
    if found is None:
        return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and int(value[:4]) <= 24 else 0
    return _SEVERITIES.index(found[1]) * 4 + int(found[2] or 1)


def _json_identifier(value: object) -> str:
    """Hex as the specification has it, or base64 as plain Protocol Buffers would write bytes."""
    text = value if isinstance(value, str) else ""
    if _HEX.fullmatch(text) and len(text) in (16, 32):
        return text.lower() if text.strip("0") else ""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return found.hex() if len(found) in (8, 16) and any(found) else ""


def _key(name: str) -> str:
    """A name of an attribute as a key of canonical JSON."""
    (key,) = _keys({name: None})
    return key[:256]


def _keys(value: Mapping[str, Json]) -> Mapping[str, Json]:
    found = normalise(value)
    assert isinstance(found, Mapping)
    return found


def _clean(text: str | None) -> str | None:
    found = normalise(text)
    return found if isinstance(found, str) else None
