"""What people and programs do in this system is itself in the ledger: signing in and out, and every read of PHI.

A read is recorded before anything is returned. Where the ledger cannot take the record, the read fails (45 CFR 164.312(b) asks for
records of activity in systems that contain PHI; this is one).
"""

from collections.abc import Mapping, Sequence

from fastapi import Request

from api.auth import Principal, client_address
from api.services import Services
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json

SOURCE_SYSTEM = "phitrail"

UNKNOWN_ACTOR = Actor(id="unknown", kind=ActorKind.EXTERNAL)
"""Who tried to sign in with a name that no account has. The name is not kept: people type passwords there."""


def record_read(
    services: Services,
    request: Request,
    principal: Principal,
    *,
    rows: int,
    filters: Sequence[str] = (),
    patient_id: str | None = None,
) -> None:
    """Record that PHI is about to be shown: through which route, narrowed by which filters (names only), how many rows.

    `patient_id` is set when one patient was asked for. Raises Backpressure or IntegrityError; then nothing may be returned.
    """
    details: dict[str, Json] = {"route": _route(request), "filters": list(filters), "rows": rows}
    record(services, request, action="audit_read", actor=principal.actor, outcome="success", patient_id=patient_id, details=details)


def record(
    services: Services,
    request: Request,
    *,
    action: str,
    actor: Actor,
    outcome: str,
    patient_id: str | None = None,
    details: Mapping[str, Json] | None = None,
) -> None:
    """Add one event about this system to the ledger, durable when this returns. Raises Backpressure or IntegrityError."""
    event = AuditEvent(
        source_system=SOURCE_SYSTEM,
        event_id=services.new_token(),
        time=services.clock(),
        source=Source.ACCESS,
        action=action,
        actor=actor,
        patient_id=patient_id,
        outcome=outcome,
        ip=client_address(request) or None,
        details=details or {},
    )
    services.ledger.append([event])


def _route(request: Request) -> str:
    """The route as written in the program, `/v1/patients/{patient_id}/accesses`: never the path with its values."""
    return f"{request.method} {getattr(request.scope.get('route'), 'path', '')}"
