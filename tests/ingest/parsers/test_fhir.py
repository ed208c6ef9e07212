"""FHIR AuditEvent: who, what and whose, over the releases and spellings of the resource."""

import json
from collections.abc import Mapping

import pytest

from domain.event import ActorKind, AuditEvent
from domain.json import normalise
from domain.record import Parsed, Rejected
from ingest.parsers import split_records
from ingest.parsers.fhir import FhirParser

BASE: Mapping[str, object] = {
    "resourceType": "AuditEvent",
    "type": {"code": "rest"},
    "subtype": [{"code": "read"}],
    "recorded": "2026-03-02T08:00:00Z",
    "outcome": "0",
    "agent": [{"who": {"reference": "Practitioner/alice"}, "requestor": True}],
    "source": {"observer": {"display": "x"}},
}


def parse(**changes: object) -> list[Parsed]:
    resource = {name: value for name, value in {**BASE, **changes}.items() if value is not None}
    return FhirParser("ehr").parse(json.dumps(resource).encode())


def one(**changes: object) -> AuditEvent:
    (parsed,) = parse(**changes)
    assert isinstance(parsed, AuditEvent), parsed.reason
    return parsed


@pytest.mark.parametrize(
    ("type_code", "subtype", "verb", "resource", "action"),
    [
        ("rest", "read", "R", "DocumentReference", "view_notes"),
        ("rest", "vread", "R", "Observation", "view_labs"),
        ("rest", "read", "R", "Patient", "view_demographics"),
        ("rest", "read", "R", "List", "view_chart"),
        ("rest", "update", "U", "DiagnosticReport", "edit_result"),
        ("rest", "patch", "U", "Appointment", "edit_schedule"),
        ("rest", "create", "C", "MedicationAdministration", "med_admin"),
        ("rest", "search-type", "E", "Patient", "search"),
        ("rest", "delete", "D", "List", "delete"),
        ("rest", "history-instance", "R", "Claim", "view_billing"),
        ("rest", "capabilities", "E", "List", "capabilities"),
        ("rest", None, "R", "ServiceRequest", "view_orders"),
        ("110106", None, "R", "List", "export"),
        ("110107", "disclose", "C", "List", "import"),
        ("110110", None, "R", "List", "view_chart"),
        ("110110", None, "U", "List", "edit_chart"),
        ("110112", "ITI-9", "E", "List", "search"),
        ("110113", "110127", "E", "List", "break_glass"),
        ("110113", "110133", "E", "List", "audit_stop"),
        ("110113", "110134", "E", "List", "audit_start"),
        ("110113", "110137", "E", "List", "privilege_change"),
        ("110114", "110122", "E", "List", "login"),
        ("110114", "110123", "E", "List", "logout"),
        ("object", "De-Identify Record", "E", "List", "de_identify_record"),
    ],
)
def test_codes_become_actions(type_code: str, subtype: str | None, verb: str, resource: str, action: str) -> None:
    event = one(
        type={"code": type_code},
        subtype=[{"code": subtype}] if subtype else None,
        action=verb,
        entity=[{"what": {"reference": "Patient/P-1"}}, {"what": {"reference": f"{resource}/P-1"}}],
    )

    assert (event.action, event.patient_id) == (action, "P-1")


@pytest.mark.parametrize(
    ("agent", "kind", "identity"),
    [
        ({"who": {"reference": "Practitioner/alice"}}, ActorKind.STAFF, "alice"),
        ({"who": {"reference": "https://x.example/fhir/PractitionerRole/r1/_history/2"}}, ActorKind.STAFF, "r1"),
        ({"who": {"reference": "Patient/P-1"}}, ActorKind.PATIENT, "P-1"),
        ({"who": {"reference": "RelatedPerson/mum"}}, ActorKind.PROXY, "mum"),
        ({"who": {"reference": "Device/d1"}}, ActorKind.SERVICE, "d1"),
        ({"who": {"identifier": {"value": "95"}, "display": "Alice"}}, ActorKind.STAFF, "95"),
        ({"who": {"type": "Patient", "identifier": {"value": "P-9"}}}, ActorKind.PATIENT, "P-9"),
        ({"altId": "alice.nurse", "name": "Alice Nurse"}, ActorKind.STAFF, "alice.nurse"),
        ({"type": {"coding": [{"code": "110150"}]}, "who": {"display": "job"}}, ActorKind.SERVICE, "job"),
        ({"type": {"coding": [{"code": "110153"}]}, "network": {"address": "10.0.0.1"}}, ActorKind.SERVICE, "10.0.0.1"),
    ],
)
def test_the_actor_is_the_one_who_asked(agent: Mapping[str, object], kind: ActorKind, identity: str) -> None:
    event = one(agent=[{"who": {"display": "other"}, "requestor": False}, {**agent, "requestor": True}])

    assert (event.actor.kind, event.actor.id) == (kind, identity)


def test_of_two_requestors_the_person_is_the_actor_and_without_one_a_named_person_is() -> None:
    machine = {"type": {"coding": [{"code": "110150"}]}, "who": {"display": "app"}, "requestor": True}
    person = {"type": {"coding": [{"code": "humanuser"}]}, "who": {"identifier": {"value": "bob"}}, "requestor": True}

    assert one(agent=[machine, person]).actor.id == "bob"
    assert one(agent=[{**machine, "requestor": False}, {**person, "requestor": False}]).actor.id == "bob"


