"""Reports: which there are, a form to ask for one, and the file. Making one is recorded like any other read."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from api.auth import Permission, Principal, needs
from api.own_events import record_read
from api.page_frame import page
from api.services import Services
from dashboards.first_screen import midnight
from dashboards.reports import DEFINITIONS, Format, ReportParams
from domain.errors import InvalidInput, NotFound

_MEDIA = {
    Format.HTML: "text/html; charset=utf-8",
    Format.PDF: "application/pdf",
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSON: "application/json",
}

_PERIOD = timedelta(days=30)


def router(services: Services) -> APIRouter:
    """`/reports` for people, `/v1/reports` for programs."""
    routes = APIRouter(tags=["reports"])
    Taker = Annotated[Principal, Depends(needs(services, Permission.EXPORT))]  # noqa: N806 - a type

    @routes.get("/reports", include_in_schema=False)
    def reports(principal: Taker, patient: str = "") -> Response:
        """The list, each with its form."""
        today = services.clock().astimezone(services.site().zone).date()
        view = {
            "definitions": list(DEFINITIONS.values()),
            "first": today - _PERIOD,
            "last": today,
            "patient": patient,
            "formats": list(Format),
        }
        return page(services, principal, "reports.html", view, section="reports")

    @routes.get("/v1/reports", operation_id="listReports")
    def list_reports(principal: Taker) -> list[dict[str, object]]:
        """What reports there are, and which are about one patient."""
        del principal
        return [
            {"name": one.name, "title": one.title, "about": one.about, "needs_patient": one.needs_patient}
            for one in DEFINITIONS.values()
        ]

    @routes.get("/v1/reports/{name}.{suffix}", operation_id="makeReport", response_class=Response)
    def make_report(
        request: Request, principal: Taker, name: str, suffix: Format, first: date, last: date, patient: str = "", actor: str = ""
    ) -> Response:
        """A report over local days, both included, as html, pdf, csv or json."""
        definition = DEFINITIONS.get(name)
        if definition is None:
            raise NotFound("there is no report of this name; /v1/reports lists them")
        if first > last:
            raise InvalidInput("the period ends before it begins")
        zone = services.site().zone
        params = ReportParams(
            since=midnight(first, zone),
            until=midnight(last + timedelta(days=1), zone),
            patient_id=patient or None,
            actor_id=actor or None,
            by=principal.name,
        )
        pieces = services.report(name, params, suffix.value)
        filters = [label for label, value in (("patient", patient), ("actor", actor)) if value]
        record_read(services, request, principal, rows=1, filters=["period", *filters], patient_id=patient or None)
        # Always a file: a report is a document with its own looks, not a page of this site under its policy.
        headers = {"Content-Disposition": f'attachment; filename="{name}.{suffix.value}"'}
        return StreamingResponse(pieces, media_type=_MEDIA[suffix], headers=headers)

    return routes
