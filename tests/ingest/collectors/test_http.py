"""Records over HTTP into a real store: an answer for every record once it is durable, and a clear answer to everything else."""

import gzip
import json
import threading
from collections.abc import Iterator

import httpx
import pytest
import zstandard

from api.intake_body import Bodies
from domain.errors import Backpressure
from domain.record import Position
from store.accounts import Role
from store.fsck import Integrity
from tests.ingest.collectors.http_intake import intake_client
from tests.support.desk import Desk, Gate
from tests.support.records import audit_event, event_line, event_lines

NDJSON = {"Content-Type": "application/x-ndjson", "X-Source-System": "ehr"}
FHIR = {"Content-Type": "application/fhir+json", "X-Source-System": "ehr"}


@pytest.fixture
def client(at: Desk) -> Iterator[httpx.Client]:
    with intake_client(at) as made:
        yield made


def post(client: httpx.Client, body: bytes, **headers: str) -> httpx.Response:
    return client.post("/v1/events", content=body, headers={**NDJSON, **headers})


def fhir(client: httpx.Client, resource: object, path: str = "/fhir/AuditEvent") -> httpx.Response:
    body = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    return client.post(path, content=body, headers=FHIR)


def test_every_record_has_its_result(at: Desk, client: httpx.Client) -> None:
    response = post(client, event_line(1) + b"\nnot json\n\n" + event_line(1) + b"\n" + event_line(2))

    answer = response.json()
    first, bad, again, second = answer["results"]
    assert response.status_code == 200
    assert (answer["read"], answer["accepted"], answer["duplicate"], answer["quarantined"]) == (4, 2, 1, 1)
    assert answer["head"] == {"writer": "main", "seq": 1}
    assert [result["n"] for result in answer["results"]] == [1, 2, 3, 4]
    assert (first["status"], first["event_id"], first["writer"], first["seq"], len(first["leaf"])) == (
        "accepted",
        "E-1",
        "main",
        0,
        64,
    )
    assert (again["status"], again["seq"]) == ("duplicate", 0)
    assert second["seq"] == 1
    assert bad["status"] == "quarantined"
    assert "JSON" in bad["reason"]
    assert at.quarantine.show(bad["quarantine_id"]).raw == b"not json"
    at.node.keeper.checkpoint()
    assert at.node.verify().integrity is Integrity.INTACT


def test_one_object_an_array_or_lines(client: httpx.Client) -> None:
    for number, (body, media_type) in enumerate(
        [
            (lambda one, two: b"[%s, %s]" % (one, two), "application/json"),
            (lambda one, two: json.dumps(json.loads(one), indent=1).encode() + two, "application/json; charset=utf-8"),
            (lambda one, two: one + b"\n" + two, "text/plain"),
            (lambda one, two: b"\xef\xbb\xbf" + one + b"\r\n" + two + b"\r\n", "APPLICATION/X-NDJSON"),
        ]
    ):
        content = body(event_line(2 * number), event_line(2 * number + 1))
        assert post(client, content, **{"Content-Type": media_type}).json()["accepted"] == 2, media_type


def test_packed_bodies(client: httpx.Client) -> None:
    assert post(client, gzip.compress(event_line(1)), **{"Content-Encoding": "gzip"}).json()["accepted"] == 1
    assert post(client, zstandard.compress(event_line(2)), **{"Content-Encoding": "zstd"}).json()["accepted"] == 1


def test_nothing_is_nothing(client: httpx.Client) -> None:
    answer = post(client, b"\n").json()

    assert (answer["read"], answer["results"]) == (0, [])


def test_what_cannot_be_understood_is_kept_whole_with_a_reason(at: Desk, client: httpx.Client) -> None:
    for body in (
        b"\xff\xfe\x00",
        b'{"event_id": 7}',
        b"[1, true, null]",
        event_line(1, time="2026-03-02T08:00:00"),
        event_line(1, time="0001-01-01T00:00:00Z"),
        event_line(1, surprise=1),
        event_line(1).replace(b"alice", b"al\xffice"),
        b'{"a":' * 100_000,
        event_line(1)[:-1],
        event_line(1, details={"x": 1})[:-2] + b"\n" + event_line(2, actor=None),
    ):
        answer = post(client, body).json()

        assert answer["quarantined"] == answer["read"] > 0, body[:80]
        for result in answer["results"]:
            assert result["reason"]
            assert at.quarantine.show(result["quarantine_id"]).raw in body
    assert post(client, event_line(500)).json()["accepted"] == 1


def test_the_source_system_is_the_header_or_the_key(at: Desk, client: httpx.Client) -> None:
    post(client, event_line(1))
    client.post("/v1/events", content=event_line(1))
    post(client, event_line(1), **{"X-Source-System": "lab@site-2/a"})

    rows = at.node.engine.rows("SELECT source_system FROM events ORDER BY seq")
    assert rows[0] == ("ehr",)
    assert str(rows[1][0]).startswith("key:")
    assert rows[2] == ("lab@site-2/a",)


