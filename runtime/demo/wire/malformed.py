"""Records that nobody can understand, as real senders produce them. Each must end in quarantine, whole and with a reason."""

import orjson

from domain.json import Json


def _spoilt(**changes: Json) -> bytes:
    """A good line with some fields changed; those set to None are left out."""
    line: dict[str, Json] = {
        "event_id": "malformed",
        "time": "2026-03-02T10:00:00-06:00",
        "source": "access",
        "action": "print",
        "actor": {"id": "x1", "kind": "staff"},
    }
    return orjson.dumps({name: value for name, value in (line | changes).items() if value is not None})


HTTP: tuple[bytes, ...] = (
    _spoilt()[:-3],
    _spoilt(event_id=None),
    _spoilt(event_id=""),
    _spoilt(time="2026-03-02T10:00:00"),
    _spoilt(time="0001-01-01T00:00:00Z"),
    _spoilt(time=1772467200),
    _spoilt(source="fax"),
    _spoilt(actor="x1"),
    _spoilt(actor={"id": "x1", "kind": "robot"}),
    _spoilt(outcome="perhaps"),
    _spoilt(patient_id=12),
    _spoilt(device={"kind": "workstation"}),
    _spoilt(user="x1"),
    _spoilt().replace(b"print", b"caf\xe9"),
    b"event_id=malformed time=2026-03-02T10:00:00Z source=access action=print",
)
"""Lines for `POST /v1/events`: cut off, fields missing or wrong, no offset, year 1, a field nobody knows, not UTF-8, not JSON."""

FHIR: tuple[bytes, ...] = (
    b'{"resourceType": "AuditEvent", "id": "malformed-1", "recorded": "2026-03-02T10:00:00Z"}',
    b'{"resourceType": "Observation", "id": "malformed-2", "status": "final"}',
    b'{"resourceType": "AuditEvent", "id": "malformed-3", "recorded": "yesterday", "agent": [{"who": {"display": "x1"}}]}',
    b'{"resourceType": "AuditEvent", "id": ',
)
"""Bodies for `POST /fhir/AuditEvent`."""

ATNA: tuple[bytes, ...] = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "boom">]><AuditMessage>&b;</AuditMessage>',
    b'<AuditMessage><EventIdentification EventActionCode="R"',
    b'<AuditMessage><AuditSourceIdentification AuditSourceID="radiology"/></AuditMessage>',
    b'<Observation xmlns="urn:hl7-org:v3"/>',
    b"<AuditMessage>\xff\xfe</AuditMessage>",
    b"radiology: service restarted",
)
"""Messages for the syslog listeners: a DOCTYPE, cut off, nothing identified, another schema, not UTF-8, no XML at all."""
