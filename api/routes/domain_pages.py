"""Mail domains for people: the list, and one domain. A domain can name a person, so they are for those who may see PHI."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.auth import Permission, Principal, needs
from api.own_events import record_read
from api.page_frame import page
from api.services import Services
from dashboards.domain_pages import domain_page, domains_page


def router(services: Services) -> APIRouter:
    """`/domains` and `/domains/{domain}`."""
    routes = APIRouter(prefix="/domains", tags=["pages"], include_in_schema=False)
    Reader = Annotated[Principal, Depends(needs(services, Permission.READ_PHI))]  # noqa: N806 - a type

    @routes.get("")
    def domains(request: Request, principal: Reader) -> Response:
        """Every domain that mail goes to."""
        view = domains_page(services.engine, services.clock(), services.site().zone)
        record_read(services, request, principal, rows=len(view.rows))
        return page(services, principal, "domains.html", view, section="domains")

    @routes.get("/{domain}")
    def domain(request: Request, principal: Reader, domain: str) -> Response:
        """One domain: mail, posture, changes, agreement."""
        view = domain_page(services.engine, domain, services.clock(), services.site().zone)
        record_read(services, request, principal, rows=1, filters=("to_domain",))
        return page(services, principal, "domains_one.html", view, section="domains")

    return routes
