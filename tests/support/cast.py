"""The cast: Nurse Alice, Dr. Bob, Billing Carol and Mallory, patients P-1 to P-3. All synthetic."""

from datetime import UTC, datetime, timedelta

from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Source

ALICE = Actor(id="alice", kind=ActorKind.STAFF)
BOB = Actor(id="bob", kind=ActorKind.STAFF)
MALLORY = Actor(id="mallory", kind=ActorKind.STAFF)
PATIENT = Actor(id="portal-1", kind=ActorKind.PATIENT)
MORNING = datetime(2026, 3, 2, 8, tzinfo=UTC)


def chart_view(number: int, *, actor: Actor = ALICE, patient: str = "P-1") -> AuditEvent:
    """The `number`-th opening of a chart, a minute after the one before."""
    return AuditEvent(
        source_system="ehr",
        event_id=f"view-{number}",
        time=MORNING + timedelta(minutes=number),
        source=Source.ACCESS,
        action="view_chart",
        actor=actor,
        patient_id=patient,
        outcome="success",
        device=Device(id="ws-7", kind=DeviceKind.WORKSTATION),
        ip="192.0.2.7",
        details={"module": "chart", "duration_s": 12 + number, "note": "Größe “x”"},
        raw=b'{"event_id":"view-%d"}' % number,
    )
