"""OTLP logs: both encodings say the same, names by convention and beside it, and bytes that are no request."""

import json
import random
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Geo, Source
from domain.json import Json, normalise
from domain.record import Parsed, Rejected
from ingest.parsers import otlp_wire as wire
from ingest.parsers import read_mapping
from ingest.parsers.otlp import OtlpLogsParser
from ingest.parsers.otlp_records import LARGEST_ORIGIN, otlp_records
from ingest.parsers.records import Feed, Oversize
from tests.support.otlp import any_value, fixed64, json_request, log_record, part, protobuf, varint

PAGE = (Path(__file__).parents[3] / "docs" / "formats" / "otlp-logs.md").read_text()
RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)
NANOSECONDS = 1772431201250000000
MOMENT = datetime(2026, 3, 2, 6, 0, 1, 250000, tzinfo=UTC)
RESOURCE: Mapping[str, object] = {"service.name": "portal-api", "host.name": "app-1"}
RECORD: Mapping[str, object] = {
    "time": NANOSECONDS,
    "severity": 9,
    "severity_text": "INFO",
    "event": "chart.open",
    "body": "Chart geöffnet",
    "attributes": {"user.id": "alice.nurse", "patient.id": "P-1", "client.address": "10.20.4.12", "session.id": "s-9"},
    "trace": "000102030405060708090a0b0c0d0e0f",
    "span": "0001020304050607",
}


def parse(record: bytes, mapping: str | None = None) -> list[Parsed]:
    return OtlpLogsParser("apps", received=lambda: RECEIVED, mapping=read_mapping(mapping) if mapping else None).parse(record)


def event(mapping: str | None = None, resource: Mapping[str, object] = RESOURCE, **changes: object) -> AuditEvent:
    """The event of the usual record with changes, which both encodings have to agree on."""
    one = {name: value for name, value in {**RECORD, **changes}.items() if value is not ...}
    (binary,), (text,) = parse(protobuf([one], resource), mapping), parse(json_request([one], resource), mapping)
    assert isinstance(binary, AuditEvent), binary.reason
    assert isinstance(text, AuditEvent), text.reason
    assert [getattr(binary, name) for name in binary.__slots__ if name != "raw"] == [
        getattr(text, name) for name in text.__slots__ if name != "raw"
    ]
    return binary


def attributes(**more: object) -> dict[str, object]:
    return {name.replace("__", "."): value for name, value in more.items()}


# --- What a log record says ------------------------------------------------------------------------------------------------------


def test_a_log_record_is_an_event() -> None:
    found = event()

    assert (found.source, found.action, found.outcome, found.time) == (Source.ACCESS, "view_chart", None, MOMENT)
    assert (found.actor, found.patient_id, found.ip) == (Actor(id="alice.nurse", kind=ActorKind.STAFF), "P-1", "10.20.4.12")
    assert found.details == {
        "severity": "INFO",
        "severity_number": 9,
        "event_name": "chart.open",
        "message": "Chart geöffnet",
        "trace_id": "000102030405060708090a0b0c0d0e0f",
        "span_id": "0001020304050607",
        "application": "portal-api",
        "host": "app-1",
        "session_id": "s-9",
        "attributes": RECORD["attributes"],
        "resource": RESOURCE,
        "scope": {"name": "app.audit"},
    }


def test_the_time_is_the_event_s_then_that_of_who_saw_it_then_of_receipt() -> None:
    seen = event(time=..., observed=NANOSECONDS)
    received = event(time=...)

    assert (seen.time, seen.details["time_from"]) == (MOMENT, "observed")
    assert (received.time, received.details["time_from"]) == (RECEIVED, "receipt")
    assert event(time=0, observed=NANOSECONDS).time == MOMENT


@pytest.mark.parametrize(
    ("event_name", "more", "action"),
    [
        ("user.login", {}, "login"),
        (..., {"event.name": "user.logout"}, "logout"),
        (..., {"event.action": "Break The Glass"}, "break_glass"),
        (..., {"action": "prescription.renewed"}, "prescription_renewed"),
        (..., {"url.path": "/x", "http.response.status_code": 200}, "http_request"),
        (..., {}, "log_record"),
    ],
)
def test_what_happened(event_name: object, more: Mapping[str, object], action: str) -> None:
    assert event(event=event_name, attributes={"user.id": "a", **more}).action == action


