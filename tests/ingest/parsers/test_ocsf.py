"""OCSF: classes and activities by the standard's tables, places where senders put a patient, and agreement with an answer key."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Geo, Source
from domain.json import normalise
from domain.record import Parsed, Rejected
from ingest.parsers import read_mapping, split_records
from ingest.parsers.ocsf import OcsfParser
from tests.conformance import measure

PAGE = (Path(__file__).parents[3] / "docs" / "formats" / "ocsf.md").read_text()
BASE: Mapping[str, object] = {
    "class_uid": 6003,
    "activity_id": 2,
    "time": 1772457247250,
    "status_id": 1,
    "metadata": {"uid": "u-1", "version": "1.3.0"},
    "actor": {"user": {"name": "alice"}},
    "src_endpoint": {"ip": "10.1.2.3"},
}


def parse(mapping: object = None, **changes: object) -> list[Parsed]:
    record = {name: value for name, value in {**BASE, **changes}.items() if value is not ...}
    return OcsfParser("siem", mapping=read_mapping(str(mapping)) if mapping else None).parse(json.dumps(record).encode())


def event(mapping: object = None, **changes: object) -> AuditEvent:
    (parsed,) = parse(mapping, **changes)
    assert isinstance(parsed, AuditEvent), parsed.reason
    return parsed


def url(path: str, **more: object) -> dict[str, object]:
    return {"http_request": {"url": {"path": path, **more}}}


# --- What happened -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uid", "activity", "action"),
    [
        *((3002, 1, "login"), (3002, 2, "logout"), (3002, 3, "authentication_ticket"), (3002, 7, "account_switch")),
        *((3001, 4, "password_reset"), (3001, 5, "account_disable"), (3001, 7, "privilege_change"), (3001, 12, "account_unlock")),
        *((3003, 1, "assign_privileges"), (3004, 2, "entity_read"), (3004, 13, "entity_resume")),
        *((3005, 1, "privilege_change"), (3005, 4, "privilege_change"), (3006, 3, "privilege_change"), (3006, 5, "group_delete")),
        *(
            (4002, 3, "http_get"),
            (6001, 2, "web_resource_read"),
            (6001, 5, "search"),
            (6001, 7, "export"),
            (6001, 8, "web_resource_share"),
        ),
        *((6003, 1, "api_create"), (6003, 4, "api_delete"), (6004, 2, "web_access"), (6005, 1, "datastore_read")),
        *((6005, 4, "datastore_query"), (6006, 2, "file_download"), (6006, 12, "file_share")),
    ],
)
def test_class_and_activity_are_an_action(uid: int, activity: int, action: str) -> None:
    assert event(class_uid=uid, activity_id=activity, user={"name": "bob"}).action == action


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({"class_uid": 1007, "class_name": "Process Activity", "activity_id": 1}, "process_activity"),
        ({"class_uid": 2004, "class_name": "Detection Finding"}, "detection_finding"),
        ({"class_uid": 9999, "activity_id": 3}, "class_9999"),
        ({"class_uid": ..., "activity_id": ..., "type_uid": 300202}, "logout"),
        ({"class_uid": "6003", "activity_id": "4"}, "api_delete"),
        ({"class_uid": 6003, "activity_id": 99, "activity_name": "Undelete Thing"}, "api_undelete_thing"),
        ({"class_uid": 6003, "activity_id": 0}, "api"),
        ({"class_uid": ..., "activity_id": ..., "class_name": "Something New"}, "something_new"),
    ],
)
def test_what_the_tables_do_not_have_is_an_event_by_its_own_name(changes: dict[str, object], action: str) -> None:
    assert event(**changes).action == action


@pytest.mark.parametrize(
    ("uid", "activity", "places", "action"),
    [
        (6003, 2, {"resources": [{"type": "Patient", "uid": "P-1"}, {"type": "Observation", "uid": "o"}]}, "view_labs"),
        (6003, 3, {"resources": [{"type": "DocumentReference", "uid": "d"}]}, "edit_note"),
        (3004, 2, {"entity": {"type": "Patient", "uid": "P-1"}}, "view_demographics"),
        (3004, 2, {"entity": {"type": "Patient Chart", "uid": "P-1"}}, "view_chart"),
        (3004, 3, {"entity": {"type": "Policy", "uid": "p"}}, "entity_update"),
        (6001, 2, {"web_resources": [{"type": "Appointment", "uid": "a"}]}, "view_schedule"),
        (6005, 1, {"unmapped": {"mrn": 82}}, "view_chart"),
        (6005, 4, {"unmapped": {"mrn": 82}}, "search"),
        (6003, 2, url("/fhir/R4/Encounter/e-1"), "view_chart"),
        (6003, 2, url("/fhir/Observation", query_string="patient=82"), "search"),
        (6003, 2, url("/fhir/Patient/82/Observation"), "search"),
        (4002, 3, url("/fhir/Patient/82"), "view_demographics"),
        (4002, 3, url("/fhir/Patient/82/$everything"), "view_chart"),
        (4002, 3, url("/fhir/Group/1/$export"), "export"),
        (4002, 6, url("/fhir/Patient/_search"), "search"),
        (4002, 6, url("/fhir/MedicationAdministration"), "med_admin"),
        (4002, 7, url("/fhir/Coverage/7"), "edit_billing"),
        (4002, 3, url("/static/logo.png"), "http_get"),
    ],
)
def test_an_activity_on_a_record_is_the_access_that_it_is(uid: int, activity: int, places: dict[str, object], action: str) -> None:
    assert event(class_uid=uid, activity_id=activity, **places).action == action


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"status_id": 1}, "success"),
        ({"status_id": 2}, "failure"),
        ({"status_id": 99, "status": "0xC000006D"}, None),
        ({"status_id": 0}, None),
        ({"status_id": ..., "status": "Failure"}, "failure"),
        ({"status_id": 1, "disposition_id": 2}, "denied"),
        ({"status_id": 2, "disposition": "Unauthorized"}, "denied"),
        ({"status_id": 1, "action_id": 2}, "denied"),
        ({"status_id": 1, "disposition_id": 1, "action_id": 1}, "success"),
        ({"status_id": ..., "http_response": {"code": 200}}, "success"),
        ({"status_id": ..., "http_response": {"code": 403}}, "denied"),
        ({"status_id": ..., "http_response": {"code": 500}}, "failure"),
        ({"status_id": ..., "http_status": {"code": 404}}, "failure"),
        ({"class_uid": 6004, "activity_id": 2, "status_id": ...}, "denied"),
    ],
)
def test_how_it_ended(changes: dict[str, object], outcome: str | None) -> None:
    assert event(**changes).outcome == outcome


# --- Who, whom, from where -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "actor"),
    [
        ({}, Actor(id="alice", kind=ActorKind.STAFF)),
        ({"actor": {"user": {"uid": "S-1-5"}}, "user": {"uid": "S-1-5", "name": "bob"}}, Actor(id="bob", kind=ActorKind.STAFF)),
        ({"class_uid": 3002, "user": {"name": "bob"}}, Actor(id="bob", kind=ActorKind.STAFF)),
        ({"class_uid": 3001, "user": {"name": "bob"}}, Actor(id="alice", kind=ActorKind.STAFF)),
        ({"actor": {"user": {"email_addr": "a@b.example", "uid": "7"}}}, Actor(id="a@b.example", kind=ActorKind.STAFF)),
        ({"actor": {"user": {"account": {"uid": "acc"}}}}, Actor(id="acc", kind=ActorKind.STAFF)),
        ({"actor": {"user": {"name": "svc", "type_id": 4}}}, Actor(id="svc", kind=ActorKind.SERVICE)),
        ({"actor": {"user": {"name": "WS1$", "type_id": 1}}}, Actor(id="WS1$", kind=ActorKind.SERVICE)),
        ({"actor": {"user": {"name": "acme", "type": "Vendor account"}}}, Actor(id="acme", kind=ActorKind.VENDOR)),
        ({"actor": {"user": {"name": "-"}, "app_name": "etl"}}, Actor(id="etl", kind=ActorKind.SERVICE)),
        ({"actor": {"process": {"name": "sqlplus"}}}, Actor(id="sqlplus", kind=ActorKind.SERVICE)),
        ({"actor": {"invoked_by": "events.example"}}, Actor(id="events.example", kind=ActorKind.SERVICE)),
        ({"actor": ...}, Actor(id="10.1.2.3", kind=ActorKind.SYSTEM)),
    ],
)
def test_the_actor_is_a_person_before_a_program_before_a_machine(changes: dict[str, object], actor: Actor) -> None:
    assert event(**changes).actor == actor


def test_a_patient_who_acts_does_so_in_the_portal() -> None:
    parsed = event(class_uid=3002, activity_id=1, user={"name": "pat", "type": "Patient"})

    assert (parsed.source, parsed.actor) == (Source.PORTAL, Actor(id="pat", kind=ActorKind.PATIENT))


@pytest.mark.parametrize(
    ("places", "patient"),
    [
        ({"resources": [{"type": "Patient", "uid": "82"}]}, "82"),
        ({"resources": [{"type": "patient record", "name": "82^^^HOSP"}]}, "82"),
        ({"resources": [{"type": "PatientPortal", "uid": "x"}]}, None),
        ({"entity": {"type": "Patient", "uid": 82}}, "82"),
        ({"web_resources": [{"url_string": "https://ehr.example/fhir/Patient/82/_history/1"}]}, "82"),
        ({"unmapped": {"MRN": "82"}}, "82"),
        ({"unmapped": {"requestParameters": {"patientId": "82"}}}, "82"),
        ({"unmapped": [["httpRequest.patient_id", "82"], ["x", "y"]]}, "82"),
        ({"unmapped": {"pid": "4711"}}, None),
        ({"enrichments": [{"name": "patient_id", "value": "82"}]}, "82"),
        (url("/fhir/Patient/82"), "82"),
        (url("/fhir/Observation", query_string="?subject=Patient%2F82&code=x"), "82"),
        (url("/x", url_string="https://ehr.example/x?patient=82#top"), "82"),
        ({"resources": [{"type": "Patient", "uid": "82"}], "unmapped": {"mrn": "M-9"}}, "82"),
    ],
)
def test_a_patient_is_found_where_senders_put_one(places: dict[str, object], patient: str | None) -> None:
    assert event(**places).patient_id == patient


def test_each_patient_is_an_event_that_says_nothing_of_the_others() -> None:
    both = [{"type": "Patient", "uid": "P-1"}, {"type": "Patient", "uid": "P-2"}, {"type": "Observation", "uid": "o"}]

    first, second = (one for one in parse(resources=both) if isinstance(one, AuditEvent))

    assert [(one.event_id, one.patient_id) for one in (first, second)] == [("u-1", "P-1"), ("u-1#2", "P-2")]
    assert "P-2" not in json.dumps(first.details)
    assert "P-1" not in json.dumps(second.details)
    assert '"o"' in json.dumps(second.details)


def test_an_export_of_many_patients_is_an_event_for_each() -> None:
    everybody = [{"type": "Patient", "uid": f"P-{number}"} for number in range(3000)]

    parsed = parse(resources=everybody, class_uid=6001, activity_id=7)

    assert [one.patient_id for one in parsed if isinstance(one, AuditEvent)] == [f"P-{number}" for number in range(3000)]
    assert {json.dumps(one.details).count('"P-') for one in parsed if isinstance(one, AuditEvent)} == {1}


def test_a_mail_of_too_many_recipients_and_patients_is_refused() -> None:
    patients = [{"type": "Patient", "uid": f"P-{number}"} for number in range(101)]

    (parsed,) = parse(class_uid=4009, activity_id=1, resources=patients, to=[f"u{number}@x.example" for number in range(100)])

    assert isinstance(parsed, Rejected)
    assert parsed.reason == "the mail has 100 recipients and 101 patients, too many to tell apart"


def test_where_it_came_from() -> None:
    endpoint = {"ip": "203.0.113.9", "hostname": "ws-1", "type_id": 3, "location": {"city": "Lyon", "coordinates": [4.83, 45.75]}}
    parsed = event(src_endpoint=endpoint, device={"hostname": "db-1", "type_id": 1, "ip": "10.9.9.9"})

    assert (parsed.ip, parsed.device) == ("203.0.113.9", Device(id="ws-1", kind=DeviceKind.WORKSTATION))
    assert parsed.geo == Geo(city="Lyon", lat="45.75", lon="4.83")
    local = event(src_endpoint={"ip": "-"}, device={"hostname": "db-1", "type_id": 1, "ip": "10.9.9.9"})
    assert (local.ip, local.device) == ("10.9.9.9", Device(id="db-1", kind=DeviceKind.SERVER))


# --- Times and ids -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "moment"),
    [
        ({"time": 1772457247250}, datetime(2026, 3, 2, 13, 14, 7, 250000, tzinfo=UTC)),
        ({"time": 1772457247250.0}, datetime(2026, 3, 2, 13, 14, 7, 250000, tzinfo=UTC)),
        ({"time": "1772457247250"}, datetime(2026, 3, 2, 13, 14, 7, 250000, tzinfo=UTC)),
        ({"time": 1772457247}, datetime(2026, 3, 2, 13, 14, 7, tzinfo=UTC)),
        ({"time": "2026-03-02T08:14:07-05:00"}, datetime(2026, 3, 2, 13, 14, 7, tzinfo=UTC)),
        ({"time": ..., "time_dt": "2026-03-02T13:14:07.5Z"}, datetime(2026, 3, 2, 13, 14, 7, 500000, tzinfo=UTC)),
        ({"time": 0, "time_dt": "2026-03-02T13:14:07.5Z"}, datetime(2026, 3, 2, 13, 14, 7, 500000, tzinfo=UTC)),
    ],
)
def test_the_time_is_in_milliseconds_or_text(changes: dict[str, object], moment: datetime) -> None:
    assert event(**changes).time == moment


def test_without_a_uid_the_id_is_the_content() -> None:
    once, again, other = (event(metadata={"version": "1.0.0"}, message=text).event_id for text in ("a", "a", "b"))

    assert once == again != other
    assert re.fullmatch(r"[0-9a-f]{64}", once)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"time": ...}, "time is missing"),
        ({"time": 0}, "time is 0, which is no time"),
        ({"time": True}, "time is a boolean, not a number"),
        ({"time": [1]}, "time is an array, not a number"),
        ({"time": "SECRET"}, "time is not an RFC 3339 time"),
        ({"time": "2026-03-02T08:00:00"}, "time has no UTC offset"),
        ({"time": 10**30}, "time is no number since 1970"),
        ({"class_uid": ...}, "class_uid is missing: the record is no OCSF event"),
        ({"class_uid": "SECRET"}, "class_uid is missing: the record is no OCSF event"),
        (
            {"actor": {"user": {"name": "n/a"}}, "src_endpoint": ...},
            "the event names no user, program or machine that acted",
        ),
    ],
)
def test_a_refusal_says_what_is_wrong_and_no_value(changes: dict[str, object], reason: str) -> None:
    (parsed,) = parse(**changes)

    assert isinstance(parsed, Rejected)
    assert parsed.reason.startswith(reason)
    assert "SECRET" not in parsed.reason


# --- Mail ----------------------------------------------------------------------------------------------------------------------

MAIL: Mapping[str, object] = {
    "class_uid": 4009,
    "activity_id": 1,
    "direction_id": 2,
    "email": {"from": "A <a@clinic.example>", "to": ["B <b@partner.example>"], "message_uid": "<m@x>", "size": 512},
}


@pytest.mark.parametrize(
    ("changes", "action", "outcome"),
    [
        ({}, "deliver", "delivered"),
        ({"status_id": 2}, "bounce", "bounced"),
        ({"status_id": ...}, "deliver", None),
        ({"disposition_id": 14}, "defer", "deferred"),
        ({"disposition_id": 3}, "discard", "dropped"),
        ({"disposition": "Rejected"}, "bounce", "bounced"),
        ({"activity_id": 4}, "deliver", "delivered"),
        ({"activity_id": 5}, "deliver", "delivered"),
        ({"activity_id": 2}, "mail_received", "success"),
        ({"activity_id": 3, "disposition": "Quarantined"}, "mail_scanned", "dropped"),
        ({"activity_id": 99}, "mail_activity", "success"),
        ({"class_uid": 4012, "class_name": "Email URL Activity"}, "email_url_activity", "success"),
    ],
)
def test_a_mail_is_a_delivery_where_it_went_out(changes: dict[str, object], action: str, outcome: str | None) -> None:
    parsed = event(**{**MAIL, **changes})

    assert (parsed.source, parsed.action, parsed.outcome) == (Source.MAIL, action, outcome)
    assert parsed.actor == Actor(id="a@clinic.example", kind=ActorKind.SYSTEM)


def test_a_delivery_has_its_addresses_and_what_is_known_of_its_encryption() -> None:
    known = event(**{**MAIL, "tls": {"version": "TLSv1.2", "cipher": "X", "sni": "mx"}})
    unknown = event(**{**MAIL, "tls": {"certificate": {}}})

    expected = {"from": "a@clinic.example", "to": "b@partner.example", "to_domain": "partner.example", "direction": "outbound"}
    assert expected.items() <= known.details.items()
    assert (known.details["message_id"], known.details["size"]) == ("<m@x>", 512)
    assert known.details["tls"] == {"version": "TLSv1.2", "cipher": "X"}
    assert "tls" not in unknown.details  # `version` null would say plain text, which nobody said


def test_each_recipient_is_a_delivery_and_the_envelope_goes_before_the_header() -> None:
    header = parse(**{**MAIL, "email": {"from": "a@c.example", "to": ["b@p.example", "b@p.example"], "cc": ["c@q.example"]}})
    envelope = parse(**{**MAIL, "from": "bounce@c.example", "to": ["x@y.example"]})

    assert [(one.event_id, one.details["to_domain"]) for one in header if isinstance(one, AuditEvent)] == [
        *(("u-1", "p.example"), ("u-1#2", "q.example")),
    ]
    assert [(one.actor.id, one.details["to"]) for one in envelope if isinstance(one, AuditEvent)] == [
        ("bounce@c.example", "x@y.example")
    ]


# --- The rest ------------------------------------------------------------------------------------------------------------------


def test_everything_else_is_kept_but_the_copy_of_the_source() -> None:
    parsed = event(raw_data="RAW", severity="High", status_detail="why", message="words", cloud={"region": "x"}, ratio=0.5)

    kept = parsed.details["ocsf"]
    assert isinstance(kept, dict)
    assert (kept["cloud"], kept["ratio"], "raw_data" in kept) == ({"region": "x"}, "0.5", False)
    assert (parsed.details["severity"], parsed.details["reason"], parsed.details["message"]) == ("High", "why", "words")
    assert event(unmapped={"record_count": 480}).details["records"] == 480


def test_a_mapping_names_places_by_their_path() -> None:
    mapping = """
    [fields]
    patient_id = "Unmapped.Chart.Number"
    actor_id = ["unmapped.none", "unmapped.login"]
    "details.module" = "api.service.name"
    [constants]
    source = "portal"
    actor_kind = "proxy"
    [values.action]
    "GetChart" = "view_results"
    """
    parsed = event(
        mapping,
        unmapped={"chart": {"number": 82}, "login": "mum"},
        api={"operation": "GetChart", "service": {"name": "portal"}},
    )

    assert (parsed.patient_id, parsed.actor) == ("82", Actor(id="mum", kind=ActorKind.PROXY))
    assert (parsed.source, parsed.action, parsed.details["module"]) == (Source.PORTAL, "view_results", "portal")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3))
DOCUMENTS = [
    json.loads(line)
    for path in sorted((Path(__file__).parents[2] / "golden" / "ocsf").glob("[aim]*.in"))
    for line in path.read_text().splitlines()
]


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_any_value_in_place_of_any_field(data: st.DataObject) -> None:
    document = json.loads(json.dumps(data.draw(st.sampled_from(DOCUMENTS))))
    inner, path = document, []
    while isinstance(inner, dict | list) and inner:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))))
        path.append((inner, key))
        inner = inner[key]
    holder, key = data.draw(st.sampled_from(path))
    holder[key] = data.draw(VALUES)
    record = json.dumps(document).encode()

    parsed = OcsfParser("siem").parse(record)

    assert parsed
    for one in parsed:
        assert one.raw == record
        if isinstance(one, AuditEvent):
            assert normalise(one.details) == one.details
        else:
            assert 0 < len(one.reason) < 300


def test_the_answer_key_of_real_records_agrees(samples: Path) -> None:
    agreement = measure(samples, "ocsf")

    assert agreement.differences == []
    assert sum(agreement.compared.values()) >= 20
    assert dict(agreement.quarantined) == {("ocsf", "time is 0, which is no time"): 1}
    assert agreement.events["ocsf"] == 3


def test_the_sample_of_the_page_is_understood() -> None:
    (sample,) = re.findall(r"^```ocsf\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    parser = OcsfParser("siem")

    parsed = [
        one for record in split_records("ocsf", [sample.encode()]) if isinstance(record, bytes) for one in parser.parse(record)
    ]

    assert parsed
    assert all(isinstance(one, AuditEvent) for one in parsed)


# --- What fuzzing found ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", range(24, 34))
def test_details_stay_inside_the_depth_that_is_kept(levels: int) -> None:
    value: object = "x"
    for _ in range(levels):
        value = [value]
    (parsed,) = parse(metadata={"uid": "u-1", "version": value})

    if isinstance(parsed, AuditEvent):
        assert normalise(parsed.details) == parsed.details
    else:
        assert parsed.reason == "nested more than 32 levels deep"


@pytest.mark.parametrize("unit", ["(", "1:", "<", '"', "a,"])
@pytest.mark.parametrize("times", [900, 20_000])
def test_a_mailbox_that_is_nested_without_end_is_kept_as_text(unit: str, times: int) -> None:
    (parsed,) = parse(class_uid=4009, activity_id=1, email={"from": "pat" + unit * times, "to": ["a@b.example"]})

    assert isinstance(parsed, AuditEvent), parsed.reason
    assert str(parsed.details["from"]).startswith("pat")
