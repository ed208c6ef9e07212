"""CEF: the header and its escapes, keys and labels, times in every form it has, and what they mean here."""

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Source
from domain.record import Rejected
from ingest.collectors.routing import SyslogRouter
from ingest.parsers import read_mapping, split_records
from ingest.parsers.access_words import PATIENT_NAMES
from ingest.parsers.cef import CefParser
from ingest.parsers.field_mapping import FieldMapping

PAGE = (Path(__file__).parents[3] / "docs" / "formats" / "cef.md").read_text()
RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")


def parser(mapping: str | None = None, zone: ZoneInfo | None = None) -> CefParser:
    known = read_mapping(mapping) if mapping else None
    return CefParser("gw", received=lambda: RECEIVED, zone=zone or UTC, mapping=known)


def line(extension: str = "", header: str = "100|chart opened|3", before: str = "") -> str:
    return f"{before}CEF:0|Example|EHR|7|{header}|rt=1772457247250 suser=alice {extension}"


def event(text: str, mapping: str | None = None, zone: ZoneInfo | None = None) -> AuditEvent:
    (parsed,) = parser(mapping, zone).parse(text.encode())
    assert isinstance(parsed, AuditEvent), parsed.reason
    assert parsed.raw == text.encode()
    return parsed


# --- The shape of a line -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before",
    [
        *("", "<13>", "<13>Mar  2 08:00:00 gw1 ", "Mar  2 08:00:00 gw1 cef[12]: ", "<13>1 2026-03-02T08:00:00Z gw1 app 1 id - "),
        *("2026-03-02T08:00:00.123+01:00 gw1 ", "\ufeff<13>1 - - - - - - ", "Mar  2 08:00:00 gw1 "),
    ],
)
def test_any_syslog_header_or_none_stands_in_front_and_leaves_the_id_as_it_is(before: str) -> None:
    assert event(line(before=before)).event_id == event(line()).event_id


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=10)
WORDS = st.lists(TEXT, max_size=4).map(" ".join).map(str.strip)
KEYS = st.from_regex(r"x[A-Za-z0-9_]{0,8}", fullmatch=True)


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("=", "\\=").replace("\n", "\\n").replace("\r", "\\r")


@settings(deadline=None)
@given(
    name=WORDS,
    code=WORDS,
    attributes=st.dictionaries(KEYS, WORDS.flatmap(lambda words: st.sampled_from([words, words + "\n=\\n| x=y"])), max_size=5),
)
def test_what_was_escaped_is_read_as_it_was_meant(name: str, code: str, attributes: dict[str, str]) -> None:
    header = "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in ("Ex|am\\ple", "EHR", "7", code, name, "5"))
    extension = " ".join(f"{key}={escaped(value)}" for key, value in attributes.items())

    parsed = event(f"CEF:0|{header}|suser=alice {extension}")

    assert parsed.details["vendor"] == "Ex|am\\ple"
    assert parsed.details.get("event_name", code) == name or name == ""
    assert parsed.details["attributes"] == {"suser": "alice", **attributes}


def test_a_value_ends_where_the_next_key_begins() -> None:
    parsed = event(line("msg=one two\tthree  cn1=5 request=https://x.example/?a=1&b=2 fname=C:\\\\a\\=b"))

    assert parsed.details["attributes"] == {
        "rt": "1772457247250",
        "suser": "alice",
        "msg": "one two\tthree",
        "cn1": "5",
        "request": "https://x.example/?a=1&b=2",
        "fname": "C:\\a=b",
    }


