"""Sources for programs: health, the coverage register and the gap ledger. None of it is PHI.

Whoever works on alerts explains gaps; they and the administrator declare what a system does. Each word is an event of the ledger.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.auth import Permission, Principal, needs, signed_in
from api.problems import Forbidden
from api.services import Services
from dashboards.source_json import coverage_json, declaration_json, gap_json, health_json, view_json
from domain.errors import NotFound
from store.context import ContextStore
from store.source_gap_rules import Loss
from store.source_register import Declaration, Declared
from store.source_watch import SourceWatch

MOST_REASON = 2_000
"""Characters of what a person says about a gap or a system."""


class Explanation(BaseModel):
    """What a person found out about a gap. `loss`: `none`, `some` or `not known`."""

    model_config = ConfigDict(extra="forbid")

    loss: Loss
    reason: str = Field(min_length=1, max_length=MOST_REASON)


class Word(BaseModel):
    """What a person says of a system: it sends its audit events here (`on`), or does not for now (`off`), until when, and why."""

    model_config = ConfigDict(extra="forbid")

    system: str = Field(min_length=1, max_length=128)
    state: Declared
    reason: str = Field(min_length=1, max_length=MOST_REASON)
    valid_until: AwareDatetime
    owner: str = Field("", max_length=128)
    source_system: str = Field("", max_length=128, description="The name it sends under, where that is another.")
    may_be_quiet_seconds: int | None = Field(None, ge=60, le=366 * 86_400)


def router(services: Services) -> APIRouter:
    """`/v1/sources` and what belongs to it."""
    routes = APIRouter(prefix="/v1/sources", tags=["sources"])
    watch = source_watch(services)
    System = Annotated[Principal, Depends(needs(services, Permission.READ_SYSTEM))]  # noqa: N806 - a type
    Worker = Annotated[Principal, Depends(needs(services, Permission.WORK_ALERTS))]  # noqa: N806 - a type

    Declarer = Annotated[Principal, Depends(declarer(services))]  # noqa: N806 - a type

    @routes.get("", operation_id="listSources")
    def list_sources(principal: System) -> Mapping[str, object]:
        """Every source with its verdict, as of the last look of the worker (once a minute)."""
        del principal
        return view_json(watch.view(services.clock()))

    @routes.get("/register", operation_id="coverageRegister")
    def coverage_register(principal: System) -> Mapping[str, object]:
        """Every system that should send, whether its auditing is on, and the evidence for it."""
        del principal
        now = services.clock()
        return {"systems": [coverage_json(row) for row in watch.view(now).coverage]}

    @routes.get("/gaps", operation_id="listGaps")
    def list_gaps(
        principal: System,
        source_system: Annotated[str, Query(max_length=128)] = "",
        open: bool | None = None,  # noqa: A002 - the name of the parameter
    ) -> Mapping[str, object]:
        """The gap ledger, newest first; `open` narrows to gaps that last, or to those that do not."""
        del principal
        now = services.clock()
        found = [
            gap_json(gap, now)
            for gap in watch.gaps.all()
            if source_system in ("", gap.source_system) and open in (None, gap.is_open)
        ]
        return {"gaps": found}

    @routes.post("/gaps/{gap_id}/acknowledge", operation_id="acknowledgeGap")
    def acknowledge_gap(principal: Worker, gap_id: str, said: Explanation) -> Mapping[str, object]:
        """Say what became of a gap and whether events were lost."""
        now = services.clock()
        return gap_json(watch.gaps.acknowledge(gap_id, by=principal.name, reason=said.reason, loss=said.loss, at=now), now)

    @routes.post("/declarations", operation_id="declareSource", status_code=201)
    def declare_source(principal: Declarer, said: Word) -> Mapping[str, object]:
        """Put on record that a system sends here, or does not for now."""
        word = Declaration(
            system=said.system,
            state=said.state,
            declared=services.clock(),
            declared_by=principal.name,
            reason=said.reason,
            valid_until=said.valid_until.astimezone(UTC),
            owner=said.owner,
            source_system=said.source_system,
            quiet=None if said.may_be_quiet_seconds is None else timedelta(seconds=said.may_be_quiet_seconds),
        )
        return declaration_json(watch.register.declare(word))

    @routes.get("/{name:path}", operation_id="getSource")
    def get_source(principal: System, name: str) -> Mapping[str, object]:
        """One source or system: health, coverage, gaps and what was declared."""
        del principal
        seen = watch.view(services.clock())
        row = next((row for row in seen.coverage if name in (row.source_system, row.system)), None)
        if row is None:
            raise NotFound("no source and no system of this name is known")
        source = row.source_system or row.system
        return {
            "health": None if row.health is None else health_json(row.health),
            "coverage": coverage_json(row),
            "gaps": [gap_json(gap, seen.at) for gap in seen.gaps if gap.source_system == source],
            "declarations": [declaration_json(word) for word in watch.register.history(row.system)],
        }

    return routes


def source_watch(services: Services) -> SourceWatch:
    """The watch over the same store and ledger; the worker looks, here is only read and explained."""
    return SourceWatch(services.engine, services.ledger.append, ContextStore(services.engine).org)


def declarer(services: Services) -> Callable[..., Principal]:
    """A dependency that gives whoever may declare. Raises Unauthenticated and Forbidden."""

    def allowed(principal: Annotated[Principal, Depends(signed_in(services))]) -> Principal:
        if not may_declare(principal):
            raise Forbidden("This needs a role that may configure the system or work on alerts.")
        return principal

    return allowed


def may_declare(principal: Principal) -> bool:
    """Whether their word on a system is taken: those who run it, and those who work on its alerts."""
    return principal.may(Permission.CONFIGURE) or principal.may(Permission.WORK_ALERTS)
