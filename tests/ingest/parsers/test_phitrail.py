"""Our own JSON Lines: what is accepted, and that refusals say which field and never what was in it."""

import json

import pytest

from domain.event import AuditEvent
from domain.record import Rejected
from ingest.parsers.phitrail import PhitrailParser

EVENT: dict[str, object] = {
    "event_id": "e-1",
    "time": "2026-03-02T08:14:07-05:00",
    "source": "access",
    "action": "login",
    "actor": {"id": "alice.nurse", "kind": "staff"},
}


def parse(**changes: object) -> AuditEvent | Rejected:
    (parsed,) = PhitrailParser("ehr").parse(json.dumps(EVENT | changes).encode())
    return parsed


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"time": "2026-03-02T08:14:07"}, "time has no UTC offset"),
        ({"time": "yesterday"}, "time is not an RFC 3339 time"),
        ({"time": None}, "time is missing"),
        ({"actor": {"id": "a", "kind": "SECRET"}}, "actor.kind is not one of staff, patient"),
        ({"actor": {"id": ["SECRET"], "kind": "staff"}}, "actor.id is an array, not a string"),
        ({"actor": {"kind": "staff"}}, "actor.id is missing"),
        ({"patient_id": 7}, "patient_id is a number, not a string"),
        ({"patient_id": ""}, "patient_id is empty"),
        ({"patient_id": "SECRET" * 200}, "patient_id is longer than 512 characters"),
        ({"event_id": "SECRET" * 200}, "event_id is longer than 512 characters"),
        ({"action": "SECRET" * 30}, "action is longer than 128 characters"),
        ({"device": {"id": "ws", "kind": "SECRET"}}, "device.kind is not one of workstation"),
        ({"device": "SECRET"}, "device is a string, not an object"),
        ({"geo": {"lat": True}}, "geo.lat is a boolean, not a number"),
        ({"geo": {"lon": "SECRET"}}, "geo.lon is not a number"),
        ({"outcome": "SECRET"}, "outcome is not one of success"),
        ({"details": "SECRET"}, "details is a string, not an object"),
        ({"pateint": "SECRET"}, "unknown top-level field: pateint; known are"),
    ],
)
def test_a_refusal_names_the_field_and_no_value(changes: dict[str, object], reason: str) -> None:
    parsed = parse(**changes)

    assert isinstance(parsed, Rejected)
    assert reason in parsed.reason
    assert "SECRET" not in parsed.reason
    assert b"e-1" in parsed.raw or b"SECRET" in parsed.raw


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b'{"event_id":"\xff"}', "the record is not valid UTF-8 (byte 13)"),
        (b'{"event_id":Infinity}', "a number that is not finite"),
        (b'{"event_id":1e999}', "a number that is not finite"),
        (b"[" * 5000, "the record is nested too deep"),
        (b'{"event_id":"\\ud800"}', "half a surrogate pair"),
        (b"", "the record is empty"),
        (b"null", "the record is null, not an object"),
    ],
)
def test_what_is_no_object_is_refused_with_the_cause(record: bytes, reason: str) -> None:
    (parsed,) = PhitrailParser("ehr").parse(record)

    assert isinstance(parsed, Rejected)
    assert reason in parsed.reason
    assert parsed.raw == record


def test_absent_and_null_optional_fields_are_the_same() -> None:
    bare = parse()
    nulls = parse(patient_id=None, outcome=None, device=None, ip=None, geo=None, details=None)

    assert isinstance(bare, AuditEvent)
    assert isinstance(nulls, AuditEvent)
    assert (bare.patient_id, bare.outcome, bare.device, bare.ip, bare.geo, bare.details) == (None, None, None, None, None, {})
    assert (nulls.patient_id, nulls.device, nulls.details) == (None, None, {})


def test_unknown_details_are_kept_inside_the_canonical_profile() -> None:
    parsed = parse(details={"ratio": 0.25, "whole": 3.0, "huge": 2**60, "schlüssel": [None, True]})

    assert isinstance(parsed, AuditEvent)
    assert parsed.details == {"ratio": "0.25", "whole": 3, "huge": str(2**60), "schl%C3%BCssel": [None, True]}
