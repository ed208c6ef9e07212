"""`POST /v1/logs`: durable before the answer, in the encoding of the request, and nothing that came in is lost."""

import gzip
from collections.abc import Sequence
from dataclasses import replace

import httpx
import orjson
import pytest

from api.app import create_app
from api.routes import otlp
from domain.errors import Backpressure
from domain.record import Parsed, Receipt
from ingest.parsers import otlp_wire as wire
from store.accounts import Role
from store.fsck import Integrity
from store.quarantine import Quarantine
from tests.api.conftest import House
from tests.support.otlp import json_request, part, protobuf

RESOURCE = {"service.name": "portal-api"}
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
WRITERS = {PROTOBUF: protobuf, JSON: json_request}


def log(number: int, **changes: object) -> dict[str, object]:
    attributes = {"user.id": "alice", "patient.id": f"P-{number}"}
    return {"time": 1773144000_000000000 + number, "event": "chart.open", "attributes": attributes, **changes}


@pytest.fixture
def client(house: House) -> httpx.Client:
    """A program that may send, at an application with this route."""
    return replace(house, app=create_app(house.services, [otlp.router])).program(Role.COLLECTOR)


def post(client: httpx.Client, body: bytes, media_type: str = PROTOBUF, **headers: str) -> httpx.Response:
    return client.post("/v1/logs", content=body, headers={"Content-Type": media_type, "X-Source-System": "apps", **headers})


def stored(house: House) -> list[tuple[object, ...]]:
    return house.node.engine.rows(
        "SELECT actor_id, patient_id, action, format FROM events WHERE source_system = 'apps' ORDER BY seq"
    )


def quarantined(house: House) -> list[bytes]:
    quarantine = Quarantine(house.node.engine, house.clock)
    return [record.raw for record in quarantine.read(quarantine.newest()[::-1])]


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_what_is_answered_is_in_the_ledger(house: House, client: httpx.Client, media_type: str) -> None:
    answer = post(client, WRITERS[media_type]([log(1), log(2)], RESOURCE), media_type)

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.content == (b"" if media_type == PROTOBUF else b"{}")
    assert stored(house) == [("alice", f"P-{number}", "view_chart", "otlp-logs") for number in (1, 2)]
    house.node.keeper.checkpoint()
    assert house.node.verify().integrity is Integrity.INTACT


def test_the_same_request_again_in_the_other_encoding_stores_nothing(house: House, client: httpx.Client) -> None:
    for media_type in (PROTOBUF, JSON, PROTOBUF):
        assert post(client, WRITERS[media_type]([log(1), log(2), log(2)], RESOURCE), media_type).status_code == 200

    assert len(stored(house)) == 3
    assert quarantined(house) == []


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "identity", ""])
def test_packed_bodies(house: House, client: httpx.Client, coding: str) -> None:
    body = protobuf([log(1)], RESOURCE)
    packed = gzip.compress(body) if "zip" in coding.lower() else body

    assert post(client, packed, **({"Content-Encoding": coding} if coding else {})).status_code == 200
    assert len(stored(house)) == 1


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_a_record_that_cannot_be_understood_is_kept_and_counted(house: House, client: httpx.Client, media_type: str) -> None:
    answer = post(client, WRITERS[media_type]([log(1), {**log(2), "time": 1}, log(3)], RESOURCE), media_type)

    assert answer.status_code == 200
    if media_type == JSON:
        partial = answer.json()["partialSuccess"]
        rejected, message = partial["rejectedLogRecords"], partial["errorMessage"]
    else:
        ((_, _, inner),) = wire.fields(answer.content)
        assert isinstance(inner, bytes)
        (_, _, rejected), (_, _, text) = wire.fields(inner)
        assert isinstance(text, bytes)
        message = text.decode()
    assert int(str(rejected)) == 1
    assert "quarantine" in message
    assert [row[1] for row in stored(house)] == ["P-1", "P-3"]
    (kept,) = quarantined(house)
    alone = WRITERS[media_type]([{**log(2), "time": 1}], RESOURCE)
    assert orjson.loads(kept) == orjson.loads(alone) if media_type == JSON else kept == alone


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"not a message", PROTOBUF),
        (protobuf([log(1)], RESOURCE)[:-5], PROTOBUF),
        (b"{not json", JSON),
        (b'{"resourceSpans": []}', JSON),
        (b"[]", JSON),
        (part(7, "of another kind"), PROTOBUF),
    ],
)
def test_a_body_that_is_no_request_is_kept_and_refused(house: House, client: httpx.Client, body: bytes, media_type: str) -> None:
    answer = post(client, body, media_type)

    assert (answer.status_code, answer.headers["content-type"]) == (400, media_type)
    assert quarantined(house) == [body]
    message = answer.json()["message"] if media_type == JSON else answer.content.decode(errors="replace")
    assert "kept in quarantine as" in message
    assert stored(house) == []


def test_requests_with_nothing_in_them(house: House, client: httpx.Client) -> None:
    assert post(client, b"").content == b""
    assert post(client, b"{}", JSON).json() == {}
    assert post(client, b'{"resourceLogs": []}', JSON).status_code == 200
    assert post(client, b"", JSON).status_code == 400
    assert (stored(house), quarantined(house)) == ([], [])


def test_a_body_is_what_it_is_whatever_it_says(house: House, client: httpx.Client) -> None:
    answer = post(client, json_request([log(1)], RESOURCE), PROTOBUF)

    assert (answer.status_code, answer.headers["content-type"]) == (200, PROTOBUF)
    assert len(stored(house)) == 1


def test_what_is_not_taken(house: House, client: httpx.Client) -> None:
    assert post(client, b"x", "text/plain").status_code == 415
    assert post(client, b"x", **{"Content-Encoding": "br"}).status_code == 415
    assert post(client, b"\x1f\x8bnot gzip", **{"Content-Encoding": "gzip"}).status_code == 400
    assert post(client, b"", **{"X-Source-System": "phitrail"}).status_code == 400
    assert post(client, gzip.compress(bytes(65 * 1024 * 1024)), **{"Content-Encoding": "gzip"}).status_code == 413
    app = create_app(house.services, [otlp.router])
    assert post(replace(house, app=app).visitor(), protobuf([log(1)], RESOURCE)).status_code == 401
    assert post(replace(house, app=app).program(Role.AUDITOR), protobuf([log(1)], RESOURCE)).status_code == 403
    assert stored(house) == []


def test_a_full_store_asks_to_come_back(house: House) -> None:
    class Full:
        """An intake that is full once, after the first batch would have been taken."""

        def __init__(self) -> None:
            self.is_full = True

        def submit(self, batch: Sequence[Parsed]) -> list[Receipt]:
            if self.is_full:
                raise Backpressure("too many records are waiting to be stored; nothing was accepted", retry_after=3)
            return house.services.intake.submit(batch)

    full = Full()
    app = create_app(replace(house.services, intake=full), [otlp.router])
    client = replace(house, app=app).program(Role.COLLECTOR)
    body = protobuf([log(1)], RESOURCE)

    refused = post(client, body)
    full.is_full = False
    taken = post(client, body)

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "3")
    assert taken.status_code == 200
    assert len(stored(house)) == 1


def test_no_reason_tells_what_was_in_a_record(client: httpx.Client) -> None:
    body = orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "Jane Roe"}]}]}]})

    assert b"Jane" not in post(client, body, JSON).content
