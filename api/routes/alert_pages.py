"""Working on alerts with a browser: the list, one alert, and the two decisions."""

from collections.abc import Callable
from datetime import UTC, date, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.auth import Permission, Principal, needs
from api.own_events import record_read
from api.page_frame import page
from api.problems import sentence
from api.routes.alerts import resolution
from api.routes.suppressions import suppression_book
from api.schemas import MAX_NOTE
from api.services import Services
from dashboards.alert_pages import alert_detail, alert_list
from dashboards.first_screen import midnight
from domain.errors import Conflict, InvalidInput
from domain.finding import Disposition
from domain.suppression import MOST_REASON


def router(services: Services) -> APIRouter:
    """`/alerts` and `/alerts/{alert_id}`."""
    routes = APIRouter(prefix="/alerts", tags=["pages"], include_in_schema=False)
    Reader = Annotated[Principal, Depends(needs(services, Permission.READ_PHI))]  # noqa: N806 - a type
    Worker = Annotated[Principal, Depends(needs(services, Permission.WORK_ALERTS))]  # noqa: N806 - a type
    Note = Annotated[str, Form(max_length=MAX_NOTE)]  # noqa: N806 - a type
    Version = Annotated[int, Form(ge=1)]  # noqa: N806 - a type
    book = suppression_book(services)

    @routes.get("")
    def alerts(
        request: Request, principal: Reader, view: str = "waiting", severity: str = "", kind: str = "", cursor: str | None = None
    ) -> Response:
        """The list, gravest views first."""
        shown = alert_list(services.alerts, view=view, severity=severity, kind=kind, cursor=cursor)
        record_read(services, request, principal, rows=len(shown.alerts), filters=("view", "severity", "kind"))
        return page(services, principal, "alerts.html", shown, section="alerts")

    def shown_alert(request: Request, principal: Principal, alert_id: str, *, notice: str = "", status: int = 200) -> Response:
        alert = services.alerts.get(alert_id)
        view = alert_detail(
            alert, alerts=services.alerts, events=services.events, accesses=services.accesses, outbox=services.outbox
        )
        record_read(services, request, principal, rows=1 + len(view.evidence), patient_id=alert.patient_id)
        return page(services, principal, "alert.html", view, section="alerts", notice=notice, status=status)

    @routes.get("/{alert_id}")
    def alert(request: Request, principal: Reader, alert_id: str) -> Response:
        """Why it fired, what speaks against it, the evidence, and what to do next."""
        return shown_alert(request, principal, alert_id)

    def decided(request: Request, principal: Principal, alert_id: str, decide: Callable[[], object]) -> Response:
        """Decide and show the result; a decision that cannot be taken shows the alert as it is now, and says why."""
        try:
            decide()
        except (Conflict, InvalidInput) as error:
            status_code = 409 if isinstance(error, Conflict) else 400
            return shown_alert(request, principal, alert_id, notice=sentence(str(error)), status=status_code)
        return RedirectResponse(f"/alerts/{alert_id}", status_code=303)

    @routes.post("/{alert_id}/acknowledge")
    def acknowledge(request: Request, principal: Worker, alert_id: str, version: Version, note: Note = "") -> Response:
        """Take the alert on."""
        name, at = principal.name, services.clock()

        def decide() -> object:
            return services.alerts.acknowledge(alert_id, by=name, note=note.strip(), at=at, expected_version=version)

        return decided(request, principal, alert_id, decide)

    @routes.post("/{alert_id}/resolve")
    def resolve(
        request: Request,
        principal: Worker,
        alert_id: str,
        version: Version,
        note: Note = "",
        disposition: Annotated[Disposition, Form()] = Disposition.UNSTATED,
    ) -> Response:
        """Close the alert with what it was and a reason."""
        name, at = principal.name, services.clock()

        def decide() -> object:
            if disposition is Disposition.UNSTATED:
                raise InvalidInput("choose what the alert turned out to be")
            return services.alerts.resolve(
                alert_id, by=name, note=resolution(note), at=at, expected_version=version, disposition=disposition
            )

        return decided(request, principal, alert_id, decide)

    @routes.post("/{alert_id}/suppress")
    def suppress(
        request: Request,
        principal: Worker,
        alert_id: str,
        until: Annotated[date, Form()],
        reason: Annotated[str, Form(max_length=MOST_REASON)] = "",
        actor: Annotated[bool, Form()] = False,
        patient: Annotated[bool, Form()] = False,
    ) -> Response:
        """Hold back more of the alert's kind about its actor, its patient or both, through the local day given."""
        alert = services.alerts.get(alert_id)
        narrowings = {
            "actor_id": (alert.actor_id or "") if actor else "",
            "patient_id": (alert.patient_id or "") if patient else "",
        }
        last = min(until, date.max - timedelta(days=3))  # the calendar ends, in any zone; far too long is refused below
        end = midnight(last + timedelta(days=1), services.site().zone).astimezone(UTC)
        try:
            book.set(alert.kind, narrowings, by=principal.name, reason=reason, at=services.clock(), until=end)
        except InvalidInput as error:
            return shown_alert(request, principal, alert_id, notice=sentence(str(error)), status=400)
        return RedirectResponse("/suppressions", status_code=303)

    return routes