@pytest.mark.parametrize("severity", ["0", "10", "Very-High", "Unknown", ""])
def test_severity_is_kept_as_sent(severity: str) -> None:
    assert event(line(header=f"100|x|{severity}")).details.get("severity", "") == severity


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CEF:0|SECRET|EHR|7|100|x", "the CEF header has 5 of its 6 fields after the version"),
        ("CEF:0|SECRET\\", "the CEF header ends in a backslash"),
        ("SECRET", "the line has no CEF header (CEF:version|)"),
        ("CEF:0|a|b|c|d|e|f|SECRET text suser=alice", "the CEF extension does not begin with key=value"),
        ("CEF:0|a|b|c|d|e|f|rt=SECRET suser=alice", "rt does not have the form it should"),
        ("CEF:0|a|b|c|d|e|f|rt=Xyz 02 2026 08:00:00 suser=alice", "rt is no date and time that exists"),
        ("CEF:0|a|b|c|d|e|f|rt=Mar 02 2026 25:00:00 suser=alice", "rt is no date and time that exists"),
        ("CEF:0|a|b|c|d|e|f|rt=Mar 02 2026 08:00:00 SECRET suser=alice", "rt has a time zone that is not known"),
        ("CEF:0|a|b|c|d|e|f|dtz=SECRET rt=Mar 02 2026 08:00:00 suser=alice", "dtz is no time zone that is known"),
        ("CEF:0|a|b|c|d|e|f|msg=SECRET", "the line names no user and no machine that acted"),
        ("CEF:0|a|b|c|d|e|f|rt=1000000000 suser=alice\x00" + "x" * 600, None),
    ],
)
def test_a_refusal_says_what_is_wrong_and_no_value(text: str, reason: str | None) -> None:
    (parsed,) = parser().parse(text.encode())

    if reason is None:
        assert isinstance(parsed, AuditEvent)
        assert len(parsed.actor.id) == 512
    else:
        assert isinstance(parsed, Rejected)
        assert parsed.reason.startswith(reason)
        assert "SECRET" not in parsed.reason
        assert parsed.raw == text.encode()


