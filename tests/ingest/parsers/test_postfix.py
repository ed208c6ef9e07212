"""Postfix: which lines belong together, and what is claimed about TLS only on proof."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from domain.event import AuditEvent
from domain.json import Json
from domain.record import Rejected
from ingest.parsers.postfix import LONGEST_LINE, PostfixParser
from ingest.parsers.postfix_fields import PostfixLine
from ingest.parsers.postfix_joins import MESSAGES, Messages
from ingest.parsers.recent import Recent

RECEIVED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TLS = "TLS connection established to mx.partner.example[198.51.100.7]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
QUEUED = "postfix/qmgr[400]: AAAA1111: from=<referrals@clinic.example>, size=5120, nrcpt=1 (queue active)"


def sent(
    queue_id: str = "AAAA1111", *, relay: str = "mx.partner.example[198.51.100.7]:25", more: str = "", status: str = "sent"
) -> str:
    fields = f"relay={relay}, delay=1, delays=0/0/0.5/0.5,{more} dsn=2.0.0, status={status} (250 ok)"
    return f"{queue_id}: to=<intake@partner.example>, {fields}"


def parser(*, proven: bool = False) -> PostfixParser:
    return PostfixParser("mx", received=lambda: RECEIVED, tls_logging_proven=proven)


def read(*texts: str, proven: bool = False) -> list[AuditEvent]:
    """The events of lines, written one a second by host mx1."""
    stream = parser(proven=proven)
    events: list[AuditEvent] = []
    for second, text in enumerate(texts):
        (parsed,) = stream.parse(f"Mar  2 06:00:{second:02} mx1 {text}".encode())
        assert isinstance(parsed, AuditEvent), parsed.reason
        events.append(parsed)
    return events


def tls_of(event: AuditEvent) -> Mapping[str, Json]:
    tls = event.details["tls"]
    assert isinstance(tls, Mapping)
    return tls


@pytest.mark.parametrize("level", ["Anonymous", "Untrusted", "Trusted", "Verified"])
def test_a_delivery_has_the_session_of_its_process_and_relay(level: str) -> None:
    session, delivery = read(f"postfix/smtp[610]: {level} {TLS}", f"postfix/smtp[610]: {sent()}")

    assert (delivery.action, delivery.outcome, session.action) == ("deliver", "delivered", "smtp_tls")
    assert tls_of(delivery) == {
        "version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "bits": 256,
        "level": level.lower(),
        "verified": level == "Verified",
        "session": "established",
        "evidence": session.event_id,
    }


@pytest.mark.parametrize(
    "lines",
    [
        (f"postfix/smtp[611]: Trusted {TLS}", f"postfix/smtp[610]: {sent()}"),
        (f"postfix/smtp[610]: Trusted {TLS}", f"postfix/smtp[610]: {sent(relay='mx2.partner.example[198.51.100.8]:25')}"),
        (f"postfix/smtp[610]: Trusted {TLS}", f"postfix/smtp[610]: {sent(relay='mx.partner.example[198.51.100.7]:587')}"),
        (f"postfix/smtp[610]: Trusted {TLS}", f"postfix/smtp[610]: {sent('BBBB1111')}", f"postfix/smtp[610]: {sent()}"),
        (
            f"postfix/smtp[610]: Trusted {TLS}",
            "postfix/smtp[610]: BBBB1111: host mx.partner.example[198.51.100.7] said: 450 4.2.0 later (in reply to DATA command)",
            f"postfix/smtp[610]: {sent()}",
        ),
        (f"postfix/smtp: Trusted {TLS}", f"postfix/smtp: {sent()}"),
        (f"postfix/smtp[610]: {sent()}",),
    ],
    ids=["other process", "other relay", "other port", "used by another mail", "tried by another mail", "no process id", "no line"],
)
def test_without_a_line_of_its_own_nothing_is_known(lines: tuple[str, ...]) -> None:
    delivery = read(*lines)[-1]

    assert delivery.action == "deliver"
    assert "tls" not in delivery.details


LOST = "AAAA1111: lost connection with mx.partner.example[198.51.100.7] while performing the EHLO handshake"
LATER = sent(status="deferred")


@pytest.mark.parametrize(
    "between",
    [
        (f"postfix/smtp[610]: {LATER}", QUEUED),
        (f"postfix/smtp[610]: {LOST}",),
        (f"postfix/tlsproxy[700]: Trusted {TLS}", f"postfix/smtp[610]: {LOST}"),
        (f"postfix/smtp[610]: {LATER}", *("postfix/qmgr[400]: BBBB1111: removed",) * 4),
    ],
    ids=["tried again", "connection lost", "connection lost that was another's", "so long ago that a line is missing"],
)
def test_a_session_that_is_over_does_not_cover_the_same_mail_sent_in_the_clear(between: tuple[str, ...]) -> None:
    """As Postfix 3.7 wrote it where a server took TLS at first, and no more when the mail was tried again."""
    lines = (QUEUED, f"postfix/smtp[610]: Trusted {TLS}", *between, f"postfix/smtp[610]: {sent()}")

    assert "tls" not in read(*lines)[-1].details
    assert read(*lines, proven=True)[-1].details["tls"] is None


def test_a_server_that_breaks_tls_gets_the_mail_in_the_clear_where_postfix_notes_the_offer() -> None:
    events = read(
        QUEUED,
        f"postfix/smtp[610]: Trusted {TLS}",
        "postfix/smtp[610]: Host offered STARTTLS: [mx.partner.example]",
        f"postfix/smtp[610]: {sent()}",
    )

    assert tls_of(events[-1]) == {"version": None, "starttls_offered": True, "evidence": events[2].event_id}


def test_a_session_of_tlsproxy_that_a_process_reports_too_covers_no_other_mail() -> None:
    events = read(
        f"postfix/tlsproxy[700]: Trusted {TLS}",
        f"postfix/smtp[610]: Trusted {TLS}",
        f"postfix/smtp[610]: {sent()}",
        f"postfix/smtp[611]: {sent('BBBB1111')}",
    )

    assert tls_of(events[2])["evidence"] == events[1].event_id
    assert "tls" not in events[3].details


def test_all_recipients_of_one_mail_share_its_session_and_the_next_mail_needs_its_own() -> None:
    reused = TLS.replace("established", "reused")
    events = read(
        f"postfix/smtp[610]: Verified {TLS}",
        f"postfix/smtp[610]: {sent()}",
        f"postfix/smtp[610]: {sent()}",
        f"postfix/smtp[610]: Verified {reused}",
        f"postfix/smtp[610]: {sent('BBBB1111')}",
    )

    assert tls_of(events[1])["evidence"] == tls_of(events[2])["evidence"] == events[0].event_id
    assert (tls_of(events[4])["session"], tls_of(events[4])["evidence"]) == ("reused", events[3].event_id)


def test_the_session_of_a_second_server_does_not_hide_that_of_the_first() -> None:
    second = TLS.replace("mx.partner.example[198.51.100.7]", "mx2.partner.example[198.51.100.8]").replace("TLSv1.3", "TLSv1.2")
    events = read(
        f"postfix/smtp[610]: Trusted {TLS}",
        f"postfix/smtp[610]: Trusted {second}",
        f"postfix/smtp[610]: {sent(relay='mx2.partner.example[198.51.100.8]:25')}",
        f"postfix/smtp[610]: {sent()}",
    )

    assert [tls_of(event)["version"] for event in events[2:]] == ["TLSv1.2", "TLSv1.3"]


def test_hosts_in_one_stream_are_not_mixed_up() -> None:
    stream = parser()
    stream.parse(f"Mar  2 06:00:00 mx1 postfix/smtp[610]: Trusted {TLS}".encode())
    stream.parse(f"Mar  2 06:00:00 mx1 {QUEUED}".encode())

    (delivery,) = stream.parse(f"Mar  2 06:00:00 mx2 postfix/smtp[610]: {sent()}".encode())

    assert isinstance(delivery, AuditEvent)
    assert not {"tls", "from"} & delivery.details.keys()


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("may:none", None),
        ("none", None),
        ("may", {"policy": "may", "verified": False}),
        ("dane", {"policy": "dane", "verified": True}),
        ("secure", {"policy": "secure", "verified": True}),
        ("dane:halfdane", {"policy": "dane", "downgraded_to": "halfdane", "verified": False}),
        ("dane/requiretls", {"policy": "dane", "requiretls": "requiretls", "verified": True}),
        ("dane/!requiretls:nostarttls", {"policy": "dane", "requiretls": "!requiretls:nostarttls", "verified": True}),
    ],
)
def test_the_status_line_of_postfix_3_11_proves_tls_or_its_absence(field: str, expected: Json) -> None:
    (delivery,) = read(f"postfix/smtp[610]: {sent(more=f' tls={field},')}")

    assert delivery.details["tls"] == expected
    assert delivery.details["tls_feature"] == field


def test_an_undecided_status_line_proves_nothing() -> None:
    (delivery,) = read(f"postfix/smtp[610]: {sent(more=' tls=may?,', status='deferred')}", proven=True)

    assert "tls" not in delivery.details


def test_the_status_line_wins_over_a_session_that_was_given_up() -> None:
    delivery = read(f"postfix/smtp[610]: Trusted {TLS}", f"postfix/smtp[610]: {sent(more=' tls=may:none,')}")[-1]

    assert delivery.details["tls"] is None


def test_proven_logging_turns_a_missing_line_into_plain_text_for_mail_that_was_handed_over() -> None:
    delivered, deferred, local = read(
        f"postfix/smtp[610]: {sent()}",
        f"postfix/smtp[610]: {sent('BBBB1111', relay='none', status='deferred')}",
        f"postfix/local[611]: {sent('CCCC1111', relay='local')}",
        proven=True,
    )

    assert delivered.details["tls"] is None
    assert not {"tls"} & (deferred.details.keys() | local.details.keys())


def test_sender_size_and_message_id_come_from_the_other_lines_until_the_mail_is_removed() -> None:
    events = read(
        "postfix/cleanup[1]: AAAA1111: message-id=<m1@clinic.example>",
        QUEUED,
        f"postfix/smtp[610]: {sent()}",
        "postfix/qmgr[400]: AAAA1111: removed",
        f"postfix/smtp[610]: {sent()}",
    )

    assert events[2].actor.id == "referrals@clinic.example"
    assert {name: events[2].details[name] for name in ("from", "size", "nrcpt", "message_id", "direction")} == {
        "from": "referrals@clinic.example",
        "size": 5120,
        "nrcpt": 1,
        "message_id": "m1@clinic.example",
        "direction": "outbound",
    }
    assert events[4].actor.id == "mx1"
    assert "from" not in events[4].details


@pytest.mark.parametrize(
    "start",
    [
        "postfix/smtpd[2]: AAAA1111: client=laptop.clinic.example[10.0.0.9]",
        "postfix/pickup[2]: AAAA1111: uid=0 from=<root>",
    ],
)
def test_a_queue_id_used_again_does_not_bring_back_the_old_sender(start: str) -> None:
    accepted, delivery = read(QUEUED, start, f"postfix/smtp[610]: {sent()}")[1:]

    assert accepted.details.get("from") in (None, "root")
    assert delivery.details.get("from") in (None, "root")


def test_a_bounce_has_no_sender_and_its_actor_is_the_host() -> None:
    delivery = read(QUEUED.replace("referrals@clinic.example", ""), f"postfix/smtp[610]: {sent()}")[1]

    assert (delivery.details["from"], delivery.actor.id, delivery.actor.kind) == ("", "mx1", "system")


@pytest.mark.parametrize(
    ("line", "direction"),
    [
        (f"postfix/smtp[1]: {sent()}", "outbound"),
        (f"postfix/smtp[1]: {sent(relay='127.0.0.1[127.0.0.1]:10024')}", "internal"),
        (f"postfix/smtp[1]: {sent(relay='relay.clinic.example[fd00::1]:25')}", "internal"),
        (f"postfix/lmtp[1]: {sent(relay='store.clinic.example[198.51.100.9]:24')}", "internal"),
        (f"postfix/virtual[1]: {sent(relay='virtual')}", "internal"),
        (f"postfix/error[1]: {sent(relay='none', status='bounced')}", None),
    ],
)
def test_direction_says_whether_the_hop_left_the_organisation(line: str, direction: str | None) -> None:
    (delivery,) = read(line)

    assert delivery.details.get("direction") == direction


def test_text_from_outside_cannot_pretend_to_be_a_field() -> None:
    forged = '<"x>, relay=mx.evil.example[198.51.100.66]:25, dsn=2.0.0, status=sent (250 ok"@partner.example>'
    (delivery,) = read(
        f"postfix/smtp[1]: AAAA1111: to={forged}, relay=none, delay=1, delays=0/0/1/0, dsn=5.1.3, status=bounced (no)"
    )
    (reject,) = read(
        "postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[192.0.2.1]: 504 5.5.2 <a; from=<forged@x> b>: Helo command rejected; "
        "from=<real@x.example> to=<b@clinic.example> proto=ESMTP helo=<a; from=<forged@x> b>"
    )

    assert (delivery.action, delivery.details["relay"], delivery.details["status"]) == ("bounce", "none", "bounced")
    assert reject.details["from"] == "real@x.example"


def test_equal_lines_are_events_of_their_own_and_the_same_ones_when_read_again() -> None:
    line = b"Mar  2 06:00:00 mx1 postfix/anvil[1]: statistics: max cache size 1 at Mar  2 06:00:00"

    first, again = ([parsed for _ in range(3) for parsed in stream.parse(line)] for stream in (parser(), parser()))

    ids = [event.event_id for event in first if isinstance(event, AuditEvent)]
    assert len(set(ids)) == 3
    assert ids == [event.event_id for event in again if isinstance(event, AuditEvent)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"Mar  2 06:00:00 mx1 sshd[1]: Accepted publickey", "does not come from a Postfix program"),
        (b"nonsense", "does not come from a Postfix program"),
        (b"", "does not come from a Postfix program"),
        (b"Mar  2 06:00:00 mx1 postfix/smtp[1]: \xff", "not valid UTF-8 (byte 37)"),
        (b"Mar  2 06:00:00 mx1 postfix/smtp[1]: ", "no text after the program"),
        (b"Mar  2 06:00:00 mx1 last message repeated 3 times", "turn message reduction off"),
        (b"0001-01-01T00:00:00Z mx1 postfix/smtp[1]: x", "the time of the line lies outside 1990 to 2200"),
        (b"postfix/smtp[1]: " + b"x" * LONGEST_LINE, "longer than any line of Postfix"),
    ],
)
def test_a_line_that_is_no_postfix_line_is_refused_with_the_cause(line: bytes, reason: str) -> None:
    (parsed,) = parser().parse(line)

    assert isinstance(parsed, Rejected)
    assert reason in parsed.reason
    assert parsed.raw == line


def test_a_line_without_time_has_that_of_receipt_and_says_so() -> None:
    (event,) = parser().parse(f"postfix/smtp[1]: {sent()}".encode())

    assert isinstance(event, AuditEvent)
    assert (event.time, event.details["time_from"], event.action) == (RECEIVED, "receipt", "deliver")


def test_what_is_remembered_of_messages_is_bounded_and_the_oldest_goes_first() -> None:
    messages = Messages()
    for number in range(MESSAGES + 1):
        messages.learn("mx1", PostfixLine(action="mail_queued", queue_id=f"{number:08X}", facts={"from": "a@b.example"}))

    assert messages.about("mx1", "00000000") == {}
    assert messages.about("mx1", "00000001") == {"from": "a@b.example"}


def test_an_entry_that_is_used_is_not_the_next_to_be_forgotten() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1

    recent.put("c", 3)

    assert (recent.get("a"), recent.get("b"), recent.get("c"), len(recent)) == (1, None, 3, 2)


@pytest.mark.parametrize(
    "start", ["", "reject: RCPT from a[1]: ", "reject: header ", "statistics: max connection rate 1/60s for (", "to=<a>, relay="]
)
@pytest.mark.parametrize("unit", ["; from=<a> ", "1:2:3:", " from x[1]", 'to=<"', "a[b]:", ", a=b", "(", "status=sent ("])
def test_a_crafted_line_is_read_in_time_that_grows_with_its_length(start: str, unit: str) -> None:
    line = f"Mar  2 06:00:00 mx1 postfix/smtpd[1]: AAAA1111: {start}{unit * (LONGEST_LINE // len(unit) - 200)}".encode()

    before = time.process_time()
    assert parser().parse(line)

    assert time.process_time() - before < 2
