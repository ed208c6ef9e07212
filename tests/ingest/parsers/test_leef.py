"""LEEF 1.0 and 2.0: delimiters of every kind, dates described by their own pattern, and what they mean here."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Device
from domain.record import Rejected
from ingest.collectors.routing import SyslogRouter
from ingest.parsers import read_mapping, split_records
from ingest.parsers.leef import LeefParser
from ingest.parsers.wall_times import java_pattern, pattern_moment, zone_of

PAGE = (Path(__file__).parents[3] / "docs" / "formats" / "leef.md").read_text()
RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)


def parser(mapping: str | None = None, zone: ZoneInfo | None = None) -> LeefParser:
    return LeefParser("gw", received=lambda: RECEIVED, zone=zone or UTC, mapping=read_mapping(mapping) if mapping else None)


def event(text: str, mapping: str | None = None, zone: ZoneInfo | None = None) -> AuditEvent:
    (parsed,) = parser(mapping, zone).parse(text.encode())
    assert isinstance(parsed, AuditEvent), parsed.reason
    assert parsed.raw == text.encode()
    return parsed


# --- The shape of a line -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [
        *(("LEEF:1.0|Example|EHR|7|view_labs|", "\t"), ("LEEF:2.0|Example|EHR|7|view_labs|", "\t")),
        *(("LEEF:2.0|Example|EHR|7|view_labs|^|", "^"), ("LEEF:2.0|Example|EHR|7|view_labs|x5E|", "^")),
        *(("LEEF:2.0|Example|EHR|7|view_labs|0x7C|", "|"), ("LEEF:2.0|Example|EHR|7|view_labs|0x09|", "\t")),
        *(("LEEF:2.0|Example|EHR|7|view_labs|\t|", "\t"), ("LEEF:2.0|Example|EHR|7|view_labs|\\t|", "\t")),
        *(("LEEF:2.0|Example|EHR|7|view_labs||", "\t"), ("LEEF:2.0|Example|EHR|7|view_labs|~|", "~")),
        *(("LEEF:1.0|Example|EHR|7|view_labs|", "#011"), ("LEEF:1.0|Example|EHR|7|view_labs|", "<009>")),
        ("<13>Mar  2 08:00:00 gw1 LEEF:1.0|Example|EHR|7|view_labs|", "\t"),
    ],
)
def test_attributes_are_cut_at_the_delimiter(head: str, delimiter: str) -> None:
    attributes = {"usrName": "alice", "src": "10.1.2.3", "url": "https://x.example/?a=b&c=d", "patientId": "82"}

    parsed = event(head + delimiter.join(f"{key}={value}" for key, value in attributes.items()))

    assert parsed.details["attributes"] == attributes
    assert (parsed.action, parsed.actor, parsed.ip, parsed.patient_id) == (
        *("view_labs", Actor(id="alice", kind=ActorKind.STAFF), "10.1.2.3", "82"),
    )


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="^"), max_size=12).map(str.strip)
KEYS = st.from_regex(r"x[A-Za-z0-9_]{0,8}", fullmatch=True)


@settings(deadline=None)
@given(st.dictionaries(KEYS, TEXT, max_size=5))
def test_what_was_written_is_read(attributes: dict[str, str]) -> None:
    body = "^".join(f"{key}={value}" for key, value in {"usrName": "alice", **attributes}.items())

    assert event(f"LEEF:2.0|Example|EHR|7|login|^|{body}").details["attributes"] == {"usrName": "alice", **attributes}


def test_a_delimiter_inside_a_value_stays_in_it_where_no_key_follows() -> None:
    parsed = event("LEEF:2.0|Example|EHR|7|login|^|usrName=alice^note=two^words^here")

    assert parsed.details["attributes"] == {"usrName": "alice", "note": "two^words^here"}


def test_a_value_of_very_many_pieces_is_one_value() -> None:
    pieces = "^".join(["x"] * 200_000)

    assert event(f"LEEF:2.0|Example|EHR|7|login|^|usrName=alice^note={pieces}").details["attributes"] == {
        "usrName": "alice",
        "note": pieces,
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("LEEF:1.0|SECRET|EHR", "the LEEF header has 2 of its 4 fields after the version"),
        ("SECRET", "the line has no LEEF header (LEEF:version|)"),
        ("LEEF:1.0|a|b|c|d|SECRET\tusrName=x", "the LEEF attributes do not begin with key=value"),
        ("LEEF:1.0|a|b|c|d|usrName=SECRET src=10.0.0.1", "the LEEF attributes are separated by blanks"),
        ("LEEF:1.0|a|b|c|d|usrName=x\tdevTime=SECRET", "devTime does not have the form it should"),
        ("LEEF:1.0|a|b|c|d|usrName=x\tdevTime=1\tdevTimeFormat=SECRET", "devTimeFormat is no date pattern that is read here"),
        ("LEEF:1.0|a|b|c|d|msg=SECRET\tsev=3", "the line names no user and no machine that acted"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_no_value(text: str, reason: str) -> None:
    (parsed,) = parser().parse(text.encode())

    assert isinstance(parsed, Rejected)
    assert parsed.reason.startswith(reason)
    assert "SECRET" not in parsed.reason


# --- Times -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text", "moment"),
    [
        ("MMM dd yyyy HH:mm:ss", "Jun 06 2025 16:07:36", datetime(2025, 6, 6, 20, 7, 36, tzinfo=UTC)),
        ("MMM dd yyyy HH:mm:ss.SSS", "Jun 06 2025 16:07:36.300", datetime(2025, 6, 6, 20, 7, 36, 300000, tzinfo=UTC)),
        ("MMM dd yyyy HH:mm:ss.SSS z", "Jun 06 2025 02:07:36.300 GMT", datetime(2025, 6, 6, 2, 7, 36, 300000, tzinfo=UTC)),
        ("MMM dd yyyy HH:mm:ss z", "Apr 13 2025 06:52:00 GMT+00:00", datetime(2025, 4, 13, 6, 52, tzinfo=UTC)),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "2025-10-18T11:26:03.060+0200", datetime(2025, 10, 18, 9, 26, 3, 60000, tzinfo=UTC)),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", "2025-10-18T11:26:03Z", datetime(2025, 10, 18, 11, 26, 3, tzinfo=UTC)),
        ("dd/MM/yy hh:mm:ss a", "18/10/25 12:00:01 AM", datetime(2025, 10, 18, 4, 0, 1, tzinfo=UTC)),
        ("EEE, d MMMM yyyy kk:mm", "Sat, 18 October 2025 24:05", datetime(2025, 10, 18, 4, 5, tzinfo=UTC)),
        ("yyyy''MM''dd HH 'o''clock'", "2025'10'18 11 o'clock", datetime(2025, 10, 18, 15, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_by_the_pattern_the_line_gives(pattern: str, text: str, moment: datetime) -> None:
    line = f"LEEF:1.0|Example|EHR|7|login|usrName=alice\tdevTime={text}\tdevTimeFormat={pattern}"

    assert event(line, zone=ZoneInfo("America/New_York")).time == moment


@pytest.mark.parametrize(
    "text", ["1772457247250", "1772457247", "2026-03-02T13:14:07Z", "Mar 02 2026 13:14:07 UTC", "Mar 2 13:14:07"]
)
def test_without_a_pattern_the_usual_forms_are_read(text: str) -> None:
    parsed = event(f"LEEF:1.0|Example|EHR|7|login|usrName=alice\tdevTime={text}")

    assert parsed.time.replace(microsecond=0) == datetime(2026, 3, 2, 13, 14, 7, tzinfo=UTC)


def test_a_mapping_gives_the_zone_of_times_without_one() -> None:
    line = "LEEF:1.0|Example|EHR|7|login|usrName=alice\tdevTime=Mar 02 2026 08:14:07"

    assert event(line, '[time]\nzone = "America/New_York"').time == datetime(2026, 3, 2, 13, 14, 7, tzinfo=UTC)


@settings(deadline=None)
@given(pattern=st.text(st.sampled_from("yMdHhmsSazZXE'/-: .TQ\\([{*"), max_size=20), text=st.text(max_size=20))
def test_any_pattern_is_read_or_refused(pattern: str, text: str) -> None:
    with suppress(InvalidInput):
        moment = pattern_moment(text, java_pattern(pattern, "devTimeFormat"), "devTime", zone=UTC, received=RECEIVED)
        assert moment.tzinfo is not None


@settings(deadline=None)
@given(
    st.text(max_size=30)
    | st.sampled_from(["../../etc/passwd", "Europe", "Europe/", "America/New_York/x", "UTC+99", "\x00", "localtime", "posixrules"])
)
def test_any_name_is_a_zone_or_none(name: str) -> None:
    zone = zone_of(name)

    assert zone is None or datetime(2026, 3, 2, tzinfo=zone).utcoffset() is not None


# --- What it means -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "attributes", "action", "outcome"),
    [
        ("logon", "", "login", None),
        ("4624", "isLoginEvent=true", "login", None),
        ("4634", "isLogoutEvent=TRUE\tresult=success", "logout", "success"),
        ("4625", "isLoginEvent=false\tresult=Failed", "4625", "failure"),
        ("PatientChartOpened", "action=denied", "view_chart", "denied"),
        ("77", "cat=Break the Glass", "break_glass", None),
    ],
)
def test_known_words_and_flags_are_our_actions(code: str, attributes: str, action: str, outcome: str | None) -> None:
    parsed = event(f"LEEF:1.0|Example|EHR|7|{code}|usrName=alice\tsev=5\t{attributes}")

    assert (parsed.action, parsed.outcome) == (action, outcome)
    assert (parsed.details["event_code"], parsed.details["severity"]) == (code, "5")


def test_the_users_own_address_and_machine_stand_above_those_of_the_packet() -> None:
    parsed = event("LEEF:1.0|Example|EHR|7|login|usrName=alice\tsrc=10.0.0.1\tidentSrc=10.4.4.4\tidentHostName=ws-9\trole=nurse")

    assert (parsed.ip, parsed.device, parsed.details["role"]) == ("10.4.4.4", Device(id="ws-9"), "nurse")
    assert event("LEEF:1.0|Example|EHR|7|health|dvchost=scanner-1\tsev=1").actor == Actor(id="scanner-1", kind=ActorKind.SYSTEM)


def test_a_mapping_names_what_the_format_does_not() -> None:
    mapping = '[fields]\npatient_id = "chart"\nactor_id = "clinician"\n[values.action]\n"E77" = "view_notes"\n'

    parsed = event("LEEF:1.0|Example|EHR|7|E77|usrName=svc\tclinician=carol\tchart=P-9", mapping)

    assert (parsed.actor.id, parsed.patient_id, parsed.action) == ("carol", "P-9", "view_notes")


# --- On the wire -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", "<13>Mar  2 08:00:00 gw1 ", "<85>1 2026-03-02T08:00:00Z gw1 leef 1 - - "])
def test_a_syslog_listener_knows_the_format_by_its_content(before: str) -> None:
    message = f"{before}LEEF:2.0|Example|EHR|7|login|^|usrName=alice".encode()

    (parsed,) = SyslogRouter(source_system="s", received=lambda: RECEIVED).parse(message)

    assert isinstance(parsed, AuditEvent), parsed.reason
    assert (parsed.format, parsed.raw) == ("leef", message)


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_anything_behind_a_header_is_an_event_or_refused(body: bytes) -> None:
    record = b"LEEF:2.0|Example|EHR|7|login|" + body
    (parsed,) = parser().parse(record)

    assert parsed.raw == record


def test_the_sample_of_the_page_is_understood() -> None:
    (sample,) = re.findall(r"^```leef\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    parsed = [
        one for record in split_records("leef", [sample.encode()]) if isinstance(record, bytes) for one in parser().parse(record)
    ]

    assert parsed
    assert all(isinstance(one, AuditEvent) and one.patient_id for one in parsed)


@pytest.mark.parametrize("letters", ["a-", "a\ta ", "'"])
def test_a_pattern_longer_than_any_is_refused_unread(letters: str) -> None:
    with pytest.raises(InvalidInput, match="devTimeFormat is no date pattern that is read here"):
        java_pattern("MMM dd " + letters * 200_000, "devTimeFormat")