# --- Times -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extension", "moment"),
    [
        ("rt=1772457247250", datetime(2026, 3, 2, 13, 14, 7, 250000, tzinfo=UTC)),
        ("rt=1772457247", datetime(2026, 3, 2, 13, 14, 7, tzinfo=UTC)),
        ("rt=Mar 02 2026 13:14:07", datetime(2026, 3, 2, 18, 14, 7, tzinfo=UTC)),
        ("rt=Mar 02 2026 13:14:07.123", datetime(2026, 3, 2, 18, 14, 7, 123000, tzinfo=UTC)),
        ("rt=Mar 02 2026 13:14:07 GMT", datetime(2026, 3, 2, 13, 14, 7, tzinfo=UTC)),
        ("rt=Mar 02 2026 13:14:07.123 EDT", datetime(2026, 3, 2, 17, 14, 7, 123000, tzinfo=UTC)),
        ("rt=Mar 02 2026 13:14:07 GMT+01:00", datetime(2026, 3, 2, 12, 14, 7, tzinfo=UTC)),
        ("rt=Mar 02 2026 13:14:07 Europe/Berlin", datetime(2026, 3, 2, 12, 14, 7, tzinfo=UTC)),
        ("rt=Mar 02 2026 13:14:07 dtz=Europe/Berlin", datetime(2026, 3, 2, 12, 14, 7, tzinfo=UTC)),
        ("rt=Mar 02 06:14:07", datetime(2026, 3, 2, 11, 14, 7, tzinfo=UTC)),
        ("rt=Dec 31 23:00:00 GMT", datetime(2025, 12, 31, 23, tzinfo=UTC)),
        ("rt=2026-03-02T13:14:07Z", datetime(2026, 3, 2, 13, 14, 7, tzinfo=UTC)),
        ("start=1772457247250 end=1772457248250", datetime(2026, 3, 2, 13, 14, 7, 250000, tzinfo=UTC)),
        ("end=1772457247250", datetime(2026, 3, 2, 13, 14, 7, 250000, tzinfo=UTC)),
        ("deviceReceiptTime=1772457247250", datetime(2026, 3, 2, 13, 14, 7, 250000, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_each_of_its_forms(extension: str, moment: datetime) -> None:
    parsed = event(f"<13>Mar  2 01:00:00 gw CEF:0|Example|EHR|7|100|x|3|suser=alice {extension}", zone=NEW_YORK)

    assert parsed.time == moment
    assert "time_from" not in parsed.details


def test_without_a_time_of_its_own_a_line_has_that_of_its_header_and_without_one_that_of_its_receipt() -> None:
    bare = "CEF:0|Example|EHR|7|100|x|3|suser=alice"

    with_header = event(f"<13>Mar  2 01:00:00 gw {bare}", zone=NEW_YORK)
    without = event(bare)

    assert (with_header.time, with_header.details["time_from"]) == (datetime(2026, 3, 2, 6, tzinfo=UTC), "syslog")
    assert (without.time, without.details["time_from"]) == (RECEIVED, "receipt")
    assert event(f"<13>Mar  2 01:00:01 gw {bare}", zone=NEW_YORK).event_id != with_header.event_id


def test_lines_alike_in_one_stream_are_events_of_their_own() -> None:
    stream = parser()
    ids = [one.event_id for _ in range(3) for one in stream.parse(line().encode()) if isinstance(one, AuditEvent)]

    assert ids == [ids[0], f"{ids[0]}~2", f"{ids[0]}~3"]
    assert event(line()).event_id == ids[0]


# --- What it means -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "extension", "action", "outcome"),
    [
        ("100|Chart Opened|3", "", "view_chart", None),
        ("view_labs|anything|3", "outcome=success", "view_labs", "success"),
        ("1|User Login Failed|3", "", "login", "failure"),
        ("1|Login|3", "outcome=/Failure", "login", "failure"),
        ("1|Logon|3", "act=Blocked", "login", "denied"),
        ("1|Break the Glass|9", "", "break_glass", None),
        ("1|Audit Logging Disabled|9", "", "audit_stop", None),
        ("4711|Some Odd Thing|9", "cat=export", "export", None),
        ("4711|Some Odd Thing|9", "act=weird", "some_odd_thing", None),
        ("4711||9", "", "4711", None),
    ],
)
def test_known_words_are_our_actions_and_others_keep_their_name(header: str, extension: str, action: str, outcome: str) -> None:
    parsed = event(line(extension, header))

    assert (parsed.action, parsed.outcome, parsed.source) == (action, outcome, Source.ACCESS)


@pytest.mark.parametrize(
    ("extension", "patient"),
    [
        *(
            ("cs1Label=Patient ID cs1=82", "82"),
            ("cs6Label=PATIENT_ID cs6=82", "82"),
            ("flexString1Label=mrn flexString1=82", "82"),
        ),
        *(("cn1Label=Patient Number cn1=82", "82"), ("patientId=82", "82"), ("ad.mrn=83 MRN=82", "82"), ("cs1=82", None)),
        *(
            ("cs1Label=MRN cs1=82^^^HOSP cs2Label=Patient cs2=Patient/77", "77"),
            ("cs1Label=Patient ID cs1= cs2Label=MRN cs2=9", "9"),
        ),
        *(("pid=4711", None), ("cs1Label=Outpatient ID cs1=82", None)),
    ],
)
def test_a_patient_is_found_by_label_or_key(extension: str, patient: str | None) -> None:
    assert event(line(extension)).patient_id == patient


def test_every_name_of_a_patient_is_on_the_page() -> None:
    assert [name for name in PATIENT_NAMES if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize(
    ("text", "actor"),
    [
        ("CEF:0|a|b|c|1|x|3|suser=alice suid=4711", Actor(id="alice", kind=ActorKind.STAFF)),
        ("CEF:0|a|b|c|1|x|3|suid=4711 duser=bob", Actor(id="4711", kind=ActorKind.STAFF)),
        ("CEF:0|a|b|c|1|login|3|suser=SYSTEM duser=bob", Actor(id="bob", kind=ActorKind.STAFF)),
        ("CEF:0|a|b|c|1|x|3|duser=bob", Actor(id="bob", kind=ActorKind.STAFF)),
        ("CEF:0|a|b|c|1|x|3|suser=WS1$", Actor(id="WS1$", kind=ActorKind.SERVICE)),
        ("CEF:0|a|b|c|1|x|3|dvchost=fw1", Actor(id="fw1", kind=ActorKind.SYSTEM)),
        ("Mar  2 08:00:00 gw1 CEF:0|a|b|c|1|x|3|", Actor(id="gw1", kind=ActorKind.SYSTEM)),
    ],
)
def test_the_actor_is_a_person_before_a_machine(text: str, actor: Actor) -> None:
    assert event(text).actor == actor


def test_device_address_and_known_details_are_read() -> None:
    parsed = event(
        line("src=10.1.2.3 shost=ws-1 reason=treatment cn1Label=Record Count cn1=480 msg=done app=Reports cat=chart dvchost=gw")
    )

    assert (parsed.ip, parsed.device) == ("10.1.2.3", Device(id="ws-1"))
    assert {name: parsed.details[name] for name in ("reason", "records", "message", "module", "category")} == {
        "reason": "treatment",
        "records": 480,
        "message": "done",
        "module": "Reports",
        "category": "chart",
    }
    assert event(line("c6a2=2001:DB8::1 c6a2Label=Source IPv6 Address")).ip == "2001:db8::1"


def test_a_mapping_stands_above_what_the_format_says() -> None:
    mapping = """
    [time]
    columns = "When"
    formats = ["%d.%m.%Y %H:%M"]
    zone = "Europe/Berlin"
    [fields]
    actor_id = "Clinician"
    patient_id = "Chart No"
    device_id = "Station"
    "details.reason" = "cs9"
    [constants]
    source = "portal"
    actor_kind = "proxy"
    device_kind = "browser"
    [values.action]
    "chart opened" = "view_results"
    """
    labels = "cs1Label=Clinician cs1=carol cs2Label=Chart No cs2=P-7 cs3Label=When cs3=02.03.2026 08:00 Station=b1 cs9=why"

    parsed = event(line(labels), mapping)

    assert parsed.time == datetime(2026, 3, 2, 7, tzinfo=UTC)
    assert parsed.actor == Actor(id="carol", kind=ActorKind.PROXY)
    assert (parsed.patient_id, parsed.action, parsed.source) == ("P-7", "view_results", Source.PORTAL)
    assert parsed.device == Device(id="b1", kind=DeviceKind.BROWSER)
    assert parsed.details["reason"] == "why"


def test_a_value_of_a_closed_vocabulary_that_is_another_is_refused() -> None:
    (parsed,) = parser('[fields]\noutcome = "result"\n').parse(line("result=SECRET").encode())

    assert isinstance(parsed, Rejected)
    assert parsed.reason.startswith("outcome has a value that is not one of success")
    assert "SECRET" not in parsed.reason


# --- On the wire -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        *(line(), line(before="<13>Mar  2 08:00:00 gw1 "), line(before="<85>1 2026-03-02T08:00:00Z gw1 cef 1 - - ")),
        line(before="<13>Mar  2 08:00:00 gw1 ").replace("CEF:0", "CEF: 0"),
    ],
)
def test_a_syslog_listener_knows_the_format_by_its_content(message: str) -> None:
    router = SyslogRouter(source_system=None, received=lambda: RECEIVED, peer="10.0.0.9")

    (parsed,) = router.parse(message.encode())

    assert isinstance(parsed, AuditEvent), parsed.reason
    assert (parsed.format, parsed.raw) == ("cef", message.encode())
    assert parsed.source_system == ("gw1" if "gw1" in message else "10.0.0.9")


def test_a_line_that_only_speaks_of_cef_is_none() -> None:
    router = SyslogRouter(source_system="s", received=lambda: RECEIVED)

    (parsed,) = router.parse(b"<13>Mar  2 08:00:00 gw1 app: see CEF:0| in the manual")

    assert isinstance(parsed, Rejected)
    assert parsed.format == "syslog"


@settings(deadline=None)
@given(st.binary(max_size=80), st.binary(max_size=80))
def test_anything_behind_a_header_is_an_event_or_refused(header: bytes, extension: bytes) -> None:
    record = b"CEF:0|" + header + b"|7|100|x|3|suser=a rt=" + extension
    (parsed,) = CefParser("gw", received=lambda: RECEIVED, mapping=FieldMapping()).parse(record)

    assert parsed.raw == record


def test_the_sample_of_the_page_is_understood() -> None:
    (sample,) = re.findall(r"^```cef\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    parsed = [
        one for record in split_records("cef", [sample.encode()]) if isinstance(record, bytes) for one in parser().parse(record)
    ]

    assert parsed
    assert all(isinstance(one, AuditEvent) and one.patient_id for one in parsed)
