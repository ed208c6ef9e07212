"""The style sheet and icons; open to all, because the sign-in page needs them."""

from fastapi import APIRouter, Response

from api.services import Services
from dashboards.render import STATIC, static_file
from domain.errors import NotFound


def router(services: Services) -> APIRouter:
    """`/static/{name}`."""
    del services
    routes = APIRouter(include_in_schema=False)

    @routes.get("/static/{name}")
    def static(name: str) -> Response:
        """One of our files, by name."""
        if name not in STATIC:
            raise NotFound("There is no such file.")
        return Response(static_file(name), media_type=STATIC[name], headers={"Cache-Control": "public, max-age=3600"})

    return routes
