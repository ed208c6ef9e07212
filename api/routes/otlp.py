"""OTLP/HTTP logs: `POST /v1/logs`, protobuf and JSON (opentelemetry-proto, "OTLP/HTTP").

Applications and collectors send here. Success is answered only once everything is durable, as a client then forgets what it sent.
A log record that cannot be understood is in quarantine; the client is told how many there were, and does not send them again.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.auth import Permission, Principal, needs
from api.intake_body import Bodies, UnsupportedMedia, coding_of_body, read_body, source_system_of, unpack
from api.problems import Problem, problem_response
from api.services import Services
from domain.record import Receipt, Status, became
from ingest.parsers import otlp_wire as wire
from ingest.parsers.otlp import OtlpLogsParser
from ingest.parsers.otlp_records import taken_apart
from ingest.pipeline import BATCH_BYTES, BATCH_RECORDS, Record, store_records, understood

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
LOG_TYPES = (PROTOBUF, JSON)

_INVALID_ARGUMENT = 3
"""google.rpc.Code: what a client must not send again as it is."""

_UNSUPPORTED = Problem(415, "unsupported-media-type", "This form of body is not read here")


def router(services: Services) -> APIRouter:
    """`POST /v1/logs`."""
    routes = APIRouter(tags=["intake"])
    bodies = Bodies()
    Sender = Annotated[Principal, Depends(needs(services, Permission.SEND))]  # noqa: N806 - a type
    described = {"requestBody": {"required": True, "content": {name: {"schema": {"type": "string"}} for name in LOG_TYPES}}}

    @routes.post("/v1/logs", operation_id="sendLogs", openapi_extra=described)
    async def send_logs(request: Request, principal: Sender) -> Response:
        """Store the log records of an ExportLogsServiceRequest; the answer comes once they are durable. Sending again is safe."""
        try:
            media_type = _media_type(request)
            coding = coding_of_body(request)
            source_system = source_system_of(request, principal)
            with bodies.holding() as held:
                pieces = await read_body(request.stream(), held)
                return await run_in_threadpool(_store, services, unpack(pieces, coding, held), source_system, media_type)
        except UnsupportedMedia as error:
            return problem_response(_UNSUPPORTED, str(error))
        except ClientDisconnect:  # nobody is there to read it; nothing was stored
            return Response(status_code=400)

    return routes


def _media_type(request: Request) -> str:
    """The type of the body, which is also that of the answer. Raises UnsupportedMedia; a body without a type is protobuf."""
    named = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    media_type = {"": PROTOBUF, "application/protobuf": PROTOBUF}.get(named, named)
    if media_type not in LOG_TYPES:
        raise UnsupportedMedia(f"Content-Type may be {', '.join(LOG_TYPES)}.")
    return media_type


def _store(services: Services, content: Iterator[bytes], source_system: str, media_type: str) -> Response:
    body = b"".join(content)
    pieces, reason = taken_apart(body)  # by what it is, whatever type it claims
    if not body and media_type == JSON:
        reason = "the body is empty"
    parser = OtlpLogsParser(source_system, received=services.clock)
    records = (understood(parser, piece, source_system=source_system) for piece in pieces)
    rejected, kept = 0, ""
    for batch in _batches(records):
        for receipts in store_records(services.intake, batch):
            if became(receipts) is Status.QUARANTINED:
                rejected += 1
                kept = kept or _kept(receipts)
    if reason is not None:
        where = f"; it is kept in quarantine as {kept}" if kept else ""
        return Response(_bad_request(media_type, f"{reason}{where}"), status_code=400, media_type=media_type)
    message = f"{rejected} log records were kept in quarantine, the first as {kept}" if rejected else ""
    return Response(_export_response(media_type, rejected, message), media_type=media_type)


def _batches(records: Iterator[Record]) -> Iterator[Sequence[Record]]:
    """Records in portions that the store takes at once."""
    while batch := list(islice(records, 1)):
        size = sum(len(item.raw) for item in batch[0])
        for record in records:
            batch.append(record)
            size += sum(len(item.raw) for item in record)
            if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
                break
        yield batch


def _kept(receipts: Sequence[Receipt]) -> str:
    return next((receipt.quarantine_id for receipt in receipts if receipt.quarantine_id), "")


def _export_response(media_type: str, rejected: int, message: str) -> bytes:
    """The ExportLogsServiceResponse to a request of which `rejected` log records were not taken; nothing in it where all were."""
    if media_type == PROTOBUF:
        partial = wire.count(1, rejected) + (wire.message(2, message.encode()) if message else b"")
        return wire.message(1, partial) if rejected else b""
    return orjson.dumps({"partialSuccess": {"rejectedLogRecords": str(rejected), "errorMessage": message}} if rejected else {})


def _bad_request(media_type: str, message: str) -> bytes:
    """The google.rpc.Status for a request that cannot be read."""
    if media_type == PROTOBUF:
        return wire.count(1, _INVALID_ARGUMENT) + wire.message(2, message.encode())
    return orjson.dumps({"code": _INVALID_ARGUMENT, "message": message})
