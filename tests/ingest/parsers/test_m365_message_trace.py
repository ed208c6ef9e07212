"""Microsoft 365 message trace in every form it is given out, and what a row does not say."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import normalise
from domain.record import Parsed, Rejected
from domain.tls import TlsVerdict, judge
from ingest.parsers.m365_message_trace import M365MessageTraceParser
from ingest.parsers.m365_records import m365_records
from ingest.parsers.records import Feed, Oversize
from tests.conformance import microsoft
from tests.conformance.agreement import Agreement
from tests.support.bending import bent_export

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "formats" / "m365-message-trace.md").read_text()
GOLDEN = [path.read_bytes() for path in sorted((ROOT / "tests" / "golden" / "m365-message-trace").glob("*.in"))]
RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)
ROW = {
    "Organization": "clinic.onmicrosoft.com",
    "MessageId": "<m1@clinic.example>",
    "Received": "2026-03-02T06:00:00.1234567",
    "SenderAddress": "alice.nurse@clinic.example",
    "RecipientAddress": "intake@Partner.example",
    "Subject": "Referral",
    "Status": "Delivered",
    "ToIP": "198.51.100.7",
    "FromIP": "10.20.4.12",
    "Size": 5120,
    "MessageTraceId": "0a-1",
    "Index": 3,
}
GRAPH = {
    "id": "0a-1",
    "messageId": "<m1@clinic.example>",
    "receivedDateTime": "2026-03-02T06:00:00.1234567Z",
    "senderAddress": "alice.nurse@clinic.example",
    "recipientAddress": "intake@Partner.example",
    "subject": "Referral",
    "status": "delivered",
    "toIP": "198.51.100.7",
    "fromIP": "10.20.4.12",
    "size": 5120,
}


def row(**changes: object) -> bytes:
    return json.dumps({name: value for name, value in {**ROW, **changes}.items() if value is not ...}).encode()


def parser() -> M365MessageTraceParser:
    return M365MessageTraceParser("exo", received=lambda: RECEIVED)


def events(record: bytes, reader: M365MessageTraceParser | None = None) -> list[AuditEvent]:
    parsed = (reader or parser()).parse(record)
    found = [one for one in parsed if isinstance(one, AuditEvent)]
    assert found == parsed, parsed
    return found


def cut(content: bytes) -> list[bytes]:
    records = list(m365_records(Feed(content[at : at + 7] for at in range(0, len(content), 7)), 1_000_000))
    found = [one for one in records if not isinstance(one, Oversize)]
    assert found == records
    return found


def test_a_row_is_what_became_of_a_message_for_one_recipient() -> None:
    (found,) = events(row())

    assert (found.source, found.action, found.outcome) == (Source.MAIL, "deliver", "delivered")
    assert found.time == datetime(2026, 3, 2, 6, 0, 0, 123_456, tzinfo=UTC)
    assert found.actor == Actor(id="alice.nurse@clinic.example", kind=ActorKind.SYSTEM)
    assert found.ip == "10.20.4.12"
    assert found.details == {
        "to": "intake@Partner.example",
        "to_domain": "partner.example",
        "from": "alice.nurse@clinic.example",
        "subject": "Referral",
        "message_id": "m1@clinic.example",
        "message_trace_id": "0a-1",
        "size": 5120,
        "client_ip": "10.20.4.12",
        "relay_ip": "198.51.100.7",
        "organisation": "clinic.onmicrosoft.com",
        "index": 3,
        "provider": "Microsoft 365",
        "event_type": "Delivered",
    }


def test_graph_says_the_same_in_names_of_its_own() -> None:
    (classic,), (graph,) = events(row()), events(json.dumps(GRAPH).encode())

    left_out = {"organisation", "index", "event_type"}
    assert {name: value for name, value in classic.details.items() if name not in left_out} == {
        name: value for name, value in graph.details.items() if name not in left_out
    }
    assert (graph.action, graph.outcome, graph.time) == (classic.action, classic.outcome, classic.time)


def test_a_row_says_nothing_about_tls() -> None:
    (found,) = events(row())

    assert "tls" not in found.details
    assert judge(found.details).verdict is TlsVerdict.UNKNOWN


@pytest.mark.parametrize(
    ("status", "action", "outcome"),
    [
        ("Delivered", "deliver", "delivered"),
        ("delivered", "deliver", "delivered"),
        ("Failed", "bounce", "bounced"),
        ("Pending", "defer", "deferred"),
        ("Quarantined", "discard", "dropped"),
        ("FilteredAsSpam", "discard", "dropped"),
        ("Filtered as spam", "discard", "dropped"),
        ("Expanded", "mail_event", None),
        ("GettingStatus", "mail_event", None),
        ("Resolved", "mail_event", None),
        ("None", "mail_event", None),
        ("unknownFutureValue", "mail_event", None),
    ],
)
def test_statuses_and_what_they_mean(status: str, action: str, outcome: str | None) -> None:
    (found,) = events(row(Status=status))

    assert (found.action, found.outcome, found.details["event_type"]) == (action, outcome, status)


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-02T06:00:00.1234567Z",
        "2026-03-02T01:00:00.1234567-05:00",
        "2026-03-02 6:00:00.123456",
        "/Date(1772431200123)/",
        1772431200123,
        "1772431200123",
    ],
)
def test_times_as_the_services_write_them(time: object) -> None:
    (found,) = events(row(Received=time))

    assert found.time.replace(microsecond=0) == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert found.time.microsecond // 1000 == 123


def test_times_for_people_are_in_the_zone_of_the_shell() -> None:
    reader = M365MessageTraceParser("exo", received=lambda: RECEIVED, zone=timezone(timedelta(hours=-5)))
    (found,) = events(row(Received="3/2/2026 1:00:00 AM"), reader)

    assert found.time == datetime(2026, 3, 2, 6, tzinfo=UTC)


def test_the_next_status_of_a_message_is_another_event_and_the_same_row_the_same() -> None:
    (first,), (again,), (later,) = events(row()), events(row(Index=9, EndDate="x")), events(row(Status="Failed"))
    (other,) = events(row(RecipientAddress="b@partner.example"))

    assert first.event_id == again.event_id
    assert len({first.event_id, later.event_id, other.event_id}) == 3


@pytest.mark.parametrize(
    "content",
    [
        b'{"value": [%s, %s]}',
        b'{"@odata.context": "x", "@odata.nextLink": "y", "value": [%s,\n%s]}',
        b'{"d": {"results": [%s, %s]}}',
        b"[%s, %s]",
        b"%s\n%s\n",
        b"\xef\xbb\xbf%s\r\n%s",
    ],
)
def test_whatever_wraps_the_rows(content: bytes) -> None:
    first, second = row(), row(Status="Failed")

    assert cut(content % (first, second)) == [first, second]


def test_a_wrapping_that_comes_as_one_record_is_read_too() -> None:
    record = b'{"value": [%s, %s]}' % (row(), row(Status="Failed"))

    assert [one.action for one in events(record)] == ["deliver", "bounce"]


CSV = (
    b'"PSComputerName","MessageId","Received","SenderAddress","RecipientAddress","Subject","Status","FromIP","Size","MessageTraceId"\r\n'
    b'"x","<m1@c.example>","3/2/2026 6:00:00 AM","a@c.example","b@d.example","Hi, ""you""","Delivered","10.1.1.1","12","t1"\r\n'
    b'"x","<m2@c.example>","3/2/2026 6:00:00 PM","a@c.example","b@d.example","","Failed","10.1.1.1","12","t2"\r\n'
)


