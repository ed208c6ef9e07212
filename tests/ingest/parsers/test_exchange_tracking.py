"""Exchange message tracking: every version's columns, a status for each recipient, and what a line does not say about TLS."""

import random
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Source
from domain.json import Json, normalise
from domain.record import Parsed, Rejected
from domain.tls import TlsVerdict, judge
from ingest.parsers.exchange_lines import DEFAULT_COLUMNS, exchange_tracking_records
from ingest.parsers.exchange_tracking import ExchangeTrackingParser
from ingest.parsers.records import Feed, Oversize

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "formats" / "exchange-tracking.md").read_text()
GOLDEN = b"\n".join(path.read_bytes() for path in sorted((ROOT / "tests" / "golden" / "exchange-tracking").glob("*.in")))
RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)
FIELDS = (
    *("date-time", "client-ip", "client-hostname", "server-ip", "server-hostname"),
    *("source-context", "connector-id", "source", "event-id", "internal-message-id"),
    *("message-id", "network-message-id", "recipient-address", "recipient-status", "total-bytes"),
    *("recipient-count", "related-recipient-address", "reference", "message-subject", "sender-address"),
    *("return-path", "message-info", "directionality", "tenant-id", "original-client-ip"),
    *("original-server-ip", "custom-data", "transport-traffic-type", "log-id", "schema-version"),
)
USUAL = {
    "date-time": "2026-03-02T06:00:00.250Z",
    "client-ip": "10.20.1.5",
    "client-hostname": "EX01",
    "server-ip": "198.51.100.7",
    "server-hostname": "mx.partner.example",
    "connector-id": "Internet",
    "source": "SMTP",
    "event-id": "SEND",
    "internal-message-id": "7001",
    "message-id": "<m1@clinic.example>",
    "recipient-address": "intake@partner.example",
    "sender-address": "alice.nurse@clinic.example",
}


