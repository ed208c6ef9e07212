"""Where records come in over HTTP: JSON Lines or an array of events, and FHIR AuditEvents (IHE ITI-20, ATX: FHIR Feed).

The answer comes only after everything in it is durable. A record that cannot be understood is not an error of the request: it is in
quarantine, and its place in the answer says so. While the store is away a record is durable in the spool: the answer is 202 then,
and the record's place in it says `spooled`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.auth import Permission, Principal, needs
from api.fhir_answers import MEDIA_TYPE, Answer, answer_to, bundle_response
from api.intake_body import Bodies, UnsupportedMedia, check_media_type, coding_of_body, read_body, source_system_of, unpack
from api.problems import Problem, problem_response
from api.services import Services
from domain.errors import InvalidInput
from domain.json import Json
from domain.record import Receipt, Status, became
from ingest.parsers import parser_for
from ingest.parsers.fhir_bundle import bundle_entries
from ingest.pipeline import BATCH_RECORDS, Record, count, parsed_records, store_records, understood

EVENT_TYPES = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/json",
    "application/octet-stream",
    "text/plain",
)
FHIR_TYPES = (MEDIA_TYPE, "application/json")

_UNSUPPORTED = Problem(415, "unsupported-media-type", "This form of body is not read here")

_SPOOLED = Answer(
    202,
    None,
    {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "information",
                "code": "informational",
                "diagnostics": "kept in the spool while the store is away; it is stored when the store returns",
            }
        ],
    },
)

Work = Callable[[Services, Iterator[bytes], str], Response]
"""Stores the unpacked body of a request as records of a source system, and answers."""


def router(services: Services) -> APIRouter:
    """`POST /v1/events`, `POST /fhir/AuditEvent`, `POST /fhir`."""
    routes = APIRouter(tags=["intake"])
    bodies = Bodies()
    Sender = Annotated[Principal, Depends(needs(services, Permission.SEND))]  # noqa: N806 - a type

    async def receive(request: Request, principal: Principal, types: Sequence[str], work: Work) -> Response:
        try:
            check_media_type(request, types)
            coding = coding_of_body(request)
            source_system = source_system_of(request, principal)
            with bodies.holding() as held:
                pieces = await read_body(request.stream(), held)
                return await run_in_threadpool(work, services, unpack(pieces, coding, held), source_system)
        except UnsupportedMedia as error:
            return problem_response(_UNSUPPORTED, str(error))
        except ClientDisconnect:  # nobody is there to read it; nothing was stored
            return Response(status_code=400)

    @routes.post("/v1/events", operation_id="sendEvents", openapi_extra=_body(EVENT_TYPES))
    async def send_events(request: Request, principal: Sender) -> Response:
        """Store events; one result for each record, in order, once they are durable. 202 while some wait in the spool."""
        return await receive(request, principal, EVENT_TYPES, _store_events)

    @routes.post("/fhir/AuditEvent", operation_id="createAuditEvent", openapi_extra=_body(FHIR_TYPES))
    async def create_audit_event(request: Request, principal: Sender) -> Response:
        """Store one AuditEvent: 201 when new, 200 when known, 202 when it is kept in quarantine or in the spool."""
        return await receive(request, principal, FHIR_TYPES, _store_resource)

    @routes.post("/fhir", operation_id="sendBundle", openapi_extra=_body(FHIR_TYPES))
    async def send_bundle(request: Request, principal: Sender) -> Response:
        """Store the AuditEvents of a Bundle; every entry is answered as it would be alone."""
        return await receive(request, principal, FHIR_TYPES, _store_bundle)

    return routes


def _store_events(services: Services, content: Iterator[bytes], source_system: str) -> Response:
    parser = parser_for("phitrail", source_system=source_system, received=services.clock)
    answers = _store(services, list(parsed_records(content, parser, source_system=source_system)))
    spooled = sum(_is_spooled(receipts) for receipts in answers)
    counts, head = count(receipts for receipts in answers if not _is_spooled(receipts)), services.ledger.head()
    body = {
        "read": len(answers),
        "accepted": counts.accepted,
        "duplicate": counts.duplicate,
        "quarantined": counts.quarantined,
        "spooled": spooled,
        "head": {"writer": head.writer, "seq": head.seq},
        "results": [_result(number, receipts) for number, receipts in enumerate(answers, 1)],
    }
    return Response(orjson.dumps(body), status_code=202 if spooled else 200, media_type="application/json")


def _store_resource(services: Services, content: Iterator[bytes], source_system: str) -> Response:
    (answer,) = _store_resources(services, [_whole(content)], source_system)
    headers = {"Location": f"/fhir/{answer.location}"} if answer.location else None
    return Response(orjson.dumps(answer.outcome), status_code=answer.status, headers=headers, media_type=MEDIA_TYPE)


def _store_bundle(services: Services, content: Iterator[bytes], source_system: str) -> Response:
    body = _whole(content)
    entries = bundle_entries(body)
    kind = _bundle_type(body)
    if not entries and kind is None:
        return _store_resource(services, iter([body]), source_system)
    answers = _store_resources(services, entries, source_system)
    return Response(orjson.dumps(bundle_response(kind, answers)), media_type=MEDIA_TYPE)


def _store_resources(services: Services, resources: Sequence[bytes], source_system: str) -> list[Answer]:
    parser = parser_for("fhir-auditevent", source_system=source_system, received=services.clock)
    records = [understood(parser, resource, source_system=source_system) for resource in resources]
    return [_SPOOLED if _is_spooled(receipts) else answer_to(receipts) for receipts in _store(services, records)]


def _store(services: Services, records: Sequence[Record]) -> list[list[Receipt]]:
    answers: list[list[Receipt]] = []
    for start in range(0, len(records), BATCH_RECORDS):
        answers += store_records(services.intake, records[start : start + BATCH_RECORDS])
    return answers


def _is_spooled(receipts: Sequence[Receipt]) -> bool:
    return became(receipts) is Status.SPOOLED


def _whole(content: Iterator[bytes]) -> bytes:
    body = b"".join(content)
    if not body.strip():
        raise InvalidInput("The body is empty; a FHIR resource in JSON belongs there.")
    return body


def _bundle_type(body: bytes) -> str | None:
    """The type of a Bundle, empty where it has none; None where the body is no Bundle."""
    try:
        resource = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(resource, dict) or resource.get("resourceType") != "Bundle":
        return None
    return str(resource.get("type", ""))


def _result(number: int, receipts: Sequence[Receipt]) -> Mapping[str, Json]:
    """One record's place in the answer. `n` counts records from 1."""
    status = became(receipts)
    receipt = next(receipt for receipt in receipts if receipt.status is status)
    fields: Mapping[str, Json] = {
        "event_id": receipt.event_id,
        "writer": receipt.writer,
        "seq": receipt.seq,
        "leaf": receipt.leaf,
        "reason": receipt.reason,
        "quarantine_id": receipt.quarantine_id,
    }
    return {"n": number, "status": status.value, **{name: value for name, value in fields.items() if value is not None}}


def _body(types: Sequence[str]) -> dict[str, object]:
    """What the interface description says about a body that is read as bytes."""
    return {"requestBody": {"required": True, "content": {name: {"schema": {"type": "string"}} for name in types}}}
