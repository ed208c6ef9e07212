"""IHE ITI-81 Retrieve ATNA Audit Event: `GET /fhir/AuditEvent?…`, and one AuditEvent by its id. Every answer is in the ledger."""

import re
from collections.abc import Mapping
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request, Response

from api.auth import Permission, Principal, needs
from api.fhir_answers import MEDIA_TYPE
from api.fhir_audit_event import audit_event, resource_id
from api.fhir_query import Asked, NotSupported, asked
from api.own_events import record_read
from api.problems import sentence
from api.services import Services
from domain.errors import InvalidInput, NotFound
from domain.json import Json
from domain.record import StoredEvent
from store.events import Page
from store.fhir_search import FhirSearch

_LENIENT = re.compile(r"handling\s*=\s*\"?lenient", re.IGNORECASE)


def router(services: Services) -> APIRouter:
    """`GET /fhir/AuditEvent`, `GET /fhir/AuditEvent/{id}`."""
    routes = APIRouter(tags=["events"])
    searching = FhirSearch(services.engine)
    Reader = Annotated[Principal, Depends(needs(services, Permission.READ_PHI))]  # noqa: N806 - a type

    @routes.get("/fhir/AuditEvent", operation_id="searchAuditEvents")
    def search_audit_events(request: Request, principal: Reader) -> Response:
        """Entries of the ledger as FHIR AuditEvents: a searchset Bundle, newest first, paged by key."""
        try:
            wanted = asked(request.query_params.multi_items(), lenient=_is_lenient(request), zone=services.site().zone)
            page = searching.search(wanted.query, wanted.cursor, wanted.count) if wanted.count else Page(events=(), next=None)
            total = searching.count(wanted.query) if wanted.with_total or not wanted.count else None
        except InvalidInput as error:
            return _refused(400, "not-supported" if isinstance(error, NotSupported) else "invalid", str(error))
        record_read(services, request, principal, rows=len(page.events), filters=wanted.names, patient_id=wanted.patient)
        return _answer(_bundle(_base(services, request), wanted, page, total))

    @routes.get("/fhir/AuditEvent/{identifier}", operation_id="readAuditEvent")
    def read_audit_event(request: Request, principal: Reader, identifier: str) -> Response:
        """One entry of the ledger as a FHIR AuditEvent."""
        writer, _, seq = identifier.rpartition("-")
        try:
            stored = services.events.get(writer, int(seq) if seq.isascii() and seq.isdecimal() and len(seq) <= 20 else -1)
        except NotFound:
            return _refused(404, "not-found", "there is no AuditEvent with this id")
        record_read(services, request, principal, rows=1, patient_id=stored.event.patient_id)
        return _answer(audit_event(stored))

    return routes


def _is_lenient(request: Request) -> bool:
    return any(_LENIENT.search(value) for value in request.headers.getlist("prefer"))


def _base(services: Services, request: Request) -> str:
    """The FHIR base as the client sees it."""
    url = request.url.replace(scheme="https") if services.is_proxied_tls else request.url
    return f"{url.scheme}://{url.netloc}/fhir"


def _bundle(base: str, wanted: Asked, page: Page, total: int | None) -> Mapping[str, Json]:
    """The answer (R4 search.html#2.21.1.9): links repeat the query only to whoever sent it."""
    links: list[Json] = [{"relation": "self", "url": _url(base, wanted.link(wanted.cursor))}]
    if page.next is not None:
        links.append({"relation": "next", "url": _url(base, wanted.link(page.next))})
    bundle: dict[str, Json] = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        bundle["total"] = total
    entries = [_entry(base, stored) for stored in page.events]
    return {**bundle, "link": links, **({"entry": entries} if entries else {})}  # FHIR has no empty arrays


def _url(base: str, query: str) -> str:
    return f"{base}/AuditEvent?{query}" if query else f"{base}/AuditEvent"


def _entry(base: str, stored: StoredEvent) -> Json:
    return {"fullUrl": f"{base}/AuditEvent/{resource_id(stored)}", "resource": audit_event(stored), "search": {"mode": "match"}}


def _answer(resource: Mapping[str, Json]) -> Response:
    return Response(orjson.dumps(resource), media_type=MEDIA_TYPE)


def _refused(status: int, code: str, text: str) -> Response:
    issue: dict[str, Json] = {"severity": "error", "code": code, "diagnostics": sentence(text)}
    outcome: dict[str, Json] = {"resourceType": "OperationOutcome", "issue": [issue]}
    return Response(orjson.dumps(outcome), status_code=status, media_type=MEDIA_TYPE)
