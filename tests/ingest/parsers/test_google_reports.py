"""Workspace activities: events of every application, the spellings they come in, ids, and agreement with answer keys."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Source
from ingest.parsers import read_mapping
from ingest.parsers.google_records import google_reports_records
from ingest.parsers.google_reports import GoogleReportsParser
from ingest.parsers.google_reports_parts import parameters_of
from ingest.parsers.json_walk import inner_records
from tests.conformance import identity
from tests.conformance.agreement import Agreement
from tests.support.identity import bent, check, event, events, golden_records, page_sample, refusal, split, swapped

RECORDS = golden_records("google-reports", google_reports_records)
DOCUMENTS = [json.loads(record) for record in RECORDS]
ALICE = {"callerType": "USER", "email": "alice@clinic.example", "profileId": "1001"}


def item(
    application: str, name: str, kind: str = "", parameters: Mapping[str, object] | None = None, actor: object = ALICE
) -> dict[str, object]:
    given = [{"name": key, "value": value} for key, value in (parameters or {}).items()]
    return {
        "kind": "admin#reports#activity",
        "id": {"time": "2026-03-02T06:00:00.250Z", "uniqueQualifier": "-7", "applicationName": application, "customerId": "C0"},
        "actor": actor,
        "ipAddress": "203.0.113.9",
        "events": [{"type": kind, "name": name, "parameters": given}],
    }


def parsed(
    application: str,
    name: str,
    kind: str = "",
    parameters: Mapping[str, object] | None = None,
    *,
    actor: object = ALICE,
    mapping: str | None = None,
) -> AuditEvent:
    reader = GoogleReportsParser("s", mapping=read_mapping(mapping) if mapping else None)
    return event(reader, json.dumps(item(application, name, kind, parameters, actor)))


@pytest.mark.parametrize(
    ("application", "name", "kind", "parameters", "action", "outcome"),
    [
        ("login", "login_success", "login", {}, "login", "success"),
        ("login", "login_failure", "login", {}, "login", "failure"),
        ("saml", "login_failure", "login", {}, "login", "failure"),
        ("login", "logout", "login", {}, "logout", "success"),
        ("login", "login_challenge", "login", {"login_challenge_status": "Challenge Passed."}, "mfa_challenge", "success"),
        ("login", "login_challenge", "login", {"login_challenge_status": "incorrect_answer_entered"}, "mfa_challenge", "failure"),
        ("login", "login_challenge", "login", {}, "mfa_challenge", None),
        ("login", "login_verification", "login", {"login_challenge_status": "passed"}, "mfa_verify", "success"),
        ("login", "suspicious_login", "account_warning", {}, "suspicious_login", None),
        ("login", "account_disabled_hijacked", "account_warning", {}, "account_disable", None),
        ("user_accounts", "2sv_disable", "2sv_change", {}, "account_mfa_factor_disable", "success"),
        ("user_accounts", "password_edit", "password_change", {}, "account_password_change", "success"),
        ("token", "authorize", "auth", {}, "app_consent", "success"),
        ("token", "revoke", "auth", {}, "app_consent_revoke", "success"),
        ("token", "deny", "auth", {}, "app_consent", "denied"),
        ("token", "activity", "auth", {}, "api_call", None),
        ("drive", "view", "access", {}, "file_view", "success"),
        ("drive", "download", "access", {}, "file_download", "success"),
        ("drive", "print", "access", {}, "print", "success"),
        ("drive", "change_document_visibility", "acl_change", {}, "file_share", "success"),
        ("groups_enterprise", "add_member", "moderator_action", {}, "privilege_change", "success"),
        ("groups_enterprise", "delete_group", "moderator_action", {}, "delete_group", "success"),
        ("context_aware_access", "ACCESS_DENY_EVENT", "CONTEXT_AWARE_ACCESS_USER_EVENT", {}, "access_check", "denied"),
        ("context_aware_access", "MONITOR_MODE_ACCESS_DENY_EVENT", "CONTEXT_AWARE_ACCESS_USER_EVENT", {}, "access_check", None),
        ("chrome", "CHROME_OS_LOGIN_FAILURE_EVENT", "CHROME_OS_LOGIN_LOGOUT_TYPE", {}, "login", "failure"),
        ("vault", "create_export", "user_action", {}, "export", None),
        ("takeout", "user_takeout_completed", "takeout_type", {}, "export", None),
        ("something", "newThing", "x", {}, "new_thing", None),
        ("admin", "ASSIGN_ROLE", "DELEGATED_ADMIN_SETTINGS", {}, "privilege_change", "success"),
        ("admin", "ADD_GROUP_MEMBER", "GROUP_SETTINGS", {}, "privilege_change", "success"),
        ("admin", "AUTHORIZE_API_CLIENT_ACCESS", "DOMAIN_SETTINGS", {}, "app_consent", "success"),
        ("admin", "CHANGE_PASSWORD", "USER_SETTINGS", {}, "password_reset", "success"),
        ("admin", "SUSPEND_USER", "USER_SETTINGS", {}, "account_disable", "success"),
        ("admin", "CHANGE_EMAIL_ROUTING", "EMAIL_SETTINGS", {}, "forward_rule", "success"),
        ("admin", "CREATE_GMAIL_SETTING", "EMAIL_SETTINGS", {"SETTING_NAME": "EMAIL_ROUTE"}, "forward_rule", "success"),
        ("admin", "DELETE_GMAIL_SETTING", "EMAIL_SETTINGS", {"SETTING_NAME": "EMAIL_ROUTE"}, "policy_change", "success"),
        ("admin", "CHANGE_GMAIL_SETTING", "EMAIL_SETTINGS", {"SETTING_NAME": "SECURE_TRANSPORT"}, "policy_change", "success"),
        ("admin", "CREATE_EMAIL_MONITOR", "EMAIL_SETTINGS", {}, "forward_rule", "success"),
        ("admin", "EMAIL_LOG_SEARCH", "EMAIL_SETTINGS", {}, "search", "success"),
        ("admin", "CHANGE_APPLICATION_SETTING", "APPLICATION_SETTINGS", {"SETTING_NAME": "x"}, "policy_change", "success"),
        ("admin", "ENFORCE_STRONG_AUTHENTICATION", "SECURITY_SETTINGS", {}, "policy_change", "success"),
        ("admin", "CREATE_DATA_PROTECTION_RULE", "DATA_PROTECTION", {}, "policy_change", "success"),
        (
            "admin",
            "CHANGE_APPLICATION_SETTING",
            "X",
            {"SETTING_NAME": "Audit log sharing", "NEW_VALUE": "false"},
            "audit_stop",
            "success",
        ),
        (
            "admin",
            "CHANGE_APPLICATION_SETTING",
            "X",
            {"SETTING_NAME": "Audit log sharing", "NEW_VALUE": "true"},
            "audit_start",
            "success",
        ),
        (
            "admin",
            "CHANGE_APPLICATION_SETTING",
            "X",
            {"SETTING_NAME": "Audit log sharing", "NEW_VALUE": "weekly"},
            "policy_change",
            "success",
        ),
        ("admin", "ALERT_CENTER_VIEW", "ALERT_CENTER", {}, "alert_center_view", "success"),
    ],
)
def test_events_of_the_applications(
    application: str, name: str, kind: str, parameters: dict[str, object], action: str, outcome: str | None
) -> None:
    found = parsed(application, name, kind, parameters)

    assert (found.action, found.outcome) == (action, outcome)


def test_forwarding_is_mail_and_says_where_to() -> None:
    own = parsed(
        "user_accounts", "email_forwarding_out_of_domain", "", {"email_forwarding_destination_address": "bob@home.example"}
    )
    route = {"SETTING_NAME": "EMAIL_ROUTE", "NEW_VALUE": "to: <x@Partner.example>,"}
    routed = parsed("admin", "CREATE_GMAIL_SETTING", "EMAIL_SETTINGS", route)
    setting = parsed("admin", "CHANGE_GMAIL_SETTING", "EMAIL_SETTINGS", {"SETTING_NAME": "SECURE_TRANSPORT"})
    other = parsed("admin", "CHANGE_APPLICATION_SETTING", "APPLICATION_SETTINGS", {"SETTING_NAME": "x"})

    assert (own.source, own.details["forward_to"], own.details["forward_domain"]) == (
        Source.MAIL,
        "bob@home.example",
        "home.example",
    )
    assert (routed.source, routed.details["forward_domain"]) == (Source.MAIL, "partner.example")
    assert (setting.source, other.source) == (Source.MAIL, Source.ACCESS)


@pytest.mark.parametrize(
    ("application", "actor", "parameters", "expected"),
    [
        ("login", ALICE, {}, Actor(id="alice@clinic.example", kind=ActorKind.STAFF)),
        (
            "token",
            {"email": "etl@x.iam.gserviceaccount.com"},
            {},
            Actor(id="etl@x.iam.gserviceaccount.com", kind=ActorKind.SERVICE),
        ),
        ("k8s", {"email": "system:node:n-1"}, {}, Actor(id="system:node:n-1", kind=ActorKind.SYSTEM)),
        ("drive", {"callerType": "KEY", "key": "SYSTEM"}, {}, Actor(id="SYSTEM", kind=ActorKind.SYSTEM)),
        ("drive", {"applicationInfo": {"applicationName": "Backup"}}, {}, Actor(id="Backup", kind=ActorKind.SERVICE)),
        ("chrome", {"email": "owner@clinic.example"}, {"DEVICE_USER": "bob"}, Actor(id="bob", kind=ActorKind.STAFF)),
        ("chrome", {"profileId": "1001"}, {"DEVICE_USER": "-"}, Actor(id="1001", kind=ActorKind.STAFF)),
        ("login", {}, {"affected_email_address": "bob@clinic.example"}, Actor(id="bob@clinic.example", kind=ActorKind.STAFF)),
        ("login", None, {}, Actor(id="203.0.113.9", kind=ActorKind.EXTERNAL)),
        ("access_transparency", {}, {}, Actor(id="google", kind=ActorKind.VENDOR)),
    ],
)
def test_who_acted(application: str, actor: object, parameters: dict[str, object], expected: Actor) -> None:
    assert parsed(application, "x", "", parameters, actor=actor).actor == expected


def test_parameters_of_every_type_by_name() -> None:
    given = [
        {"name": "text", "value": "a"},
        {"name": "whole", "intValue": "63846009000"},
        {"name": "flag", "boolValue": False},
        {"name": "many", "multiValue": ["a", "b"]},
        {"name": "more", "multiStrValue": ["c"]},
        {"name": "object", "messageValue": {"parameter": [{"name": "inner", "value": "d"}]}},
        {"name": "objects", "multiMessageValue": [{"parameter": [{"name": "inner", "intValue": "1"}]}]},
        {"name": "nothing"},
        {"value": "without a name"},
    ]

    assert parameters_of({"parameters": given}) == {
        "text": "a",
        "whole": 63846009000,
        "flag": False,
        "many": ["a", "b"],
        "more": ["c"],
        "object": {"inner": "d"},
        "objects": [{"inner": 1}],
        "nothing": None,
    }
    assert parameters_of({"parameters": {"a": 1}}) == {"a": 1}
    assert parameters_of({"parameter": [{"name": "a", "value": "1"}]}) == {"a": "1"}


def test_consent_names_application_client_and_scopes() -> None:
    record = item("token", "authorize", "auth", {"client_id": "4711", "app_name": "Helper"})
    record["events"][0]["parameters"].append({"name": "scope", "multiValue": ["mail"]})  # type: ignore[index]

    details = event(GoogleReportsParser("s"), json.dumps(record)).details

    assert (details["application"], details["client_id"], details["scopes"]) == ("Helper", "4711", ["mail"])


# --- Ids and spellings -------------------------------------------------------------------------------------------------------


def test_the_events_of_one_activity_are_told_apart_and_keep_their_ids() -> None:
    record = item("drive", "view", "access")
    same = {"type": "access", "name": "view", "parameters": [{"name": "doc_id", "value": "1"}]}
    other = {"type": "access", "name": "edit", "parameters": [{"value": "1", "name": "doc_id"}]}
    both = json.dumps({**record, "events": [same, other, same]})
    swapped_round = json.dumps({**record, "events": [other, same]})

    ids = [one.event_id for one in events(GoogleReportsParser("s"), both)]

    assert len(set(ids)) == 3
    assert ids[2] == f"{ids[0]}#2"
    assert [one.event_id for one in events(GoogleReportsParser("s"), swapped_round)] == [ids[1], ids[0]]


def test_one_qualifier_for_two_activities_does_not_make_them_one() -> None:
    assert parsed("login", "login_success").event_id != parsed("login", "login_failure").event_id


def test_answers_are_cut_at_their_records_and_no_byte_is_written_anew() -> None:
    answer = json.dumps({"kind": "x", "items": [item("login", "logout"), item("login", "login_success")]}, indent=2).encode()
    entries = b'{"entries":[{"insertId":"1","logName":"l"}, {"insertId":"2","logName":"l"}],"nextPageToken":""}'

    records = split(google_reports_records, answer + b"\n" + entries)

    assert len(records) == 4
    assert all(record in answer + entries for record in records)
    assert inner_records(b'{"items":[]}', {"items"}) == []
    assert inner_records(b'{"items":[1]}', {"items"}) == []
    assert inner_records(b"{", {"items"}) == []


def entry(**payload: object) -> dict[str, object]:
    return {
        "insertId": "i-1",
        "timestamp": "2026-03-02T06:00:00.5Z",
        "logName": "l",
        "protoPayload": {"authenticationInfo": {"principalEmail": "alice@clinic.example"}, **payload},
    }


@pytest.mark.parametrize(
    ("method", "status", "action", "outcome"),
    [
        ("google.iam.admin.v1.SetIamPolicy", {}, "privilege_change", "success"),
        ("google.iam.admin.v1.CreateServiceAccountKey", {"code": 7}, "credential_create", "denied"),
        ("google.logging.v2.ConfigServiceV2.DeleteSink", {}, "audit_stop", "success"),
        ("storage.objects.get", {"code": 5}, "get", "failure"),
        ("", {}, "log_entry", None),
    ],
)
def test_entries_of_other_cloud_services(method: str, status: Mapping[str, object], action: str, outcome: str | None) -> None:
    found = event(GoogleReportsParser("s"), json.dumps(entry(methodName=method, status=status)))

    assert (found.action, found.outcome, found.actor.id) == (action, outcome, "alice@clinic.example")


def test_workspace_events_in_a_log_entry_and_in_a_push_of_it() -> None:
    metadata = {
        "event": [{"eventName": "login_failure", "eventType": "login", "parameter": [{"name": "login_type", "value": "saml"}]}]
    }
    record = entry(serviceName="login.googleapis.com", metadata=metadata, requestMetadata={"callerIp": "2001:DB8::9"})
    push = {"message": {"data": base64.b64encode(json.dumps(record).encode()).decode()}}

    direct, pushed = (event(GoogleReportsParser("s"), json.dumps(one)) for one in (record, push))

    assert (direct.action, direct.outcome, direct.ip, direct.details["method"]) == ("login", "failure", "2001:db8::9", "saml")
    assert pushed.event_id == direct.event_id


def test_rows_of_the_activity_table() -> None:
    row = {
        "record_type": "token",
        "event_name": "authorize",
        "event_type": "auth",
        "time_usec": "1772431200250000",
        "email": "bob@clinic.example",
        "unique_identifier": "77",
        "token": {"app_name": "Helper", "client_id": "4711", "scope": ["mail"]},
    }

    found = event(GoogleReportsParser("s"), json.dumps(row))

    assert (found.action, found.actor.id, found.details["application"]) == ("app_consent", "bob@clinic.example", "Helper")


def test_gmail_events_of_the_api_are_mail() -> None:
    record = item("gmail", "delivery", "delivery_type")
    record["events"][0]["parameters"] = [  # type: ignore[index]
        {"name": "event_info", "messageValue": {"parameter": [{"name": "mail_event_type", "intValue": "17"}]}}
    ]

    found = event(GoogleReportsParser("s"), json.dumps(record))

    assert (found.source, found.action, found.actor.id, found.ip) == (
        Source.MAIL,
        "attachment_download",
        "alice@clinic.example",
        "203.0.113.9",
    )
    assert found.format == "google-reports"


def test_a_portal_mapping_and_its_paths() -> None:
    mapping = '[constants]\nsource = "portal"\nactor_kind = "patient"\n[fields]\npatient_id = "parameters.mrn"\n'

    found = parsed("login", "login_success", "login", {"mrn": "P-1"}, mapping=mapping)
    forwarded = parsed("user_accounts", "email_forwarding_out_of_domain", mapping=mapping)

    assert (found.source, found.actor.kind, found.patient_id) == (Source.PORTAL, ActorKind.PATIENT, "P-1")
    assert forwarded.source == Source.MAIL


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("{}", "no activity"),
        ("[]", "an array"),
        (json.dumps({**item("login", "x"), "events": []}), "no events"),
        (json.dumps({**item("login", "x"), "events": [{"type": "x"}]}), "no name"),
        (json.dumps({**item("login", "x"), "id": {"applicationName": "login"}}), "id.time"),
        ('{"message":{"data":"%%%"}}', "base64"),
        ('{"kind":"admin#reports#activities","items":[]}', "no activity"),
    ],
)
def test_what_is_no_activity_is_refused(record: str, reason: str) -> None:
    assert reason in refusal(GoogleReportsParser("s"), record)


def test_the_page_sample_is_understood() -> None:
    found = [event(GoogleReportsParser("s"), record) for record in split(google_reports_records, page_sample("google-reports"))]

    assert [one.action for one in found] == ["app_consent", "forward_rule"]


@settings(deadline=None)
@given(record=st.binary(max_size=200) | bent(RECORDS))
def test_any_bytes(record: bytes) -> None:
    check(GoogleReportsParser("s"), record)


@settings(deadline=None)
@given(document=swapped(DOCUMENTS))
def test_any_value_in_place_of_any_field(document: object) -> None:
    check(GoogleReportsParser("s"), json.dumps(document).encode())


def test_real_activities_agree_with_their_answer_keys(samples: Path) -> None:
    agreement = Agreement()
    identity.measure(samples, agreement)

    google = [key for key in agreement.compared if key[0].startswith("google")]
    compared, agreed = (sum(counts[key] for key in google) for counts in (agreement.compared, agreement.agreed))
    assert compared > 600
    assert agreed / compared >= 0.99, agreement.differences
    assert dict(agreement.quarantined) == {}