def test_a_source_system_that_is_no_name_is_refused(at: Desk, client: httpx.Client) -> None:
    for name in ("", "phitrail", "a b", "<x>", "x" * 129, "é".encode(), "-x"):
        headers = httpx.Headers([(b"X-Source-System", name if isinstance(name, bytes) else name.encode())])
        response = client.post("/v1/events", content=event_line(1), headers=headers)

        assert response.status_code == 400, name
        assert response.headers["content-type"] == "application/problem+json"
    assert at.stored() == 0


def test_a_body_that_cannot_be_read_at_all_is_refused_and_nothing_is_stored(at: Desk, client: httpx.Client) -> None:
    for status, body, headers in (
        (400, b"not gzip", {"Content-Encoding": "gzip"}),
        (400, gzip.compress(event_line(1))[:-9], {"Content-Encoding": "gzip"}),
        (400, zstandard.compress(event_line(1))[:-5], {"Content-Encoding": "zstd"}),
        (415, event_line(1), {"Content-Encoding": "br"}),
        (415, event_line(1), {"Content-Encoding": "gzip, gzip"}),
        (415, event_line(1), {"Content-Type": "application/x-www-form-urlencoded"}),
        (415, b"<AuditMessage/>", {"Content-Type": "application/xml"}),
    ):
        response = post(client, body, **headers)

        assert response.status_code == status, headers
        assert response.json()["detail"]
    assert at.stored() == 0
    assert at.raws() == []


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_bomb_is_refused(at: Desk, client: httpx.Client, coding: str) -> None:
    bomb = event_line(1) + b"\n" + b" " * (200 << 20)
    packed = gzip.compress(bomb, 9) if coding == "gzip" else zstandard.compress(bomb)
    assert len(packed) < 1 << 20

    response = post(client, packed, **{"Content-Encoding": coding})

    assert response.status_code == 413
    assert "unpack" in response.json()["detail"]
    assert at.stored() == 0


def test_a_line_of_a_hundred_megabytes_is_refused_announced_or_not(at: Desk, client: httpx.Client) -> None:
    piece = b"x" * 1_000_000

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield piece

    for body in (piece * 100, endless()):
        try:
            response = client.post("/v1/events", content=body, headers=NDJSON)
        except httpx.TransportError:
            continue  # the server had answered and hung up while we were still sending
        assert response.status_code == 413
        assert response.headers["content-type"] == "application/problem+json"
    assert post(client, event_line(1)).json()["accepted"] == 1
    assert at.stored() == 1


def test_a_record_too_long_for_one_record_takes_no_other_with_it(at: Desk, client: httpx.Client) -> None:
    answer = post(client, event_line(1) + b"\n" + event_line(2, details={"x": "y" * 9_000_000}) + b"\n" + event_line(3)).json()

    assert (answer["accepted"], answer["quarantined"]) == (2, 1)
    assert at.quarantine.pending() == []


def test_only_a_collector_may_send(at: Desk) -> None:
    for number, role in enumerate(Role):
        with intake_client(at, role) as client:
            allowed = role is Role.COLLECTOR
            assert post(client, event_line(number)).status_code == (200 if allowed else 403), role
            assert fhir(client, audit_event(number)).status_code == (201 if allowed else 403)
            assert fhir(client, {}, "/fhir").status_code == (202 if allowed else 403)
            client.headers["Authorization"] = "Bearer pht_000000000000_nobodynobodynobodynobody"
            assert post(client, event_line(100)).status_code == 401
            del client.headers["Authorization"]
            assert post(client, event_line(100)).status_code == 401
    assert at.stored() == 2


def test_back_pressure_is_503_with_a_time(at: Desk) -> None:
    gate = Gate(at.intake)
    gate.failures = [Backpressure("full", retry_after=7)]
    with intake_client(at, inner=gate) as client:
        refused = post(client, event_line(1))
        again = post(client, event_line(1))

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "7")
    assert again.json()["accepted"] == 1


def test_bodies_together_are_bounded() -> None:
    bodies = Bodies(100)
    with bodies.holding() as alone:
        alone.add(500)
        with bodies.holding() as second, pytest.raises(Backpressure):
            second.add(1)
    with bodies.holding() as later:
        later.add(60)
        later.add(40)
        with pytest.raises(Backpressure):
            later.add(1)


def test_the_answer_comes_only_when_the_store_is_done(at: Desk) -> None:
    gate = Gate(at.intake, is_open=False)
    answers: list[int] = []
    with intake_client(at, inner=gate) as client:
        sending = threading.Thread(target=lambda: answers.append(post(client, event_line(1)).status_code))
        sending.start()
        sending.join(0.3)
        assert answers == []
        gate.open()
        sending.join(20)
    assert answers == [200]