@pytest.mark.parametrize(
    ("more", "severity", "outcome"),
    [
        ({"event.outcome": "success"}, 9, "success"),
        ({"event.outcome": "failure"}, 9, "failure"),
        ({"outcome": "DENIED"}, 9, "denied"),
        ({"success": True}, 9, "success"),
        ({"success": False}, 9, "failure"),
        ({"result": "something"}, 9, None),
        ({"http.response.status_code": 200}, 9, "success"),
        ({"http.response.status_code": 403}, 9, "denied"),
        ({"http.status_code": "500"}, 9, "failure"),
        ({"exception.type": "OSError"}, 9, "failure"),
        ({}, 17, "failure"),
        ({}, 13, None),
        ({"event.name": "login_failed"}, 9, "failure"),
    ],
)
def test_the_outcome(more: Mapping[str, object], severity: int, outcome: str | None) -> None:
    assert event(event=..., severity=severity, attributes={"user.id": "a", **more}).outcome == outcome


@pytest.mark.parametrize(
    ("more", "actor"),
    [
        ({"enduser.id": "alice"}, Actor(id="alice", kind=ActorKind.STAFF)),
        ({"user.name": "bob"}, Actor(id="bob", kind=ActorKind.STAFF)),
        ({"usr.id": 17}, Actor(id="17", kind=ActorKind.STAFF)),
        ({"client.address": "203.0.113.9"}, Actor(id="203.0.113.9", kind=ActorKind.EXTERNAL)),
        ({}, Actor(id="portal-api", kind=ActorKind.SERVICE)),
    ],
)
def test_who_acted(more: Mapping[str, object], actor: Actor) -> None:
    assert event(attributes=dict(more)).actor == actor


@pytest.mark.parametrize(
    ("name", "value", "patient"),
    [
        ("patient.id", "P-1", "P-1"),
        ("patient_id", "P-1", "P-1"),
        ("app.chart.patientId", "P-1", "P-1"),
        ("mrn", 4711, "4711"),
        ("clinic.patient.mrn", "4711", "4711"),
        ("patient", "Patient/82", "82"),
        ("patient.name", "Jane", None),
        ("process.pid", 7, None),
    ],
)
def test_the_patient_by_any_name_that_is_known(name: str, value: object, patient: str | None) -> None:
    assert event(attributes={"user.id": "a", name: value}).patient_id == patient


def test_addresses_devices_and_places() -> None:
    found = event(
        attributes={
            "user.id": "a",
            "client.address": "[2001:db8::9]:443",
            "device.id": "ws-1",
            "client.geo.locality.name": "Boston",
            "client.geo.country.iso_code": "US",
            "geo.location.lat": 42.36,
        }
    )
    assert (found.ip, found.device, found.geo) == (
        "2001:db8::9",
        Device(id="ws-1"),
        Geo(city="Boston", country="US", lat="42.36", lon=None),
    )


def test_requests_are_kept_without_the_values_of_their_query() -> None:
    found = event(
        event=...,
        attributes={
            "user.id": "a",
            "http.request.method": "GET",
            "url.full": "https://a.example/x/17?q=Doe",
            "http.route": "/x/{id}",
        },
    )
    assert (found.details["method"], found.details["path"], found.details["route"]) == ("GET", "/x/17", "/x/{id}")


@pytest.mark.parametrize(
    "body",
    [
        {"user": {"id": "bob"}, "patient_id": "P-2", "action": "print", "outcome": "success", "message": "printed"},
        json.dumps({"user.id": "bob", "patient_id": "P-2", "action": "print", "outcome": "success", "message": "printed"}),
    ],
)
def test_a_body_with_fields_is_read(body: object) -> None:
    found = event(event=..., body=body, attributes={})

    assert (found.actor.id, found.patient_id, found.action, found.outcome) == ("bob", "P-2", "print", "success")
    assert found.details["message"] == "printed"


def test_a_body_that_is_an_access_line_is_read() -> None:
    line = '203.0.113.9 - bob [02/Mar/2026:06:00:01 +0000] "GET /x?q=Doe HTTP/1.1" 403 1 "-" "Fire/1"'
    found = event(event=..., body=line, attributes={})

    assert (found.actor.id, found.ip, found.action, found.outcome) == ("bob", "203.0.113.9", "http_request", "denied")
    assert (found.details["path"], found.details["status"], found.details["message"]) == ("/x", 403, line)