@pytest.mark.parametrize(
    ("entity", "patient"),
    [
        ({"what": {"reference": "Patient/P-1"}}, "P-1"),
        ({"what": {"reference": "https://x.example/fhir/Patient/P-1/_history/4"}}, "P-1"),
        ({"what": {"identifier": {"value": "P-1"}}, "role": {"code": "1"}}, "P-1"),
        ({"what": {"identifier": {"value": "P-1^^^CLINIC&1.2.3&ISO"}}, "role": {"code": "1"}}, "P-1"),
        ({"what": {"reference": "urn:uuid:0b"}, "type": {"code": "Patient"}}, "urn:uuid:0b"),
        ({"what": {"reference": "List/l"}, "role": {"code": "1"}}, None),
        ({"what": {"reference": "List/l"}}, None),
        ({"role": {"code": "1"}, "name": "no identity"}, None),
    ],
)
def test_the_patient_is_found_by_reference_role_or_type(entity: object, patient: str | None) -> None:
    assert one(entity=[entity]).patient_id == patient


def test_several_patients_are_an_event_each_that_does_not_name_the_others() -> None:
    events = parse(
        id="ae-9",
        patient={"reference": "Patient/P-1"},
        entity=[{"what": {"reference": f"Patient/P-{number}"}} for number in (2, 1, 3)] + [{"query": "eA=="}],
    )

    assert [(event.event_id, event.patient_id) for event in events if isinstance(event, AuditEvent)] == [
        *(("ae-9", "P-1"), ("ae-9#2", "P-2"), ("ae-9#3", "P-3"))
    ]
    for event in events:
        assert isinstance(event, AuditEvent)
        named = json.dumps(event.details["entities"])
        assert [patient for patient in ("P-1", "P-2", "P-3") if patient in named] == [event.patient_id]
        assert "eA==" in named


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("0", "success"),
        ("4", "failure"),
        ("12", "failure"),
        (None, None),
        ("unheard of", None),
        ({"code": {"code": "0"}}, "success"),
        ({"code": {"coding": [{"code": "error"}]}}, "failure"),
        (8, None),
    ],
)
def test_outcome_of_r4_and_r5(outcome: object, expected: str | None) -> None:
    assert one(outcome=outcome).outcome == expected


def test_an_id_is_kept_and_without_one_the_content_is_the_id() -> None:
    first, same, other = one(), one(), one(outcome="8")

    assert one(id="given").event_id == "given"
    assert first.event_id == same.event_id != other.event_id


def test_breaking_the_glass_by_purpose_of_use_is_break_glass_and_keeps_what_was_done() -> None:
    event = one(
        agent=[{"who": {"reference": "Practitioner/bob"}, "requestor": True, "purposeOfUse": [{"coding": [{"code": "BTG"}]}]}],
        entity=[{"what": {"reference": "Patient/P-1"}}, {"what": {"reference": "Observation/1"}}],
    )

    assert (event.action, event.details["access"], event.details["purpose_of_use"]) == ("break_glass", "view_labs", ["BTG"])


def test_the_origin_is_an_ip_address_in_its_usual_spelling_or_a_machine() -> None:
    event = one(
        agent=[
            {"who": {"display": "s"}, "requestor": False, "network": {"address": "http://server.example/fhir", "type": "5"}},
            {"who": {"display": "c"}, "requestor": False, "network": {"address": "2001:0db8:0000::0007", "type": "2"}},
            {"who": {"identifier": {"value": "a"}}, "requestor": True, "network": {"address": "ws-12", "type": "1"}},
        ]
    )

    assert (event.ip, event.device.id if event.device else None) == ("2001:db8::7", "ws-12")


def test_entries_of_a_bundle_are_kept_byte_for_byte_and_judged_one_by_one() -> None:
    good = json.dumps({**BASE, "id": "é"}, ensure_ascii=False, indent=2)
    record = (
        f'{{"resourceType": "Bundle", "entry": [{{"resource": {good}}}, {{"resource": {{"resourceType": "Patient"}}}}]}}'.encode()
    )

    event, refusal = FhirParser("ehr").parse(record)

    assert isinstance(event, AuditEvent)
    assert isinstance(refusal, Rejected)
    assert event.raw == good.encode()
    assert refusal.reason == "resourceType is not AuditEvent"


def test_a_refusal_never_shows_the_content() -> None:
    for changes in ({"recorded": "SECRET"}, {"type": "SECRET", "subtype": None}, {"agent": "SECRET"}, {"resourceType": "SECRET"}):
        (refusal,) = parse(**changes)
        assert isinstance(refusal, Rejected)
        assert "SECRET" not in refusal.reason


def test_a_bundle_nested_deeper_than_can_be_followed_is_refused_whole() -> None:
    record = (
        json.dumps({"resourceType": "Bundle", "entry": [{"resource": "here"}]}).replace('"here"', "[" * 1015 + "]" * 1015).encode()
    )

    assert [*split_records("fhir-auditevent", [record])] == [record]
    (parsed,) = FhirParser("ehr").parse(record)
    assert isinstance(parsed, Rejected)
    assert (parsed.reason, parsed.raw) == ("the Bundle is nested too deep", record)


@pytest.mark.parametrize("levels", range(24, 34))
def test_details_stay_inside_the_depth_that_is_kept(levels: int) -> None:
    value: object = "x"
    for _ in range(levels):
        value = [value]
    for place in ("entity", "outcomeDesc", "encounter", "source"):
        (parsed,) = parse(**{place: {"a": value}})
        if isinstance(parsed, AuditEvent):
            assert normalise(parsed.details) == parsed.details
        else:
            assert parsed.reason == "nested more than 32 levels deep"
