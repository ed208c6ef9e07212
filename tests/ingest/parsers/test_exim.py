"""Exim: the fields of a line, which lines belong to one message, and what is claimed about TLS only on proof."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import AuditEvent
from domain.json import Json
from domain.tls import TlsVerdict, judge
from ingest.parsers.exim import EximParser
from ingest.parsers.exim_records import exim_records
from ingest.parsers.mail_joins import MESSAGES, Envelopes
from ingest.parsers.mail_lines import LONGEST_LINE
from ingest.parsers.records import Feed, Oversize
from tests.support.mail_logs import OUTSIDE, bent, check, events, forged, golden_lines, refused, sample, tls_of

RECEIVED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ID = "1rQabc-000Ab1-Cd"
SECURED = "X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=yes"
ARRIVAL = f"{ID} <= referrals@clinic.example H=laptop [10.20.4.99] P=esmtps {SECURED} S=5120 id=m1@clinic.example"
PARTNER = "H=mx.partner.example [198.51.100.7]"


def parser(*, proven: bool = False, zone: ZoneInfo | None = None) -> EximParser:
    return EximParser("mx", received=lambda: RECEIVED, zone=zone or UTC, tls_logging_proven=proven)


def sent(tls: str = "", *, queue_id: str = ID, host: str = PARTNER, more: str = 'C="250 ok"') -> str:
    return f"{queue_id} => intake@partner.example R=dnslookup T=remote_smtp {host}{tls and ' '}{tls} {more}"


def read(*texts: str, proven: bool = False) -> list[AuditEvent]:
    """The events of lines, written one a second."""
    return events(parser(proven=proven), (f"2026-03-02 06:00:{second:02} {text}" for second, text in enumerate(texts)))


# --- TLS ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected", "verdict"),
    [
        (
            "X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=yes",
            {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "bits": 256, "verified": True},
            TlsVerdict.VERIFIED_WEBPKI,
        ),
        (
            "X=TLSv1.2:ECDHE-RSA-AES128-GCM-SHA256:128 CV=dane",
            {"version": "TLSv1.2", "cipher": "ECDHE-RSA-AES128-GCM-SHA256", "bits": 128, "verified": True, "dane": True},
            TlsVerdict.VERIFIED_DANE,
        ),
        (
            'X=TLS1.2:ECDHE_SECP256R1__RSA_SHA512__AES_256_GCM:256* CV=no DN="C=US,CN=mx"',
            {
                "version": "TLSv1.2",
                "cipher": "ECDHE_SECP256R1__RSA_SHA512__AES_256_GCM",
                "bits": 256,
                "verified": False,
                "session": "resumed",
                "peer_dn": "C=US,CN=mx",
            },
            TlsVerdict.UNTRUSTED,
        ),
        ("X=TLS1.2:AES256-SHA:256", {"version": "TLSv1.2", "cipher": "AES256-SHA", "bits": 256}, TlsVerdict.ANONYMOUS),
        (
            "X=TLS-1.0:RSA_AES_256_CBC_SHA:32 CV=no",
            {"version": "TLSv1.0", "cipher": "RSA_AES_256_CBC_SHA", "bits": 256, "verified": False},
            TlsVerdict.UNTRUSTED,
        ),
    ],
)
def test_a_delivery_carries_its_session(fields: str, expected: dict[str, Json], verdict: TlsVerdict) -> None:
    (delivery,) = read(sent(fields))

    assert (delivery.action, delivery.outcome, delivery.details["direction"]) == ("deliver", "delivered", "outbound")
    assert delivery.details["tls"] == expected
    assert judge(delivery.details).verdict is verdict


def test_a_line_without_a_session_proves_nothing_on_its_own() -> None:
    (delivery,) = read(sent())

    assert "tls" not in delivery.details
    assert judge(delivery.details).verdict is TlsVerdict.UNKNOWN


def test_where_the_host_writes_its_sessions_a_line_without_one_is_plain_text() -> None:
    shown, delivery = read(sent(SECURED), sent(queue_id="1rQabd-000Ab1-Cd"))

    assert delivery.details["tls"] == {"version": None, "evidence": shown.event_id}
    assert judge(delivery.details).verdict is TlsVerdict.NONE


@pytest.mark.parametrize(
    "lines",
    [
        (f"Mar  2 06:00:00 mx1 exim[1]: {sent(SECURED)}", f"Mar  2 06:00:01 mx2 exim[1]: {sent()}"),
        (f"2026-03-01 05:00:00 {sent(SECURED)}", f"2026-03-02 06:00:01 {sent()}"),
        (
            f"2026-03-02 05:00:00 {sent(SECURED)}",
            f"2026-03-02 05:00:01 {ID} <= a@partner.example {PARTNER} P=esmtps S=9",
            f"2026-03-02 06:00:01 {sent()}",
        ),
        (f"2026-03-02 05:00:00 {sent(SECURED)}", f"2026-03-02 06:00:01 {sent(host=PARTNER + '*')}"),
        (
            f"2026-03-02 05:00:00 {sent(SECURED)}",
            f"2026-03-02 06:00:01 {ID} => ward <ward@clinic.example> R=local T=local_delivery",
        ),
        (
            f"2026-03-02 05:00:00 {sent(SECURED)}",
            f"2026-03-02 06:00:01 {ID} == a@partner.example R=dnslookup T=remote_smtp defer (-44) {PARTNER}: SMTP error: 451 no",
        ),
    ],
    ids=[
        "another host",
        "a day and an hour before",
        "a session left out since",
        "a kept connection",
        "no connection",
        "no delivery",
    ],
)
def test_without_proof_nothing_is_claimed(lines: tuple[str, ...]) -> None:
    assert "tls" not in events(parser(), lines)[-1].details


def test_proven_logging_does_not_wait_for_another_line() -> None:
    delivery, kept, local = read(
        sent(), sent(host=f"{PARTNER}*"), f"{ID} => ward <ward@clinic.example> R=local T=local_delivery", proven=True
    )

    assert delivery.details["tls"] is None
    assert not {"tls"} & (kept.details.keys() | local.details.keys())


def test_exims_own_word_that_it_falls_back_counts_for_this_message_and_this_host() -> None:
    fallback, delivery, other_host, other_message = read(
        f"{ID} TLS session: (SSL_connect): wrong version number: delivering unencrypted to {PARTNER} (not in hosts_require_tls)",
        sent(),
        sent(host="H=mx2.partner.example [198.51.100.8]"),
        sent(queue_id="1rQabd-000Ab1-Cd"),
    )

    assert (fallback.action, fallback.outcome) == ("smtp_tls", "failure")
    assert delivery.details["tls"] == {"version": None, "starttls_offered": True, "evidence": fallback.event_id}
    assert not {"tls"} & (other_host.details.keys() | other_message.details.keys())


def test_an_unverified_certificate_is_not_claimed_for_a_kept_connection() -> None:
    (delivery,) = read(sent("X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=no", host=f"{PARTNER}*"))

    assert delivery.details["tls"] == {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "bits": 256, "session": "reused"}


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("esmtp", (None,)),
        ("smtp", (None,)),
        ("esmtpa", (None,)),
        ("esmtps", ({"established": True},)),
        ("local", ()),
        ("spam-scanned", ()),
    ],
)
def test_the_protocol_of_an_arrival_says_whether_it_was_encrypted(protocol: str, expected: tuple[Json, ...]) -> None:
    (arrival,) = read(f"{ID} <= a@partner.example {PARTNER} P={protocol} S=9")

    assert tuple(value for name, value in arrival.details.items() if name == "tls") == expected


# --- Joins -------------------------------------------------------------------------------------------------------------------


def test_sender_size_and_message_id_come_from_the_arrival_until_the_message_is_completed() -> None:
    *_, delivery, completed, later = read(ARRIVAL, sent(SECURED), f"{ID} Completed", sent(SECURED))

    for event in (delivery, completed):
        assert event.actor.id == "referrals@clinic.example"
        assert {name: event.details[name] for name in ("from", "size", "message_id", "queue_id")} == {
            "from": "referrals@clinic.example",
            "size": 5120,
            "message_id": "m1@clinic.example",
            "queue_id": ID,
        }
    assert "from" not in later.details
    assert later.actor.id == "mx"


def test_hosts_in_one_stream_are_not_mixed_up() -> None:
    _, delivery = events(parser(), (f"Mar  2 06:00:00 mx1 exim[1]: {ARRIVAL}", f"Mar  2 06:00:00 mx2 exim[1]: {sent(SECURED)}"))

    assert "from" not in delivery.details
    assert delivery.actor.id == "mx2"


def test_the_user_who_signed_in_is_the_actor_of_an_arrival() -> None:
    (arrival,) = read(
        f"{ID} <= referrals@clinic.example {PARTNER} P=esmtpsa {SECURED} A=login:alice.nurse:alice@clinic.example S=9"
    )

    assert (arrival.actor.id, arrival.details["sasl_method"], arrival.ip) == ("alice.nurse", "login", "198.51.100.7")


def test_a_bounce_has_no_sender_and_names_the_message_it_is_about() -> None:
    (bounce,) = read(f"1rQabd-000Ab1-Cd <= <> R={ID} U=Debian-exim P=local S=1532")

    assert (bounce.action, bounce.details["from"], bounce.details["bounce_of"], bounce.actor.id) == ("mail_submitted", "", ID, "mx")


def test_what_is_remembered_of_messages_is_bounded_and_the_oldest_goes_first() -> None:
    envelopes = Envelopes()
    for number in range(MESSAGES + 1):
        envelopes.learn("mx1", f"{number:08}", {"from": "a@b.example"})

    assert envelopes.about("mx1", "00000000") == {}
    assert envelopes.about("mx1", "00000001") == {"from": "a@b.example"}


# --- Lines -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "to", "domain", "original"),
    [
        ("ward <ward@clinic.example> R=local_user T=local_delivery", "ward", "clinic.example", "ward@clinic.example"),
        (
            "a@Outside.Example <b@clinic.example> R=x T=remote_smtp H=mx [198.51.100.7]",
            "a@Outside.Example",
            "outside.example",
            "b@clinic.example",
        ),
        ("a@x.example (c@x.example, d@x.example) <b@x.example> R=x T=y", "a@x.example", "x.example", "b@x.example"),
        (
            "|/usr/bin/vacation -a bob <bob@clinic.example> R=x T=address_pipe",
            "|/usr/bin/vacation -a bob",
            "clinic.example",
            "bob@clinic.example",
        ),
        (
            "/var/mail/a b (x@clinic.example) <c@clinic.example> R=x T=address_file",
            "/var/mail/a b",
            "clinic.example",
            "c@clinic.example",
        ),
        ('"odd name"@partner.example R=x T=y', '"odd name"@partner.example', "partner.example", None),
    ],
)
def test_where_a_copy_went_and_what_it_was_sent_to(text: str, to: str, domain: str, original: str | None) -> None:
    (delivery,) = read(f"{ID} => {text}")

    assert (delivery.details["to"], delivery.details["to_domain"], delivery.details.get("orig_to")) == (to, domain, original)


@pytest.mark.parametrize(
    ("text", "reason", "relay_ip"),
    [
        ("** a@b.example: Unrouteable address", "Unrouteable address", None),
        ("** a@b.example <c@b.example>: unknown mail domain", "unknown mail domain", None),
        (f"** a@b.example R=x T=y {PARTNER}: 550 no", "550 no", "198.51.100.7"),
        (f"== a@b.example R=x T=y defer (-44) {PARTNER}: 451 later", "451 later", "198.51.100.7"),
        (f"== a@b.example R=x T=y {PARTNER} defer (110): Connection timed out", "Connection timed out", "198.51.100.7"),
        (f"== a@b.example R=x T=y defer (111): Connection refused {PARTNER}", "Connection refused", "198.51.100.7"),
        ("== a@b.example routing defer (-52): retry time not reached", "retry time not reached", None),
    ],
)
def test_failures_and_deferrals_say_why_and_where(text: str, reason: str, relay_ip: str | None) -> None:
    (event,) = read(f"{ID} {text}")

    assert event.outcome == ("bounced" if text.startswith("**") else "deferred")
    assert (event.details["response"], event.details.get("relay_ip")) == (reason, relay_ip)


@pytest.mark.parametrize(
    ("host", "direction"),
    [
        (PARTNER, "outbound"),
        ("H=store [10.20.0.30]", "internal"),
        ("H=store [fd00::1]", "internal"),
        ("H=mx [2001:db8::1]:25", "outbound"),
    ],
)
def test_direction_says_whether_the_hop_left_the_organisation(host: str, direction: str) -> None:
    assert read(sent(host=host))[0].details["direction"] == direction


@settings(deadline=None)
@forged("message_id", "subject")
@given(message_id=OUTSIDE, subject=OUTSIDE)
def test_the_senders_own_words_cannot_pretend_to_be_a_field_of_an_arrival(message_id: str, subject: str) -> None:
    quoted = subject.replace("\\", "\\\\").replace('"', '\\"')
    (arrival,) = read(f'{ID} <= a@bad.example H=(bad) [203.0.113.51] P=esmtp S=9 id={message_id} T="{quoted}"')

    assert arrival.details["tls"] is None
    assert (arrival.ip, arrival.details["from"], arrival.details["protocol"]) == ("203.0.113.51", "a@bad.example", "esmtp")
    assert "sasl_username" not in arrival.details


@settings(deadline=None)
@forged("reply")
@given(reply=OUTSIDE)
def test_the_other_servers_words_cannot_pretend_to_be_a_field_of_a_delivery(reply: str) -> None:
    quoted = reply.replace("\\", "\\\\").replace('"', '\\"')
    (delivery,) = read(sent(more=f'C="{quoted}"'))

    assert delivery.details.get("response", "") == reply
    assert "tls" not in delivery.details
    assert delivery.details["relay_ip"] == "198.51.100.7"


# --- Headers, times and records ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "moment", "host"),
    [
        (f"2026-03-02 06:00:00 {ARRIVAL}", "2026-03-02T11:00:00", None),
        (f"2026-03-02 06:00:00.250 [4711] {ARRIVAL}", "2026-03-02T11:00:00.250", None),
        (f"2026-03-02 06:00:00 +0100 {ARRIVAL}", "2026-03-02T05:00:00", None),
        (f"Mar  2 06:00:00 mx1 exim[4711]: 2026-03-02 06:00:00.125 {ARRIVAL}", "2026-03-02T11:00:00.125", "mx1"),
        (f"Mar  2 06:00:00 mx1 exim4[4711]: {ARRIVAL}", "2026-03-02T11:00:00", "mx1"),
        (f"Mar  2 06:00:00 mx1 exim[4711]: 2024-03-02 06:00:00 {ARRIVAL}", "2024-03-02T11:00:00", "mx1"),
        (f"<22>1 2026-03-02T06:00:00.5+00:00 mx1 exim 4711 - - 2026-03-02 06:00:00 {ARRIVAL}", "2026-03-02T06:00:00.5", "mx1"),
        (f"<22>1 2026-03-02T06:00:00.5+00:00 mx1 mainlog - - - 2026-03-02 06:00:00 {ARRIVAL}", "2026-03-02T06:00:00.5", "mx1"),
        (f"Mar  2 06:00:00 mx1 2026-03-02 06:00:00 {ARRIVAL}", "2026-03-02T11:00:00", "mx1"),
    ],
)
def test_of_two_times_the_one_that_knows_more_is_taken(line: str, moment: str, host: str | None) -> None:
    (event,) = events(parser(zone=ZoneInfo("America/New_York")), [line])

    assert event.time == datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert (event.device.id if event.device else None) == host
    assert "time_from" not in event.details


def test_a_line_without_any_time_has_that_of_receipt_and_says_so() -> None:
    (event,) = events(parser(), [sent(SECURED)])

    assert (event.time, event.details["time_from"]) == (RECEIVED, "receipt")


def pieces(text: str, cuts: list[int], pid: int = 1) -> Iterator[str]:
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    for number, part in enumerate(parts, 1):
        yield f"Mar  2 06:00:00 mx1 exim[{pid}]: [{number}/{len(parts)}] {part}"


@settings(deadline=None)
@given(cuts=st.lists(st.integers(21, len(ARRIVAL)), min_size=1, max_size=4, unique=True).map(sorted))
def test_a_line_that_was_cut_for_syslog_is_read_whole_with_its_last_piece(cuts: list[int]) -> None:
    text = f"2026-03-02 06:00:00 {ARRIVAL}"
    *before, last = events(parser(), pieces(text, cuts))
    (whole,) = events(parser(), [f"Mar  2 06:00:00 mx1 exim[1]: {text}"])

    assert {event.action for event in before} == {"mail_log"}
    assert {**last.details, "part": None} == {**whole.details, "part": None}
    assert (last.action, last.actor) == (whole.action, whole.actor)


def test_pieces_of_two_processes_are_not_mixed_up_and_a_lost_one_costs_its_line_only() -> None:
    one, two = f"2026-03-02 06:00:00 {ARRIVAL}", f"2026-03-02 06:00:00 {sent(SECURED)}"
    stream = parser()
    first, second = list(pieces(one, [30, 60], 1)), list(pieces(two, [30, 60], 2))

    both = events(stream, (line for pair in zip(first, second, strict=True) for line in pair))
    lost = events(stream, [first[0], first[2], *second])

    assert [event.action for event in both[-2:]] == ["mail_accepted", "deliver"]
    assert [event.action for event in lost] == ["mail_log"] * 4 + ["deliver"]


def test_an_entry_of_the_reject_log_is_one_record_and_the_next_is_another() -> None:
    log = (
        "2026-03-02 06:00:00 H=(x) [203.0.113.51] F=<a@bad.example> rejected after DATA: spam\n"
        "Envelope-from: <a@bad.example>\nEnvelope-to: <ward@clinic.example>\n    <desk@clinic.example>\n"
        "P Received: from x\n\tby mail\nF From: Jane <a@bad.example>\n  Subject: about Jane\n"
        "2026-03-02 06:00:01 H=(x) [203.0.113.51] rejected EHLO or HELO x\n\n"
        "  Subject: of nothing\n"
    )
    for size in (1, 7, 1000):
        records = list(exim_records(Feed(log[at : at + size].encode() for at in range(0, len(log), size)), 10_000))
        assert [len(record.splitlines()) for record in records if isinstance(record, bytes)] == [8, 1, 1]

    refusal = records[0]
    assert isinstance(refusal, bytes)
    (event,) = events(parser(), [refusal.decode()])
    assert (event.details["to"], event.details["recipients"]) == (
        "ward@clinic.example",
        ["ward@clinic.example", "desk@clinic.example"],
    )
    assert "Jane" not in str(event.details)
    assert event.raw == refusal


def test_a_header_without_end_does_not_grow_a_record_beyond_its_bound() -> None:
    log = b"2026-03-02 06:00:00 rejected after DATA: x\n" + b"  X-Endless: header\n" * 5000

    records = list(exim_records(Feed([log]), 100_000))

    assert all(isinstance(record, bytes) and len(record) <= LONGEST_LINE for record in records)
    assert sum(len(record) + 1 for record in records if isinstance(record, bytes)) == len(log)
    assert isinstance(next(exim_records(Feed([b"x" * 300]), 200)), Oversize)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"Mar  2 06:00:00 mx1 sshd[1]: Accepted publickey", "does not come from Exim"),
        (b"nonsense", "does not come from Exim"),
        (b"", "does not come from Exim"),
        (b"2026-03-02 06:00:00", "does not come from Exim"),
        (b"2026-13-02 06:00:00 x <= y", "does not come from Exim"),
        (b"2026-03-02 06:00:00 caf\xe9", "not valid UTF-8 (byte 23)"),
        (b"Mar  2 06:00:00 mx1 exim[1]: ", "does not come from Exim"),
        (b"Mar  2 06:00:00 mx1 last message repeated 3 times", "turn message reduction off"),
        (b"1980-01-01 00:00:00 x", "lies outside 1990 to 2200"),
        (b"2026-03-02 06:00:00 " + b"x" * LONGEST_LINE, "longer than any line of Exim"),
    ],
)
def test_a_line_that_is_no_exim_line_is_refused_with_the_cause(line: bytes, reason: str) -> None:
    assert reason in refused(parser(), line)


def test_equal_lines_are_events_of_their_own_and_the_same_ones_when_read_again() -> None:
    lines = [f"2026-03-02 06:00:00 {sent(SECURED)}"] * 3

    first, again = (events(stream, lines) for stream in (parser(), parser()))

    assert len({event.event_id for event in first}) == 3
    assert [event.event_id for event in first] == [event.event_id for event in again]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), line=st.sampled_from(golden_lines("exim")))
def test_lines_cut_and_bent_are_events_or_refused(data: st.DataObject, line: bytes) -> None:
    stream = parser()
    stream.parse(f"2026-03-02 06:00:00 {ARRIVAL}".encode())
    check(stream, "exim", bent(data, line))


@pytest.mark.parametrize(
    "start", ["", "<= ", "=> ", "** a@b ", "H=x [1.2.3.4] ", "=> |", "TLS session ", "login authenticator failed for "]
)
@pytest.mark.parametrize("unit", [" H=x", ' T="', " X=a:b:1", " (a@", "<a> ", " x[1]", "a", "@", ": ", '"'])
def test_a_crafted_line_is_read_in_time_that_grows_with_its_length(start: str, unit: str) -> None:
    line = f"2026-03-02 06:00:00 {ID} {start}{unit * (LONGEST_LINE // len(unit) - 100)}".encode()

    before = time.process_time()
    assert parser().parse(line)

    assert time.process_time() - before < 2


def test_the_sample_of_the_page_shows_a_delivery_with_sender_and_session() -> None:
    *_, delivery, _ = events(parser(), sample("exim").splitlines())

    assert {"from", "tls", "message_id", "to_domain"} <= delivery.details.keys()
    assert tls_of(delivery)["verified"] is True
    assert delivery.time == RECEIVED - timedelta(hours=6) + timedelta(seconds=1)


def test_every_real_line_is_an_event(samples: Path) -> None:
    log = samples / "mail_other" / "crowdsec_exim-spam.log"
    if not log.exists():
        pytest.skip("the sample log is not on this machine")
    found = events(parser(), log.read_text().splitlines())

    assert [event.action for event in found].count("mail_reject") == 4
    assert {event.ip for event in found} == {"1.2.3.4", "1.2.3.5"}
    assert [tls_of(event)["version"] for event in found if "tls" in event.details] == ["TLSv1.2", "TLSv1.3"]
