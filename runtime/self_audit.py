"""phitrail's own acts on the command line, as events of its ledger: reading PHI is itself recorded."""

import getpass
import uuid
from collections.abc import Mapping
from datetime import datetime

from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json


def operator() -> str:
    """Who runs this command, as the operating system knows them."""
    return f"{getpass.getuser()}@cli"


def own_event(
    action: str, *, now: datetime, details: Mapping[str, Json], patient_id: str | None = None, by: str | None = None
) -> AuditEvent:
    """An event of the source system `phitrail`: who did what with the record itself."""
    return AuditEvent(
        source_system="phitrail",
        event_id=str(uuid.uuid4()),  # noqa: TID251 - ids are made in runtime
        time=now,
        source=Source.ACCESS,
        action=action,
        actor=Actor(id=by or operator(), kind=ActorKind.STAFF),
        patient_id=patient_id,
        outcome="success",
        details=details,
    )
