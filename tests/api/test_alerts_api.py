"""Alerts over HTTP, by programs and with the pages' forms."""

import json
from datetime import timedelta

from domain.finding import Severity
from store.accounts import Role
from tests.api.conftest import House
from tests.api.ledger_rows import NOON
from tests.api.scenes import a_day, an_alert, raise_alert


def filled(house: House) -> None:
    a_day(house.node.ledger.append)
    for number in range(5):
        raise_alert(
            house.services.alerts,
            an_alert(
                f"a{number}",
                time=NOON + timedelta(minutes=number),
                severity=Severity.LOW if number % 2 else Severity.CRITICAL,
                kind="weak_tls" if number == 3 else "household_access",
                patient_id=f"P-{number % 2 + 1}",
            ),
        )


def test_an_alert_goes_out_in_its_outward_form(house: House) -> None:
    filled(house)

    alert = house.program(Role.ANALYST).get("/v1/alerts/a0").json()

    assert alert["alert_id"] == "a0"
    assert alert["time"] == "2026-03-10T12:00:00.000000Z"
    assert (alert["actor"], alert["patient_id"], alert["event_ids"]) == ("alice", "P-1", ["E-1"])
    assert (alert["status"], alert["severity"], alert["score"]) == ("open", "critical", 0.9)
    assert alert["rule"] == {"id": "phitrail.household", "version": "3"}
    assert alert["explanation"] == ["Both live at the same address."]
    assert alert["exculpatory"] == ["Alice was on shift."]


def test_the_list_narrows_and_pages(house: House) -> None:
    filled(house)
    client = house.program(Role.ANALYST)

    def names(query: str) -> list[str]:
        return [alert["alert_id"] for alert in client.get(f"/v1/alerts?{query}").json()["alerts"]]

    assert names("") == ["a4", "a3", "a2", "a1", "a0"]
    assert names("severity=critical") == ["a4", "a2", "a0"]
    assert names("severity=critical&severity=low&kind=weak_tls") == ["a3"]
    assert names("patient=P-2") == ["a3", "a1"]
    assert names("from=2026-03-10T12:01:00Z&to=2026-03-10T12:03:00Z") == ["a2", "a1"]
    assert names("status=resolved") == []
    first = client.get("/v1/alerts?limit=2").json()
    assert [alert["alert_id"] for alert in client.get(f"/v1/alerts?limit=9&cursor={first['next']}").json()["alerts"]] == [
        "a2",
        "a1",
        "a0",
    ]


def test_an_alert_is_acknowledged_then_resolved_by_name_and_the_ledger_knows(house: House) -> None:
    filled(house)
    client = house.person(Role.ANALYST, name="carol")

    taken = client.post("/v1/alerts/a0/acknowledge", json={"version": 1, "note": "asking the unit"}).json()
    decision = {"version": 2, "note": "shift confirmed", "disposition": "documentation_gap"}
    closed = client.post("/v1/alerts/a0/resolve", json=decision).json()

    assert (taken["disposition"], closed["disposition"]) == ("", "documentation_gap")
    (recorded,) = house.recorded("alert_resolved")
    assert json.loads(str(recorded[3]))["disposition"] == "documentation_gap"
    assert (taken["status"], taken["version"], taken["changed_by"]) == ("acknowledged", 2, "carol")
    assert (closed["status"], closed["version"], closed["note"]) == ("resolved", 3, "shift confirmed")
    history = client.get("/v1/alerts/a0/history").json()["versions"]
    assert [version["status"] for version in history] == ["open", "acknowledged", "resolved"]
    assert [row[0] for row in house.recorded("alert_acknowledged") + house.recorded("alert_resolved")] == ["carol", "carol"]


def test_a_program_that_decides_is_no_member_of_staff(house: House) -> None:
    filled(house)

    house.program(Role.ANALYST).post("/v1/alerts/a0/acknowledge", json={"version": 1})

    kinds = house.node.engine.rows(
        "SELECT actor_kind, startsWith(actor_id, 'key:') FROM events WHERE action = 'alert_acknowledged'"
    )
    assert [(str(kind), bool(named)) for kind, named in kinds] == [("service", True)]


def test_a_decision_on_what_has_changed_meanwhile_is_a_conflict(house: House) -> None:
    filled(house)
    client = house.person(Role.ANALYST)
    client.post("/v1/alerts/a0/acknowledge", json={"version": 1})

    late = client.post("/v1/alerts/a0/acknowledge", json={"version": 1})
    again = client.post("/v1/alerts/a0/acknowledge", json={"version": 2})

    assert (late.status_code, again.status_code) == (409, 409)
    assert late.json()["type"] == "urn:phitrail:problem:conflict"


def test_resolving_needs_a_reason_and_a_version(house: House) -> None:
    filled(house)
    client = house.person(Role.ANALYST)

    assert client.post("/v1/alerts/a0/resolve", json={"version": 1, "note": "  "}).status_code == 400
    assert client.post("/v1/alerts/a0/resolve", json={"note": "x"}).status_code == 422
    assert client.post("/v1/alerts/a0/resolve", json={"version": 1, "note": "x", "disposition": "fine"}).status_code == 422
    assert client.post("/v1/alerts/nope/resolve", json={"version": 1, "note": "x"}).status_code == 404
    assert client.get("/v1/alerts/a0").json()["status"] == "open"


def test_a_session_decides_over_the_api_only_with_its_token(house: House) -> None:
    filled(house)
    browser = house.person(Role.ANALYST)
    token = browser.headers.pop("X-CSRF-Token")

    assert browser.post("/v1/alerts/a0/acknowledge", json={"version": 1}).status_code == 403
    assert browser.post("/v1/alerts/a0/acknowledge", json={"version": 1}, headers={"X-CSRF-Token": token}).status_code == 200


def test_the_pages_forms_decide_and_lead_back_to_the_alert(house: House) -> None:
    filled(house)
    browser = house.person(Role.PRIVACY_OFFICER)
    csrf = browser.headers.pop("X-CSRF-Token")

    taken = browser.post("/alerts/a0/acknowledge", data={"csrf": csrf, "version": "1", "note": "mine"})
    right = {"csrf": csrf, "version": "2", "disposition": "appropriate"}
    bare = browser.post("/alerts/a0/resolve", data={**right, "note": ""})
    unsaid = browser.post("/alerts/a0/resolve", data={**right, "note": "Roster was wrong.", "disposition": ""})
    stale = browser.post("/alerts/a0/resolve", data={**right, "version": "1", "note": "late"})
    closed = browser.post("/alerts/a0/resolve", data={**right, "note": "Roster was wrong."})
    forged = browser.post("/alerts/a1/acknowledge", data={"version": "1"})

    assert (taken.status_code, taken.headers["location"]) == (303, "/alerts/a0")
    assert bare.status_code == 400
    assert "Say why the alert is resolved" in bare.text
    assert unsaid.status_code == 400
    assert "Choose what the alert turned out to be" in unsaid.text
    assert stale.status_code == 409
    assert "load it again" in stale.text
    assert closed.status_code == 303
    assert "Roster was wrong." in browser.get("/alerts/a0").text
    assert forged.status_code == 403
