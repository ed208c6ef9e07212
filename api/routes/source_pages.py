"""Sources for people: the three views, one source, and the two forms. None of it is PHI, so that the administrator sees it too."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import RedirectResponse

from api.auth import Permission, Principal, needs
from api.page_frame import page
from api.problems import sentence
from api.routes.sources import MOST_REASON, declarer, may_declare, source_watch
from api.services import Services
from dashboards.render import segment
from dashboards.source_pages import source_page, sources_page
from domain.errors import Conflict, InvalidInput
from store.source_gap_rules import Loss
from store.source_register import Declaration, Declared


def router(services: Services) -> APIRouter:
    """`/sources` and `/sources/{name}`."""
    routes = APIRouter(prefix="/sources", tags=["pages"], include_in_schema=False)
    watch = source_watch(services)
    System = Annotated[Principal, Depends(needs(services, Permission.READ_SYSTEM))]  # noqa: N806 - a type
    Worker = Annotated[Principal, Depends(needs(services, Permission.WORK_ALERTS))]  # noqa: N806 - a type
    Declarer = Annotated[Principal, Depends(declarer(services))]  # noqa: N806 - a type

    @routes.get("")
    def sources(principal: System, view: str = "health") -> Response:
        """Health, the coverage register or the gap ledger."""
        shown = sources_page(watch.view(services.clock()), view=view, zone=services.site().zone)
        return page(services, principal, "sources.html", shown, section="sources")

    def shown_source(principal: Principal, name: str, *, notice: str = "", status: int = 200) -> Response:
        seen = watch.view(services.clock())
        view = source_page(seen, watch, name=name, zone=services.site().zone, may_declare=may_declare(principal))
        return page(services, principal, "sources_one.html", view, section="sources", notice=notice, status=status)

    @routes.get("/{name:path}")
    def source(principal: System, name: str) -> Response:
        """One source or system, with the forms for those who may use them."""
        return shown_source(principal, name)

    @routes.post("/gaps/{gap_id}/acknowledge")
    def acknowledge(
        principal: Worker,
        gap_id: str,
        loss: Annotated[str, Form(max_length=16)] = "",
        reason: Annotated[str, Form(max_length=MOST_REASON)] = "",
    ) -> Response:
        """Explain a gap, and show its source; what cannot be taken shows the source as it is now, and says why."""
        gap = watch.gaps.get(gap_id)
        try:
            watch.gaps.acknowledge(gap_id, by=principal.name, reason=reason, loss=_loss(loss), at=services.clock())
        except (Conflict, InvalidInput) as error:
            status = 409 if isinstance(error, Conflict) else 400
            return shown_source(principal, gap.source_system, notice=sentence(str(error)), status=status)
        return RedirectResponse(f"/sources/{segment(gap.source_system)}", status_code=303)

    @routes.post("/declare")
    def declare(
        principal: Declarer,
        system: Annotated[str, Form(max_length=128)],
        state: Annotated[Declared, Form()],
        valid_until: Annotated[date, Form()],
        reason: Annotated[str, Form(max_length=MOST_REASON)] = "",
        owner: Annotated[str, Form(max_length=128)] = "",
        source_system: Annotated[str, Form(max_length=128)] = "",
        quiet_minutes: Annotated[str, Form(max_length=8)] = "",
    ) -> Response:
        """Declare, and show the system."""
        zone = services.site().zone
        try:
            watch.register.declare(
                Declaration(
                    system=system,
                    state=state,
                    declared=services.clock(),
                    declared_by=principal.name,
                    reason=reason,
                    valid_until=datetime.combine(valid_until, time(), zone).astimezone(UTC),
                    owner=owner.strip(),
                    source_system="" if source_system == system else source_system,
                    quiet=_minutes(quiet_minutes),
                )
            )
        except InvalidInput as error:
            return shown_source(principal, system, notice=sentence(str(error)), status=400)
        return RedirectResponse(f"/sources/{segment(system)}", status_code=303)

    return routes


def _loss(text: str) -> Loss:
    try:
        return Loss(text)
    except ValueError:
        raise InvalidInput("say whether events were lost: none, some or not known") from None


def _minutes(text: str) -> timedelta | None:
    if not text.strip():
        return None
    try:
        return timedelta(minutes=int(text))
    except ValueError:
        raise InvalidInput("how long a system may be quiet is a whole number of minutes") from None
