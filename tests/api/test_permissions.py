"""Who may do what: every route against every role, as a table."""

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from api.app import create_app
from api.routes import intake
from store.accounts import Role
from tests.api.conftest import House
from tests.api.scenes import a_day, an_alert, raise_alert

C, A, U, P, M = Role.COLLECTOR, Role.ANALYST, Role.AUDITOR, Role.PRIVACY_OFFICER, Role.ADMIN
EVERYONE = frozenset(Role)
SEES_PHI = frozenset({A, U, P})
SEES_SYSTEM = frozenset({A, U, P, M})
WORKS = frozenset({A, P})
TAKES = frozenset({U, P})
SENDS = frozenset({C})
CONFIGURES = frozenset({M})
NOT_FOR_PROGRAMS = {"/account/password": EVERYONE}
OPEN: frozenset[Role] | None = None

# method, route, an address of it, JSON body, who may (None: anyone, signed in or not)
TABLE: list[tuple[str, str, str, object, frozenset[Role] | None]] = [
    ("GET", "/livez", "/livez", None, OPEN),
    ("GET", "/readyz", "/readyz", None, OPEN),
    ("GET", "/metrics", "/metrics", None, SEES_SYSTEM),
    ("GET", "/version", "/version", None, SEES_SYSTEM),
    ("GET", "/openapi.json", "/openapi.json", None, SEES_SYSTEM),
    ("GET", "/checkpoint", "/checkpoint", None, OPEN),
    ("GET", "/v1/proofs/{writer}/{seq}", "/v1/proofs/main/1", None, SEES_SYSTEM),
    ("GET", "/v1/consistency", "/v1/consistency?from=0&to=1", None, OPEN),
    ("GET", "/tile/{path:path}", "/tile/0/000.p/1", None, OPEN),
    ("GET", "/v1/events", "/v1/events", None, SEES_PHI),
    ("GET", "/fhir/AuditEvent", "/fhir/AuditEvent", None, SEES_PHI),
    ("GET", "/fhir/AuditEvent/{identifier}", "/fhir/AuditEvent/main-1", None, SEES_PHI),
    ("GET", "/v1/events.{suffix}", "/v1/events.csv", None, SEES_PHI),
    ("GET", "/v1/events/{writer}/{seq}", "/v1/events/main/1", None, SEES_PHI),
    ("GET", "/v1/patients/{patient_id:path}/accesses", "/v1/patients/P-1/accesses", None, SEES_PHI),
    ("GET", "/v1/patients/{patient_id:path}/accesses.{suffix}", "/v1/patients/P-1/accesses.csv", None, SEES_PHI),
    ("GET", "/v1/actors/{actor_id:path}/activity", "/v1/actors/alice/activity", None, SEES_PHI),
    ("GET", "/v1/actors/{actor_id:path}/activity.{suffix}", "/v1/actors/alice/activity.json", None, SEES_PHI),
    ("GET", "/v1/alerts", "/v1/alerts", None, SEES_PHI),
    ("GET", "/v1/alerts/{alert_id}", "/v1/alerts/one", None, SEES_PHI),
    ("GET", "/v1/alerts/{alert_id}/history", "/v1/alerts/one/history", None, SEES_PHI),
    ("POST", "/v1/alerts/{alert_id}/acknowledge", "/v1/alerts/one/acknowledge", {"version": 1}, WORKS),
    ("POST", "/v1/alerts/{alert_id}/resolve", "/v1/alerts/two/resolve", {"version": 1, "note": "fine"}, WORKS),
    ("GET", "/v1/suppressions", "/v1/suppressions", None, SEES_PHI),
    ("POST", "/v1/suppressions", "/v1/suppressions", {"kind": "k", "until": "2026-03-01T00:00:00Z", "reason": "x"}, WORKS),
    ("POST", "/v1/suppressions/{suppression_id}/lift", "/v1/suppressions/x/lift", {"reason": "x"}, WORKS),
    ("GET", "/v1/suppressions/{suppression_id}/held", "/v1/suppressions/x/held", None, SEES_PHI),
    ("GET", "/suppressions", "/suppressions", None, SEES_PHI),
    ("POST", "/suppressions/{suppression_id}/lift", "/suppressions/x/lift", None, WORKS),
    ("POST", "/alerts/{alert_id}/suppress", "/alerts/one/suppress", None, WORKS),
    ("GET", "/v1/reports", "/v1/reports", None, TAKES),
    (
        "GET",
        "/v1/reports/{name}.{suffix}",
        "/v1/reports/patient-access.csv?first=2026-03-01&last=2026-03-31&patient=P-1",
        None,
        TAKES,
    ),
    ("GET", "/", "/", None, SEES_SYSTEM),
    ("GET", "/v1/sources", "/v1/sources", None, SEES_SYSTEM),
    ("GET", "/v1/sources/register", "/v1/sources/register", None, SEES_SYSTEM),
    ("GET", "/v1/sources/gaps", "/v1/sources/gaps", None, SEES_SYSTEM),
    ("GET", "/v1/sources/{name:path}", "/v1/sources/ehr", None, SEES_SYSTEM),
    ("POST", "/v1/sources/gaps/{gap_id}/acknowledge", "/v1/sources/gaps/x/acknowledge", {"loss": "some", "reason": "x"}, WORKS),
    ("POST", "/v1/sources/declarations", "/v1/sources/declarations", {"system": "x"}, WORKS | {M}),
    ("GET", "/v1/domains", "/v1/domains", None, SEES_PHI),
    ("GET", "/v1/domains/{domain}", "/v1/domains/clinic.example", None, SEES_PHI),
    ("GET", "/domains", "/domains", None, SEES_PHI),
    ("GET", "/domains/{domain}", "/domains/clinic.example", None, SEES_PHI),
    ("GET", "/v1/domains/{domain}/policy", "/v1/domains/clinic.example/policy", None, SEES_SYSTEM),
    ("POST", "/v1/domains/{domain}/policy", "/v1/domains/clinic.example/policy", {"demand": "forced", "reason": "x"}, CONFIGURES),
    ("GET", "/sources", "/sources", None, SEES_SYSTEM),
    ("GET", "/sources/{name:path}", "/sources/ehr", None, SEES_SYSTEM),
    ("POST", "/sources/gaps/{gap_id}/acknowledge", "/sources/gaps/x/acknowledge", None, WORKS),
    ("POST", "/sources/declare", "/sources/declare", None, WORKS | {M}),
    ("GET", "/events", "/events", None, SEES_PHI),
    ("GET", "/find", "/find?what=P-1", None, SEES_PHI),
    ("GET", "/events/{writer}/{seq}", "/events/main/1", None, SEES_PHI),
    ("GET", "/patients/{patient_id:path}", "/patients/P-1", None, SEES_PHI),
    ("GET", "/actors/{actor_id:path}", "/actors/alice", None, SEES_PHI),
    ("GET", "/mail", "/mail", None, SEES_PHI),
    ("GET", "/accesses", "/accesses", None, SEES_PHI),
    ("GET", "/alerts", "/alerts", None, SEES_PHI),
    ("GET", "/alerts/{alert_id}", "/alerts/one", None, SEES_PHI),
    ("POST", "/alerts/{alert_id}/acknowledge", "/alerts/one/acknowledge", None, WORKS),
    ("POST", "/alerts/{alert_id}/resolve", "/alerts/two/resolve", None, WORKS),
    ("GET", "/reports", "/reports", None, TAKES),
    ("GET", "/account", "/account", None, EVERYONE),
    ("POST", "/account/password", "/account/password", None, EVERYONE),
    ("GET", "/login", "/login", None, OPEN),
    ("POST", "/login", "/login", None, OPEN),
    ("POST", "/logout", "/logout", None, EVERYONE),
    ("GET", "/static/{name}", "/static/phitrail.css", None, OPEN),
    ("POST", "/v1/events", "/v1/events", [], SENDS),
    ("POST", "/fhir/AuditEvent", "/fhir/AuditEvent", {}, SENDS),
    ("POST", "/fhir", "/fhir", {}, SENDS),
]


