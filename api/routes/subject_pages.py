"""The pages of a patient and an actor, and the rows behind the first screen's numbers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.auth import Permission, Principal, needs
from api.own_events import record_read
from api.page_frame import page
from api.services import Services
from dashboards import people_pages
from dashboards.fact_lists import access_list, mail_list

_LIST_FILTERS = frozenset({"first", "last", "band", "to_domain", "phi", "department", "explained"})


def router(services: Services) -> APIRouter:
    """`/patients/…`, `/actors/…`, `/mail`, `/accesses`."""
    routes = APIRouter(tags=["pages"], include_in_schema=False)
    Reader = Annotated[Principal, Depends(needs(services, Permission.READ_PHI))]  # noqa: N806 - a type
    subjects = people_pages.Sources(
        people=services.people, events=services.events, accesses=services.accesses, alerts=services.alerts
    )

    @routes.get("/patients/{patient_id:path}")
    def patient(request: Request, principal: Reader, patient_id: str) -> Response:
        """Who was in a patient's record, and why."""
        view = people_pages.patient_page(subjects, patient_id)
        record_read(services, request, principal, rows=len(view.rows), patient_id=patient_id)
        return page(services, principal, "patient.html", view, section="events")

    @routes.get("/actors/{actor_id:path}")
    def actor(request: Request, principal: Reader, actor_id: str) -> Response:
        """What one person or program does."""
        view = people_pages.actor_page(subjects, actor_id, services.site().zone)
        record_read(services, request, principal, rows=len(view.rows), filters=("actor_id",))
        return page(services, principal, "actor.html", view, section="events")

    @routes.get("/mail")
    def mail(request: Request, principal: Reader) -> Response:
        """The deliveries behind the mail panel."""
        view = mail_list(services.mail, dict(request.query_params), services.site().zone, services.clock())
        record_read(services, request, principal, rows=len(view.rows), filters=sorted(set(request.query_params) & _LIST_FILTERS))
        return page(services, principal, "mail.html", view, section="events")

    @routes.get("/accesses")
    def accesses(request: Request, principal: Reader) -> Response:
        """The accesses behind the explained shares."""
        view = access_list(services.accesses, dict(request.query_params), services.site().zone, services.clock())
        record_read(services, request, principal, rows=len(view.rows), filters=sorted(set(request.query_params) & _LIST_FILTERS))
        return page(services, principal, "accesses.html", view, section="events")

    return routes
