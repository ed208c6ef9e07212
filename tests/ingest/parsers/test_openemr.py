"""OpenEMR's audit tables: which row means what, comments in every form, and rows in every export."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import normalise
from domain.record import Parsed, Rejected
from ingest.parsers import read_mapping, split_records
from ingest.parsers.openemr import OpenEmrParser

PAGE = (Path(__file__).parents[3] / "docs" / "formats" / "openemr.md").read_text()
ZONE = '[time]\nzone = "America/Chicago"\n'
BASE: Mapping[str, object] = {
    "id": "7",
    "date": "2026-03-02 08:14:07",
    "event": "login",
    "category": "login",
    "user": "alice",
    "groupname": "Default",
    "comments": None,
    "patient_id": None,
    "success": "1",
    "log_from": "open-emr",
}


def b64(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def parser(mapping: str | None = ZONE) -> OpenEmrParser:
    return OpenEmrParser("emr", mapping=read_mapping(mapping) if mapping else None)


def read(data: bytes, *, size: int = 9) -> list[Parsed]:
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    known = parser()
    return [one for record in split_records("openemr", chunks) if isinstance(record, bytes) for one in known.parse(record)]


def event(mapping: str | None = ZONE, **changes: object) -> AuditEvent:
    row = {name: value for name, value in {**BASE, **changes}.items() if value is not ...}
    (parsed,) = parser(mapping).parse(json.dumps(row).encode())
    assert isinstance(parsed, AuditEvent), parsed.reason
    return parsed


@pytest.mark.parametrize(
    ("name", "category", "action"),
    [
        ("login", "login", "login"),
        ("logout", "logout", "logout"),
        ("view", "view", "view_chart"),
        ("patient-record-select", "Patient Demographics", "view_demographics"),
        ("patient-record-select", "Encounter Form", "view_notes"),
        ("patient-record-select", "Vitals", "view_chart"),
        ("patient-record-select", "Billing", "view_billing"),
        ("patient-record-select", "Patient Insurance", "view_billing"),
        ("patient-record-select", "Problem List", "view_chart"),
        ("patient-record-select", "", "view_chart"),
        ("patient-record-insert", "Encounter Form", "edit_note"),
        ("patient-record-update", "Vitals", "edit_vitals"),
        ("patient-record-replace", "Patient Demographics", "edit_demographics"),
        ("patient-record-delete", "Problem List", "edit_chart"),
        ("order-select", "Medication", "view_meds"),
        ("order-insert", "Medication", "edit_orders"),
        ("lab-order-insert", "Lab Order", "edit_orders"),
        ("lab-results-select", "Lab Result", "view_labs"),
        ("lab-results-update", "Lab Result", "edit_result"),
        ("scheduling-select", "Scheduling", "view_schedule"),
        ("scheduling-update", "Scheduling", "edit_schedule"),
        ("security-administration-select", "Security", "security_administration_select"),
        ("security-administration-update", "Security", "security_administration_update"),
        ("other-update", "other", "other_update"),
        ("qrda3-export", "", "export"),
        ("http-request-select", "", "http_request_select"),
        ("delete", "Allergy", "delete"),
    ],
)
def test_an_event_name_and_its_category_are_an_action(name: str, category: str, action: str) -> None:
    assert event(event=name, category=category).action == action


@pytest.mark.parametrize(
    ("comments", "action"),
    [
        ("UPDATE `users_secure` SET password = ?", "privilege_change"),
        ("insert into gacl_groups_aro_map (group_id) values ('11')", "privilege_change"),
        ("UPDATE facility SET name = 'users' WHERE id = 3", "security_administration_update"),
        ("Audit Logging Disabled.", "audit_stop"),
        ("Audit Logging Enabled.", "audit_start"),
        ("Force Breakglass Logging Disabled.", "security_administration_update"),
    ],
)
def test_what_administration_changed_is_in_its_comments(comments: str, action: str) -> None:
    for form in (comments, b64(comments)):
        assert event(event="security-administration-update", category="Security", comments=form).action == action
    assert event(event="security-administration-select", comments=comments).action == "security_administration_select"


def test_a_mapping_translates_an_event_name() -> None:
    mapping = f'{ZONE}[values.action]\n"emergency-override" = "break_glass"\n'

    assert event(mapping, event="Emergency-Override").action == "break_glass"


@pytest.mark.parametrize(("success", "outcome"), [("1", "success"), (1, "success"), ("0", "failure"), (0, "failure"), (None, None)])
def test_the_success_flag_is_the_outcome(success: object, outcome: str | None) -> None:
    assert event(success=success).outcome == outcome


@pytest.mark.parametrize("patient", [0, "0", None, "NULL", "\\N", ""])
def test_no_patient_is_written_in_many_ways(patient: object) -> None:
    assert event(patient_id=patient).patient_id is None


def test_who_acted_is_the_user_or_the_program_or_a_patient_in_the_portal() -> None:
    assert event().actor == Actor(id="alice", kind=ActorKind.STAFF)
    assert event(user="").actor == Actor(id="openemr", kind=ActorKind.SERVICE)
    portal = event(log_from="patient-portal", user="pat", patient_id="82", event="ccda-download")
    assert (portal.source, portal.actor, portal.action) == (
        Source.PORTAL,
        Actor(id="pat", kind=ActorKind.PATIENT),
        "download_record",
    )


# --- Times -------------------------------------------------------------------------------------------------------------------


def test_the_local_time_of_the_server_needs_a_zone() -> None:
    assert event().time == datetime(2026, 3, 2, 14, 14, 7, tzinfo=UTC)
    assert event(mapping=None, date="2026-03-02T08:14:07-05:00").time == datetime(2026, 3, 2, 13, 14, 7, tzinfo=UTC)
    (parsed,) = parser(None).parse(json.dumps(BASE).encode())
    assert isinstance(parsed, Rejected)
    assert parsed.reason == "date has no UTC offset, and no time zone is given for this source"


# --- Comments ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comments", "text", "form"),
    [
        (b64("SELECT * FROM patient_data WHERE pid = ? ('82',)"), "SELECT * FROM patient_data WHERE pid = ? ('82',)", "base64"),
        (b64("größe: 3\nzweite Zeile"), "größe: 3\nzweite Zeile", "base64"),
        (b64(b"UPDATE x SET uuid = '\xff\x00\xfe'"), "UPDATE x SET uuid = '\\xff\x00\\xfe'", "base64"),
        ("plain words of version 5", "plain words of version 5", None),
        ("abcdefgh", "abcdefgh", None),  # base64 of bytes that are no text: a word
        ("success", "success", None),
        ("006" + b64(bytes(range(90))), "006" + b64(bytes(range(90))), "encrypted"),
        (None, None, None),
    ],
)
def test_comments_are_decoded_where_they_can_be(comments: str | None, text: str | None, form: str | None) -> None:
    details = event(comments=comments).details

    assert (details.get("comments"), details.get("comments_form")) == (text, form)


def test_comments_marked_encrypted_are_left_alone() -> None:
    details = event(comments=b64("SELECT 1 FROM x"), encrypt="Yes", checksum="ab").details

    assert (details["comments_form"], details["comments"]) == ("encrypted", b64("SELECT 1 FROM x"))
    assert details["checksum"] == "ab"


@pytest.mark.parametrize(
    ("comments", "ip"),
    [
        ("success: 10.20.4.12", "10.20.4.12"),
        ("failure: 203.0.113.9. user password incorrect", "203.0.113.9"),
        ("failure: 2001:db8::7 (10.0.0.1)", "2001:db8::7"),
        ("failure: nobody", None),
    ],
)
def test_the_address_of_a_login_is_in_its_comments(comments: str, ip: str | None) -> None:
    assert event(comments=b64(comments)).ip == ip


# --- Tables ------------------------------------------------------------------------------------------------------------------


def test_a_disclosure_has_its_recipient_and_reason() -> None:
    row = {"id": 3, "date": "2026-03-02 08:00:00", "event": "disclosure-payment", "user": "erin", "recipient": "Insurer",
           "description": "claim", "patient_id": 82}  # fmt: skip

    (parsed,) = parser().parse(json.dumps(row).encode())

    assert isinstance(parsed, AuditEvent)
    assert (parsed.event_id, parsed.action, parsed.patient_id) == ("extended_log-3", "disclosure", "82")
    assert {"to": "Insurer", "reason": "claim", "event": "disclosure-payment"}.items() <= parsed.details.items()


@pytest.mark.parametrize(
    ("method", "url", "patient", "action"),
    [
        ("GET", "/apis/default/fhir/Observation?patient=82", "82", "view_labs"),
        ("GET", "/apis/default/fhir/Patient/82", "0", "view_demographics"),
        ("GET", "/apis/default/api/patient", "0", "search"),
        ("POST", "/apis/default/api/patient/82/medication", "82", "edit_meds"),
        ("PUT", "/apis/default/api/patient/82/appointment/4", "82", "edit_schedule"),
        ("GET", "/apis/default/api/facility", "0", "api_request"),
    ],
)
def test_an_api_request_is_what_it_asked_for(method: str, url: str, patient: str, action: str) -> None:
    row = {"id": 3, "log_id": 9, "user_id": "4", "patient_id": patient, "ip_address": "10.1.2.3", "method": method,
           "request": "x", "request_url": url, "created_time": "2026-03-02 08:00:00"}  # fmt: skip

    (parsed,) = parser().parse(json.dumps(row).encode())

    assert isinstance(parsed, AuditEvent)
    assert (parsed.action, parsed.ip, parsed.actor.id, parsed.event_id) == (action, "10.1.2.3", "4", "api_log-3")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b'{"id":1,"event":"","user":"a","date":"2026-03-02 08:00:00"}', "event is empty"),
        (b'{"id":1,"event":"login","user":"a"}', "date is empty"),
        (b'{"id":1,"event":"login","user":"a","date":"SECRET"}', "date is not an RFC 3339 time"),
        (b'{"id":1,"note":"SECRET"}', "the columns are none of OpenEMR's log, extended_log or api_log"),
        (b"[]", "the record is an array, not an object"),
        (b'{"id":', "the record is not valid JSON"),
        (b"id,event", "the record is one line: a header without a row"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_no_value(record: bytes, reason: str) -> None:
    (parsed,) = parser().parse(record)

    assert isinstance(parsed, Rejected)
    assert parsed.reason.startswith(reason)
    assert "SECRET" not in parsed.reason
    assert parsed.raw == record


# --- Exports -----------------------------------------------------------------------------------------------------------------

ROWS = [{**BASE, "id": str(number), "comments": b64(f'note "{number}"\nmore')} for number in range(3)]


def quoted(value: object) -> str:
    return "NULL" if value is None else '"' + str(value).replace('"', '""') + '"'


EXPORTS = {
    "phpmyadmin csv": "\n".join([",".join(map(quoted, BASE)), *(",".join(map(quoted, row.values())) for row in ROWS)]),
    "mysql batch": "\n".join(
        ["\t".join(BASE), *("\t".join("NULL" if v is None else str(v) for v in row.values()) for row in ROWS)]
    ),
    "json lines": "\n".join(json.dumps(row) for row in ROWS),
    "json array": json.dumps(ROWS, indent=1),
    "phpmyadmin json": "[\n"
    '{"type":"header","version":"5.2.1","comment":"Export to JSON plugin for phpMyAdmin"},\n'
    '{"type":"database","name":"openemr"},\n'
    '{"type":"table","name":"log","database":"openemr","data":\n[\n' + ",\n".join(json.dumps(row) for row in ROWS) + "\n]\n}\n]\n",
}


@pytest.mark.parametrize("export", EXPORTS.values(), ids=list(EXPORTS))
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_rows_are_the_same_events_whatever_they_were_exported_as(export: str, size: int) -> None:
    parsed = read(export.encode(), size=size)

    assert [one.reason for one in parsed if isinstance(one, Rejected)] == []
    events = [one for one in parsed if isinstance(one, AuditEvent)]
    assert [one.event_id for one in events] == ["log-0", "log-1", "log-2"]
    assert {one.details["comments"] for one in events} == {f'note "{number}"\nmore' for number in range(3)}
    assert all(one.raw.decode() in export for one in events)


def test_two_tables_in_one_export_are_read_one_after_the_other() -> None:
    other = '\n,{"type":"table","name":"extended_log","database":"openemr","data":\n[\n' + json.dumps(
        {"id": "1", "date": "2026-03-02 08:00:00", "event": "disclosure-x", "user": "a", "recipient": "b", "patient_id": "1"}
    )
    export = EXPORTS["phpmyadmin json"].removesuffix("\n]\n") + other + "\n]\n}\n]\n"

    parsed = read(export.encode())

    assert [one.event_id for one in parsed if isinstance(one, AuditEvent)] == ["log-0", "log-1", "log-2", "extended_log-1"]
    assert len(parsed) == 4


def test_a_table_longer_than_any_record_is_read_row_by_row() -> None:
    def stream() -> Iterator[bytes]:
        yield b'[\n{"type":"header","version":"5.2.1"},\n{"type":"table","name":"log","database":"openemr","data":\n[\n'
        for number in range(3000):
            yield json.dumps({**BASE, "id": number}).encode() + b",\n"
        yield json.dumps({**BASE, "id": 3000}).encode() + b"\n]\n}\n]\n"

    records = [*split_records("openemr", stream(), max_record=4096)]

    assert len(records) == 3001
    assert all(isinstance(record, bytes) for record in records)


def test_rows_without_an_id_are_told_apart_by_what_they_say() -> None:
    rows = "\n".join(json.dumps({name: value for name, value in BASE.items() if name != "id"}) for _ in range(2))

    first, second = (one.event_id for one in read(rows.encode()) if isinstance(one, AuditEvent))

    assert re.fullmatch(r"log-[0-9a-f]{32}", first)
    assert second == f"{first}~2"


def test_a_refused_csv_row_can_be_read_again() -> None:
    head, good, bad = "id,date,event,user", "1,2026-03-02 08:00:00,login,a", "2,,login,b"

    _, rejected = read(f"{head}\n{good}\n{bad}".encode())

    assert isinstance(rejected, Rejected)
    assert rejected.raw == f"{head}\n{bad}".encode()
    assert parser().parse(rejected.raw) == [rejected]


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.lists(st.text(max_size=3), max_size=2)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*BASE, "recipient", "method", "request", "request_url", "encrypt", "x"]), VALUES))
def test_any_row_is_an_event_or_refused(row: dict[str, object]) -> None:
    (parsed,) = parser().parse(json.dumps({**BASE, **row}).encode())

    if isinstance(parsed, AuditEvent):
        assert normalise(parsed.details) == parsed.details
    else:
        assert 0 < len(parsed.reason) < 300


def test_the_samples_of_the_page_are_understood() -> None:
    samples = re.findall(r"^```openemr\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    assert len(samples) == 3
    for sample in samples:
        parsed = read(sample.encode())
        assert parsed
        assert all(isinstance(one, AuditEvent) for one in parsed)
