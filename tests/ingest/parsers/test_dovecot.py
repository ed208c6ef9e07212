"""Dovecot: who signed in, who tried to, and what LMTP and Sieve did with mail."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json
from ingest.parsers.dovecot import DovecotParser
from ingest.parsers.mail_lines import LONGEST_LINE
from tests.support.mail_logs import OUTSIDE, bent, check, events, forged, golden_lines, refused, sample, tls_of

RECEIVED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ADDRESSES = "rip=203.0.113.50, lip=198.51.100.30"
LMTP = "lmtp(alice@clinic.example)<4720><t1>: "


def parser() -> DovecotParser:
    return DovecotParser("mail", received=lambda: RECEIVED)


def read(*texts: str) -> list[AuditEvent]:
    """The events of lines, written one a second by host store1."""
    return events(parser(), (f"Mar  2 06:00:{second:02} store1 dovecot: {text}" for second, text in enumerate(texts)))


def login(what: str = "Login", user: str = "bob", *, secured: str = ", TLS", service: str = "imap-login") -> str:
    return f"{service}: {what}: user=<{user}>, method=PLAIN, {ADDRESSES}{secured}, session=<s1>"


# --- Logins ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["imap-login", "pop3-login", "managesieve-login", "submission-login"])
def test_a_login_is_an_access_of_the_user_from_the_clients_address(service: str) -> None:
    (event,) = read(login(service=service))

    assert (event.source, event.action, event.outcome) == (Source.ACCESS, "login", "success")
    assert event.actor == Actor(id="bob", kind=ActorKind.STAFF)
    assert event.ip == "203.0.113.50"
    assert {name: event.details[name] for name in ("service", "method", "session", "server_ip", "secured", "server")} == {
        "service": service.removesuffix("-login"),
        "method": "PLAIN",
        "session": "s1",
        "server_ip": "198.51.100.30",
        "secured": "TLS",
        "server": "store1",
    }


@pytest.mark.parametrize(
    ("what", "outcome", "attempts"),
    [
        ("Disconnected (auth failed, 3 attempts in 12 secs)", "failure", 3),
        ("Aborted login (auth failed, 1 attempts in 2 secs)", "failure", 1),
        ("Aborted login (auth failed, 2 attempts)", "failure", 2),
        ("Disconnected: Connection closed (auth failed, 1 attempts in 4 secs)", "failure", 1),
        ("Login aborted: Logged out (auth failed, 1 attempts in 2 secs) (auth_failed)", "failure", 1),
        ("Aborted login (tried to use disallowed plaintext auth)", "denied", None),
        ("Disconnected (tried to use unsupported auth mechanism)", "denied", None),
        ("Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", "failure", None),
        ("Authenticated user not found from userdb, auth lookup id=1", "failure", None),
        ("Internal login failure (pid=1 id=2)", "failure", None),
        ("Disconnected: Inactivity during authentication (disconnected while authenticating, waited 5 secs)", "failure", None),
    ],
)
def test_a_login_that_was_tried_and_failed_says_why(what: str, outcome: str, attempts: int | None) -> None:
    (event,) = read(login(what))

    assert (event.source, event.action, event.outcome, event.actor.id) == (Source.ACCESS, "login", outcome, "bob")
    assert (event.details["reason"], event.details.get("attempts")) == (what, attempts)


@pytest.mark.parametrize(
    "what",
    [
        "Aborted login (no auth attempts in 0 secs)",
        "Disconnected: Too many invalid commands (no auth attempts in 1 secs)",
        "Disconnected (client didn't finish SASL auth, waited 0 secs)",
        "Disconnected: Connection closed",
    ],
)
def test_a_connection_that_came_and_went_is_no_login(what: str) -> None:
    (event,) = read(login(what, user=""))

    assert (event.source, event.action, event.outcome, event.actor.id) == (Source.MAIL, "mail_disconnect", None, "store1")
    assert event.details["reason"] == what


def test_a_proxied_login_is_one_and_names_the_server_behind() -> None:
    (event,) = read(login("proxy(bob,203.0.113.50,<s1>): started proxying to 10.20.0.31:143"))

    assert (event.action, event.outcome, event.details["proxied_to"]) == ("login", "success", "10.20.0.31:143")


def test_the_end_of_a_session_is_a_logout_with_its_counts() -> None:
    (event,) = read("imap(alice@clinic.example)<4711><s1>: Disconnected: Logged out in=212 out=5120 deleted=0 body_count=2")

    assert (event.source, event.action, event.actor.id) == (Source.ACCESS, "logout", "alice@clinic.example")
    assert {name: event.details[name] for name in ("in", "out", "deleted", "body_count", "reason", "session")} == {
        "in": 212,
        "out": 5120,
        "deleted": 0,
        "body_count": 2,
        "reason": "Disconnected: Logged out",
        "session": "s1",
    }


@pytest.mark.parametrize(
    ("line", "user"),
    [
        ("auth: passwd-file(bob,203.0.113.50,<s5>): Password mismatch", "bob"),
        ("auth: pam(bob@clinic.example,203.0.113.50): unknown user", "bob@clinic.example"),
        (
            "auth-worker(9): conn unix:auth-worker (pid=1,uid=2): auth-worker<4>: pam(x,203.0.113.50): failed: no",
            "x",
        ),
    ],
)
def test_a_refusal_of_one_password_database_is_no_failed_login(line: str, user: str) -> None:
    (event,) = read(line)

    assert (event.source, event.action, event.outcome) == (Source.ACCESS, "authentication", "failure")
    assert (event.actor.id, event.ip) == (user, "203.0.113.50")


@pytest.mark.parametrize(
    ("secured", "expected"),
    [
        (
            ", TLS, TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)",
            {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "bits": 256},
        ),
        (", TLS", {"established": True}),
        (", TLS: Connection closed", {"established": True}),
    ],
)
def test_the_session_of_a_login(secured: str, expected: dict[str, Json]) -> None:
    assert read(login(secured=secured))[0].details["tls"] == expected


def test_a_login_without_a_mark_is_in_the_clear_only_where_the_host_is_seen_to_write_the_mark() -> None:
    before, marked, after, local = read(login(secured=""), login(), login(secured=""), login(secured=", secured"))
    elsewhere = events(
        parser(), [f"Mar  2 06:00:00 store1 dovecot: {login()}", f"Mar  2 06:00:01 store2 dovecot: {login(secured='')}"]
    )[-1]

    assert after.details["tls"] == {"version": None, "evidence": marked.event_id}
    for event in (before, local, elsewhere):
        assert "tls" not in event.details


@settings(deadline=None)
@forged("user")
@given(user=OUTSIDE)
def test_a_user_name_that_somebody_made_up_cannot_pretend_to_be_an_address_or_a_session(user: str) -> None:
    marked, event = read(login(), login("Disconnected (auth failed, 1 attempts in 2 secs)", user=user, secured=""))

    assert (event.action, event.outcome, event.ip, event.details["session"]) == ("login", "failure", "203.0.113.50", "s1")
    assert event.details["tls"] == {"version": None, "evidence": marked.event_id}
    assert "secured" not in event.details


# --- Deliveries --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "text", "folder"),
    [
        (LMTP, "msgid=<m1@partner.example>: saved mail to INBOX", "INBOX"),
        (LMTP, "sieve: msgid=<m1@partner.example>: stored mail into mailbox 'Referrals'", "Referrals"),
        ("lmtp(4720, alice@clinic.example): ", "t1: sieve: msgid=<m1@partner.example>: stored mail into mailbox 'A'", "A"),
        ("lda(alice@clinic.example)<4730><u1>: ", "msgid=<m1@partner.example>: saved mail to Archive/2026", "Archive/2026"),
        (LMTP, "sieve: msgid=<m1@partner.example>: left message in mailbox 'INBOX'", "INBOX"),
    ],
)
def test_a_delivery_into_a_mailbox(prefix: str, text: str, folder: str) -> None:
    (event,) = read(prefix + text)

    assert (event.source, event.action, event.outcome) == (Source.MAIL, "deliver", "delivered")
    assert {name: event.details[name] for name in ("to", "to_domain", "folder", "message_id", "direction")} == {
        "to": "alice@clinic.example",
        "to_domain": "clinic.example",
        "folder": folder,
        "message_id": "m1@partner.example",
        "direction": "internal",
    }
    assert "tls" not in event.details


@pytest.mark.parametrize(("to", "direction"), [("alice.home@outside.example", None), ("desk@Clinic.Example", "internal")])
def test_a_rule_that_sends_mail_on_is_an_automatic_forward_by_the_mailbox(to: str, direction: str | None) -> None:
    (event,) = read(f"{LMTP}sieve: msgid=<m1@partner.example>: forwarded to <{to}>")

    assert (event.action, event.outcome) == ("deliver", "delivered")
    assert event.actor == Actor(id="alice@clinic.example", kind=ActorKind.SYSTEM)
    assert event.details["auto_forwarded"] is True
    assert (event.details["to"], event.details["to_domain"]) == (to, to.partition("@")[2].lower())
    assert (event.details["orig_to"], event.details.get("direction")) == ("alice@clinic.example", direction)


@pytest.mark.parametrize(
    ("text", "action", "outcome"),
    [
        ("msgid=<m@x.example>: save failed to INBOX: Quota exceeded (mailbox for user is full)", "deliver", "failure"),
        (
            "sieve: msgid=<m@x.example>: marked message to be discarded if not explicitly delivered (discard action)",
            "discard",
            "dropped",
        ),
        ("sieve: msgid=<m@x.example>: rejected message from <a@x.example> (reject)", "mail_reject", "denied"),
        ("sieve: msgid=<m@x.example>: sent vacation response to <a@x.example>", "mail_notification", None),
    ],
)
def test_what_else_became_of_mail(text: str, action: str, outcome: str | None) -> None:
    (event,) = read(LMTP + text)

    assert (event.action, event.outcome) == (action, outcome)
    assert "auto_forwarded" not in event.details


@settings(deadline=None)
@forged("message_id")
@given(message_id=OUTSIDE)
def test_a_message_id_cannot_pretend_to_be_a_forward(message_id: str) -> None:
    (event,) = read(f"{LMTP}msgid=<{message_id}>: saved mail to INBOX")

    assert (event.action, event.details["folder"], event.details["to"]) == ("deliver", "INBOX", "alice@clinic.example")
    assert "auto_forwarded" not in event.details


# --- Headers -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "moment", "host"),
    [
        ("Mar 02 06:00:00 imap-login: Info: {}", "2026-03-02T06:00:00", None),
        ("2026-03-02 06:00:00 imap-login: Info: {}", "2026-03-02T06:00:00", None),
        ("2026-03-02T06:00:00.125+0100 imap-login: Info: {}", "2026-03-02T05:00:00.125", None),
        ("Mar  2 06:00:00 store1 dovecot[12]: imap-login: {}", "2026-03-02T06:00:00", "store1"),
        ("<22>1 2026-03-02T06:00:00Z store1 dovecot 12 - - imap-login: Info: {}", "2026-03-02T06:00:00", "store1"),
        ("imap-login: Info: {}", "2026-03-02T12:00:00", None),
    ],
)
def test_lines_of_syslog_and_of_dovecots_own_files(line: str, moment: str, host: str | None) -> None:
    (event,) = events(parser(), [line.format(login().removeprefix("imap-login: "))])

    assert (event.action, event.actor.id, event.time) == ("login", "bob", datetime.fromisoformat(moment).replace(tzinfo=UTC))
    assert event.details.get("server") == host


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"Mar  2 06:00:00 store1 sshd[1]: Accepted publickey", "does not come from Dovecot"),
        (b"nonsense", "does not come from Dovecot"),
        (b"", "does not come from Dovecot"),
        (b"Mar  2 06:00:00 store1 dovecot: \xff", "not valid UTF-8 (byte 32)"),
        (b"Mar  2 06:00:00 store1 dovecot: ", "does not come from Dovecot"),
        (b"Mar  2 06:00:00 store1 last message repeated 3 times", "turn message reduction off"),
        (b"1980-01-01 00:00:00 imap-login: Info: x", "lies outside 1990 to 2200"),
        (b"dovecot: " + b"x" * LONGEST_LINE, "longer than any line of Dovecot"),
    ],
)
def test_a_line_that_is_no_dovecot_line_is_refused_with_the_cause(line: bytes, reason: str) -> None:
    assert reason in refused(parser(), line)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), line=st.sampled_from(golden_lines("dovecot")))
def test_lines_cut_and_bent_are_events_or_refused(data: st.DataObject, line: bytes) -> None:
    check(parser(), "dovecot", bent(data, line))


@pytest.mark.parametrize(
    "start",
    [
        "",
        "imap-login: ",
        "imap-login: Login: user=<",
        LMTP,
        f"{LMTP}sieve: msgid=<",
        "auth: ",
        "imap(a)<1><2>: ",
        "pam_unix(dovecot:auth): ",
    ],
)
@pytest.mark.parametrize("unit", [">, rip=", ": ", "a", "(", ", ", " in=1", "saved mail to ", "<", "a("])
def test_a_crafted_line_is_read_in_time_that_grows_with_its_length(start: str, unit: str) -> None:
    line = f"Mar  2 06:00:00 store1 dovecot: {start}{unit * (LONGEST_LINE // len(unit) - 100)}".encode()

    before = time.process_time()
    assert parser().parse(line)

    assert time.process_time() - before < 2


def test_the_sample_of_the_page_shows_a_login_and_a_forward() -> None:
    first, failed, saved, forwarded = events(parser(), sample("dovecot").splitlines())

    assert (first.outcome, failed.details["attempts"], saved.details["folder"]) == ("success", 3, "INBOX")
    assert tls_of(first) == {"established": True}
    assert forwarded.details["auto_forwarded"] is True


def test_every_real_line_is_an_event(samples: Path) -> None:
    log = samples / "mail_other" / "crowdsec_dovecot-spam.log"
    if not log.exists():
        pytest.skip("the sample log is not on this machine")
    found = events(parser(), log.read_text().splitlines())

    assert [event.action for event in found] == ["login"] + ["authentication"] * 4
    assert {event.outcome for event in found} == {"failure"}
    assert {event.ip for event in found} == {"1.1.1.1", "2.2.2.2"}
