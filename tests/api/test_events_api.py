"""Search and single events over HTTP."""

import csv
import io
from collections.abc import Iterator

import httpx
import pytest

from api.csv_rows import COLUMNS, safe_cell
from domain.event import Actor, ActorKind
from domain.keyring import KeyRing
from domain.note import open_note
from domain.proof import EventProof, verify_event_proof
from store.accounts import Role
from tests.api.conftest import House
from tests.api.ledger_rows import access
from tests.api.scenes import a_day
from tests.support.node import SIGNER


def pages(client: httpx.Client, address: str) -> Iterator[list[dict[str, object]]]:
    """Follow `next` to the last page."""
    cursor: str | None = None
    while True:
        answer = client.get(address, params={"cursor": cursor} if cursor else {}).json()
        yield answer["events"]
        cursor = answer["next"]
        if cursor is None:
            return


def test_an_event_goes_out_in_the_form_it_came_in_with_its_place(house: House) -> None:
    a_day(house.node.ledger.append)

    (event,) = house.program(Role.AUDITOR).get("/v1/events?patient=P-2&source=access").json()["events"]

    leaf = event.pop("leaf")
    assert len(leaf) == 64
    assert event == {
        "writer": "main",
        "seq": 4,
        "received": "2026-03-10T12:00:00.000000Z",
        "source_system": "ehr",
        "event_id": "E-10",
        "time": "2026-03-10T12:00:10.000000Z",
        "source": "access",
        "action": "view_chart",
        "actor": {"id": "alice", "kind": "staff"},
        "patient_id": "P-2",
        "outcome": "success",
        "device": {"id": "ws-07", "kind": "workstation"},
        "ip": "10.1.2.3",
        "geo": None,
        "details": {"module": "notes", "reason": "Überweisung"},
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("actor=bob", 2),
        ("patient=P-1", 5),
        ("action=print&action=deliver", 3),
        ("source=mail", 2),
        ("source_system=mx1", 2),
        ("outcome=delivered", 2),
        ("actor_kind=system", 2),
        ("device=ws-07&action=print", 1),
        ("ip=10.1.2.3&patient=P-2", 1),
        ("q=clinic.example", 1),
        ("from=2026-03-10T12:00:02Z&to=2026-03-10T13:00:11%2B01:00", 3),
        ("from=2026-03-10T08:00:20-04:00", 2),
        ("action=nothing", 0),
    ],
)
def test_filters(house: House, query: str, found: int) -> None:
    a_day(house.node.ledger.append)

    assert len(house.program(Role.AUDITOR).get(f"/v1/events?{query}").json()["events"]) == found


def test_pages_are_complete_although_every_read_adds_an_event(house: House) -> None:
    """Reading is recorded, so the log grows between two pages of one list."""
    house.node.ledger.append([access(n) for n in range(25)])
    client = house.program(Role.AUDITOR)

    found = [event["event_id"] for page in pages(client, "/v1/events?limit=4") for event in page]

    assert [name for name in found if str(name).startswith("E-")] == [f"E-{n}" for n in reversed(range(25))]
    assert len(found) == len(set(found))


def test_the_next_page_is_also_a_link(house: House) -> None:
    a_day(house.node.ledger.append)
    client = house.program(Role.AUDITOR)

    first = client.get("/v1/patients/P-1/accesses.csv?limit=2")
    second = client.get(f"/v1/patients/P-1/accesses.csv{first.links['next']['url']}")

    assert first.text.count("\n") == second.text.count("\n") == 3
    assert "E-1," in second.text
    assert "next" not in client.get("/v1/patients/P-1/accesses?limit=9").links


def test_suffixes_give_the_same_rows(house: House) -> None:
    a_day(house.node.ledger.append)
    client = house.program(Role.AUDITOR)

    as_json = client.get("/v1/actors/alice/activity.json").json()["events"]
    plain = client.get("/v1/actors/alice/activity").json()["events"]
    answer = client.get("/v1/actors/alice/activity.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))

    assert as_json == plain
    assert [row["event_id"] for row in rows] == [event["event_id"] for event in plain]
    assert list(rows[0]) == list(COLUMNS)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="events.csv"'
    assert client.get("/v1/events.xml").status_code == 422


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_a_csv_is_a_formula(house: House, start: str) -> None:
    evil = f"{start}HYPERLINK(1)"
    house.node.ledger.append([access(1, event_id=evil, actor=Actor(id=evil, kind=ActorKind.STAFF), action=evil, details={})])

    text = house.program(Role.AUDITOR).get("/v1/events.csv?source_system=ehr").text

    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["event_id"] == row["actor_id"] == row["action"] == f"'{evil}"
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())
    assert safe_cell("plain") == "plain"


def test_ids_with_slashes_and_dots_are_ids(house: House) -> None:
    house.node.ledger.append([access(1, patient_id="A/B/accesses", actor=Actor(id="dom\\alice.csv", kind=ActorKind.STAFF))])
    client = house.program(Role.AUDITOR)

    assert len(client.get("/v1/patients/A%2FB%2Faccesses/accesses").json()["events"]) == 1
    assert client.get("/v1/actors/dom%5Calice.csv/activity.csv").text.count("\n") == 2


def test_the_address_and_the_filter_may_not_disagree(house: House) -> None:
    answer = house.program(Role.AUDITOR).get("/v1/patients/P-1/accesses?patient=P-2")

    assert answer.status_code == 400
    assert "P-2" not in answer.text


def test_one_event_comes_with_its_record_and_a_proof_that_holds(house: House) -> None:
    a_day(house.node.ledger.append)
    client = house.program(Role.AUDITOR)
    early = client.get("/v1/events/main/4").json()
    house.node.keeper.checkpoint()

    answer = client.get("/v1/events/main/4").json()
    proof = EventProof.from_json(client.get("/v1/proofs/main/4").content)

    assert early["proof"] is None
    assert "checkpoint" in early["proof_missing"]
    assert answer["raw"] == '{"n": 10}'
    assert answer["proof"]["body"] == proof.body.decode()
    assert answer["proof_missing"] is None
    signed = verify_event_proof(proof, KeyRing.of(SIGNER.verifier))
    note = client.get("/checkpoint")
    assert note.headers["content-type"].startswith("text/plain")
    assert open_note(note.text, [SIGNER.verifier]).text == signed.checkpoint


def test_the_proof_names_no_patient(house: House) -> None:
    a_day(house.node.ledger.append)
    house.node.keeper.checkpoint()

    text = house.program(Role.ADMIN).get("/v1/proofs/main/4").text

    assert "P-2" not in text
    assert "Überweisung" not in text


@pytest.mark.parametrize("address", ["/v1/events/main/999", "/v1/events/other/0", "/v1/proofs/main/999", "/checkpoint"])
def test_what_is_not_there_is_not_found(house: House, address: str) -> None:
    answer = house.program(Role.AUDITOR).get(address)

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:phitrail:problem:not-found"