def whole(house: House) -> FastAPI:
    """The application of a node that also takes records in."""
    return create_app(house.services, (intake.router,))


def asked(client: httpx.Client, method: str, address: str, body: object) -> int:
    return client.request(method, address, json=body).status_code


def test_the_table_holds_every_route(house: House) -> None:
    found = iter_route_contexts(whole(house).routes)
    routes = {(method, route.path) for route in found for method in route.methods or () if method != "HEAD"}

    assert routes == {(method, route) for method, route, _, _, _ in TABLE}


def test_each_route_is_for_the_roles_in_the_table(house: House) -> None:
    """401 without anybody, 403 with a role that may not, anything else is let in. Programs stand for people here."""
    house.app = whole(house)
    a_day(house.node.ledger.append)
    for name in ("one", "two"):
        raise_alert(house.services.alerts, an_alert(name))
    house.node.keeper.checkpoint()
    clients = {role: house.program(role) for role in Role}

    for method, route, address, body, allowed in TABLE:
        if allowed is not None:
            assert asked(house.visitor(), method, address, body) == 401, f"{method} {route} by nobody"
            let_in = {role for role, client in clients.items() if asked(client, method, address, body) not in (401, 403)}
            assert let_in == allowed - NOT_FOR_PROGRAMS.get(route, frozenset()), f"{method} {route}"


def test_what_is_open_answers_to_nobody(house: House) -> None:
    house.node.keeper.checkpoint()
    for method, route, address, _, allowed in TABLE:
        if allowed is None and method == "GET":
            assert house.visitor().get(address).status_code == 200, route


def test_roles_add_up(house: House) -> None:
    both = house.program(Role.ADMIN, Role.AUDITOR)

    assert both.get("/v1/events").status_code == 200
    assert both.get("/metrics").status_code == 200


def test_an_account_that_is_disabled_or_demoted_loses_its_rights_with_its_next_request(house: House) -> None:
    browser = house.person(Role.AUDITOR, name="carol")
    assert browser.get("/v1/events").status_code == 200

    house.services.accounts.set_roles("carol", [Role.ADMIN], by="admin")
    assert browser.get("/v1/events").status_code == 403

    house.services.accounts.disable("carol", by="admin")
    assert browser.get("/v1/events").status_code == 401


def test_a_revoked_or_unknown_key_is_told_so_even_with_a_session(house: House) -> None:
    browser = house.person(Role.AUDITOR)
    key, text = house.services.keys.create("feed", [Role.AUDITOR], by="admin")
    house.services.keys.revoke(key.key_id, by="admin")

    for credentials in (f"Bearer {text}", "Bearer nonsense", "Basic YTpi"):
        answer = browser.get("/v1/events", headers={"Authorization": credentials})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
