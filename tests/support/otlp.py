"""Requests of OTLP logs, written by hand in both encodings from the same plain values."""

import json
import struct
from collections.abc import Mapping, Sequence

Attributes = Mapping[str, object]
"""Values are str, bool, int, float, bytes, lists and dicts of them."""


def varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def part(number: int, content: bytes | str) -> bytes:
    """A length-delimited field."""
    raw = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def fixed64(number: int, value: int) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<Q", value)


def any_value(value: object) -> bytes:
    """An AnyValue."""
    match value:
        case bool():
            return varint(2 << 3) + varint(int(value))
        case str():
            return part(1, value)
        case int():
            return varint(3 << 3) + varint(value)
        case float():
            return varint(4 << 3 | 1) + struct.pack("<d", value)
        case bytes():
            return part(7, value)
        case list():
            return part(5, b"".join(part(1, any_value(one)) for one in value))
        case dict():
            return part(6, key_values(1, value))
    return b""


def key_values(number: int, attributes: Attributes) -> bytes:
    return b"".join(part(number, part(1, key) + part(2, any_value(value))) for key, value in attributes.items())


def log_record(one: Mapping[str, object]) -> bytes:
    """A LogRecord from `time observed severity severity_text body attributes trace span event`."""
    out = b""
    for number, name in ((1, "time"), (11, "observed")):
        if name in one:
            out += fixed64(number, int(str(one[name])))
    if "severity" in one:
        out += varint(2 << 3) + varint(int(str(one["severity"])))
    for number, name in ((3, "severity_text"), (12, "event")):
        if name in one:
            out += part(number, str(one[name]))
    if "body" in one:
        out += part(5, any_value(one["body"]))
    attributes = one.get("attributes", {})
    assert isinstance(attributes, dict)
    out += key_values(6, attributes)
    for number, name in ((9, "trace"), (10, "span")):
        if name in one:
            out += part(number, bytes.fromhex(str(one[name])))
    return out


def protobuf(records: Sequence[Mapping[str, object]], resource: Attributes, scope: str = "app.audit") -> bytes:
    """An ExportLogsServiceRequest of one resource and one scope."""
    logs = b"".join(part(2, log_record(one)) for one in records)
    return part(1, part(1, key_values(1, resource)) + part(2, part(1, part(1, scope)) + logs))


def json_value(value: object) -> dict[str, object]:
    match value:
        case bool():
            return {"boolValue": value}
        case str():
            return {"stringValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [json_value(one) for one in value]}}
        case dict():
            return {"kvlistValue": {"values": json_attributes(value)}}
    return {}


def json_attributes(attributes: Attributes) -> list[dict[str, object]]:
    return [{"key": key, "value": json_value(value)} for key, value in attributes.items()]


_NAMES = {
    "time": "timeUnixNano",
    "observed": "observedTimeUnixNano",
    "severity": "severityNumber",
    "severity_text": "severityText",
    "trace": "traceId",
    "span": "spanId",
    "event": "eventName",
}


def json_request(records: Sequence[Mapping[str, object]], resource: Attributes, scope: str = "app.audit") -> bytes:
    """The same request in JSON."""
    written: list[dict[str, object]] = []
    for one in records:
        entry: dict[str, object] = {}
        for name, value in one.items():
            if name == "body":
                entry["body"] = json_value(value)
            elif name == "attributes":
                assert isinstance(value, dict)
                entry["attributes"] = json_attributes(value)
            else:
                entry[_NAMES[name]] = value
        written.append(entry)
    logs = {"scope": {"name": scope}, "logRecords": written}
    request = {"resourceLogs": [{"resource": {"attributes": json_attributes(resource)}, "scopeLogs": [logs]}]}
    return json.dumps(request, ensure_ascii=False).encode()
