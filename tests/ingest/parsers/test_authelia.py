"""Authelia: its messages, text and JSON, and lines that try to be more than they are."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Source
from ingest.parsers import read_mapping
from ingest.parsers.authelia import AutheliaParser
from ingest.parsers.json_records import json_records
from tests.support.identity import RECEIVED, bent, check, event, golden_records, page_sample, refusal, split, swapped

RECORDS = golden_records("authelia", json_records)
DOCUMENTS = [json.loads(record) for record in RECORDS if record.startswith(b"{")]


def parser(mapping: str | None = None) -> AutheliaParser:
    return AutheliaParser("s", received=lambda: RECEIVED, mapping=read_mapping(mapping) if mapping else None)


def message(text: str, mapping: str | None = None, **more: object) -> AuditEvent:
    record = {"level": "info", "msg": text, "remote_ip": "203.0.113.9", "time": "2026-03-02T06:00:00Z", **more}
    return event(parser(mapping), json.dumps(record))


@pytest.mark.parametrize(
    ("text", "action", "outcome", "user"),
    [
        ("Successful 1FA authentication attempt made by user 'alice'", "login", "success", "alice"),
        ("Unsuccessful 1FA authentication attempt by user 'alice'", "login", "failure", "alice"),
        ("Unsuccessful 1FA authentication attempt by user 'alice': invalid credentials", "login", "failure", "alice"),
        ("Unsuccessful 1FA authentication attempt by user alice", "login", "failure", "alice"),
        ("Unsuccessful 1FA authentication attempt by user 'alice' and they are banned until 12:05AM", "login", "denied", "alice"),
        ("Unsuccessful 1FA authentication attempt by user 'o'hara'", "login", "failure", "o'hara"),
        ("Successful Passkey authentication attempt made by user 'bob'", "login", "success", "bob"),
        ("Successful TOTP authentication attempt made by user 'bob'", "mfa_verify", "success", "bob"),
        ("Unsuccessful WebAuthn authentication attempt by user 'bob'", "mfa_verify", "failure", "bob"),
        ("Unsuccessful Duo authentication attempt by user 'bob' and they are banned until 12:05AM", "mfa_verify", "denied", "bob"),
        (
            "Error occurred getting details for user with username input 'mallory' which usually indicates they do not exist",
            *("login", "failure", "mallory"),
        ),
        ("Access to https://x.example/ is not authorized to user bob", "web_access", "denied", "bob"),
        (
            "Access to https://x.example/ (method GET) is not authorized to user bob, responding with status code 401",
            *("web_access", "denied", "bob"),
        ),
        ("Access to 'https://x.example/' is forbidden to user 'bob'", "web_access", "denied", "bob"),
        (
            "Check authorization of subject username=bob groups=dev ip=1.2.3.4 and object https://x.example/ (method GET).",
            *("access_check", None, "bob"),
        ),
        ("Mark 1FA authentication attempt made by user 'bob'", "service_log", None, None),
        ("Startup complete", "service_log", None, None),
    ],
)
def test_messages(text: str, action: str, outcome: str | None, user: str | None) -> None:
    found = message(text)

    expected = Actor(id=user, kind=ActorKind.STAFF) if user else Actor(id="203.0.113.9", kind=ActorKind.EXTERNAL)
    assert (found.action, found.outcome, found.actor) == (action, outcome, expected)
    assert found.details["message"] == text


def test_what_a_refusal_says() -> None:
    found = message(
        "Access to https://x.example/a (method POST) is not authorized to user <anonymous>, "
        "responding with status code 302 with location redirect to https://auth.example/?rd=x",
        path="/api/authz/forward-auth",
    )

    assert found.actor == Actor(id="203.0.113.9", kind=ActorKind.EXTERNAL)
    assert {name: found.details[name] for name in ("url", "requested_method", "status", "redirect_uri")} == {
        "url": "https://x.example/a",
        "requested_method": "POST",
        "status": 302,
        "redirect_uri": "https://auth.example/?rd=x",
    }


def test_the_ban_and_the_error_are_kept() -> None:
    banned = message("Unsuccessful 1FA authentication attempt by user 'alice' and they are banned until 12:05:00AM on March 2 2026")
    wrong = message("Unsuccessful 1FA authentication attempt by user 'alice'", error="user not found")

    assert banned.details["banned_until"] == "12:05:00AM on March 2 2026"
    assert (wrong.details["reason"], wrong.details["mfa"], wrong.details["method"]) == ("user not found", "1FA", "password")


def test_requests_of_openid_connect_clients() -> None:
    failed = message("Authorization Request with id 'r' on client with id 'ehr' could not be processed: error occurred")
    fine = message("Access Response with id 'r' on client with id 'ehr' is being written")

    assert (failed.action, failed.outcome, failed.details["client_id"]) == ("oidc_request", "failure", "ehr")
    assert fine.outcome is None


@pytest.mark.parametrize(
    ("text", "time", "ip"),
    [
        (
            'time="2026-03-02T00:00:01-06:00" level=info msg="x" remote_ip=203.0.113.9',
            datetime(2026, 3, 2, 6, 0, 1, tzinfo=UTC),
            "203.0.113.9",
        ),
        (
            '<14>Mar  2 06:00:02 gate authelia[7]: level=info msg="x" remote_ip="2001:db8::9"',
            datetime(2026, 3, 2, 6, 0, 2, tzinfo=UTC),
            "2001:db8::9",
        ),
        ('authelia  | time="2026-03-02T06:00:03Z" level=info msg=x', datetime(2026, 3, 2, 6, 0, 3, tzinfo=UTC), None),
        ('level=info msg="x"', RECEIVED, None),
        (
            '<14>1 2026-03-02T06:00:04Z gate authelia 7 - - {"msg":"x","level":"info"}',
            datetime(2026, 3, 2, 6, 0, 4, tzinfo=UTC),
            None,
        ),
    ],
)
def test_headers_and_times(text: str, time: datetime, ip: str | None) -> None:
    found = event(parser(), text)

    assert (found.time, found.ip) == (time, ip)


def test_what_a_user_typed_adds_no_field() -> None:
    text = (
        'time="2026-03-02T06:00:00Z" level=error msg="Unsuccessful 1FA authentication attempt by user '
        "'x\\\" level=info remote_ip=198.51.100.1'\" method=POST path=/api/firstfactor remote_ip=203.0.113.9 remote_ip=198.51.100.2"
    )

    found = event(parser(), text)

    assert (found.ip, found.details["level"]) == ("203.0.113.9", "error")
    assert found.actor.id == 'x" level=info remote_ip=198.51.100.1'


def test_escapes_of_go_strings() -> None:
    found = event(parser(), r'time="2026-03-02T06:00:00Z" level=info msg="a\tb\n\x41é\ud800\\c"')

    assert found.details["message"] == "a\tb\nAé\ufffd\\c"


def test_a_portal_mapping() -> None:
    found = message(
        "Successful 1FA authentication attempt made by user 'alice'", '[constants]\nsource = "portal"\nactor_kind = "patient"\n'
    )

    assert (found.source, found.actor) == (Source.PORTAL, Actor(id="alice", kind=ActorKind.PATIENT))


def test_two_lines_alike_are_two_events() -> None:
    known, text = parser(), 'time="2026-03-02T06:00:00Z" level=info msg="x"'

    assert event(known, text).event_id + "~2" == event(known, text).event_id


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("goroutine 1 [running]:", "no msg"),
        ('{"level":"info"}', "no msg"),
        ('time="soon" level=info msg="x"', "time"),
        ('{"msg":"x"', "not valid JSON"),
        ("msg=" + "x" * 70_000, "longer than any line"),
    ],
)
def test_what_is_no_line_is_refused(record: str, reason: str) -> None:
    assert reason in refusal(parser(), record)


def test_lines_that_try_to_be_slow_are_read_in_time_linear_in_their_length() -> None:
    for filler in (" " * 60_000, "a=" * 30_000, "'" * 60_000, '\\"' * 30_000, "for user " * 6_000):
        check(parser(), f'time="2026-03-02T06:00:00Z" level=info msg="Access to {filler} is"'.encode())


def test_the_page_sample_is_understood() -> None:
    known = parser()
    found = [event(known, record) for record in split(json_records, page_sample("authelia"))]

    assert [(one.action, one.outcome) for one in found] == [("login", "failure"), ("mfa_verify", "success")]


@settings(deadline=None)
@given(record=st.binary(max_size=200) | bent(RECORDS))
def test_any_bytes(record: bytes) -> None:
    check(parser(), record)


@settings(deadline=None)
@given(document=swapped(DOCUMENTS))
def test_any_value_in_place_of_any_field(document: object) -> None:
    check(parser(), json.dumps(document).encode())