@pytest.mark.parametrize("head", [b"", b"#TYPE Deserialized.MessageTrace\r\n", b"\xef\xbb\xbf"])
def test_rows_of_export_csv(head: bytes) -> None:
    reader = parser()
    found = [one for record in cut(head + CSV) for one in events(record, reader)]

    assert [(one.action, one.details.get("subject"), one.time.hour) for one in found] == [
        ("deliver", 'Hi, "you"', 6),
        ("bounce", None, 18),
    ]


def test_a_refused_row_has_its_header_in_front_so_that_it_can_be_read_again() -> None:
    reader = parser()
    first, second = cut(CSV.replace(b"3/2/2026 6:00:00 PM", b"SECRET"))
    events(first, reader)
    (refused,) = reader.parse(second)

    assert isinstance(refused, Rejected)
    assert "SECRET" not in refused.reason
    assert refused.raw == CSV[: CSV.index(b"\n") + 1] + second
    assert parser().parse(refused.raw)[0].raw == refused.raw


def test_the_historical_report_has_the_events_of_each_recipient() -> None:
    report = (
        b"origin_timestamp_utc,sender_address,recipient_status,message_subject,total_bytes,message_id,network_message_id,"
        b"original_client_ip,directionality\n"
        b"2026-03-02T06:00:00.1Z,a@c.example,b@d.example##Receive, Send, Deliver;e@f.example##Receive, Fail,S,9,<m@c.example>,n1,"
        b"10.1.1.1,Originating\n"
    ).replace(
        b"b@d.example##Receive, Send, Deliver;e@f.example##Receive, Fail", b'"b@d.example##Receive, Deliver;e@f.example##Fail"'
    )
    (record,) = cut(report)

    one, two = events(record)

    assert [(found.details["to"], found.action, found.details["direction"]) for found in (one, two)] == [
        ("b@d.example", "deliver", "outbound"),
        ("e@f.example", "bounce", "outbound"),
    ]
    assert one.details["events"] == ["Receive", "Deliver"]
    assert one.event_id != two.event_id


