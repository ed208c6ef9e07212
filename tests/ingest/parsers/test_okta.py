"""Okta's System Log: event types, outcomes, who and whom, envelopes, mappings, and agreement with an answer key."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Geo, Source
from domain.record import Rejected
from ingest.parsers import read_mapping
from ingest.parsers.json_records import json_records
from ingest.parsers.okta import OktaParser
from tests.conformance import identity
from tests.conformance.agreement import Agreement
from tests.support.identity import bent, check, event, events, golden_records, page_sample, refusal, split, swapped

ALICE: Mapping[str, object] = {"id": "00u1", "type": "User", "alternateId": "alice@clinic.example", "displayName": "Alice"}
BASE: Mapping[str, object] = {
    "uuid": "u-1",
    "published": "2026-03-02T06:00:00.250Z",
    "eventType": "user.session.start",
    "actor": ALICE,
    "client": {"ipAddress": "203.0.113.9"},
    "outcome": {"result": "SUCCESS"},
}
RECORDS = golden_records("okta", json_records)
DOCUMENTS = [json.loads(record) for record in RECORDS if record.startswith(b"{")]


def parsed(mapping: str | None = None, **changes: object) -> AuditEvent:
    record = {name: value for name, value in {**BASE, **changes}.items() if value is not ...}
    return event(OktaParser("s", mapping=read_mapping(mapping) if mapping else None), json.dumps(record))


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("user.session.start", "login"),
        ("user.authentication.sso", "login"),
        ("user.session.end", "logout"),
        ("user.authentication.auth_via_AD_agent", "authentication"),
        ("user.authentication.auth_via_mfa", "mfa_verify"),
        ("system.push.send_factor_verify_push", "mfa_challenge"),
        ("user.account.reset_password", "password_reset"),
        ("user.account.update_password", "account_password_change"),
        ("user.account.privilege.grant", "privilege_change"),
        ("group.user_membership.add", "privilege_change"),
        ("iam.resourceset.bindings.add", "privilege_change"),
        ("application.user_membership.add", "application_assign"),
        ("app.oauth2.as.consent.grant", "app_consent"),
        ("user.lifecycle.deactivate", "account_disable"),
        ("user.account.lock", "account_lock"),
        ("user.mfa.factor.deactivate", "account_mfa_factor_disable"),
        ("policy.lifecycle.update", "policy_change"),
        ("policy.rule.deactivate", "policy_change"),
        ("zone.update", "policy_change"),
        ("policy.evaluate_sign_on", "policy_evaluate_sign_on"),
        ("system.log_stream.lifecycle.deactivate", "audit_stop"),
        ("system.log_stream.lifecycle.activate", "audit_start"),
        ("user.session.impersonation.initiate", "impersonation_start"),
        ("something.new.thisYear", "something_new_this_year"),
    ],
)
def test_event_types_are_actions(kind: str, action: str) -> None:
    assert parsed(eventType=kind).action == action


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ("SUCCESS", "success"),
        ("ALLOW", "success"),
        ("FAILURE", "failure"),
        ("DENY", "denied"),
        ("SKIPPED", None),
        ("CHALLENGE", None),
        ("UNKNOWN", None),
        (None, None),
    ],
)
def test_only_results_that_say_how_it_ended_are_outcomes(result: str | None, outcome: str | None) -> None:
    assert parsed(outcome={"result": result}).outcome == outcome


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        (ALICE, Actor(id="alice@clinic.example", kind=ActorKind.STAFF)),
        ({**ALICE, "alternateId": "alice@clinic.example\\"}, Actor(id="alice@clinic.example", kind=ActorKind.STAFF)),
        ({**ALICE, "alternateId": "unknown"}, Actor(id="Alice", kind=ActorKind.STAFF)),
        (
            {"id": "unknown", "type": "User", "alternateId": "carol", "displayName": "unknown"},
            Actor(id="carol", kind=ActorKind.STAFF),
        ),
        ({"type": "SystemPrincipal", "alternateId": "system@okta.com"}, Actor(id="system@okta.com", kind=ActorKind.SYSTEM)),
        ({"type": "PublicClientApp", "id": "0oa1", "displayName": "ETL"}, Actor(id="ETL", kind=ActorKind.SERVICE)),
        ({"type": "User", "alternateId": "unknown", "id": "unknown"}, Actor(id="203.0.113.9", kind=ActorKind.EXTERNAL)),
        (None, Actor(id="203.0.113.9", kind=ActorKind.EXTERNAL)),
    ],
)
def test_who_acted(actor: object, expected: Actor) -> None:
    assert parsed(actor=actor).actor == expected


def test_without_an_actor_the_user_it_was_about_and_without_an_address_okta_itself() -> None:
    target = {"type": "User", "alternateId": "bob", "id": "2"}

    assert parsed(actor=None, target=[target]).actor == Actor(id="bob", kind=ActorKind.STAFF)
    assert parsed(actor=None, client=None).actor == Actor(id="okta", kind=ActorKind.SYSTEM)


def test_address_and_place_from_the_client_else_from_the_chain() -> None:
    context = {"city": "Peoria", "country": "United States", "geolocation": {"lat": 40.69, "lon": -89.59}}
    chain = {"ipChain": [{"ip": "198.51.100.2", "geographicalContext": context}]}

    found = parsed(client={"ipAddress": "::ffff:203.0.113.7"})
    other = parsed(client={}, request=chain)

    assert (found.ip, found.geo) == ("203.0.113.7", None)
    assert (other.ip, other.geo) == ("198.51.100.2", Geo(city="Peoria", country="United States", lat="40.69", lon="-89.59"))


def test_whom_it_was_about_and_in_which_application() -> None:
    found = parsed(
        eventType="application.user_membership.add",
        target=[
            {"type": "AppUser", "id": "1", "alternateId": "bob-in-app", "displayName": "Bob"},
            {"type": "AppInstance", "id": "0oa1", "alternateId": "EHR", "displayName": "OpenID Connect Client"},
            {"type": "User", "id": "00u2", "alternateId": "bob@clinic.example", "displayName": "Bob"},
        ],
    )

    assert found.details["target_user"] == "bob@clinic.example"
    assert found.details["application"] == "EHR"
    assert found.details["application_type"] == "OpenID Connect Client"


def test_what_okta_does_not_know_is_left_out() -> None:
    found = parsed(client={"zone": "null", "device": "Unknown", "id": None}, authenticationContext={"externalSessionId": "unknown"})

    assert not {"zone", "client_device", "client_id", "session_id"} & found.details.keys()
    assert found.ip is None


@pytest.mark.parametrize(
    "envelope", [lambda one: {"detail": one}, lambda one: {"event": one}, lambda one: {"data": {"events": [one]}, "eventId": "h"}]
)
def test_envelopes_are_looked_through(envelope: object) -> None:
    assert callable(envelope)
    record = json.dumps(envelope(dict(BASE)))

    assert event(OktaParser("s"), record).event_id == "u-1"


def test_a_hook_with_two_events_is_two_events_of_the_same_bytes() -> None:
    record = json.dumps({"data": {"events": [{**BASE}, {**BASE, "uuid": "u-2"}]}}).encode()

    found = events(OktaParser("s"), record)

    assert [one.event_id for one in found] == ["u-1", "u-2"]
    assert {one.raw for one in found} == {record}


def test_a_portal_mapping_changes_users_and_not_services() -> None:
    portal = '[constants]\nsource = "portal"\nactor_kind = "patient"\n[fields]\npatient_id = "debugContext.debugData.mrn"\n'

    user = parsed(portal, debugContext={"debugData": {"mrn": "P-1"}})
    program = parsed(portal, actor={"type": "SystemPrincipal", "alternateId": "system@okta.com"})

    assert (user.source, user.actor.kind, user.patient_id) == (Source.PORTAL, ActorKind.PATIENT, "P-1")
    assert (program.source, program.actor.kind) == (Source.PORTAL, ActorKind.SYSTEM)


def test_a_mapping_translates_event_types() -> None:
    assert parsed('[values.action]\n"user.session.start" = "portal_login"\n').action == "portal_login"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("{}", "no event of Okta"),
        ("[1]", "an array"),
        ("{", "not valid JSON"),
        ('{"uuid":"u","eventType":"x","published":"yesterday"}', "published"),
        ('{"uuid":"u","eventType":"x","published":"1970-01-01T00:00:00Z"}', "outside 1990"),
        (json.dumps({**BASE, "debugContext": {"debugData": {"x": 1}}, "severity": json.loads("[" * 40 + "]" * 40)}), "nested"),
    ],
)
def test_what_is_no_event_is_refused_without_its_content(record: str, reason: str) -> None:
    assert reason in refusal(OktaParser("s"), record)


def test_the_page_sample_is_understood() -> None:
    found = [event(OktaParser("s"), record) for record in split(json_records, page_sample("okta"))]

    assert [one.action for one in found] == ["login", "password_reset"]


@settings(deadline=None)
@given(record=st.binary(max_size=200) | bent(RECORDS))
def test_any_bytes(record: bytes) -> None:
    check(OktaParser("s"), record)


@settings(deadline=None)
@given(document=swapped(DOCUMENTS))
def test_any_value_in_place_of_any_field(document: object) -> None:
    check(OktaParser("s"), json.dumps(document).encode())


def test_real_events_agree_with_their_answer_key(samples: Path) -> None:
    agreement = Agreement()
    identity.measure(samples, agreement)

    assert sum(agreement.compared[key] for key in agreement.compared if key[0] == "okta") > 150
    assert agreement.differences == []
    assert dict(agreement.quarantined) == {}
    assert agreement.records["okta"] == agreement.events["okta"] > 0


def test_the_same_event_has_the_same_id_and_refusals_keep_their_bytes() -> None:
    parser = OktaParser("s")
    record = json.dumps(dict(BASE)).encode()

    assert event(parser, record).event_id == event(parser, record).event_id
    (bad,) = parser.parse(b"\xff")
    assert isinstance(bad, Rejected)
    assert bad.raw == b"\xff"