def test_every_kind_of_value() -> None:
    values: dict[str, object] = {
        "text": "é",
        "yes": True,
        "no": False,
        "whole": -5,
        "large": 2**62,
        "half": 1.5,
        "list": ["a", 1, [2]],
        "map": {"inner": {"deep": "x"}, "n": 1},
        "empty": "",
        "ключ": "key",
    }
    found = event(attributes=values)

    assert found.details["attributes"] == normalise(values)


def test_bytes_and_numbers_that_are_none() -> None:
    (found,) = parse(
        protobuf([{"time": NANOSECONDS, "attributes": {"b": b"\0\1", "n": float("nan"), "i": float("inf")}}], RESOURCE)
    )

    assert isinstance(found, AuditEvent)
    assert found.details["attributes"] == {"b": "AAE=", "n": "nan", "i": "inf"}


def test_a_mapping_names_attributes_and_fields_of_the_body() -> None:
    mapping = """
    [fields]
    actor_id = "attributes.app.login"
    patient_id = ["body.none", "body.chart.number"]
    device_id = "resource.host.name"
    action = "body.did"
    "details.module" = "body.module"
    [constants]
    source = "portal"
    actor_kind = "patient"
    device_kind = "server"
    outcome = "success"
    [values.action]
    "opened" = "view_results"
    """
    found = event(mapping, body={"chart": {"number": 82}, "did": "Opened", "module": "labs"}, attributes={"app.login": "jdoe"})

    assert (found.actor, found.patient_id, found.action) == (Actor(id="jdoe", kind=ActorKind.PATIENT), "82", "view_results")
    assert (found.source, found.outcome, found.details["module"]) == (Source.PORTAL, "success", "labs")
    assert found.device == Device(id="app-1", kind=DeviceKind.SERVER)


def test_the_sender_s_own_id_is_the_id_else_the_content() -> None:
    named = event(attributes={"user.id": "a", "log.record.uid": "01ARZ3NDEKTSV4RRFFQ69G5FAV"})
    once, again, other = event(), event(), event(body="other")

    assert named.event_id == "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    assert once.event_id == again.event_id != other.event_id


def test_two_records_alike_in_a_request_are_two_events() -> None:
    parser = OtlpLogsParser("apps", received=lambda: RECEIVED)
    first = [
        one.event_id
        for record in cut(protobuf([RECORD] * 3, RESOURCE))
        for one in parser.parse(record)
        if isinstance(one, AuditEvent)
    ]

    assert len(set(first)) == 3


# --- JSON in other spellings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"timeUnixNano": 1772431201250000000', '"timeUnixNano": "1772431201250000000"'),
        ('"timeUnixNano"', '"time_unix_nano"'),
        ('"severityNumber": 9', '"severityNumber": "SEVERITY_NUMBER_INFO"'),
        ('"resourceLogs"', '"resource_logs"'),
        ('"scopeLogs"', '"instrumentationLibraryLogs"'),
        ('"traceId": "000102030405060708090a0b0c0d0e0f"', '"traceId": "AAECAwQFBgcICQoLDA0ODw=="'),
        ('"traceId": "000102030405060708090a0b0c0d0e0f"', '"traceId": "000102030405060708090A0B0C0D0E0F"'),
        ('"stringValue"', '"string_value"'),
        ('"logRecords"', '"unknownField": 1, "logRecords"'),
    ],
)
def test_the_same_request_in_another_spelling(old: str, new: str) -> None:
    usual = json_request([RECORD], RESOURCE).decode()
    assert old in usual
    (found,), (expected,) = parse(usual.replace(old, new).encode()), parse(usual.encode())

    assert isinstance(found, AuditEvent)
    assert isinstance(expected, AuditEvent)
    assert (found.event_id, found.details) == (expected.event_id, expected.details)


# --- Records ---------------------------------------------------------------------------------------------------------------------


def cut(content: bytes, size: int = 13, limit: int = 10_000_000) -> list[bytes]:
    records = list(otlp_records(Feed(content[at : at + size] for at in range(0, len(content), size)), limit))
    assert not any(isinstance(record, Oversize) for record in records)
    return [record for record in records if isinstance(record, bytes)]


@pytest.mark.parametrize("write", [protobuf, json_request])
def test_each_log_record_is_a_record_with_its_resource(write: object) -> None:
    assert callable(write)
    request = write([{**RECORD, "body": text} for text in "abc"], RESOURCE)
    records = cut(request)

    assert len(records) == 3
    for record, text in zip(records, "abc", strict=True):
        (one,) = parse(record)
        assert isinstance(one, AuditEvent)
        assert (one.details["message"], one.details["resource"], one.raw) == (text, RESOURCE, record)


