"""The state of the system for machines. Only `/livez` and the bare word of `/readyz` are open to anyone."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from api.auth import Permission, Principal, identify, needs
from api.metrics import MEDIA_TYPE, exposition, registry
from api.problems import Unauthenticated
from api.services import Services
from domain.errors import Backpressure


def router(services: Services) -> APIRouter:
    """`/livez`, `/readyz`, `/metrics`, `/version`, `/openapi.json`."""
    routes = APIRouter(tags=["system"])
    own_registry = registry(services)
    Reader = Annotated[Principal, Depends(needs(services, Permission.READ_SYSTEM))]  # noqa: N806 - a type

    @routes.get("/livez", operation_id="livez")
    def livez() -> Mapping[str, str]:
        """The process answers. Says nothing about the store."""
        return {"status": "alive"}

    @routes.get("/readyz", operation_id="readyz", response_class=JSONResponse)
    def readyz(request: Request) -> Response:
        """200 when requests can be served, else 503; what is wrong is told only to those who may read the system's state."""
        problems = dict(services.unready())
        try:
            services.overview.size()
        except Backpressure as error:
            problems["store"] = str(error)
        body: dict[str, object] = {"status": "unready" if problems else "ready"}
        if _may_read(request):
            body["problems"] = problems
        return JSONResponse(body, status_code=503 if problems else 200)

    @routes.get("/metrics", operation_id="metrics")
    def metrics(principal: Reader) -> Response:
        """Prometheus metrics, as read from the store now."""
        del principal
        return Response(exposition(own_registry), media_type=MEDIA_TYPE)

    @routes.get("/version", operation_id="version")
    def version(principal: Reader) -> Mapping[str, str]:
        """The version of this program."""
        del principal
        return {"name": "phitrail", "version": services.version}

    @routes.get("/openapi.json", operation_id="openapi", include_in_schema=False)
    def openapi(request: Request, principal: Reader) -> JSONResponse:
        """This interface as OpenAPI 3.1."""
        del principal
        return JSONResponse(request.app.openapi())

    def _may_read(request: Request) -> bool:
        try:
            principal = identify(services, request)
        except Unauthenticated:
            return False
        return principal is not None and principal.may(Permission.READ_SYSTEM)

    return routes
