"""Legal holds: placed, released and listed; a history that is only ever added to, and every change an event in the ledger.

The order keeps what must be kept when we stop half way: a hold is in force before its event is written, and a release is in the
ledger before it takes effect.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from domain.clock import Clock, microseconds
from domain.errors import Conflict, InvalidInput, NotFound
from domain.event import Actor, ActorKind, AuditEvent, Source
from retention.policy import ActiveHold
from store.retention import Hold, HoldScope, RetentionStore

Record = Callable[[AuditEvent], object]
"""Stores an event in the ledger; durable when it returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequest:
    """What is to be kept, and why. `subject` is a patient or actor id; months are YYYYMM, inclusive."""

    scope: HoldScope
    reason: str
    by: str
    subject: str = ""
    first_epoch: int = 0
    last_epoch: int = 0


class Holds:
    """Places and releases holds. `new_id` makes an id that was never used, for example a UUID."""

    def __init__(self, store: RetentionStore, clock: Clock, new_id: Callable[[], str], record: Record) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._record = record

    def hold(self, request: HoldRequest) -> Hold:
        """Place a hold; it is in force when this returns. Raises InvalidInput where the request says too little, or too much."""
        _check(request)
        placed = Hold(
            hold_id=self._new_id(),
            scope=request.scope,
            reason=request.reason.strip(),
            placed_by=request.by,
            placed_at=self._clock(),
            subject=request.subject,
            first_epoch=request.first_epoch,
            last_epoch=request.last_epoch,
        )
        self._store.add_hold_change(placed, "placed", at=placed.placed_at, by=placed.placed_by, reason=placed.reason)
        self._record(_event(placed, "hold_placed", at=placed.placed_at, by=placed.placed_by, reason=placed.reason))
        return placed

    def release(self, hold_id: str, *, by: str, reason: str) -> Hold:
        """End a hold. Raises NotFound, Conflict when it was released before, InvalidInput without a person or a reason."""
        if not by.strip() or not reason.strip():
            raise InvalidInput("releasing a hold needs the person who releases it and the reason")
        found = {hold.hold_id: hold for hold in self._store.holds()}
        if hold_id not in found:
            raise NotFound(f"there is no hold {hold_id[:40]}")
        placed = found[hold_id]
        if placed.released_at is not None:
            raise Conflict(f"hold {hold_id} was released on {placed.released_at.date()} by {placed.released_by}")
        now = self._clock()
        self._record(_event(placed, "hold_released", at=now, by=by, reason=reason.strip()))
        self._store.add_hold_change(placed, "released", at=now, by=by, reason=reason.strip())
        return {hold.hold_id: hold for hold in self._store.holds()}[hold_id]

    def holds(self) -> list[Hold]:
        """Every hold ever placed, oldest first, with its release where there was one."""
        return self._store.holds()


def active_holds(store: RetentionStore) -> list[ActiveHold]:
    """The holds in force, each with the months that it covers by now."""
    return [ActiveHold(hold=hold, months=store.held_months(hold)) for hold in store.holds() if hold.is_active]


def _check(request: HoldRequest) -> None:
    if not request.reason.strip() or not request.by.strip():
        raise InvalidInput("a hold needs the person who places it and the reason")
    is_about_someone = request.scope in (HoldScope.PATIENT, HoldScope.ACTOR)
    if is_about_someone != bool(request.subject):
        raise InvalidInput("a hold on a patient or an actor needs the id; other holds take none")
    is_about_months = request.scope is HoldScope.MONTHS
    if not is_about_months and (request.first_epoch or request.last_epoch):
        raise InvalidInput("only a hold on months takes a first and a last month")
    if is_about_months and not (_is_month(request.first_epoch) and _is_month(request.last_epoch)):
        raise InvalidInput("a hold on months needs the first and the last as YYYYMM, for example 202101 and 202112")
    if is_about_months and request.first_epoch > request.last_epoch:
        raise InvalidInput("the last month of the hold is before the first")


def _is_month(epoch: int) -> bool:
    return 1970 <= epoch // 100 <= 2299 and 1 <= epoch % 100 <= 12


def _event(hold: Hold, action: str, *, at: datetime, by: str, reason: str) -> AuditEvent:
    """The change as an event; what the hold is about and why lies in the private part of its ledger entry."""
    return AuditEvent(
        source_system="phitrail",
        event_id=f"{action}:{hold.hold_id}:{microseconds(at)}",
        time=at,
        source=Source.ACCESS,
        action=action,
        actor=Actor(id=by, kind=ActorKind.STAFF),
        patient_id=hold.subject if hold.scope is HoldScope.PATIENT else None,
        outcome="success",
        details={
            "hold_id": hold.hold_id,
            "scope": hold.scope.value,
            "subject": hold.subject,
            "first_epoch": hold.first_epoch,
            "last_epoch": hold.last_epoch,
            "reason": reason,
        },
    )