def test_a_request_with_one_record_stays_as_it_is() -> None:
    for request in (protobuf([RECORD], RESOURCE), json_request([RECORD], RESOURCE)):
        assert cut(request) == [request]
    for request in (b'{"resourceLogs": []}', b'{"resourceLogs": [{}]}', b"{}", part(1, b"")):
        assert cut(request) == []


def test_the_bytes_of_a_record_are_those_that_were_sent() -> None:
    text = b'{ "resourceLogs" : [ {"scopeLogs":[{"logRecords":[ {"severityNumber" : 9 ,"body":{}}, {"severityNumber":1e1}]}] } ] }'

    assert cut(text) == [
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber" : 9 ,"body":{}}]}]}]}',
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":1e1}]}]}]}',
    ]


def test_several_requests_in_one_stream() -> None:
    one, two = json_request([RECORD], RESOURCE), json_request([{**RECORD, "body": "b"}], RESOURCE)
    first, second = protobuf([RECORD], RESOURCE), protobuf([{**RECORD, "body": "b"}], RESOURCE)

    assert cut(one + b"\n" + two) == cut(b"[" + one + b"," + two + b"]") == cut(b"\n" + one + two) == [one, two]
    assert cut(len(first).to_bytes(4, "big") + first + len(second).to_bytes(4, "big") + second) == [first, second]
    empty = bytes(4 * 5_000)
    assert cut(empty + len(first).to_bytes(4, "big") + first + empty + len(second).to_bytes(4, "big") + second) == [first, second]
    assert cut(b"") == []


@pytest.mark.parametrize("size", [34, 123, 91])
def test_a_length_that_is_a_bracket_is_not_taken_for_json(size: int) -> None:
    """Field 1 is a line feed on the wire, and a length can be `{`."""
    for resource in range(200):
        request = protobuf([RECORD], {"service.name": "x" * resource, "p": "y" * size})
        assert cut(request) == [request]


def test_a_record_beyond_the_limit_costs_itself() -> None:
    small, big = protobuf([RECORD], RESOURCE), protobuf([{**RECORD, "body": "x" * 5000}], RESOURCE)
    framed = b"".join(len(one).to_bytes(4, "big") + one for one in (big, small))

    (only,) = otlp_records(Feed([big]), 1000)
    first, second = otlp_records(Feed(framed[at : at + 100] for at in range(0, len(framed), 100)), 1000)

    assert isinstance(only, Oversize)
    assert isinstance(first, Oversize)
    assert second == small


def test_a_resource_too_large_to_be_repeated_keeps_its_request_together() -> None:
    for write in (protobuf, json_request):
        request = write([RECORD, RECORD], {"x": "y" * (LARGEST_ORIGIN + 1)})
        assert cut(request, 65536) == [request]
        assert len(parse(request)) == 2


# --- What is no request ----------------------------------------------------------------------------------------------------------

SPAN = part(1, bytes(16)) + part(2, bytes(8)) + part(5, "GET /")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", "the record holds no log records"),
        (b"{}", "the record holds no log records"),
        (b'{"resourceSpans": [{"SECRET": 1}]}', "the record holds no log records"),
        (b'{"resourceLogs": SECRET}', "the record is not valid JSON"),
        (b"SECRET", "the protobuf message"),
        (b"\xff" * 20, "the protobuf message is cut off or damaged"),
        (protobuf([RECORD], RESOURCE)[:-3], "the protobuf message is cut off or damaged"),
        (part(1, part(2, part(2, SPAN))), "the message is no log record"),
        (varint(1 << 3 | 3), "the protobuf message has a field of a kind that OTLP does not use"),
        (json_request([{**RECORD, "time": "SECRET"}], RESOURCE), "timeUnixNano is no number of nanoseconds"),
        (protobuf([{**RECORD, "time": 1}], RESOURCE), "the time of the log record lies outside 1990 to 2200"),
    ],
)
def test_a_refusal_says_what_is_wrong(record: bytes, reason: str) -> None:
    (parsed,) = parse(record)

    assert isinstance(parsed, Rejected)
    assert parsed.reason.startswith(reason)
    assert "SECRET" not in parsed.reason


