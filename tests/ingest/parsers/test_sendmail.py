"""sendmail: recipients, senders and sessions joined over lines, and what is claimed about TLS only on proof."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import AuditEvent
from domain.json import Json
from domain.tls import TlsVerdict, judge
from ingest.parsers.mail_lines import LONGEST_LINE
from ingest.parsers.sendmail import SendmailParser
from ingest.parsers.sendmail_lines import MOST_RECIPIENTS
from ingest.parsers.sendmail_tls import PROCESSES, Sessions
from tests.support.mail_logs import OUTSIDE, bent, check, events, forged, golden_lines, refused, sample, tls_of

RECEIVED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ID = "62260abc004700"
RELAY = "mx.partner.example. [198.51.100.7]"
ARRIVAL = (
    f"sm-mta[4700]: {ID}: from=<referrals@clinic.example>, size=5120, class=0, nrcpts=1, msgid=<m1@clinic.example>, "
    "proto=ESMTP, relay=laptop [10.20.4.99]"
)


def parser(*, proven: bool = False) -> SendmailParser:
    return SendmailParser("mx", received=lambda: RECEIVED, tls_logging_proven=proven)


def session(verify: str = "OK", *, relay: str = "mx.partner.example.", pid: int = 4701, version: str = "TLSv1.3") -> str:
    suite = "cipher=TLS_AES_256_GCM_SHA384, bits=256/256"
    return f"sm-mta[{pid}]: STARTTLS=client, relay={relay}, version={version}, verify={verify}, {suite}"


def sent(
    queue_id: str = ID,
    *,
    to: str = "<intake@partner.example>",
    relay: str = RELAY,
    pid: int = 4701,
    mailer: str = "esmtp",
    took: str = "00:00:30",
    status: str = "dsn=2.0.0, stat=Sent (ok)",
) -> str:
    return f"sm-mta[{pid}]: {queue_id}: to={to}, delay=00:01:00, xdelay={took}, mailer={mailer}, pri=30000, relay={relay}, {status}"


def read(*texts: str, proven: bool = False) -> list[AuditEvent]:
    """The events of lines, written one a second by host mx1."""
    return events(parser(proven=proven), (f"Mar  2 06:00:{second:02} mx1 {text}" for second, text in enumerate(texts)))


# --- TLS ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verify", "expected", "verdict"),
    [
        ("OK", {"verified": True, "level": "trusted"}, TlsVerdict.TRUSTED),
        ("TRUSTED", {"verified": True, "dane": True}, TlsVerdict.VERIFIED_DANE),
        ("FAIL", {"verified": False, "level": "untrusted"}, TlsVerdict.UNTRUSTED),
        ("NO", {"verified": False, "level": "anonymous"}, TlsVerdict.ANONYMOUS),
        ("NOT", {"verified": False, "level": "anonymous"}, TlsVerdict.ANONYMOUS),
        ("DANE_FAIL", {"verified": False, "level": "untrusted"}, TlsVerdict.UNTRUSTED),
        ("SOMETHING_NEW", {}, TlsVerdict.ANONYMOUS),
    ],
)
def test_a_delivery_has_the_session_of_its_process_and_relay(verify: str, expected: dict[str, Json], verdict: TlsVerdict) -> None:
    opened, delivery = read(session(verify), sent())

    assert (opened.action, delivery.action, delivery.outcome) == ("smtp_tls", "deliver", "delivered")
    assert delivery.details["tls"] == {
        "version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "bits": 256,
        "verify": verify,
        "session": "established",
        "evidence": opened.event_id,
        **expected,
    }
    assert judge(delivery.details).verdict is verdict


@pytest.mark.parametrize(
    "lines",
    [
        (session(pid=4702), sent()),
        (session(relay="mx2.partner.example."), sent()),
        (session(), sent("62260abd004701"), sent()),
        (session(), *["sm-mta[9]: noise 1"] * 40, sent(took="00:00:01")),
        (session().replace("[4701]", ""), sent().replace("[4701]", "")),
        (sent(),),
    ],
    ids=["other process", "other relay", "used by another mail", "older than the attempt", "no process id", "no line"],
)
def test_without_a_line_of_its_own_nothing_is_known(lines: tuple[str, ...]) -> None:
    delivery = read(*lines)[-1]

    assert delivery.action == "deliver"
    assert "tls" not in delivery.details


def test_all_recipients_of_one_message_share_its_session_and_the_next_message_gets_none() -> None:
    opened, *first, more, kept, again, own = read(
        session(),
        sent(to="<a@partner.example>,<b@partner.example>"),
        sent(to="<c@partner.example>"),
        sent("62260abd004701"),
        session("FAIL"),
        sent("62260abd004701"),
    )

    assert [tls_of(event)["evidence"] for event in (*first, more)] == [opened.event_id] * 3
    assert "tls" not in kept.details
    assert tls_of(own)["evidence"] == again.event_id


def test_sessions_with_two_relays_are_told_apart() -> None:
    *_, second, first = read(
        session(version="TLSv1.3"),
        session(version="TLSv1.2", relay="mx2.partner.example"),
        sent(relay="MX2.partner.example. [198.51.100.8]"),
        sent(),
    )

    assert (tls_of(second)["version"], tls_of(first)["version"]) == ("TLSv1.2", "TLSv1.3")


def test_proven_logging_turns_a_missing_session_into_plain_text_but_not_a_kept_connection() -> None:
    plain, local, _, own, kept, deferred = read(
        sent(pid=4799),
        sent(mailer="local", pid=4799),
        session(),
        sent(),
        sent("62260abd004701"),
        sent("62260abe004701", relay="mx9.partner.example. [198.51.100.9]", status="dsn=4.0.0, stat=Deferred: 451 later"),
        proven=True,
    )

    assert plain.details["tls"] is None
    assert tls_of(own)["version"] == "TLSv1.3"
    assert not {"tls"} & (local.details.keys() | kept.details.keys() | deferred.details.keys())


def test_the_version_of_old_openssl_is_kept_as_it_stands_because_it_names_none() -> None:
    *_, delivery = read(session(version="TLSv1/SSLv3"), sent())

    assert tls_of(delivery)["version"] == "TLSv1/SSLv3"
    assert judge(delivery.details).version == ""


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("proto=ESMTP, daemon=MTA, tls_verify=NONE, auth=NONE", (None,)),
        (
            "proto=ESMTPS, daemon=MTA, tls_verify=NO",
            ({"established": True, "verify": "NO", "verified": False, "level": "anonymous"},),
        ),
        ("proto=ESMTPS, daemon=MTA", ({"established": True},)),
        ("proto=ESMTP, daemon=MTA", ()),
    ],
)
def test_what_an_arrival_says_about_its_own_encryption(field: str, expected: tuple[Json, ...]) -> None:
    (arrival,) = read(
        f"sm-mta[1]: {ID}: from=<a@b.example>, size=9, class=0, nrcpts=1, msgid=<m@b.example>, {field}, relay=mx [203.0.113.5]"
    )

    assert tuple(value for name, value in arrival.details.items() if name == "tls") == expected


def test_a_client_has_its_session_and_its_user_on_the_mail_it_hands_in_and_the_next_client_has_not() -> None:
    server = "sm-mta[4700]: STARTTLS=server, relay=laptop [10.20.4.99], version=TLSv1.2, verify=NO, cipher=X, bits=128/128"
    signed_in = "sm-mta[4700]: AUTH=server, relay=laptop [10.20.4.99], authid=alice.nurse, mech=PLAIN, bits=0"
    opened, login, arrival, other = read(server, signed_in, ARRIVAL, ARRIVAL.replace("10.20.4.99", "203.0.113.5"))

    assert (login.action, login.outcome, login.actor.id) == ("mail_login", "success", "alice.nurse")
    assert (tls_of(arrival)["evidence"], arrival.actor.id) == (opened.event_id, "alice.nurse")
    assert "tls" not in other.details
    assert other.actor.id == "referrals@clinic.example"


def test_what_is_remembered_of_processes_is_bounded() -> None:
    sessions = Sessions()
    for number in range(PROCESSES + 1):
        sessions.opened(("mx1", str(number)), "mx", RECEIVED, {"version": "TLSv1.3"})

    found = [sessions.of_delivery(("mx1", str(number)), "mx", ID, ended=RECEIVED, took=None)[0] for number in (0, 1)]
    assert found == [None, {"version": "TLSv1.3"}]


# --- Lines -------------------------------------------------------------------------------------------------------------------


def test_sender_size_and_message_id_come_from_the_arrival_until_the_message_is_done() -> None:
    *_, delivery, done, later = read(ARRIVAL, sent(), f"sm-mta[4701]: {ID}: done; delay=00:01:00, ntries=1", sent())

    assert done.action == "mail_removed"
    assert delivery.actor.id == "referrals@clinic.example"
    assert {name: delivery.details[name] for name in ("from", "size", "nrcpt", "message_id", "direction")} == {
        "from": "referrals@clinic.example",
        "size": 5120,
        "nrcpt": 1,
        "message_id": "m1@clinic.example",
        "direction": "outbound",
    }
    assert (later.actor.id, "from" in later.details) == ("mx1", False)


def test_each_recipient_of_a_line_is_an_event_with_the_same_bytes_and_ids_of_their_own() -> None:
    line = f"Mar  2 06:00:00 mx1 {sent(to='<a@partner.example>,<b@Other.Example>,carol')}"
    found = events(parser(), [line])

    assert [(event.details["to"], event.details.get("to_domain")) for event in found] == [
        ("a@partner.example", "partner.example"),
        ("b@Other.Example", "other.example"),
        ("carol", None),
    ]
    assert [event.event_id.partition("#")[2] for event in found] == ["", "2", "3"]
    assert {event.raw for event in found} == {line.encode()}


def test_a_line_with_more_recipients_than_sendmail_writes_is_refused() -> None:
    to = ",".join(["<a@b.example>"] * (MOST_RECIPIENTS + 1))

    assert "more recipients" in refused(parser(), f"Mar  2 06:00:00 mx1 {sent(to=to)}".encode())


@pytest.mark.parametrize(
    ("status", "action", "outcome", "response"),
    [
        ("dsn=2.0.0, stat=Sent (2.0.0 Ok: queued as 4Xy)", "deliver", "delivered", "2.0.0 Ok: queued as 4Xy"),
        ("dsn=2.0.0, stat=Sent", "deliver", "delivered", None),
        ("dsn=4.2.0, stat=Deferred: 450 4.2.0 greylisted", "defer", "deferred", "450 4.2.0 greylisted"),
        ("dsn=5.1.1, stat=User unknown", "bounce", "bounced", "User unknown"),
        (
            "dsn=5.1.2, stat=Host unknown (Name server: b.example: host not found)",
            "bounce",
            "bounced",
            "Host unknown (Name server: b.example: host not found)",
        ),
        ("dsn=5.0.0, stat=Service unavailable", "bounce", "bounced", "Service unavailable"),
        ("dsn=4.4.7, stat=Cannot send message for 5 days", "bounce", "bounced", "Cannot send message for 5 days"),
        ("stat=queued", "mail_queued", None, "queued"),
    ],
)
def test_what_became_of_a_message(status: str, action: str, outcome: str | None, response: str | None) -> None:
    (event,) = read(sent(status=status))

    assert (event.action, event.outcome, event.details.get("response")) == (action, outcome, response)


@pytest.mark.parametrize(
    ("relay", "mailer", "direction", "ip"),
    [
        (RELAY, "esmtp", "outbound", "198.51.100.7"),
        ("[127.0.0.1] [127.0.0.1]", "relay", "internal", "127.0.0.1"),
        ("mx.partner.example. [IPv6:2001:db8:0:0:0:0:0:25]", "esmtp", "outbound", "2001:db8::25"),
        ("hub.clinic.example [10.20.0.25]", "relay", "internal", "10.20.0.25"),
        ("local", "local", "internal", None),
        ("mx.dead.example.", "esmtp", None, None),
    ],
)
def test_direction_says_whether_the_hop_left_the_organisation(
    relay: str, mailer: str, direction: str | None, ip: str | None
) -> None:
    (event,) = read(sent(relay=relay, mailer=mailer))

    assert (event.details.get("direction"), event.details.get("relay_ip")) == (direction, ip)


@pytest.mark.parametrize(
    ("controlling", "original"),
    [("<referrals@mx1.clinic.example> (1000/1000)", None), ("<alice@clinic.example> (1001/1001)", "alice@clinic.example")],
)
def test_a_copy_that_another_user_controls_names_who_it_was_sent_to(controlling: str, original: str | None) -> None:
    _, delivery = read(ARRIVAL, sent().replace(", delay=", f", ctladdr={controlling}, delay="))

    assert delivery.details.get("orig_to") == original


@settings(deadline=None)
@forged("message_id")
@given(message_id=OUTSIDE)
def test_a_message_id_cannot_pretend_to_be_where_the_mail_came_from(message_id: str) -> None:
    (arrival,) = read(
        f"sm-mta[1]: {ID}: from=<a@bad.example>, size=9, class=0, nrcpts=1, msgid={message_id}, proto=ESMTP, daemon=MTA, "
        "tls_verify=NONE, auth=NONE, relay=mail.bad.example [203.0.113.51]"
    )

    assert (arrival.ip, arrival.details["client"], arrival.details["protocol"]) == ("203.0.113.51", "mail.bad.example", "ESMTP")
    assert arrival.details["tls"] is None


@settings(deadline=None)
@forged("reply")
@given(reply=OUTSIDE)
def test_a_reply_cannot_pretend_to_be_a_field(reply: str) -> None:
    (delivery,) = read(sent(status=f"dsn=4.0.0, stat=Deferred: {reply}"))

    assert (delivery.action, delivery.details["relay_ip"], delivery.details["to"]) == (
        "defer",
        "198.51.100.7",
        "intake@partner.example",
    )
    assert "tls" not in delivery.details


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"Mar  2 06:00:00 mx1 sshd[1]: Accepted publickey", "does not come from sendmail"),
        (b"nonsense", "does not come from sendmail"),
        (b"", "does not come from sendmail"),
        (b"Mar  2 06:00:00 mx1 sm-mta[1]: \xff", "not valid UTF-8 (byte 31)"),
        (b"Mar  2 06:00:00 mx1 sm-mta[1]: ", "does not come from sendmail"),
        (b"Mar  2 06:00:00 mx1 last message repeated 3 times", "turn message reduction off"),
        (b"0001-01-01T00:00:00Z mx1 sm-mta[1]: x", "lies outside 1990 to 2200"),
        (b"sm-mta[1]: " + b"x" * LONGEST_LINE, "longer than any line of sendmail"),
    ],
)
def test_a_line_that_is_no_sendmail_line_is_refused_with_the_cause(line: bytes, reason: str) -> None:
    assert reason in refused(parser(), line)


def test_a_line_without_time_and_program_is_known_by_its_form_and_has_the_time_of_receipt() -> None:
    (event,) = events(parser(), [sent().partition(": ")[2]])

    assert (event.action, event.time, event.details["time_from"]) == ("deliver", RECEIVED, "receipt")


@settings(max_examples=300, deadline=None)
@given(data=st.data(), line=st.sampled_from(golden_lines("sendmail")))
def test_lines_cut_and_bent_are_events_or_refused(data: st.DataObject, line: bytes) -> None:
    stream = parser(proven=True)
    for before in (ARRIVAL, session()):
        stream.parse(f"Mar  2 06:00:00 mx1 {before}".encode())
    check(stream, "sendmail", bent(data, line))


@pytest.mark.parametrize(
    "start", ["", "from=", "to=", "from=<a>, size=1, class=0, nrcpts=1, msgid=", "ruleset=x, ", "STARTTLS=client, ", "collect: "]
)
@pytest.mark.parametrize("unit", [", relay=", "<a>,", ", a=b", "; from=<a> ", " from x[1]", "a", '"', "("])
def test_a_crafted_line_is_read_in_time_that_grows_with_its_length(start: str, unit: str) -> None:
    line = f"Mar  2 06:00:00 mx1 sm-mta[1]: {ID}: {start}{unit * (LONGEST_LINE // len(unit) - 100)}".encode()

    before = time.process_time()
    assert parser().parse(line)

    assert time.process_time() - before < 2


def test_the_sample_of_the_page_shows_two_deliveries_with_sender_and_session() -> None:
    *_, first, second = events(parser(), sample("sendmail").splitlines())

    for delivery in (first, second):
        assert {"from", "tls", "message_id", "to_domain"} <= delivery.details.keys()
        assert tls_of(delivery)["level"] == "trusted"
