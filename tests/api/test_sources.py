"""Sources through the door: the pages, the JSON, the two forms, who may what, and that no patient is on any of it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import quote

import pytest

from api.app import create_app
from api.routes import source_pages, sources
from domain.json import Json
from domain.record import Rejected
from store.accounts import Role
from store.context import ContextStore
from store.quarantine import Quarantine
from store.source_watch import SourceWatch
from tests.api.conftest import House
from tests.api.html import Page
from tests.api.ledger_rows import NOON
from tests.api.test_pages import check_fields, check_landmarks, check_policy, check_tables
from tests.support.source_feed import an_event, history

SECRETS = ("P-1", "P-77", "alice", "mallory", "192.0.2.7", "Größe")
SLASHED = "lab/3 <b>"


@pytest.fixture
def home(house: House) -> House:
    """Two weeks into trouble: a silent EHR, a lab that numbers, a stopped recorder, a feed that is not understood."""
    house.app = create_app(house.services, (sources.router, source_pages.router))
    engine, ledger = house.node.engine, house.node.ledger
    context = ContextStore(engine)
    known: list[Mapping[str, Json]] = [
        {"application": "EHR", "owner": "Clinical Applications", "handles_phi": True, "hosts": ["ehr"]},
        {"application": "Pharmacy", "owner": "Pharmacy IT", "handles_phi": True},
    ]
    context.load({"applications": known}, NOON - timedelta(days=100))
    history(engine, until=NOON)
    house.clock.now = NOON
    watch = SourceWatch(engine, ledger.append, context.org)
    ledger.append([an_event(SLASHED, at=NOON, details={"sequence": n}) for n in (1, 2, 5)])
    ledger.append([an_event("recorder", at=NOON, action="audit_stop", patient_id="P-77", device=None)])
    refused = [Rejected(source_system="feed", format="cef", reason="the line has no time", raw=b"P-77 %d" % n) for n in range(40)]
    Quarantine(engine, house.clock).add(refused)
    for _ in range(6):
        watch.look(house.clock())
        house.clock.advance(minutes=5)
    return house


def gap_of(house: House, source: str) -> str:
    gaps = house.program(Role.ADMIN).get("/v1/sources/gaps", params={"source_system": source}).json()["gaps"]
    return str(gaps[0]["gap_id"])


def addresses(house: House) -> Sequence[str]:
    del house
    return [
        "/sources",
        "/sources?view=coverage",
        "/sources?view=gaps",
        "/sources/ehr",
        "/sources/Pharmacy",
        f"/sources/{quote(SLASHED, safe='')}",
    ]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.PRIVACY_OFFICER])
def test_every_page_is_well_made_and_names_no_patient(home: House, role: Role) -> None:
    browser = home.person(role)

    for address in addresses(home):
        answer = browser.get(address, headers={"Accept": "text/html"})
        assert answer.status_code == 200, address
        page = Page(answer.text)
        check_landmarks(page, address)
        check_fields(page, address)
        check_tables(page, address)
        check_policy(page, address)
        assert not [word for word in SECRETS if word in answer.text], address
        for link in page.links():
            if link.startswith("/sources"):
                assert browser.get(link).status_code == 200, link


def test_the_pages_say_what_is_wrong(home: House) -> None:
    browser = home.person(Role.PRIVACY_OFFICER)

    health = " ".join(Page(browser.get("/sources").text).text.split())
    coverage = " ".join(Page(browser.get("/sources?view=coverage").text).text.split())
    gaps = " ".join(Page(browser.get("/sources?view=gaps").text).text.split())
    silent = " ".join(Page(browser.get("/sources/EHR").text).text.split())

    assert "stopped 1 silent 1 failing 1 unknown 1" in health
    assert "Nobody is watching" not in health
    assert "0 of 5 systems that should send are shown to be covered" in coverage
    assert "Pharmacy Pharmacy IT yes yes never heard No event has ever come from it." in coverage
    assert "4 gaps open" not in gaps
    assert "silence" in gaps
    assert "recording stopped" in gaps
    assert "sends as ehr" in silent
    assert "ask Clinical Applications" in silent


def test_nobody_watching_is_said_and_nothing_is_called_well(home: House) -> None:
    home.clock.advance(minutes=30)

    text = Page(home.person(Role.ADMIN).get("/sources").text).text
    body = home.program(Role.ADMIN).get("/v1/sources").json()

    assert "Nobody is watching the sources now" in text
    assert body["is_watched"] is False
    assert "ok" not in {source["verdict"] for source in body["sources"]}


def test_programs_get_the_same(home: House) -> None:
    program = home.program(Role.AUDITOR)

    listed = program.get("/v1/sources").json()
    assert {source["source_system"]: source["verdict"] for source in listed["sources"]} == {
        "ehr": "silent",
        "feed": "failing",
        SLASHED: "unknown",
        "recorder": "stopped",
    }
    register = {row["system"]: row for row in program.get("/v1/sources/register").json()["systems"]}
    assert (register["Pharmacy"]["auditing"], register["Pharmacy"]["covered"]) == ("never heard", False)
    assert register["EHR"]["evidence"]["gaps_that_may_have_lost_events"] == 1
    lab = program.get(f"/v1/sources/{quote(SLASHED, safe='')}").json()
    assert lab["health"]["numbers"] == {"first": 1, "last": 5, "missing": 2}
    assert {gap["kind"] for gap in lab["gaps"]} == {"numbers"}
    assert [gap["source_system"] for gap in program.get("/v1/sources/gaps?open=true").json()["gaps"]] != []
    assert program.get("/v1/sources/nobody").status_code == 404
    assert home.person(Role.ADMIN).get("/sources/nobody").status_code == 404
    assert home.person(Role.ADMIN).get("/sources?view=nothing").status_code == 400
    for address in ("/v1/sources", "/v1/sources/register", "/v1/sources/gaps", "/v1/sources/recorder"):
        assert not [word for word in SECRETS if word in program.get(address).text], address


def test_a_gap_is_explained_once_it_is_over(home: House) -> None:
    browser = home.person(Role.PRIVACY_OFFICER, name="carol")
    lab = gap_of(home, SLASHED)

    for loss, reason, status in (("", "x", 400), ("none", " ", 400), ("nonsense", "x", 400)):
        answer = browser.post(f"/sources/gaps/{lab}/acknowledge", data={"loss": loss, "reason": reason})
        assert answer.status_code == status
    open_gap = gap_of(home, "ehr")
    assert browser.post(f"/sources/gaps/{open_gap}/acknowledge", data={"loss": "none", "reason": "x"}).status_code == 409
    answer = browser.post(f"/sources/gaps/{lab}/acknowledge", data={"loss": "none", "reason": "It skips <numbers>."})

    assert answer.status_code == 303
    shown = browser.get(answer.headers["location"])
    assert "carol: It skips &lt;numbers&gt;. (events lost: none)" in shown.text
    (gap,) = [one for one in browser.get("/v1/sources/gaps").json()["gaps"] if one["gap_id"] == lab]
    assert (gap["counts_against_completeness"], gap["acknowledged_by"], gap["loss"]) == (False, "carol", "none")
    assert [row[0] for row in home.recorded("source_gap_acknowledged")] == ["carol"]

    said = {"loss": "some", "reason": "Two results are lost."}
    again = browser.post(f"/v1/sources/gaps/{lab}/acknowledge", json=said)
    assert (again.status_code, again.json()["loss"]) == (200, "some")
    assert browser.post("/v1/sources/gaps/none/acknowledge", json=said).status_code == 404


def test_a_system_is_declared_with_a_name_and_an_end(home: House) -> None:
    browser = home.person(Role.ADMIN, name="dave")
    form = {
        "system": "Pharmacy",
        "state": "off",
        "reason": "Goes live in May.",
        "valid_until": "2026-05-31",
        "owner": "Rx",
        "quiet_minutes": "",
    }

    assert browser.post("/sources/declare", data=form | {"valid_until": "2026-03-01"}).status_code == 400
    assert browser.post("/sources/declare", data=form | {"quiet_minutes": "soon"}).status_code == 400
    answer = browser.post("/sources/declare", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sources/Pharmacy")

    found = browser.get("/v1/sources/Pharmacy").json()
    assert (found["coverage"]["auditing"], found["coverage"]["expected"], found["health"]) == ("declared off", False, None)
    assert found["declarations"][0]["declared_by"] == "dave"
    assert found["declarations"][0]["valid_until"] == "2026-05-31T04:00:00.000000Z"  # midnight in New York
    word = {"system": "Portal", "state": "on", "reason": "x", "valid_until": "2026-06-01T00:00:00Z", "may_be_quiet_seconds": 3600}
    assert browser.post("/v1/sources/declarations", json=word).status_code == 201
    assert browser.post("/v1/sources/declarations", json=word | {"extra": 1}).status_code == 422
    assert [row[0] for row in home.recorded("source_declared")] == ["dave", "dave"]


def test_who_may_what(home: House) -> None:
    gap = gap_of(home, SLASHED)
    said = {"loss": "some", "reason": "x"}
    word = {"system": "Portal", "state": "on", "reason": "x", "valid_until": "2026-06-01T00:00:00Z"}
    reads = ("/sources", "/sources/ehr", "/v1/sources", "/v1/sources/register", "/v1/sources/gaps", "/v1/sources/ehr")
    for role in Role:
        program = home.program(role)
        reading = {program.get(address).status_code for address in reads}
        assert reading == ({403} if role is Role.COLLECTOR else {200}), role
        explained = program.post(f"/v1/sources/gaps/{gap}/acknowledge", json=said).status_code
        assert explained == (200 if role in (Role.ANALYST, Role.PRIVACY_OFFICER) else 403), role
        declared = program.post("/v1/sources/declarations", json=word).status_code
        assert declared == (201 if role in (Role.ANALYST, Role.PRIVACY_OFFICER, Role.ADMIN) else 403), role
    visitor = home.visitor()
    assert {visitor.get(address).status_code for address in reads[2:]} == {401}
    assert visitor.post(f"/v1/sources/gaps/{gap}/acknowledge", json=said).status_code == 401
    assert visitor.post("/sources/declare", data={"system": "x"}).status_code in (401, 303)


def test_a_form_made_elsewhere_changes_nothing(home: House) -> None:
    browser = home.person(Role.PRIVACY_OFFICER)
    gap = gap_of(home, SLASHED)
    del browser.headers["X-CSRF-Token"]

    answer = browser.post(f"/sources/gaps/{gap}/acknowledge", data={"loss": "none", "reason": "x", "csrf": "made up"})

    assert answer.status_code == 403
    assert home.recorded("source_gap_acknowledged") == []
