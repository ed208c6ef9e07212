"""Mail domains for programs: mail of the last 30 local days, posture, changes, register."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.auth import Permission, Principal, needs
from api.own_events import record_read
from api.services import Services
from dashboards.domain_json import change_json, row_json
from dashboards.domain_pages import RECENT
from domain.clock import rfc3339
from domain.errors import NotFound
from store.domain_view import domain_view


def router(services: Services) -> APIRouter:
    """`/v1/domains` and `/v1/domains/{domain}`."""
    routes = APIRouter(prefix="/v1/domains", tags=["domains"])
    Reader = Annotated[Principal, Depends(needs(services, Permission.READ_PHI))]  # noqa: N806 - a type

    @routes.get("", operation_id="listDomains")
    def list_domains(request: Request, principal: Reader) -> Mapping[str, object]:
        """Every domain that got mail in the last 30 days, is registered, or was looked at. What is not known is null."""
        now, zone = services.clock(), services.site().zone
        view = domain_view(services.engine, now - RECENT, now + timedelta(microseconds=1), now)
        mail = {one.domain: one for one in view.mail}
        rows = [row_json(view, name, zone, mail.get(name)) for name in view.names()]
        record_read(services, request, principal, rows=len(rows))
        return {"from": rfc3339(view.since), "to": rfc3339(now), "domains": rows, "truncated": view.is_cut}

    @routes.get("/{domain}", operation_id="getDomain")
    def get_domain(request: Request, principal: Reader, domain: str) -> Mapping[str, object]:
        """One domain, with everything that was ever seen to change there."""
        now, name = services.clock(), domain.strip().lower().rstrip(".")
        view = domain_view(services.engine, now - RECENT, now + timedelta(microseconds=1), now, only=name)
        row = row_json(view, name, services.site().zone, view.mail[0] if view.mail else None)
        if row["mail"] is None and row["posture"] is None and row["register"] is None:
            raise NotFound("no domain of this name got mail in the last 30 days, is registered, or was looked at")
        record_read(services, request, principal, rows=1, filters=("to_domain",))
        return {**row, "changes": [change_json(change) for change in reversed(view.all_changes)]}

    return routes
