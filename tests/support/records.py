"""Records in the formats that senders use. All synthetic."""

import json


def event_line(number: int, **changes: object) -> bytes:
    """One event of `--format phitrail`."""
    fields: dict[str, object] = {
        "event_id": f"E-{number}",
        "time": f"2026-03-02T08:{number // 60 % 60:02}:{number % 60:02}Z",
        "source": "access",
        "action": "view_chart",
        "actor": {"id": "alice", "kind": "staff"},
        "patient_id": "P-1",
        "outcome": "success",
    }
    return json.dumps(fields | changes).encode()


def event_lines(numbers: range) -> bytes:
    """JSON Lines."""
    return b"".join(event_line(number) + b"\n" for number in numbers)


def postfix_line(number: int, host: str = "mx1") -> bytes:
    """A delivery, as it comes by syslog (RFC 5424)."""
    return (
        f"<22>1 2026-03-02T08:{number // 60 % 60:02}:{number % 60:02}.000001Z {host} postfix/smtp 71 - - 4F{number:06X}: "
        "to=<pat@example.org>, relay=mx.example.org[198.51.100.7]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"
    ).encode()


def audit_message(number: int, user: str = "bob") -> bytes:
    """A login, as ATNA audit XML with a syslog header, over several lines."""
    moment = f"2026-03-02T08:{number // 60 % 60:02}:{number % 60:02}Z"
    return f"""<85>1 {moment} pacs archive 521 IHE+RFC-3881 - <?xml version="1.0" encoding="UTF-8"?>
<AuditMessage>
 <EventIdentification EventDateTime="{moment}" EventOutcomeIndicator="0" EventActionCode="E">
  <EventID csd-code="110114" codeSystemName="DCM" originalText="User Authentication"/>
  <EventTypeCode csd-code="110122" codeSystemName="DCM" originalText="Login"/>
 </EventIdentification>
 <ActiveParticipant UserID="{user}-{number}" UserIsRequestor="true"/>
 <AuditSourceIdentification AuditSourceID="pacs"/>
</AuditMessage>""".encode()


def audit_event(number: int, patients: tuple[str, ...] = ("P-1",)) -> dict[str, object]:
    """A FHIR R4 AuditEvent about one or more patients."""
    return {
        "resourceType": "AuditEvent",
        "id": f"audit-{number}",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}],
        "action": "R",
        "recorded": f"2026-03-02T08:{number // 60 % 60:02}:{number % 60:02}Z",
        "outcome": "0",
        "agent": [{"who": {"identifier": {"value": "alice"}}, "requestor": True}],
        "source": {"observer": {"display": "ehr"}},
        "entity": [
            {
                "what": {"reference": f"Patient/{patient}"},
                "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "1"},
                "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1"},
            }
            for patient in patients
        ],
    }
