"""The transparency-log read side: signed checkpoints and inclusion proofs. There is no patient in it."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import PlainTextResponse

from api.auth import Permission, needs, sees_log
from api.services import Services
from domain.errors import NotFound

LARGEST_SEQ = 2**53 - 1


def router(services: Services) -> APIRouter:
    """`/checkpoint` and `/v1/proofs/{writer}/{seq}`."""
    routes = APIRouter(tags=["proofs"])
    reading = [Depends(needs(services, Permission.READ_SYSTEM))]

    @routes.get("/checkpoint", operation_id="getCheckpoint", response_class=PlainTextResponse, dependencies=sees_log(services))
    def checkpoint() -> str:
        """The newest signed checkpoint of the spine (c2sp.org/tlog-checkpoint in a signed note)."""
        newest = services.newest_note()
        if newest is None:
            raise NotFound("nothing is signed yet: the first checkpoint follows within seconds of the first start")
        return newest

    @routes.get("/v1/proofs/{writer}/{seq}", operation_id="getProof", dependencies=reading)
    def proof(writer: str, seq: Annotated[int, Path(ge=0, le=LARGEST_SEQ)]) -> Mapping[str, object]:
        """That one event stood in the log when the newest checkpoint was signed; docs/log-format.md says how to check it."""
        return dict(services.prove(writer, seq).to_json())

    return routes
