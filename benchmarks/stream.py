"""Events of a realistic shape and size for measurements: deterministic, synthetic."""

import random
from datetime import UTC, datetime, timedelta

from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Source

_ACTIONS = ("view_chart", "view_labs", "view_notes", "edit_note", "print", "search")


def events(count: int, seed: int = 7) -> list[AuditEvent]:
    """`count` access events of about 600 bytes each."""
    chance = random.Random(seed)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    made = []
    for number in range(count):
        actor, patient = f"u{chance.randrange(800):04d}", f"P{chance.randrange(20_000):06d}"
        action = chance.choice(_ACTIONS)
        details = {
            "module": action.split("_")[-1],
            "duration_s": chance.randrange(300),
            "session": f"{chance.getrandbits(64):016x}",
        }
        raw = (
            f'{{"event_id":"ev-{number:09d}","actor":"{actor}","patient":"{patient}","action":"{action}",'
            f'"session":"{details["session"]}","filler":"{chance.getrandbits(400):0100x}"}}'
        )
        made.append(
            AuditEvent(
                source_system="ehr",
                event_id=f"ev-{number:09d}",
                time=start + timedelta(seconds=number * 3),
                source=Source.ACCESS,
                action=action,
                actor=Actor(id=actor, kind=ActorKind.STAFF),
                patient_id=patient,
                outcome="success",
                device=Device(id=f"ws-{chance.randrange(400)}", kind=DeviceKind.WORKSTATION),
                ip=f"10.1.{chance.randrange(256)}.{chance.randrange(256)}",
                details=details,
                raw=raw.encode(),
            )
        )
    return made
