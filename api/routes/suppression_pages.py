"""What people hold back, with a browser: the page, and the form that lifts one. One is set on the page of an alert."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.auth import Permission, Principal, needs
from api.own_events import record_read
from api.page_frame import page
from api.problems import sentence
from api.routes.suppressions import suppression_book
from api.services import Services
from dashboards.suppression_pages import suppressions_page
from domain.errors import Conflict, InvalidInput
from domain.suppression import MOST_REASON
from store.suppressions import Suppressions


def router(services: Services) -> APIRouter:
    """`/suppressions`."""
    routes = APIRouter(prefix="/suppressions", tags=["pages"], include_in_schema=False)
    known, book = Suppressions(services.engine), suppression_book(services)
    Reader = Annotated[Principal, Depends(needs(services, Permission.READ_PHI))]  # noqa: N806 - a type
    Worker = Annotated[Principal, Depends(needs(services, Permission.WORK_ALERTS))]  # noqa: N806 - a type

    def shown(request: Request, principal: Principal, *, notice: str = "", status: int = 200) -> Response:
        view = suppressions_page(known.all(), known.counts(), services.clock())
        record_read(services, request, principal, rows=len(view.holding) + len(view.ended))
        return page(services, principal, "suppressions.html", view, section="alerts", notice=notice, status=status)

    @routes.get("")
    def suppressions(request: Request, principal: Reader) -> Response:
        """What is held back, and what was."""
        return shown(request, principal)

    @routes.post("/{suppression_id}/lift")
    def lift(
        request: Request,
        principal: Worker,
        suppression_id: str,
        reason: Annotated[str, Form(max_length=MOST_REASON)] = "",
    ) -> Response:
        """End one; what cannot be lifted shows the page as it is now, and says why."""
        try:
            book.lift(suppression_id, by=principal.name, reason=reason, at=services.clock())
        except (Conflict, InvalidInput) as error:
            status = 409 if isinstance(error, Conflict) else 400
            return shown(request, principal, notice=sentence(str(error)), status=status)
        return RedirectResponse("/suppressions", status_code=303)

    return routes
