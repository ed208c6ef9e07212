"""What people hold back, for programs: list, set, lift, and what was held. Each is about people, so each read is in the ledger."""

from collections.abc import Mapping
from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.auth import Permission, Principal, needs
from api.own_events import record_read
from api.services import Services
from dashboards.suppression_pages import held_json, suppression_json
from domain.suppression import LONGEST, MOST_NAME, MOST_REASON, NARROWINGS
from store.suppressions import MOST_HELD, SuppressionBook, Suppressions


class NewSuppression(BaseModel):
    """Findings of this kind about exactly these open no alert until then; at least one narrowing is given."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(min_length=1, max_length=MOST_NAME)
    reason: str = Field(min_length=1, max_length=MOST_REASON, description="Why they need no alert.")
    until: AwareDatetime = Field(description="When it ends by itself; at most 366 days from now.")
    actor_id: str = Field("", max_length=MOST_NAME)
    patient_id: str = Field("", max_length=MOST_NAME)
    to_domain: str = Field("", max_length=MOST_NAME)
    source_system: str = Field("", max_length=MOST_NAME)
    rule_id: str = Field("", max_length=MOST_NAME)


class Lift(BaseModel):
    """Why it is no longer wanted."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=MOST_REASON)


def suppression_book(services: Services) -> SuppressionBook:
    """Where suppressions are set and lifted."""
    return SuppressionBook(services.engine, services.ledger.append, services.new_token)


def router(services: Services) -> APIRouter:
    """`/v1/suppressions` and what belongs to one."""
    routes = APIRouter(prefix="/v1/suppressions", tags=["alerts"])
    known, book = Suppressions(services.engine), suppression_book(services)
    Reader = Annotated[Principal, Depends(needs(services, Permission.READ_PHI))]  # noqa: N806 - a type
    Worker = Annotated[Principal, Depends(needs(services, Permission.WORK_ALERTS))]  # noqa: N806 - a type

    @routes.get("", operation_id="listSuppressions")
    def list_suppressions(request: Request, principal: Reader) -> Mapping[str, object]:
        """Every suppression ever set, newest first, each with how many findings it held back."""
        found, counts, now = known.all(), known.counts(), services.clock()
        record_read(services, request, principal, rows=len(found))
        return {"suppressions": [suppression_json(one, counts.get(one.suppression_id, 0), now) for one in found]}

    @routes.post("", operation_id="setSuppression", status_code=201)
    def set_suppression(principal: Worker, said: NewSuppression) -> Mapping[str, object]:
        """Hold findings back from now on. What was found before stays as it is."""
        now = services.clock()
        narrowings = {name: str(getattr(said, name)) for name in NARROWINGS}
        ends = max(
            now, min(said.until, now + 2 * LONGEST)
        )  # a moment at the edge of the calendar has no UTC; both ends are refused
        one = book.set(said.kind, narrowings, by=principal.name, reason=said.reason, at=now, until=ends.astimezone(UTC))
        return suppression_json(one, 0, now)

    @routes.post("/{suppression_id}/lift", operation_id="liftSuppression")
    def lift_suppression(request: Request, principal: Worker, suppression_id: str, said: Lift) -> Mapping[str, object]:
        """End it now. What it held back stays held."""
        now = services.clock()
        one = book.lift(suppression_id, by=principal.name, reason=said.reason, at=now)
        record_read(services, request, principal, rows=1, patient_id=one.patient_id or None)
        return suppression_json(one, known.counts().get(suppression_id, 0), now)

    @routes.get("/{suppression_id}/held", operation_id="listHeldFindings")
    def list_held_findings(
        request: Request, principal: Reader, suppression_id: str, limit: Annotated[int, Query(ge=1, le=MOST_HELD)] = 100
    ) -> Mapping[str, object]:
        """The findings it held back, newest first."""
        one = known.get(suppression_id)
        found = known.held(suppression_id, limit=limit)
        record_read(services, request, principal, rows=len(found), filters=("limit",), patient_id=one.patient_id or None)
        return {"held": known.counts().get(suppression_id, 0), "findings": [held_json(finding) for finding in found]}

    return routes
