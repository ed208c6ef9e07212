"""Holding findings back over the interface and with a browser: set, shown, lifted, each with a name in the ledger."""

from datetime import timedelta

from domain.clock import rfc3339
from store.accounts import Role
from store.findings import Findings
from store.suppressions import Suppressions
from tests.alerts.builders import a_finding
from tests.api.conftest import House
from tests.api.scenes import an_alert, raise_alert


def test_a_program_sets_reads_and_lifts_one(house: House) -> None:
    officer, auditor = house.program(Role.PRIVACY_OFFICER), house.program(Role.AUDITOR)
    begun, known = house.clock(), Suppressions(house.node.engine)
    asked = {"kind": "household_access", "patient_id": "P-1", "reason": "An aunt.", "until": rfc3339(begun + timedelta(days=9))}

    made = officer.post("/v1/suppressions", json=asked)
    name = made.json()["suppression_id"]
    finding = a_finding("f-1")
    Findings(house.node.engine).add([finding])
    known.hold([finding], {"f-1": name})
    listed = auditor.get("/v1/suppressions").json()["suppressions"]
    held = auditor.get(f"/v1/suppressions/{name}/held").json()
    house.clock.advance(minutes=5)
    lifted = officer.post(f"/v1/suppressions/{name}/lift", json={"reason": "Enough."})

    assert made.status_code == 201
    assert listed == [made.json() | {"held": 1}]
    assert (listed[0]["narrowings"], listed[0]["holds"]) == ({"patient_id": "P-1"}, True)
    assert (held["held"], [found["finding_id"] for found in held["findings"]]) == (1, ["f-1"])
    assert (lifted.json()["holds"], lifted.json()["lift_reason"]) == (False, "Enough.")
    assert officer.post(f"/v1/suppressions/{name}/lift", json={"reason": "Again."}).status_code == 409
    assert auditor.get("/v1/suppressions/nothing/held").status_code == 404
    rows = house.node.engine.rows("SELECT action FROM events WHERE startsWith(action, 'suppression') ORDER BY seq")
    assert [row[0] for row in rows] == ["suppression_set", "suppression_lifted"]


def test_what_cannot_be_is_refused_and_leaves_nothing(house: House) -> None:
    officer = house.program(Role.PRIVACY_OFFICER)
    good = {"kind": "browsing", "actor_id": "alice", "reason": "x", "until": rfc3339(house.clock() + timedelta(days=9))}

    for wrong, status in (
        ({"kind": "record_tampered"}, 400),
        ({"actor_id": ""}, 400),
        ({"until": rfc3339(house.clock())}, 400),
        ({"until": "9999-12-31T23:59:00-12:00"}, 400),
        ({"until": "0001-01-01T00:00:00+12:00"}, 400),
        ({"reason": ""}, 422),
        ({"device": "x"}, 422),
    ):
        assert officer.post("/v1/suppressions", json=good | wrong).status_code == status, wrong
    assert Suppressions(house.node.engine).all() == []


def test_a_person_sets_one_on_the_page_of_an_alert_and_lifts_it_on_the_list(house: House) -> None:
    browser = house.person(Role.PRIVACY_OFFICER, name="olga")
    raise_alert(house.services.alerts, an_alert("one"))
    alert, known = house.services.alerts.get("one"), Suppressions(house.node.engine)
    day = (house.clock() + timedelta(days=5)).date().isoformat()

    assert "Hold back more of this" in browser.get("/alerts/one").text
    nobody = browser.post("/alerts/one/suppress", data={"until": day, "reason": "x"})
    far = browser.post("/alerts/one/suppress", data={"until": "9999-12-31", "reason": "x", "actor": "true"})
    done = browser.post("/alerts/one/suppress", data={"until": day, "reason": "Known <b>aunt</b>.", "actor": "true"})
    shown = browser.get("/suppressions").text

    assert (nobody.status_code, far.status_code, done.status_code) == (400, 400, 303)
    (one,) = known.all()
    assert (one.kind, one.narrowings, one.by) == (alert.kind, {"actor_id": alert.actor_id}, "olga")
    assert "Known &lt;b&gt;aunt&lt;/b&gt;." in shown
    assert "in 5 days" in shown or "in 6 days" in shown
    assert browser.post(f"/suppressions/{one.suppression_id}/lift", data={"reason": " "}).status_code == 400
    house.clock.advance(minutes=1)
    assert browser.post(f"/suppressions/{one.suppression_id}/lift", data={"reason": "Enough."}).status_code == 303
    assert "lifted by olga: Enough." in browser.get("/suppressions").text
