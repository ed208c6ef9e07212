"""The spine for whoever follows it: tiles and entry bundles (c2sp.org/tlog-tiles), consistency of two sizes. No patient in it."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.auth import sees_log
from api.routes.proofs import LARGEST_SEQ
from api.services import Services
from domain.tiles import parse_address
from store.tiles import Tiles

MEDIA_TYPE = "application/octet-stream"


def router(services: Services) -> APIRouter:
    """`/tile/{path}` and `/v1/consistency`."""
    routes = APIRouter(tags=["proofs"], dependencies=sees_log(services))
    for_ever = f"{'public' if services.is_log_public else 'private'}, max-age=31536000, immutable"

    def tiles() -> Tiles:
        return Tiles(services.engine, services.ledger_keys.origin)

    @routes.get(
        "/tile/{path:path}",
        operation_id="getTile",
        response_class=Response,
        responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
    )
    def tile(request: Request, path: str) -> Response:
        """Hashes of the spine's tree (`<level>/<number>`) or its entries (`entries/<number>`), `.p/<width>` for the right edge."""
        # A route's pattern matches before a last newline, so `path` can lack what was sent; the request has all of it.
        del path
        address = parse_address(request.scope["path"])
        # A full tile never changes. A partial one is gone once it is full, so nobody keeps it.
        headers = {} if address.is_partial else {"Cache-Control": for_ever}
        return Response(tiles().read(address), media_type=MEDIA_TYPE, headers=headers)

    @routes.get("/v1/consistency", operation_id="getConsistency")
    def consistency(
        old: Annotated[int, Query(alias="from", ge=0, le=LARGEST_SEQ)], new: Annotated[int, Query(alias="to", ge=0, le=LARGEST_SEQ)]
    ) -> Mapping[str, object]:
        """That the spine of one size is a prefix of the spine of another; hashes in hex (RFC 6962, section 2.1.2)."""
        proof = tiles().consistency(old, new)
        return {
            "origin": proof.new.origin,
            "from_size": proof.old.size,
            "from_root": proof.old.root.hex(),
            "to_size": proof.new.size,
            "to_root": proof.new.root.hex(),
            "path": [item.hex() for item in proof.path],
        }

    return routes