def line(**changes: str) -> bytes:
    """A line of a current log; names with `_` for `-`."""
    values = {**USUAL, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return ",".join(f'"{cell}"' if "," in (cell := values.get(name, "")) else cell for name in FIELDS).encode()


def parser() -> ExchangeTrackingParser:
    return ExchangeTrackingParser("ex", received=lambda: RECEIVED)


def events(record: bytes, reader: ExchangeTrackingParser | None = None) -> list[AuditEvent]:
    parsed = (reader or parser()).parse(record)
    found = [one for one in parsed if isinstance(one, AuditEvent)]
    assert found == parsed, parsed
    return found


def event(**changes: str) -> AuditEvent:
    (found,) = events(line(**changes))
    return found


def cut(content: bytes, limit: int = 1_000_000) -> list[bytes | Oversize]:
    return list(exchange_tracking_records(Feed(content[at : at + 7] for at in range(0, len(content), 7)), limit))


# --- A line ----------------------------------------------------------------------------------------------------------------------


def test_a_line_that_was_sent_on() -> None:
    found = event(
        recipient_status="250 2.1.5 Ok", total_bytes="5120", recipient_count="1", message_subject="Referral, urgent", log_id="l1"
    )

    assert (found.source, found.action, found.outcome) == (Source.MAIL, "deliver", "delivered")
    assert found.time == datetime(2026, 3, 2, 6, 0, 0, 250_000, tzinfo=UTC)
    assert found.actor == Actor(id="alice.nurse@clinic.example", kind=ActorKind.SYSTEM)
    assert found.device == Device(id="EX01", kind=DeviceKind.SERVER)
    assert found.ip is None
    assert found.details == {
        "event_type": "SEND",
        "source": "SMTP",
        "from": "alice.nurse@clinic.example",
        "subject": "Referral, urgent",
        "message_id": "m1@clinic.example",
        "queue_id": "7001",
        "size": 5120,
        "nrcpt": 1,
        "direction": "outbound",
        "connector": "Internet",
        "relay": "mx.partner.example",
        "relay_ip": "198.51.100.7",
        "client": "EX01",
        "client_ip": "10.20.1.5",
        "log_id": "l1",
        "to": "intake@partner.example",
        "to_domain": "partner.example",
        "response": "250 2.1.5 Ok",
        "reply_code": "250",
        "dsn": "2.1.5",
        "recipient_status": "250 2.1.5 Ok",
    }


@pytest.mark.parametrize(
    ("event_id", "source", "action", "outcome"),
    [
        ("RECEIVE", "SMTP", "mail_accepted", None),
        ("RECEIVE", "STOREDRIVER", "mail_accepted", None),
        ("SEND", "SMTP", "deliver", "delivered"),
        ("SENDEXTERNAL", "SMTP", "deliver", "delivered"),
        ("DELIVER", "STOREDRIVER", "deliver", "delivered"),
        ("FAIL", "ROUTING", "bounce", "bounced"),
        ("FAIL", "AGENT", "bounce", "bounced"),
        ("DEFER", "SMTP", "defer", "deferred"),
        ("DROP", "AGENT", "discard", "dropped"),
        ("BADMAIL", "PICKUP", "discard", "dropped"),
        *(
            (name, "ROUTING", "mail_event", None)
            for name in (
                *("DSN", "REDIRECT", "EXPAND", "RESOLVE", "TRANSFER", "POISONMESSAGE", "SUBMIT", "DUPLICATEDELIVER", "HARECEIVE"),
                *("HAREDIRECT", "HADISCARD", "AGENTINFO", "NOTIFYMAPI", "PROCESS", "THROTTLE", "RESUBMIT", "SOMETHINGNEW"),
            )
        ),
    ],
)
def test_events_and_what_they_mean(event_id: str, source: str, action: str, outcome: str | None) -> None:
    found = event(event_id=event_id, source=source)

    assert (found.action, found.outcome, found.details["event_type"]) == (action, outcome, event_id)


def test_what_an_agent_threw_away_did_not_bounce() -> None:
    found = event(event_id="FAIL", source="AGENT", recipient_status="550 5.2.1 Message deleted by the transport rules agent")

    assert (found.action, found.outcome) == ("discard", "dropped")


@pytest.mark.parametrize(
    ("status", "first", "second"),
    [
        ("250 2.1.5 Ok;550 5.1.1 Unknown", ("250", "2.1.5"), ("550", "5.1.1")),
        ("550 5.1.1 RESOLVER.ADR.RecipNotFound; not found;552 5.2.2 full", ("550", "5.1.1"), ("552", "5.2.2")),
        (
            "[{LED=421 4.4.1 timed out};{MSG=};{FQDN=mx.b.example};{IP=}];[{LED=451 4.7.0 later};{MSG=};{FQDN=};{IP=};{LRT=}]",
            ("421", "4.4.1"),
            ("451", "4.7.0"),
        ),
    ],
)
def test_each_recipient_has_its_own_status(status: str, first: Sequence[str], second: Sequence[str]) -> None:
    one, two = events(line(event_id="FAIL", recipient_address="a@b.example;c@d.example", recipient_status=status))

    assert [one.details[name] for name in ("to", "reply_code", "dsn")] == ["a@b.example", *first]
    assert [two.details[name] for name in ("to", "reply_code", "dsn")] == ["c@d.example", *second]
    assert two.event_id == f"{one.event_id}#2"
    assert one.details["recipients"] == ["a@b.example", "c@d.example"]


def test_where_the_statuses_do_not_fit_the_recipients_nobody_gets_anothers() -> None:
    one, two = events(line(recipient_address="a@b.example;c@d.example", recipient_status="250 2.1.5 Ok; fine; never"))

    for found in (one, two):
        assert not {"response", "dsn", "reply_code"} & found.details.keys()
        assert found.details["recipient_status"] == "250 2.1.5 Ok; fine; never"


def test_the_answer_of_the_other_server_stands_in_the_context_of_older_lines() -> None:
    found = event(source_context="08DC;250 2.0.0 Ok: queued as 4X;ClientSubmitTime:2026-03-02T06:00:00Z")

    assert (found.details["response"], found.details["dsn"]) == ("250 2.0.0 Ok: queued as 4X", "2.0.0")


# --- TLS and direction -----------------------------------------------------------------------------------------------------------


def test_a_line_says_nothing_about_tls() -> None:
    custom = "S:Microsoft.Exchange.Transport.MailRecipient.RequiredTlsAuthLevel=Opportunistic"
    found = event(custom_data=custom)

    assert "tls" not in found.details
    assert judge(found.details).verdict is TlsVerdict.UNKNOWN
    assert found.details["tls_required"] == "Opportunistic"


def test_a_session_in_the_custom_data_of_a_send_is_that_of_the_delivery() -> None:
    found = event(custom_data="S:E2ELatency=1;S:tlsversion=SP_PROT_TLS1_2_CLIENT;S:tlscipher=CALG_AES_256")
    judgement = judge(found.details)

    assert (judgement.verdict, judgement.version) == (TlsVerdict.ANONYMOUS, "TLSv1.2")


def test_a_session_in_the_custom_data_of_a_receive_is_another_leg() -> None:
    found = event(event_id="RECEIVE", directionality="Incoming", custom_data="S:tlsversion=SP_PROT_TLS1_2_SERVER")

    assert found.details["submission_tls"] == {"version": "SP_PROT_TLS1_2_SERVER"}
    assert "tls" not in found.details


@pytest.mark.parametrize(
    ("changes", "direction"),
    [
        ({}, "outbound"),
        ({"server_ip": "10.1.1.1"}, "internal"),
        ({"connector_id": "Intra-Organization SMTP Send Connector"}, "internal"),
        ({"server_ip": ""}, None),
        ({"event_id": "DELIVER", "source": "STOREDRIVER", "directionality": "Incoming"}, "inbound"),
        ({"event_id": "DELIVER", "source": "STOREDRIVER", "directionality": "Originating"}, "internal"),
        ({"event_id": "DELIVER", "source": "STOREDRIVER", "directionality": "Undefined"}, None),
        ({"event_id": "RECEIVE", "directionality": "Incoming"}, "inbound"),
        ({"event_id": "RECEIVE", "directionality": "Originating"}, None),
    ],
)
def test_direction(changes: Mapping[str, str], direction: str | None) -> None:
    assert event(**changes).details.get("direction") == direction


# --- Forms -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", DEFAULT_COLUMNS)
def test_a_line_without_its_header_is_read_by_the_number_of_its_fields(count: int) -> None:
    columns = DEFAULT_COLUMNS[count]
    values = {name.replace("-", ""): value for name, value in USUAL.items()}
    (found,) = events(",".join(values.get(name, "") for name in columns).encode())

    assert (found.details["to"], found.details["message_id"]) == ("intake@partner.example", "m1@clinic.example")


def test_the_header_names_the_columns_whatever_their_order() -> None:
    reader = parser()
    header = b"#Software: Microsoft Exchange Server\r\n#Fields: event-id,date-time,recipient-address\r\n"

    (first,) = events(header + b"DELIVER,2026-03-02T06:00:00Z,a@b.example", reader)
    (second,) = events(b"FAIL,2026-03-02T06:00:01Z,c@d.example", reader)

    assert (first.action, first.details["to"]) == ("deliver", "a@b.example")
    assert (second.action, second.details["to"]) == ("bounce", "c@d.example")


def test_comment_lines_that_come_alone_say_that_a_log_was_begun() -> None:
    reader = parser()
    (opened,) = events(b"#Date: 2026-03-02T05:00:00.000Z", reader)
    (named,) = events(b"#Fields: event-id,date-time,recipient-address", reader)
    (found,) = events(b"DELIVER,2026-03-02T06:00:00Z,a@b.example", reader)

    assert (opened.action, opened.time) == ("mail_service", datetime(2026, 3, 2, 5, tzinfo=UTC))
    assert (named.action, named.details["time_from"]) == ("mail_service", "receipt")
    assert found.details["to"] == "a@b.example"


@pytest.mark.parametrize("header", [b"<14>1 2026-03-02T06:00:01Z ex01 msgtrk - - - ", b"<14>Mar  2 06:00:01 ex01 msgtrk[4]: "])
def test_a_syslog_header_in_front(header: bytes) -> None:
    (bare,), (found,) = events(line()), events(header + line())

    assert (found.event_id, found.time, found.details) == (bare.event_id, bare.time, bare.details)


def test_powershell_writes_csv_with_names_of_its_own_and_times_of_its_zone() -> None:
    content = (
        b'"PSComputerName","Timestamp","ClientIp","ServerHostname","Source","EventId","MessageId","Recipients","RecipientStatus",'
        b'"TotalBytes","MessageSubject","Sender"\r\n'
        b'"x","3/2/2026 1:00:00 AM","10.1.1.1","EX01","STOREDRIVER","DELIVER","<m1@c.example>","a@b.example;c@d.example","","12",'
        b'"Hi, you","z@c.example"\r\n'
    )
    eastern = ExchangeTrackingParser("ex", received=lambda: RECEIVED, zone=timezone(timedelta(hours=-5)))
    (record,) = cut(content)
    assert isinstance(record, bytes)

    found = events(record, eastern)

    assert [one.details["to"] for one in found] == ["a@b.example", "c@d.example"]
    assert {one.time for one in found} == {datetime(2026, 3, 2, 6, tzinfo=UTC)}
    assert found[0].details["subject"] == "Hi, you"


def test_json_of_a_shell_and_of_a_shipper() -> None:
    shell = b'{"Timestamp": "/Date(1772431200000)/", "EventId": "DELIVER", "Source": "STOREDRIVER", "Recipients": ["a@b.example"]}'
    shipper = b'{"date-time": "2026-03-02T06:00:00Z", "event-id": "DELIVER", "recipient-address": "a@b.example"}'

    for record in (shell, shipper):
        (found,) = events(record)
        assert (found.action, found.details["to"], found.time) == ("deliver", "a@b.example", datetime(2026, 3, 2, 6, tzinfo=UTC))


def test_the_extended_report_of_exchange_online() -> None:
    header = ",".join(name.replace("-", "_") for name in FIELDS[:27]).replace("date_time", "date_time_utc").encode()
    (record,) = cut(header + b"\n" + line().rsplit(b",", 3)[0] + b"\n")
    assert isinstance(record, bytes)

    (found,) = events(record)

    assert (found.action, found.details["to"]) == ("deliver", "intake@partner.example")


# --- Ids, records, refusals ------------------------------------------------------------------------------------------------------


def test_the_same_line_has_the_same_id_and_another_line_another() -> None:
    reader = parser()

    assert events(line(), reader)[0].event_id == events(line(), reader)[0].event_id
    assert event(event_id="DELIVER").event_id != event().event_id
    assert event(log_id="a").event_id != event(log_id="b").event_id


def test_the_first_line_of_a_file_has_the_id_that_it_has_alone() -> None:
    head = b"#Software: Microsoft Exchange Server\n#Fields: " + ",".join(FIELDS).encode() + b"\n"

    assert events(head + line())[0].event_id == event().event_id


def test_comments_come_with_the_line_after_them() -> None:
    head = b"#Software: x\r\n#Fields: " + ",".join(FIELDS).encode() + b"\r\n"

    assert cut(head + line() + b"\r\n\r\n" + line(event_id="FAIL") + b"\r\n") == [head + line(), line(event_id="FAIL")]
    assert cut(head) == []
    assert cut(b"") == []


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", "the line is empty"),
        (b"SECRET", "the line has 1 fields, which is no line of a message tracking log"),
        (b"a,b,c", "the line has 3 fields, which is no line of a message tracking log"),
        (line(date_time="SECRET"), "date-time is not an RFC 3339 time"),
        (line(date_time=""), "the line has no time or no event id"),
        (line(date_time="1889-01-01T00:00:00Z"), "date-time lies outside 1990 to 2200"),
        (line(event_id=""), "the line has no time or no event id"),
        (b'{"SECRET": 1}', "the object has no time and no event id: it is none of message tracking"),
        (b"{", "the record is not valid JSON"),
        (line(recipient_address=";".join(f"u{n}@b.example" for n in range(5_001))), "the line has 5001 recipients"),
    ],
)
def test_a_refusal_says_what_is_wrong(record: bytes, reason: str) -> None:
    (parsed,) = parser().parse(record)

    assert isinstance(parsed, Rejected)
    assert parsed.reason.startswith(reason)
    assert "SECRET" not in parsed.reason
    assert parsed.raw == record


