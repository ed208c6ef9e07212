"""The application: routes, errors and middleware put together over Services. `runtime/` serves it, tests call it in process."""

from collections.abc import Callable, Sequence

from fastapi import APIRouter, FastAPI

from api import problems
from api.middleware import BodyLimit, Defects, RequestLog, SecurityHeaders
from api.routes import (
    account,
    alert_pages,
    alerts,
    domain_pages,
    domain_policies,
    domains,
    events,
    fhir_search,
    pages,
    proofs,
    reports,
    session,
    source_pages,
    sources,
    static,
    subject_pages,
    suppression_pages,
    suppressions,
    system,
    tiles,
)
from api.services import Services

Routes = Callable[[Services], APIRouter]
"""What a routes module offers as `router`."""

_OWN: Sequence[Routes] = (
    system.router,
    session.router,
    events.router,
    fhir_search.router,
    alerts.router,
    proofs.router,
    tiles.router,
    reports.router,
    alert_pages.router,
    suppressions.router,
    suppression_pages.router,
    account.router,
    pages.router,
    subject_pages.router,
    sources.router,
    source_pages.router,
    domain_policies.router,
    domains.router,
    domain_pages.router,
    static.router,
)


def create_app(services: Services, more: Sequence[Routes] = ()) -> FastAPI:
    """The ASGI application. `more` are the routers that only some nodes have, such as intake."""
    app = FastAPI(
        title="phitrail",
        version=services.version,
        summary="The audit record of PHI access and mail delivery: search, proofs, alerts.",
        # The interface description is served by a route of ours, which asks who wants it; there is no documentation page.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    for router in (*more, *_OWN):
        app.include_router(router(services))
    problems.install(app)
    # The last added is the outermost.
    app.add_middleware(Defects)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestLog, ticks=services.ticks)
    return app