def test_values_nested_without_end_are_refused() -> None:
    value: object = "x"
    for _ in range(40):
        value = [value]
    for request in (protobuf([{**RECORD, "body": value}], RESOURCE), json_request([{**RECORD, "body": value}], RESOURCE)):
        (parsed,) = parse(request)
        assert isinstance(parsed, Rejected)
        assert "nested" in parsed.reason
    deep = any_value("x")
    for _ in range(20_000):
        deep = part(5, part(1, deep))
    (parsed,) = parse(part(1, part(2, part(2, part(5, deep)))))
    assert isinstance(parsed, Rejected)


def test_what_is_not_known_is_passed_over() -> None:
    record = (
        fixed64(1, NANOSECONDS)
        + part(99, "new")
        + varint(98 << 3)
        + b"\x05"
        + varint(97 << 3 | 5)
        + bytes(4)
        + part(5, any_value("x"))
    )
    (found,) = parse(part(7, "new") + part(1, part(9, "new") + part(2, part(2, record))))

    assert isinstance(found, AuditEvent)
    assert (found.time, found.details["message"]) == (MOMENT, "x")


@given(numbers=st.lists(st.tuples(st.integers(1, 2**28), st.integers(0, 2**64 - 1) | st.binary(max_size=20)), max_size=20))
def test_the_wire_format_is_read_as_it_is_written(numbers: Sequence[tuple[int, int | bytes]]) -> None:
    out = b"".join(
        part(number, value) if isinstance(value, bytes) else varint(number << 3) + varint(value) for number, value in numbers
    )

    assert [(number, value) for number, _, value in wire.fields(out)] == list(numbers)


@given(number=st.integers(1, 100), value=st.integers(0, 2**62), content=st.binary(max_size=300))
def test_what_is_written_is_read(number: int, value: int, content: bytes) -> None:
    out = wire.count(number, value) + wire.message(number, content)

    assert [one for _, _, one in wire.fields(out)] == [*([value] if value else []), content]


@pytest.mark.parametrize("data", [b"\x80" * 11, b"\x08", b"\x0a\x05abc", b"\x09\0\0", b"\x0d\0", b"\x00\x00", b"\x0b"])
def test_a_message_that_is_cut_off(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        list(wire.fields(data))


def test_a_message_of_more_fields_than_its_size_explains_is_refused() -> None:
    many = varint(5 << 3) + b"\x01"

    with pytest.raises(InvalidInput, match="too many for its size"):
        list(wire.fields(many * 30_000))
    assert len(list(wire.fields(many * 20_000))) == 20_000
    assert len(list(wire.fields(part(1, "x" * 60) * 30_000))) == 30_000


def check(record: bytes) -> None:
    for one in [*cut(record, limit=2**24), record]:  # a size in front begins with 0
        parsed = parse(one)
        assert parsed
        for found in parsed:
            assert found.raw == one
            if isinstance(found, AuditEvent):
                assert normalise(found.details) == found.details
            else:
                assert 0 < len(found.reason) < 300


REQUESTS = [write([RECORD, {**RECORD, "body": {"a": [1, "b"]}}], RESOURCE) for write in (protobuf, json_request)]


@settings(deadline=None, max_examples=400)
@given(record=st.sampled_from(REQUESTS), seed=st.integers(0, 2**32))
def test_bent_requests(record: bytes, seed: int) -> None:
    rng, bent = random.Random(seed), bytearray(record)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(bent) or 1)
        match rng.randrange(3):
            case 0:
                bent[at : at + 1] = rng.randbytes(1)
            case 1:
                del bent[at : at + rng.randint(1, 20)]
            case _:
                bent[at:at] = bent[at : at + 20]
    check(bytes(bent))


@settings(deadline=None)
@given(record=st.binary(max_size=200))
def test_any_bytes(record: bytes) -> None:
    check(record)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3))


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_any_value_in_place_of_any_field(data: st.DataObject) -> None:
    document: Json = json.loads(REQUESTS[1])
    inner, path = document, []
    while isinstance(inner, dict | list) and inner:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))))
        path.append((inner, key))
        inner = inner[key]
    holder, key = data.draw(st.sampled_from(path))
    holder[key] = data.draw(VALUES)
    check(json.dumps(document).encode())


def test_log_records_alone_are_written_alike() -> None:
    assert log_record({"time": 1}) == fixed64(1, 1)


def test_the_sample_of_the_page_is_understood() -> None:
    (sample,) = re.findall(r"^```otlp-logs\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    parsed = [one for record in cut(sample.encode()) for one in parse(record)]

    assert parsed
    assert all(isinstance(one, AuditEvent) for one in parsed)