@pytest.mark.parametrize(
    ("event", "action", "outcome"),
    [
        ("Receive", "mail_accepted", None),
        ("Send external", "deliver", "delivered"),
        ("Deliver", "deliver", "delivered"),
        ("Fail", "bounce", "bounced"),
        ("Defer", "defer", "deferred"),
        ("Transfer", "mail_event", None),
        ("Spam", "mail_event", None),
    ],
)
def test_detail_rows(event: str, action: str, outcome: str | None) -> None:
    record = {
        "id": "d1",
        "messageId": "<m1@c.example>",
        "dateTime": "2026-03-02T06:00:00Z",
        "event": event,
        "description": "550 5.1.1 no",
    }
    (found,) = events(json.dumps(record).encode())

    assert (found.action, found.outcome, found.details["dsn"]) == (action, outcome, "5.1.1")
    assert found.actor == Actor(id="Exchange Online", kind=ActorKind.SERVICE)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (row(Received=...), "the time received is missing"),
        (row(Received="SECRET"), "the time received is not an RFC 3339 time"),
        (row(Received="/Date(99999999999999999)/"), "the time received lies outside the years that can be kept"),
        (row(Received="1889-01-01T00:00:00"), "the time received lies outside 1990 to 2200"),
        (row(Status=...), "the record has no status"),
        (b'{"SECRET": 1}', "the record has no id of a message"),
        (b"[]", "the record is an array, not an object that says anything"),
        (b"{", "the record is not valid JSON"),
        (b"", "the record is one line: a header without a row"),
        (b"SECRET,x", "the record is one line: a header without a row"),
    ],
)
def test_a_refusal_says_what_is_wrong(record: bytes, reason: str) -> None:
    (parsed,) = parser().parse(record)

    assert isinstance(parsed, Rejected)
    assert parsed.reason.startswith(reason)
    assert "SECRET" not in parsed.reason


def check(record: bytes, parsed: Sequence[Parsed]) -> None:
    assert parsed
    for one in parsed:
        assert one.raw.endswith(record)
        if isinstance(one, AuditEvent):
            assert normalise(one.details) == one.details
            assert "tls" not in one.details
        else:
            assert 0 < len(one.reason) < 300
    assert len({one.event_id for one in parsed if isinstance(one, AuditEvent)}) in (0, len(parsed))


@settings(deadline=None, max_examples=200)
@given(content=st.sampled_from(GOLDEN), seed=st.integers(0, 2**32))
def test_bent_exports(content: bytes, seed: int) -> None:
    reader = parser()
    for record in cut(bent_export(content, seed)):
        check(record, reader.parse(record))


@settings(deadline=None)
@given(record=st.binary(max_size=200))
def test_any_bytes(record: bytes) -> None:
    check(record, parser().parse(record))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3))


@settings(deadline=None, max_examples=300)
@given(name=st.sampled_from(sorted(ROW)), value=VALUES)
def test_any_value_in_place_of_any_field(name: str, value: object) -> None:
    record = json.dumps({**ROW, name: value}).encode()
    parsed = parser().parse(record)
    assert parsed
    assert all(one.raw == record for one in parsed)


def test_the_answer_keys_agree_and_so_do_the_rows_themselves(samples: Path) -> None:
    agreement = Agreement()
    microsoft.measure(samples, agreement)

    assert [one for one in agreement.differences if one.startswith("m365-message-trace")] == []
    assert sum(agreement.compared[key] for key in agreement.compared if key[0].startswith("m365-message-trace")) >= 100


def test_the_sample_of_the_page_is_understood() -> None:
    (sample,) = re.findall(r"^```m365-message-trace\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    assert [one.action for record in cut(sample.encode()) for one in events(record)] == ["deliver", "bounce"]