def test_many_senders_at_once(at: Desk, client: httpx.Client) -> None:
    """Eight senders, each with its own records and all with some in common: each of those is new to exactly one."""
    counts: list[dict[str, int]] = []

    def send(first: int) -> None:
        for start in range(0, 60, 20):
            body = event_lines(range(first + start, first + start + 20)) + event_lines(range(start, start + 5))
            counts.append(post(client, body).json())

    senders = [threading.Thread(target=send, args=(1000 * number,)) for number in range(1, 9)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)

    assert sum(count["read"] for count in counts) == 8 * 75
    assert sum(count["accepted"] for count in counts) == 8 * 60 + 15 == at.stored()
    assert sum(count["duplicate"] for count in counts) == 7 * 15
    assert at.intake.head() == Position(writer="main", seq=at.stored() - 1)


def test_an_audit_event_is_created_then_known(at: Desk, client: httpx.Client) -> None:
    created, known = fhir(client, audit_event(1)), fhir(client, audit_event(1))

    assert (created.status_code, known.status_code) == (201, 200)
    assert created.headers["content-type"] == "application/fhir+json"
    assert created.headers["location"] == known.headers["location"] == "/fhir/AuditEvent/main-0"
    assert created.json()["resourceType"] == "OperationOutcome"
    assert known.json()["issue"][0]["code"] == "duplicate"


def test_an_audit_event_about_two_patients_is_two_entries(at: Desk, client: httpx.Client) -> None:
    response = fhir(client, audit_event(1, ("P-1", "P-2")))

    assert response.status_code == 201
    assert response.json()["issue"][0]["diagnostics"] == "stored as 2 entries"
    assert at.node.engine.rows("SELECT patient_id FROM events ORDER BY seq") == [("P-1",), ("P-2",)]


@pytest.mark.parametrize("path", ["/fhir/AuditEvent", "/fhir"])
def test_what_does_not_conform_is_accepted_into_quarantine(at: Desk, client: httpx.Client, path: str) -> None:
    for number, resource in enumerate(
        [
            {"resourceType": "AuditEvent", "id": "no-type"},
            {**audit_event(1), "recorded": "yesterday"},
            {"resourceType": "Patient", "id": "P-1"},
            b'{"resourceType": "AuditEvent"',
            b"\xff\xfe",
            b"<AuditEvent/>",
        ],
        1,
    ):
        response = fhir(client, resource, path)

        assert response.status_code == 202, resource
        assert "location" not in response.headers
        issue = response.json()["issue"][0]
        assert issue["severity"] == "warning"
        entries = {f"kept in quarantine as {entry.quarantine_id}: {entry.reason}" for entry in at.quarantine.newest()}
        assert issue["diagnostics"] in entries
        assert len(entries) == number
    assert at.stored() == 0


def test_fhir_bodies_that_cannot_be_read(client: httpx.Client) -> None:
    assert fhir(client, b"  ").status_code == 400
    assert fhir(client, b"", "/fhir").status_code == 400
    xml = client.post("/fhir/AuditEvent", content=b"<AuditEvent/>", headers={"Content-Type": "application/fhir+xml"})
    assert xml.status_code == 415


def test_a_bundle_is_answered_entry_by_entry(at: Desk, client: httpx.Client) -> None:
    resources = [audit_event(1), {"resourceType": "AuditEvent"}, audit_event(2, ("P-1", "P-2")), audit_event(1)]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": resource} for resource in resources]}

    first = fhir(client, bundle, "/fhir")
    again = fhir(client, bundle | {"type": "batch"}, "/fhir").json()

    answer = first.json()
    assert first.status_code == 200
    assert (answer["type"], again["type"]) == ("transaction-response", "batch-response")
    assert [entry["response"]["status"] for entry in answer["entry"]] == ["201 Created", "202 Accepted", "201 Created", "200 OK"]
    assert [entry["response"]["status"] for entry in again["entry"]] == ["200 OK", "202 Accepted", "200 OK", "200 OK"]
    assert answer["entry"][2]["response"]["location"] == again["entry"][2]["response"]["location"] == "AuditEvent/main-1"
    assert at.stored() == 3
    assert at.raws() == [json.dumps({"resourceType": "AuditEvent"}).encode()]


def test_an_empty_bundle_is_answered_empty(at: Desk, client: httpx.Client) -> None:
    for bundle in ({"resourceType": "Bundle", "type": "batch"}, {"resourceType": "Bundle", "type": "batch", "entry": []}):
        assert fhir(client, bundle, "/fhir").json() == {"resourceType": "Bundle", "type": "batch-response"}
    assert at.raws() == []


def test_what_is_stored_is_what_was_sent(at: Desk, client: httpx.Client) -> None:
    """The bytes of a resource inside a Bundle are kept as they came, spaces and all."""
    resource = json.dumps(audit_event(1), indent=3).encode()
    fhir(client, b'{"resourceType":"Bundle","type":"batch","entry":[{"resource": ' + resource + b"}]}", "/fhir")

    ((private,),) = at.node.engine.rows("SELECT private FROM events")
    assert json.dumps(resource.decode(), ensure_ascii=False) in str(private)
