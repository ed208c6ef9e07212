"""Entra's logs: sign-ins of every kind in every envelope, changes in the directory, and what is not said."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Geo, Source
from domain.json import normalise
from domain.record import Parsed, Rejected
from ingest.parsers.entra_signin import EntraSigninParser
from ingest.parsers.field_mapping import read_mapping
from ingest.parsers.m365_records import m365_records
from ingest.parsers.records import Feed, Oversize
from tests.conformance import microsoft
from tests.conformance.agreement import Agreement
from tests.support.bending import bent_export

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "formats" / "entra-signin.md").read_text()
GOLDEN = [path.read_bytes() for path in sorted((ROOT / "tests" / "golden" / "entra-signin").glob("*.in"))]
SIGN_IN: Mapping[str, object] = {
    "id": "s-1",
    "createdDateTime": "2026-03-02T06:00:00.1234567Z",
    "userDisplayName": "Alice Nurse",
    "userPrincipalName": "alice.nurse@clinic.example",
    "userId": "u-1",
    "appId": "app-1",
    "appDisplayName": "Patient Records",
    "ipAddress": "203.0.113.20",
    "clientAppUsed": "Browser",
    "status": {"errorCode": 0},
    "location": {"city": "Springfield", "countryOrRegion": "US", "geoCoordinates": {"latitude": 39.78, "longitude": -89.65}},
    "deviceDetail": {"deviceId": "d-1", "displayName": "WS-4W-12", "operatingSystem": "Windows 11", "isCompliant": True},
}


def graph(**changes: object) -> bytes:
    return json.dumps({name: value for name, value in {**SIGN_IN, **changes}.items() if value is not ...}).encode()


def enveloped(category: str = "SignInLogs", /, **changes: object) -> bytes:
    inner = {name: value for name, value in {**SIGN_IN, **changes}.items() if value is not ...}
    envelope = {"time": "2026-03-02T06:05:00Z", "operationName": "Sign-in activity", "category": category, "resultType": "0"}
    return json.dumps({**envelope, "properties": inner}).encode()


def audit(activity: str, **changes: object) -> bytes:
    about: dict[str, object] = {
        "id": "Directory_1",
        "category": "RoleManagement",
        "result": "success",
        "activityDisplayName": activity,
        "activityDateTime": "2026-03-02T06:00:00Z",
        "initiatedBy": {"user": {"userPrincipalName": "root.admin@clinic.example", "ipAddress": "10.20.0.9"}},
        "targetResources": [{"type": "User", "id": "u-2", "userPrincipalName": "bob.clerk@clinic.example"}],
    }
    return json.dumps({**about, **changes}).encode()


def parser() -> EntraSigninParser:
    return EntraSigninParser("entra")


def events(content: bytes, reader: EntraSigninParser | None = None) -> list[AuditEvent]:
    parsed = (reader or parser()).parse(content)
    found = [one for one in parsed if isinstance(one, AuditEvent)]
    assert found == parsed, parsed
    return found


def event(content: bytes) -> AuditEvent:
    (found,) = events(content)
    return found


def cut(content: bytes) -> list[bytes]:
    records = list(m365_records(Feed(content[at : at + 7] for at in range(0, len(content), 7)), 1_000_000))
    found = [one for one in records if not isinstance(one, Oversize)]
    assert found == records
    return found


# --- Sign-ins --------------------------------------------------------------------------------------------------------------------


def test_a_sign_in_of_graph() -> None:
    found = event(graph())

    assert (found.event_id, found.source, found.action, found.outcome) == ("s-1", Source.ACCESS, "login", "success")
    assert found.time == datetime(2026, 3, 2, 6, 0, 0, 123_456, tzinfo=UTC)
    assert found.actor == Actor(id="alice.nurse@clinic.example", kind=ActorKind.STAFF)
    assert found.ip == "203.0.113.20"
    assert found.geo == Geo(city="Springfield", country="US", lat="39.78", lon="-89.65")
    assert found.device == Device(id="WS-4W-12", kind=DeviceKind.WORKSTATION)
    expected = {"application": "Patient Records", "client_id": "app-1", "user_id": "u-1", "error_code": "0", "status": "success"}
    assert expected.items() <= found.details.items()
    assert {"device_id": "d-1", "compliant": True, "legacy_auth": False}.items() <= found.details.items()


def test_the_envelope_of_the_diagnostic_settings_says_the_same() -> None:
    bare, found = event(graph()), event(enveloped())

    assert (found.event_id, found.time, found.actor, found.outcome) == (bare.event_id, bare.time, bare.actor, bare.outcome)
    assert (found.ip, found.geo, found.device) == (bare.ip, bare.geo, bare.device)
    assert bare.details.items() - {("event_type", "signIn")} <= {*found.details.items()}
    assert found.details["logged_at"] == "2026-03-02T06:05:00Z"


def test_log_analytics_has_names_in_capitals_and_json_in_texts() -> None:
    row = {
        "TimeGenerated": "2026-03-02T06:05:00Z",
        "CreatedDateTime": "2026-03-02T06:00:00Z",
        "Category": "NonInteractiveUserSignInLogs",
        "Id": "s-1",
        "ResultType": "50126",
        "ResultDescription": "Invalid password.",
        "UserPrincipalName": "alice.nurse@clinic.example",
        "IPAddress": "203.0.113.20",
        "LocationDetails": '{"city":"Springfield","countryOrRegion":"US"}',
        "DeviceDetail": '{"deviceId":"d-1","displayName":"PHONE-7","operatingSystem":"Ios 19"}',
        "Status": "",
        "Type": "AADNonInteractiveUserSignInLogs",
    }
    found = event(json.dumps(row).encode())

    assert (found.time.minute, found.outcome, found.details["sign_in_kind"]) == (0, "failure", "non_interactive")
    assert (found.geo, found.device) == (
        Geo(city="Springfield", country="US"),
        Device(id="PHONE-7", kind=DeviceKind.MOBILE),
    )
    assert found.details["reason"] == "Invalid password."


@pytest.mark.parametrize(
    ("code", "outcome", "status"),
    [
        (0, "success", "success"),
        ("0", "success", "success"),
        (50126, "failure", "failure"),
        (50053, "failure", "failure"),
        (50074, "failure", "interrupted"),
        (50140, "failure", "interrupted"),
        (53003, "denied", "failure"),
        (50105, "denied", "failure"),
        (700082, "failure", "failure"),
        (None, None, None),
    ],
)
def test_error_codes(code: object, outcome: str | None, status: str | None) -> None:
    found = event(graph(status={"errorCode": code, "failureReason": "because"}))

    assert (found.action, found.outcome, found.details.get("status")) == ("login", outcome, status)
    assert found.details.get("reason") == (None if status in (None, "success") else "because")


def test_a_failure_that_conditional_access_caused_is_a_refusal() -> None:
    policies = [
        {"displayName": "Block legacy", "result": "failure"},
        {"displayName": "MFA", "result": "success"},
        {"displayName": "Other", "result": "notApplied"},
    ]
    changes = {"conditionalAccessStatus": "failure", "appliedConditionalAccessPolicies": policies}
    found = event(graph(status={"errorCode": 1}, **changes))

    expected = {"conditional_access": "failure", "policies_failed": ["Block legacy"], "policies_met": ["MFA"]}
    assert found.outcome == "denied"
    assert expected.items() <= found.details.items()


def test_without_a_status_nothing_is_called_a_success() -> None:
    assert event(graph(status=...)).outcome is None


@pytest.mark.parametrize(
    ("category", "changes", "actor", "kind"),
    [
        ("SignInLogs", {}, "alice.nurse@clinic.example", "interactive"),
        ("NonInteractiveUserSignInLogs", {"isInteractive": False}, "alice.nurse@clinic.example", "non_interactive"),
        (
            "ServicePrincipalSignInLogs",
            {"servicePrincipalName": "lab-sync", "userPrincipalName": ...},
            "lab-sync",
            "service_principal",
        ),
        ("ManagedIdentitySignInLogs", {"servicePrincipalName": "vm-1", "userPrincipalName": ...}, "vm-1", "managed_identity"),
        ("ADFSSignInLogs", {}, "alice.nurse@clinic.example", "federated"),
    ],
)
def test_kinds_of_sign_ins(category: str, changes: Mapping[str, object], actor: str, kind: str) -> None:
    found = event(enveloped(category, **changes))

    assert (found.actor.id, found.details["sign_in_kind"]) == (actor, kind)
    assert found.actor.kind is (ActorKind.SERVICE if kind in ("service_principal", "managed_identity") else ActorKind.STAFF)


@pytest.mark.parametrize("types", ["servicePrincipal", "managedIdentity"])
def test_the_beta_api_names_the_kind_beside(types: str) -> None:
    found = event(
        graph(signInEventTypes=[types], servicePrincipalName="lab-sync", userPrincipalName="", userId="", userDisplayName="")
    )

    assert found.actor == Actor(id="lab-sync", kind=ActorKind.SERVICE)


def test_a_guest_is_from_outside() -> None:
    assert event(graph(userType="Guest")).actor.kind is ActorKind.EXTERNAL


def test_where_nobody_is_named_the_address_stands_for_them() -> None:
    found = event(enveloped(userPrincipalName="", userId="00000000-0000-0000-0000-000000000000", userDisplayName=""))

    assert found.actor == Actor(id="203.0.113.20", kind=ActorKind.EXTERNAL)


@pytest.mark.parametrize(
    ("client", "legacy"),
    [("IMAP4", True), ("Exchange ActiveSync", True), ("Authenticated SMTP", True), ("Browser", False), (None, None)],
)
def test_clients_that_can_only_send_a_password(client: str | None, legacy: bool | None) -> None:
    assert event(graph(clientAppUsed=client)).details.get("legacy_auth") is legacy


@pytest.mark.parametrize(
    ("changes", "mfa"),
    [
        ({"mfaDetail": {"authMethod": "Mobile app notification"}}, "Mobile app notification"),
        (
            {"status": {"errorCode": 0, "additionalDetails": "MFA requirement satisfied by claim in the token"}},
            "MFA requirement satisfied",
        ),
        (
            {
                "authenticationDetails": [
                    {
                        "authenticationMethod": "Password",
                        "authenticationStepRequirement": "Primary authentication",
                        "succeeded": True,
                    },
                    {
                        "authenticationMethod": "FIDO2",
                        "authenticationStepRequirement": "Multi-factor authentication",
                        "succeeded": True,
                    },
                ]
            },
            "FIDO2",
        ),
        ({}, ""),
    ],
)
def test_the_second_factor(changes: Mapping[str, object], mfa: str) -> None:
    assert str(event(graph(**changes)).details.get("mfa", "")).startswith(mfa)


def test_risk() -> None:
    risky = {"riskLevelDuringSignIn": "high", "riskState": "atRisk", "riskEventTypes_v2": ["anonymizedIPAddress"]}
    found = event(graph(**risky))

    assert {"risk": "high", "risk_state": "atRisk", "risk_events": ["anonymizedIPAddress"]}.items() <= found.details.items()


def test_a_portal_for_patients() -> None:
    mapping = read_mapping(
        '[constants]\nsource = "portal"\nactor_kind = "patient"\n[fields]\npatient_id = "properties.extension.mrn"'
    )
    (found,) = events(enveloped(extension={"mrn": "P-1"}), EntraSigninParser("b2c", mapping=mapping))
    (program,) = events(
        enveloped("ServicePrincipalSignInLogs", servicePrincipalName="x"), EntraSigninParser("b2c", mapping=mapping)
    )

    assert (found.source, found.actor.kind, found.patient_id) == (Source.PORTAL, ActorKind.PATIENT, "P-1")
    assert program.actor.kind is ActorKind.SERVICE


@pytest.mark.parametrize("address", ["::ffff:203.0.113.20", "203.0.113.20:443", "[::ffff:203.0.113.20]:443"])
def test_addresses_in_one_spelling(address: str) -> None:
    assert event(graph(ipAddress=address)).ip == "203.0.113.20"


# --- The other logs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activity", "action"),
    [
        ("Add member to role", "privilege_change"),
        ("Add app role assignment to service principal", "privilege_change"),
        ("Add member to group", "privilege_change"),
        ("Reset user password", "password_reset"),
        ("Update conditional access policy", "policy_change"),
        ("Consent to application", "app_consent"),
        ("Update device", "update_device"),
    ],
)
def test_changes_in_the_directory(activity: str, action: str) -> None:
    found = event(audit(activity))

    assert (found.event_id, found.action, found.outcome) == ("Directory_1", action, "success")
    assert found.actor == Actor(id="root.admin@clinic.example", kind=ActorKind.STAFF)
    assert (found.ip, found.details["target_user"], found.details["target_id"]) == ("10.20.0.9", "bob.clerk@clinic.example", "u-2")


def test_who_changed_the_directory_may_be_a_program() -> None:
    found = event(
        audit("Add user", initiatedBy={"app": {"displayName": "HR Sync", "appId": "a-1"}}, result="failure", resultReason="no")
    )

    assert (found.actor, found.outcome) == (Actor(id="HR Sync", kind=ActorKind.SERVICE), "failure")
    assert {"reason": "no", "client_id": "a-1"}.items() <= found.details.items()


def test_consent_to_an_application() -> None:
    changes = [
        {"displayName": "ConsentContext.IsAdminConsent", "newValue": '"True"'},
        {
            "displayName": "ConsentAction.Permissions",
            "newValue": '"[] => [[Id: x, ConsentType: AllPrincipals, Scope: Mail.Read]];"',
        },
        {"displayName": "TargetId.ServicePrincipalNames", "newValue": '"b0000000-0000-4000-8000-000000000009"'},
    ]
    target = [{"type": "ServicePrincipal", "id": "e-1", "displayName": "Mail Helper", "modifiedProperties": changes}]
    found = event(audit("Consent to application", targetResources=target))

    expected = {
        "application": "Mail Helper",
        "client_id": "b0000000-0000-4000-8000-000000000009",
        "scopes": ["Mail.Read"],
        "consent_type": "AllPrincipals",
        "admin_consent": True,
    }
    assert expected.items() <= found.details.items()


def test_a_detection_of_risk_is_another_event_when_its_state_changes() -> None:
    about = {
        "id": "r-1",
        "riskEventType": "leakedCredentials",
        "riskLevel": "high",
        "detectionTimingType": "offline",
        "detectedDateTime": "2026-03-02T06:00:00Z",
        "userPrincipalName": "bob.clerk@clinic.example",
    }
    found, later = (event(json.dumps({**about, "riskState": state}).encode()) for state in ("atRisk", "remediated"))

    assert (found.action, found.outcome, found.details["risk"]) == ("risk_detected", None, "high")
    assert found.event_id != later.event_id


def test_a_call_of_graph() -> None:
    call = {
        "requestId": "q-1",
        "timeGenerated": "2026-03-02T06:00:00Z",
        "requestMethod": "GET",
        "requestUri": "https://graph.example/v1.0/users",
        "responseStatusCode": 403,
        "userId": "u-1",
        "appId": "a-1",
        "ipAddress": "10.1.1.1",
        "scopes": "User.Read Mail.Read",
    }
    outer = {"category": "MicrosoftGraphActivityLogs", "properties": call, "time": "2026-03-02T06:00:01Z"}
    found = event(json.dumps(outer).encode())

    assert (found.event_id, found.action, found.outcome, found.actor.id) == ("q-1", "graph_request", "denied", "u-1")
    assert {"method": "GET", "response_code": 403, "scopes": ["User.Read", "Mail.Read"]}.items() <= found.details.items()


def test_provisioning() -> None:
    inner = {
        "id": "p-1",
        "activityDateTime": "2026-03-02T06:00:00Z",
        "provisioningAction": "create",
        "initiatedBy": {"displayName": "HR Sync"},
        "targetIdentity": {"displayName": "bob.clerk", "id": "u-2"},
        "provisioningStatusInfo": {"status": "failure", "errorInformation": {"errorCode": "E1", "reason": "no"}},
    }
    found = event(json.dumps({"category": "ProvisioningLogs", "time": "2026-03-02T06:00:00Z", "properties": inner}).encode())

    assert (found.action, found.outcome, found.actor.id) == ("provisioning", "failure", "HR Sync")
    assert {"target_user": "bob.clerk", "reason": "no", "error_code": "E1"}.items() <= found.details.items()


# --- Records and refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrapping", [b'{"records": [%s,%s]}', b'{"value": [%s, %s]}', b"[%s,%s]", b"%s\n%s\n", b"\xef\xbb\xbf%s\n%s"]
)
def test_whatever_wraps_the_records(wrapping: bytes) -> None:
    assert cut(wrapping % (enveloped(), graph(id="s-2"))) == [enveloped(), graph(id="s-2")]


def test_an_event_hubs_message_that_comes_as_one_record_is_read_too() -> None:
    assert [one.event_id for one in events(b'{"records": [%s,%s]}' % (enveloped(), graph(id="s-2")))] == ["s-1", "s-2"]


def test_without_an_own_id_the_content_stands_for_it() -> None:
    assert event(graph(id=...)).event_id == event(graph(id=...)).event_id
    assert event(graph(id=...)).event_id != event(graph(id=..., appId="other")).event_id


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"hello": "SECRET"}', "the record is no sign-in, no audit and no risk event of Entra"),
        (graph(createdDateTime=...), "the time of the record is missing"),
        (graph(createdDateTime="SECRET"), "the time of the record is not an RFC 3339 time"),
        (graph(createdDateTime="1889-01-01T00:00:00Z"), "the time of the record lies outside 1990 to 2200"),
        (b"[1]", "the record is an array, not an object"),
        (b"{", "the record is not valid JSON"),
        (b"", "the record is empty"),
    ],
)
def test_a_refusal_says_what_is_wrong(content: bytes, reason: str) -> None:
    (parsed,) = parser().parse(content)

    assert isinstance(parsed, Rejected)
    assert parsed.reason.startswith(reason), parsed.reason
    assert "SECRET" not in parsed.reason
    assert parsed.raw == content


# --- Anything --------------------------------------------------------------------------------------------------------------------


def check(content: bytes, parsed: Sequence[Parsed]) -> None:
    assert parsed
    for one in parsed:
        assert one.raw == content
        if isinstance(one, AuditEvent):
            assert normalise(one.details) == one.details
        else:
            assert 0 < len(one.reason) < 300


@settings(deadline=None, max_examples=200)
@given(content=st.sampled_from(GOLDEN), seed=st.integers(0, 2**32))
def test_bent_exports(content: bytes, seed: int) -> None:
    reader = parser()
    for one in cut(bent_export(content, seed)):
        check(one, reader.parse(one))


@settings(deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    check(content, parser().parse(content))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3))
RECORDS = [one for content in GOLDEN for one in cut(content)]


@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_any_value_in_place_of_any_field(data: st.DataObject) -> None:
    document = json.loads(data.draw(st.sampled_from(RECORDS)))
    inner, path = document, []
    while isinstance(inner, dict | list) and inner:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))))
        path.append((inner, key))
        inner = inner[key]
    holder, key = data.draw(st.sampled_from(path))
    holder[key] = data.draw(VALUES)
    content = json.dumps(document).encode()
    check(content, parser().parse(content))


def test_the_answer_keys_of_real_records_agree(samples: Path) -> None:
    agreement = Agreement()
    microsoft.measure(samples, agreement)

    assert [one for one in agreement.differences if one.startswith("entra-signin")] == []
    assert sum(count for key, count in agreement.compared.items() if key[0] == "entra-signin") >= 300
    assert not [reason for reason in agreement.quarantined if reason[0] == "entra-signin"]


def test_the_sample_of_the_page_is_understood() -> None:
    (sample,) = re.findall(r"^```entra-signin\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    assert [(one.action, one.outcome) for content in cut(sample.encode()) for one in events(content)] == [
        ("login", "success"),
        ("login", "denied"),
    ]
