"""Demands on mail to domains over the interface: set, read as of a moment, withdrawn, each an event of the ledger."""

from datetime import timedelta

from domain.clock import rfc3339
from store.accounts import Role
from store.domain_policies import DomainPolicies
from tests.api.conftest import House

ADDRESS = "/v1/domains/Clinic.example/policy"


def told(house: House) -> list[tuple[str, str]]:
    rows = house.node.engine.rows("SELECT action, actor_id FROM events WHERE startsWith(action, 'domain_policy') ORDER BY seq")
    return [(str(action), str(actor)) for action, actor in rows]


def test_a_demand_is_set_read_and_withdrawn(house: House) -> None:
    admin, auditor = house.person(Role.ADMIN, name="ada"), house.program(Role.AUDITOR)
    begun = house.clock()
    end = rfc3339(begun + timedelta(days=9))

    made = admin.post(ADDRESS, json={"demand": "forced", "reason": "Contract.", "until": end})
    house.clock.advance(minutes=5)
    admin.post("/v1/domains/example/policy", json={"demand": "none", "reason": "News.", "sender_class": "marketing"})
    now = auditor.get("/v1/domains/mx.clinic.example/policy").json()
    before = auditor.get(ADDRESS, params={"at": rfc3339(begun - timedelta(seconds=1))}).json()
    house.clock.advance(minutes=5)
    gone = admin.post(ADDRESS, json={"demand": None, "reason": "It ended."})

    assert (made.status_code, gone.status_code) == (201, 201)
    assert made.json() == {
        "domain": "clinic.example",
        "sender_class": "any",
        "demand": "forced",
        "at": rfc3339(begun),
        "by": "ada",
        "reason": "Contract.",
        "until": end,
    }
    assert now["in_force"] == {"transactional": made.json(), "marketing": made.json()}
    assert [word["domain"] for word in now["history"]] == ["clinic.example", "example"]
    assert before["in_force"] == {"transactional": None, "marketing": None}
    assert auditor.get(ADDRESS).json()["in_force"]["marketing"]["domain"] == "example"
    assert told(house) == [("domain_policy_set", "ada"), ("domain_policy_set", "ada"), ("domain_policy_withdrawn", "ada")]


def test_what_cannot_be_is_refused_and_leaves_nothing(house: House) -> None:
    admin = house.person(Role.ADMIN)
    good = {"demand": "forced", "reason": "x"}

    for address, body, status in (
        ("/v1/domains/no domain/policy", good, 400),
        (ADDRESS, good | {"until": rfc3339(house.clock())}, 400),
        (ADDRESS, good | {"until": "9999-12-31T23:59:00-12:00"}, 400),
        (ADDRESS, good | {"reason": " "}, 400),
        (ADDRESS, {"demand": None, "reason": "x"}, 404),
        (ADDRESS, good | {"demand": "loud"}, 422),
        (ADDRESS, good | {"demands": "dane"}, 422),
        (ADDRESS, {"reason": "x"}, 422),
    ):
        assert admin.post(address, json=body).status_code == status, body
    assert admin.get("/v1/domains/no domain/policy").status_code == 400

    assert told(house) == []
    assert DomainPolicies(house.node.engine).all(house.clock()) == []
    assert admin.post(ADDRESS, json=good).status_code == 201
    assert admin.post(ADDRESS, json=good).status_code == 409, "the clock has not moved: the order of the two would be a guess"
