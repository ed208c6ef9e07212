"""Keycloak: both spellings of its log lines, its JSON log, the objects of API and listeners, and agreement with an answer key."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Source
from ingest.parsers import read_mapping
from ingest.parsers.json_records import json_records
from ingest.parsers.keycloak import KeycloakParser
from ingest.parsers.keycloak_lines import event_fields
from tests.conformance import identity
from tests.conformance.agreement import Agreement
from tests.support.identity import RECEIVED, bent, check, event, golden_records, page_sample, refusal, split, swapped

HEAD = "2026-03-02 06:00:01,123 WARN  [org.keycloak.events] (executor-thread-1) "
PORTAL = '[constants]\nsource = "portal"\nactor_kind = "patient"\n'
RECORDS = golden_records("keycloak", json_records)
DOCUMENTS = [json.loads(record) for record in RECORDS if record.startswith(b"{")]
ADMIN: Mapping[str, object] = {
    "id": "a-1",
    "time": 1772431213000,
    "realmId": "clinic",
    "authDetails": {"realmId": "master", "clientId": "admin-cli", "userId": "u-9", "ipAddress": "10.20.1.1"},
    "operationType": "CREATE",
    "resourceType": "USER",
    "resourcePath": "users/u-1",
}


def parser(mapping: str | None = None) -> KeycloakParser:
    return KeycloakParser("s", received=lambda: RECEIVED, mapping=read_mapping(mapping) if mapping else None)


def line(kind: str, more: str = "", mapping: str | None = None) -> AuditEvent:
    return event(
        parser(mapping), f"{HEAD}type={kind}, realmId=clinic, clientId=ehr, userId=u-1, ipAddress=203.0.113.9, username=alice{more}"
    )


def admin(changes: Mapping[str, object] | None = None, mapping: str | None = None) -> AuditEvent:
    return event(parser(mapping), json.dumps({**ADMIN, **(changes or {})}))


# --- Fields ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("type=LOGIN, realmId=r, userId=null, ipAddress=1.2.3.4", {"type": "LOGIN", "realmId": "r", "ipAddress": "1.2.3.4"}),
        ("type=LOGIN, username='a b', x=1", {"type": "LOGIN", "username": "a b", "x": "1"}),
        ('type="LOGIN", realmId="r", userId="null", x="a, b=c"', {"type": "LOGIN", "realmId": "r", "x": "a, b=c"}),
        (r'type="LOGIN", username="a\"b"', {"type": "LOGIN", "username": 'a"b'}),
        ("type=LOGIN, uri=https://x/?a=1,2&b=3, y=2", {"type": "LOGIN", "uri": "https://x/?a=1,2&b=3", "y": "2"}),
        ("operationType=CREATE, resourcePath=users/1", {"operationType": "CREATE", "resourcePath": "users/1"}),
        ("nothing of the kind", {}),
        ("content-type=text/html here", {}),
    ],
)
def test_fields_with_and_without_quotes(text: str, fields: Mapping[str, str]) -> None:
    assert event_fields(text) == fields


@pytest.mark.parametrize(
    "typed", ["'x, userId=u-2, type=LOGIN'", '"x\\", userId=\\"u-2"', "'it's, error=none'", "x, ipAddress=1.1.1.1, realmId=other"]
)
def test_what_a_user_typed_changes_no_field_before_it(typed: str) -> None:
    fields = event_fields(
        f"type=LOGIN_ERROR, realmId=clinic, clientId=ehr, userId=u-1, ipAddress=203.0.113.9, error=bad, username={typed}"
    )

    assert {name: fields[name] for name in ("type", "realmId", "userId", "ipAddress", "error")} == {
        "type": "LOGIN_ERROR",
        "realmId": "clinic",
        "userId": "u-1",
        "ipAddress": "203.0.113.9",
        "error": "bad",
    }


# --- Events ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "more", "action", "outcome"),
    [
        ("LOGIN", "", "login", "success"),
        ("LOGIN_ERROR", ", error=x", "login", "failure"),
        ("LOGOUT", "", "logout", "success"),
        ("LOGOUT_ERROR", ", error=x", "logout", "failure"),
        ("CODE_TO_TOKEN", "", "code_to_token", "success"),
        ("REFRESH_TOKEN_ERROR", ", error=x", "refresh_token", "failure"),
        ("UPDATE_PASSWORD", "", "account_password_change", "success"),
        ("RESET_PASSWORD", "", "password_reset", "success"),
        ("SEND_RESET_PASSWORD", "", "password_reset_request", "success"),
        ("UPDATE_CREDENTIAL", ", credential_type=password", "account_password_change", "success"),
        ("UPDATE_CREDENTIAL", ", credential_type=otp", "account_mfa_factor_enable", "success"),
        ("REMOVE_CREDENTIAL", ", credential_type=webauthn", "account_mfa_factor_disable", "success"),
        ("GRANT_CONSENT", "", "app_consent", "success"),
        ("REVOKE_GRANT", "", "app_consent_revoke", "success"),
        ("UPDATE_PROFILE", "", "account_update", "success"),
        ("USER_DISABLED_BY_PERMANENT_LOCKOUT", "", "account_lock", "success"),
        ("SOMETHING_NEW", "", "something_new", "success"),
    ],
)
def test_types_of_user_events(kind: str, more: str, action: str, outcome: str) -> None:
    found = line(kind, more)

    assert (found.action, found.outcome, found.actor) == (action, outcome, Actor(id="alice", kind=ActorKind.STAFF))


@pytest.mark.parametrize(
    ("changes", "action", "outcome"),
    [
        ({}, "account_create", "success"),
        ({"operationType": "DELETE"}, "account_delete", "success"),
        ({"operationType": "ACTION", "resourcePath": "users/u-1/reset-password"}, "password_reset", "success"),
        ({"operationType": "ACTION", "resourcePath": "users/u-1/execute-actions-email"}, "password_reset_request", "success"),
        ({"operationType": "ACTION", "resourcePath": "users/u-1/impersonation"}, "impersonation_start", "success"),
        ({"resourceType": "REALM_ROLE_MAPPING"}, "privilege_change", "success"),
        ({"resourceType": "GROUP_MEMBERSHIP", "error": "forbidden"}, "privilege_change", "failure"),
        ({"resourceType": "AUTH_FLOW"}, "policy_change", "success"),
        ({"resourceType": "REALM", "operationType": "UPDATE", "resourcePath": "events/config"}, "policy_change", "success"),
        ({"resourceType": "CLIENT", "operationType": "UPDATE"}, "client_update", "success"),
        ({"resourceType": "", "resourceTypeAsString": "CUSTOM"}, "custom_create", "success"),
    ],
)
def test_admin_events(changes: dict[str, object], action: str, outcome: str) -> None:
    found = admin(changes)

    assert (found.action, found.outcome, found.actor, found.ip) == (
        action,
        outcome,
        Actor(id="u-9", kind=ActorKind.STAFF),
        "10.20.1.1",
    )


def test_a_client_that_logs_in_is_a_service_and_a_failure_without_a_user_an_address() -> None:
    client = line("CLIENT_LOGIN_ERROR", ", error=invalid_client_credentials")
    nobody = event(
        parser(), f"{HEAD}type=LOGIN_ERROR, realmId=r, clientId=ehr, userId=null, ipAddress=203.0.113.9, error=expired_code"
    )

    assert client.actor == Actor(id="ehr", kind=ActorKind.SERVICE)
    assert nobody.actor == Actor(id="203.0.113.9", kind=ActorKind.EXTERNAL)


def test_the_name_of_a_user_is_remembered_for_later_events_of_the_realm() -> None:
    known = parser()
    logout = "type=LOGOUT, realmId={}, clientId=ehr, userId=u-1, ipAddress=203.0.113.9"

    before = event(known, HEAD + logout.format("clinic"))
    event(known, f"{HEAD}type=LOGIN, realmId=clinic, clientId=ehr, userId=u-1, ipAddress=203.0.113.9, username=alice")
    after = event(known, HEAD + logout.format("clinic"))
    elsewhere = event(known, HEAD + logout.format("other"))

    assert [one.actor.id for one in (before, after, elsewhere)] == ["u-1", "alice", "u-1"]
    assert after.details["user_id"] == "u-1"


def test_a_name_that_was_only_tried_is_not_remembered() -> None:
    known = parser()
    event(
        known, f"{HEAD}type=LOGIN_ERROR, realmId=clinic, clientId=ehr, userId=u-1, ipAddress=203.0.113.9, error=x, username=ALICE@x"
    )

    assert event(known, f"{HEAD}type=LOGOUT, realmId=clinic, clientId=ehr, userId=u-1, ipAddress=203.0.113.9").actor.id == "u-1"


def test_who_impersonates_is_the_actor() -> None:
    found = line("IMPERSONATE", ", impersonator=root, impersonator_realm=master", PORTAL)

    assert found.actor == Actor(id="root", kind=ActorKind.STAFF)
    assert found.details["target_user"] == "alice"


def test_a_portal_mapping_is_about_users() -> None:
    user, update = line("LOGIN", mapping=PORTAL), line("UPDATE_EMAIL", mapping=PORTAL)
    program, staff = line("CLIENT_LOGIN", mapping=PORTAL), admin(mapping=PORTAL)

    assert (user.source, user.actor) == (Source.PORTAL, Actor(id="alice", kind=ActorKind.PATIENT))
    assert update.action == "update_contact"
    assert (program.source, program.actor.kind) == (Source.PORTAL, ActorKind.SERVICE)
    assert (staff.source, staff.actor.kind) == (Source.PORTAL, ActorKind.STAFF)


# --- Times and heads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "time"),
    [
        ("2026-03-02 06:00:01,123 WARN  [org.keycloak.events] (t) ", datetime(2026, 3, 2, 12, 0, 1, 123000, UTC)),
        ("2026-03-02T06:00:01.123Z WARN  [org.keycloak.events] (t) ", datetime(2026, 3, 2, 6, 0, 1, 123000, UTC)),
        ("2026-03-02T06:00:01.123+0100 WARN [org.keycloak.events] (t) ", datetime(2026, 3, 2, 5, 0, 1, 123000, UTC)),
        ("keycloak-1  | 2026-03-02 06:00:01,123 WARN  [org.keycloak.events] (t) ", datetime(2026, 3, 2, 12, 0, 1, 123000, UTC)),
        ("2026-03-02T12:00:01.500Z stdout F 2026-03-02 06:00:01,123 WARN  [x] (t) ", datetime(2026, 3, 2, 12, 0, 1, 123000, UTC)),
        ("05:59:00,123 WARN  [org.keycloak.events] (default task-3) ", datetime(2026, 3, 2, 11, 59, 0, 123000, UTC)),
        ("23:59:00,123 WARN  [org.keycloak.events] (default task-3) ", datetime(2026, 3, 2, 5, 59, 0, 123000, UTC)),
        ("<14>1 2026-03-02T06:00:01Z idp keycloak 7 - - ", datetime(2026, 3, 2, 6, 0, 1, tzinfo=UTC)),
        ("", RECEIVED),
    ],
)
def test_the_time_of_a_line(head: str, time: datetime) -> None:
    known = KeycloakParser("s", received=lambda: RECEIVED, zone=timezone(timedelta(hours=-6)))

    assert event(known, f"{head}type=LOGIN, realmId=r, clientId=c, userId=u, ipAddress=203.0.113.9").time == time


def test_a_level_is_no_server_and_a_syslog_host_is_one() -> None:
    assert "server" not in line("LOGIN").details
    assert event(parser(), "<14>Mar  2 06:00:08 idp keycloak[7]: type=LOGIN, realmId=r, userId=u").details["server"] == "idp"


@pytest.mark.parametrize("name", ["timestamp", "@timestamp"])
def test_json_lines_of_the_log(name: str) -> None:
    record = {
        name: "2026-03-02T06:00:10.500000001Z",
        "message": 'type="LOGIN_ERROR", realmId="6f1a", realmName="clinic", userId="null", ipAddress="203.0.113.9", error="x"',
        **(
            {"log": {"level": "WARN"}, "host": {"hostname": "idp"}}
            if name.startswith("@")
            else {"level": "WARN", "hostName": "idp"}
        ),
    }

    found = event(parser(), json.dumps(record))

    assert (found.action, found.outcome, found.time) == ("login", "failure", datetime(2026, 3, 2, 6, 0, 10, 500000, UTC))
    assert (found.details["server"], found.details["level"], found.details["realm"]) == ("idp", "WARN", "clinic")


def test_a_json_line_behind_a_syslog_header() -> None:
    record = (
        '<14>1 2026-03-02T06:00:01Z idp keycloak 7 - - {"level":"INFO","message":"type=LOGIN, realmId=r, userId=u, username=alice"}'
    )

    found = event(parser(), record)

    assert (found.actor.id, found.time) == ("alice", datetime(2026, 3, 2, 6, 0, 1, tzinfo=UTC))


def test_the_listener_that_logs_objects() -> None:
    inner = {"type": "LOGIN", "realmId": "r", "userId": "u", "ipAddress": "203.0.113.9", "details": {"username": "alice"}}

    found = event(parser(), json.dumps({"timestamp": "2026-03-02T06:00:10Z", "level": "INFO", "message": json.dumps(inner)}))

    assert (found.action, found.actor.id) == ("login", "alice")


def test_objects_have_their_own_id_and_lines_are_told_apart() -> None:
    known = parser()
    text = f"{HEAD}type=LOGIN, realmId=r, clientId=c, userId=u, ipAddress=203.0.113.9"

    first, second = event(known, text), event(known, text)

    assert second.event_id == f"{first.event_id}~2"
    assert event(parser(), text).event_id == first.event_id
    assert admin().event_id == "a-1"
    assert admin({"id": None, "uid": "w-1"}).event_id == "w-1"


def test_what_an_administrator_changed_stays_in_the_record() -> None:
    assert "secret" not in json.dumps(admin({"representation": '{"value":"secret"}'}).details)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("some other program's line", "no event"),
        ("{}", "no event of Keycloak"),
        ('{"type":"LOGIN","realmId":"r"}', "time is missing"),
        ('{"message":"type=LOGIN"}', "timestamp is missing"),
        ("type=LOGIN, realmId=r" + "x" * 70_000, "longer than any line"),
    ],
)
def test_what_is_no_event_is_refused(record: str, reason: str) -> None:
    assert reason in refusal(parser(), record)


@pytest.mark.parametrize(
    "text",
    ["at org.keycloak.X.y(X.java:1)", "Caused by: java.io.IOException: x", "... 12 more", "java.lang.NullPointerException: x"],
)
def test_stack_traces_are_lines_of_the_service(text: str) -> None:
    assert event(parser(), text).action == "service_log"


def test_lines_that_try_to_be_slow_are_read_in_time_linear_in_their_length() -> None:
    for filler in (" " * 60_000, "a='b, " * 10_000, 'a="b, ' * 10_000, ", a=" * 15_000):
        check(parser(), f"{HEAD}type=LOGIN, realmId=r, {filler}".encode())


def test_the_page_sample_is_understood() -> None:
    known = parser()
    found = [event(known, record) for record in split(json_records, page_sample("keycloak"))]

    assert [(one.action, one.outcome) for one in found] == [
        ("login", "failure"),
        ("login", "success"),
        ("privilege_change", "success"),
    ]


@settings(deadline=None)
@given(record=st.binary(max_size=200) | bent(RECORDS))
def test_any_bytes(record: bytes) -> None:
    check(parser(), record)


@settings(deadline=None)
@given(document=swapped(DOCUMENTS))
def test_any_value_in_place_of_any_field(document: object) -> None:
    check(parser(), json.dumps(document).encode())


def test_real_events_agree_with_their_answer_key(samples: Path) -> None:
    agreement = Agreement()
    identity.measure(samples, agreement)

    assert sum(agreement.compared[key] for key in agreement.compared if key[0] == "keycloak") > 40
    assert not [difference for difference in agreement.differences if difference.startswith("keycloak")]
    keycloak = [key for key in agreement.records if key.startswith("keycloak")]
    assert keycloak
    assert all(agreement.records[key] == agreement.events[key] for key in keycloak)
