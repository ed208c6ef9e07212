"""Searching and reading events. Every answer is a read of PHI and is in the ledger before it leaves."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from api.auth import Permission, Principal, needs
from api.csv_rows import events_csv
from api.own_events import record_read
from api.schemas import EventDetailOut, EventOut, EventQuery, EventsOut
from api.services import Services
from domain.errors import InvalidInput, NotFound
from store.events import Page


class Suffix(StrEnum):
    JSON = "json"
    CSV = "csv"


def router(services: Services) -> APIRouter:
    """`/v1/events`, `/v1/patients/{id}/accesses`, `/v1/actors/{id}/activity`, `/v1/events/{writer}/{seq}`."""
    routes = APIRouter(tags=["events"])
    Reader = Annotated[Principal, Depends(needs(services, Permission.READ_PHI))]  # noqa: N806 - a type
    Asked = Annotated[EventQuery, Query()]  # noqa: N806 - a type

    def search(request: Request, principal: Principal, query: EventQuery, suffix: Suffix) -> Response:
        wanted = query.wanted()
        page = services.events.search(wanted, query.cursor, query.limit)
        record_read(services, request, principal, rows=len(page.events), filters=wanted.names(), patient_id=wanted.patient_id)
        return _answer(request, page, suffix)

    @routes.get("/v1/events", operation_id="searchEvents", response_model=EventsOut)
    @routes.get("/v1/events.{suffix}", operation_id="searchEventsAs", response_model=EventsOut)
    def search_events(request: Request, principal: Reader, query: Asked, suffix: Suffix = Suffix.JSON) -> Response:
        """Events by filter, newest first."""
        return search(request, principal, query, suffix)

    @routes.get("/v1/patients/{patient_id:path}/accesses", operation_id="patientAccesses", response_model=EventsOut)
    @routes.get("/v1/patients/{patient_id:path}/accesses.{suffix}", operation_id="patientAccessesAs", response_model=EventsOut)
    def patient_accesses(
        request: Request, principal: Reader, query: Asked, patient_id: str, suffix: Suffix = Suffix.JSON
    ) -> Response:
        """Everything about one patient's record, newest first."""
        return search(request, principal, _fixed(query, "patient", patient_id), suffix)

    @routes.get("/v1/actors/{actor_id:path}/activity", operation_id="actorActivity", response_model=EventsOut)
    @routes.get("/v1/actors/{actor_id:path}/activity.{suffix}", operation_id="actorActivityAs", response_model=EventsOut)
    def actor_activity(request: Request, principal: Reader, query: Asked, actor_id: str, suffix: Suffix = Suffix.JSON) -> Response:
        """Everything one person or program did, newest first."""
        return search(request, principal, _fixed(query, "actor", actor_id), suffix)

    @routes.get("/v1/events/{writer}/{seq}", operation_id="getEvent")
    def get_event(request: Request, principal: Reader, writer: str, seq: int) -> EventDetailOut:
        """One event with the record it was understood from, and its proof."""
        stored = services.events.get(writer, seq)
        proof, missing = None, None
        try:
            proof = services.prove(writer, seq).to_json()
        except NotFound as error:
            missing = str(error)
        record_read(services, request, principal, rows=1, patient_id=stored.event.patient_id)
        return EventDetailOut(
            event=EventOut.of(stored),
            format=stored.event.format,
            raw=stored.event.raw.decode(errors="backslashreplace"),
            proof=proof,
            proof_missing=missing,
        )

    return routes


def _fixed(query: EventQuery, name: str, value: str) -> EventQuery:
    if getattr(query, name) not in (None, value):
        raise InvalidInput(f"the address already says which {name}; leave the filter {name} out")
    return query.model_copy(update={name: value})


def _answer(request: Request, page: Page, suffix: Suffix) -> Response:
    headers = {}
    if page.next is not None:
        # A relative link, so that a patient id in the query of this request is repeated only to whoever sent it.
        headers["Link"] = f'<?{request.url.include_query_params(cursor=page.next).query}>; rel="next"'
    if suffix is Suffix.CSV:
        headers["Content-Disposition"] = 'attachment; filename="events.csv"'
        return Response(events_csv(page.events), media_type="text/csv; charset=utf-8", headers=headers)
    body = EventsOut(events=[EventOut.of(stored) for stored in page.events], next=page.next)
    return JSONResponse(body.model_dump(mode="json"), headers=headers)