# --- Anything --------------------------------------------------------------------------------------------------------------------


def check(record: bytes, parsed: Sequence[Parsed]) -> None:
    assert parsed
    for one in parsed:
        assert one.raw == record
        if isinstance(one, AuditEvent):
            assert normalise(one.details) == one.details
        else:
            assert 0 < len(one.reason) < 300
    assert len({one.event_id for one in parsed if isinstance(one, AuditEvent)}) in (0, len(parsed))


def bent(record: bytes, seed: int) -> bytes:
    rng, out = random.Random(seed), bytearray(record)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(out) or 1)
        match rng.randrange(3):
            case 0:
                out[at : at + 1] = rng.randbytes(1)
            case 1:
                del out[at : at + rng.randint(1, 30)]
            case _:
                out[at:at] = out[at : at + 40]
    return bytes(out)


@settings(deadline=None, max_examples=200)
@given(seed=st.integers(0, 2**32))
def test_bent_logs(seed: int) -> None:
    reader = parser()
    for record in cut(bent(GOLDEN, seed)):
        assert isinstance(record, bytes)
        check(record, reader.parse(record))


@settings(deadline=None)
@given(record=st.binary(max_size=200))
def test_any_bytes(record: bytes) -> None:
    check(record, parser().parse(record))


@settings(deadline=None)
@given(cells=st.dictionaries(st.sampled_from(FIELDS), st.text(st.characters(exclude_characters=',"\n\r'), max_size=30)))
def test_any_text_in_any_field(cells: Mapping[str, str]) -> None:
    record = line(**{name.replace("-", "_"): value for name, value in cells.items()})
    check(record, parser().parse(record))


def test_every_sample_of_real_logs_is_understood(samples: Path) -> None:
    reader = parser()
    found: list[Mapping[str, Json]] = []
    for path in sorted((samples / "exchange_tracking").glob("*.log")):
        for record in cut(path.read_bytes()):
            assert isinstance(record, bytes)
            found += [one.details for one in events(record, reader)]

    assert [one["event_type"] for one in found][:3] == ["HAREDIRECTFAIL", "RECEIVE", "SEND"]


def test_the_sample_of_the_page_is_understood() -> None:
    (sample,) = re.findall(r"^```exchange-tracking\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    reader = parser()

    assert [one.action for record in cut(sample.encode()) if isinstance(record, bytes) for one in events(record, reader)] == [
        "mail_accepted",
        "deliver",
        "bounce",
    ]
