"""The first screen, the search and the page of one event."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from api.auth import Permission, Principal, needs
from api.own_events import record_read
from api.page_frame import page
from api.services import Services
from dashboards import first_screen
from dashboards.event_detail import event_detail
from dashboards.render import segment
from dashboards.search import href, question, search_page


def router(services: Services) -> APIRouter:
    """HTML for people; everything works without script."""
    routes = APIRouter(tags=["pages"], include_in_schema=False)
    System = Annotated[Principal, Depends(needs(services, Permission.READ_SYSTEM))]  # noqa: N806 - a type
    Reader = Annotated[Principal, Depends(needs(services, Permission.READ_PHI))]  # noqa: N806 - a type
    numbers = first_screen.Sources(
        overview=services.overview,
        mail=services.mail,
        accesses=services.accesses,
        alerts=services.alerts,
        waiting=services.waiting,
        record_state=services.record_state,
        clock=services.clock,
    )

    @routes.get("/")
    def home(request: Request, principal: System) -> Response:
        """The first screen. Whoever may not see PHI gets its numbers without the names."""
        sees_phi = principal.may(Permission.READ_PHI)
        view = first_screen.first_screen(numbers, services.site(), sees_phi=sees_phi)
        if sees_phi:
            record_read(services, request, principal, rows=len(view.alerts.gravest) + len(view.access.top))
        return page(services, principal, "first_screen.html", view, section="overview")

    @routes.get("/events")
    def search(request: Request, principal: Reader) -> Response:
        """The search page; its state is its address."""
        asked = question(request.query_params.multi_items(), services.site().zone, services.clock())
        view = search_page(
            asked, events=services.events, counts=services.counts, accesses=services.accesses, zone=services.site().zone
        )
        record_read(
            services, request, principal, rows=len(view.rows), filters=asked.wanted.names(), patient_id=asked.wanted.patient_id
        )
        return page(services, principal, "search.html", view, section="events")

    @routes.get("/find")
    def find(principal: Reader, what: str = "") -> Response:
        """Where the box in the header leads: to a patient, an actor, or a search for the text. Shows nothing itself."""
        del principal
        text = what.strip()
        if not text:
            return RedirectResponse("/events", status_code=303)
        if services.people.patient(text):
            return RedirectResponse(f"/patients/{segment(text)}", status_code=303)
        if services.people.actor(text):
            return RedirectResponse(f"/actors/{segment(text)}", status_code=303)
        return RedirectResponse(href([("q", text)]), status_code=303)

    @routes.get("/events/{writer}/{seq}")
    def event(request: Request, principal: Reader, writer: str, seq: int) -> Response:
        """One event, beside the record it was understood from, with its proof."""
        stored = services.events.get(writer, seq)
        view = event_detail(
            stored, accesses=services.accesses, alerts=services.alerts, prove=services.prove, keys=services.ledger_keys
        )
        record_read(services, request, principal, rows=1, patient_id=stored.event.patient_id)
        return page(services, principal, "event.html", view, section="events")

    return routes
