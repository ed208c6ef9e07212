"""authentik: events of the API, of notifications and of log lines, requests, and real lines."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Geo, Source
from ingest.parsers import read_mapping
from ingest.parsers.authentik import AuthentikParser, authentik_records
from tests.conformance import identity
from tests.conformance.agreement import Agreement
from tests.support.identity import RECEIVED, bent, check, event, golden_records, page_sample, refusal, split, swapped

BASE: Mapping[str, object] = {
    "pk": "e-1",
    "user": {"pk": 7, "email": "alice@clinic.example", "username": "alice"},
    "action": "login",
    "app": "authentik.events.signals",
    "context": {},
    "client_ip": "203.0.113.9",
    "created": "2026-03-02T06:00:01.771091Z",
}
LINE: Mapping[str, object] = {
    "event": "/api/v3/core/users/",
    "level": "info",
    "logger": "authentik.asgi",
    "method": "GET",
    "remote": "203.0.113.9",
    "status": 200,
    "timestamp": "2026-03-02T06:00:22.5",
    "user": "alice",
}
ANONYMOUS = {"pk": 2, "email": "", "username": "AnonymousUser"}
RECORDS = golden_records("authentik", authentik_records)
DOCUMENTS = [json.loads(record) for record in RECORDS if record.startswith(b"{")]


def parser(mapping: str | None = None) -> AuthentikParser:
    return AuthentikParser("s", received=lambda: RECEIVED, mapping=read_mapping(mapping) if mapping else None)


def parsed(mapping: str | None = None, **changes: object) -> AuditEvent:
    return event(parser(mapping), json.dumps({**BASE, **changes}))


def line(**changes: object) -> AuditEvent:
    return event(parser(), json.dumps({name: value for name, value in {**LINE, **changes}.items() if value is not ...}))


@pytest.mark.parametrize(
    ("kind", "context", "action", "outcome"),
    [
        ("login", {}, "login", "success"),
        ("login_failed", {"username": "bob"}, "login", "failure"),
        ("logout", {}, "logout", "success"),
        ("password_set", {}, "account_password_change", "success"),
        ("user_write", {"created": False}, "account_update", "success"),
        ("user_write", {"created": True}, "account_create", "success"),
        ("authorize_application", {}, "authorize_application", "success"),
        ("impersonation_started", {}, "impersonation_start", "success"),
        ("impersonation_ended", {}, "impersonation_end", "success"),
        ("model_updated", {"model": {"model_name": "group"}}, "privilege_change", "success"),
        ("model_created", {"model": {"model_name": "user"}}, "account_create", "success"),
        ("model_deleted", {"model": {"model_name": "user"}}, "account_delete", "success"),
        ("model_updated", {"model": {"model_name": "expressionpolicy"}}, "policy_change", "success"),
        ("model_updated", {"model": {"model_name": "oauth2provider"}}, "policy_change", "success"),
        ("model_deleted", {"model": {"model_name": "notificationrule"}}, "notificationrule_delete", "success"),
        ("policy_exception", {}, "policy_exception", "failure"),
        ("configuration_error", {}, "configuration_error", "failure"),
        ("suspicious_request", {}, "suspicious_request", None),
        ("secret_view", {}, "secret_view", "success"),
        ("custom_thing", {}, "custom_thing", None),
    ],
)
def test_event_actions(kind: str, context: dict[str, object], action: str, outcome: str | None) -> None:
    found = parsed(action=kind, context=context)

    assert (found.action, found.outcome) == (action, outcome)


def test_a_failed_login_is_of_the_name_that_was_tried() -> None:
    found = parsed(action="login_failed", user=ANONYMOUS, context={"username": "bob", "password": "********************"})

    assert found.actor == Actor(id="bob", kind=ActorKind.STAFF)
    assert "password" not in json.dumps(found.details)
    assert "user_id" not in found.details


@pytest.mark.parametrize(
    ("user", "kind", "expected"),
    [
        (ANONYMOUS, "configuration_error", Actor(id="203.0.113.9", kind=ActorKind.EXTERNAL)),
        ({}, "system_exception", Actor(id="authentik", kind=ActorKind.SYSTEM)),
        (
            {"pk": 7, "username": "", "email": "alice@clinic.example"},
            "login",
            Actor(id="alice@clinic.example", kind=ActorKind.STAFF),
        ),
    ],
)
def test_who_acted_where_no_user_is_named(user: object, kind: str, expected: Actor) -> None:
    assert parsed(user=user, action=kind).actor == expected


def test_who_was_impersonated_and_what_was_authorized() -> None:
    started = parsed(action="impersonation_started", context={"model": {"model_name": "user", "pk": 9, "name": "bob"}})
    sso = parsed(
        action="authorize_application",
        context={"scopes": "openid  profile", "authorized_application": {"pk": "a", "name": "EHR", "model_name": "application"}},
    )

    assert (started.details["target_user"], started.details["target_id"]) == ("bob", "9")
    assert (sso.details["application"], sso.details["scopes"]) == ("EHR", ["openid", "profile"])


def test_place_and_network_from_the_context() -> None:
    found = parsed(context={"geo": {"city": "Peoria", "country": "US", "lat": 40.69, "long": -89.59}, "asn": {"asn": 64500}})

    assert found.geo == Geo(city="Peoria", country="US", lat="40.69", lon="-89.59")
    assert found.details["as_number"] == 64500


def test_the_address_that_stands_for_none_is_none() -> None:
    assert parsed(client_ip="255.255.255.255").ip is None


def test_notifications_hold_the_event_they_are_about() -> None:
    found = event(
        parser(), json.dumps({"pk": "n", "severity": "alert", "body": "x", "created": "2026-03-03T00:00:00Z", "event": BASE})
    )

    assert (found.event_id, found.action, found.details["severity"]) == ("e-1", "login", "alert")


def test_the_generic_webhook_has_no_time_of_its_own() -> None:
    found = event(parser(), json.dumps({"body": "x", "severity": "alert", "event_user_username": "bob", "user_username": "root"}))

    assert (found.action, found.actor.id, found.time, found.details["time_from"]) == ("notification", "bob", RECEIVED, "receipt")


@pytest.mark.parametrize(
    ("changes", "action", "outcome"),
    [
        ({}, "http_get", "success"),
        ({"status": 401}, "http_get", "denied"),
        ({"status": 403, "method": "POST"}, "http_post", "denied"),
        ({"status": 500}, "http_get", "failure"),
        ({"event": "Task finished", "status": ..., "method": ..., "user": ...}, "service_log", None),
        ({"event": "invalid_login", "action": "invalid_identifier", "identifier": "mallory"}, "login", "failure"),
    ],
)
def test_other_lines_of_the_log(changes: dict[str, object], action: str, outcome: str | None) -> None:
    found = line(**changes)

    assert (found.action, found.outcome, found.ip) == (action, outcome, "203.0.113.9")


def test_a_failed_step_of_a_sign_in_is_of_the_name_that_was_tried() -> None:
    assert line(event="invalid_login", identifier="mallory", user=...).actor == Actor(id="mallory", kind=ActorKind.STAFF)


def test_times_of_lines_are_in_the_zone_of_the_server() -> None:
    known = AuthentikParser("s", received=lambda: RECEIVED, zone=timezone(timedelta(hours=-6)))

    assert line().time == datetime(2026, 3, 2, 6, 0, 22, 500000, UTC)
    assert event(known, json.dumps(LINE)).time == datetime(2026, 3, 2, 12, 0, 22, 500000, UTC)


def test_a_line_behind_a_syslog_header() -> None:
    assert event(parser(), "<14>1 2026-03-02T06:00:26Z id authentik 11 - - " + json.dumps(LINE)).action == "http_get"


def test_answers_of_the_api_are_cut_at_their_events() -> None:
    answer = json.dumps({"pagination": {"count": 2}, "results": [{**BASE}, {**BASE, "pk": "e-2"}]}, indent=1).encode()

    records = split(authentik_records, answer)

    assert [event(parser(), record).event_id for record in records] == ["e-1", "e-2"]
    assert all(record in answer for record in records)


def test_two_lines_alike_are_two_events_and_reading_again_gives_the_same_ids() -> None:
    known = parser()
    record = json.dumps(LINE)

    first, second = event(known, record).event_id, event(known, record).event_id

    assert second == f"{first}~2"
    assert event(parser(), record).event_id == first


def test_a_portal_mapping() -> None:
    found = parsed('[constants]\nsource = "portal"\nactor_kind = "patient"\n')
    nobody = parsed('[constants]\nactor_kind = "patient"\n', user=ANONYMOUS)

    assert (found.source, found.actor) == (Source.PORTAL, Actor(id="alice", kind=ActorKind.PATIENT))
    assert nobody.actor.kind == ActorKind.EXTERNAL


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("{}", "no event of authentik"),
        ("[]", "an array"),
        ("Traceback", "not valid JSON"),
        (json.dumps({**BASE, "created": None}), "created is missing"),
        (json.dumps({**BASE, "created": "soon"}), "created"),
    ],
)
def test_what_is_no_event_is_refused(record: str, reason: str) -> None:
    assert reason in refusal(parser(), record)


def test_the_page_sample_is_understood() -> None:
    known = parser()
    found = [event(known, record) for record in split(authentik_records, page_sample("authentik"))]

    assert [(one.action, one.outcome) for one in found] == [("login", "success"), ("login", "failure")]


@settings(deadline=None)
@given(record=st.binary(max_size=200) | bent(RECORDS))
def test_any_bytes(record: bytes) -> None:
    check(parser(), record)


@settings(deadline=None)
@given(document=swapped(DOCUMENTS))
def test_any_value_in_place_of_any_field(document: object) -> None:
    check(parser(), json.dumps(document).encode())


def test_every_real_line_is_an_event(samples: Path) -> None:
    agreement = Agreement()
    identity.measure(samples, agreement)

    found = [key for key in agreement.records if key.startswith("authentik")]
    assert found
    assert all(agreement.records[key] == agreement.events[key] > 0 for key in found)
