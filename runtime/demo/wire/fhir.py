"""FHIR R4 AuditEvents in the manner of IHE BALP, as the laboratory system, the imaging archive and the pharmacy send them."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import orjson

from domain.event import AuditEvent
from domain.json import Json

_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_REST = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTION = "http://hl7.org/fhir/restful-interaction"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_RESOURCES = {
    "view_labs": "DiagnosticReport",
    "edit_result": "DiagnosticReport",
    "view_imaging": "ImagingStudy",
    "view_orders": "ServiceRequest",
    "view_meds": "MedicationRequest",
    "verify_med": "MedicationDispense",
}
"""The kind of resource each action touches."""


def audit_event(event: AuditEvent, zone: ZoneInfo) -> dict[str, Json]:
    """One AuditEvent: a RESTful read or update of a resource of a patient, by a person, from a workstation."""
    changes = event.action.startswith(("edit", "verify", "sign"))
    interaction = "update" if changes else "read"
    resource = _RESOURCES.get(event.action, "Patient")
    return {
        "resourceType": "AuditEvent",
        "id": event.event_id,
        "type": {"system": _REST, "code": "rest", "display": "Restful Operation"},
        "subtype": [{"system": _INTERACTION, "code": interaction, "display": interaction}],
        "action": "U" if changes else "R",
        "recorded": event.time.astimezone(zone).isoformat(timespec="milliseconds"),
        "outcome": "0" if event.outcome == "success" else "4",
        "agent": [_user(event), _client(event)],
        "source": {"observer": {"identifier": {"value": event.source_system}}},
        "entity": [
            {
                "what": {"reference": f"{resource}/{event.event_id}"},
                "type": {"system": _ENTITY, "code": "2", "display": "System Object"},
                "role": {"system": _ROLE, "code": "4", "display": "Domain Resource"},
            },
            {
                "what": {"reference": f"Patient/{event.patient_id}"},
                "type": {"system": _ENTITY, "code": "1", "display": "Person"},
                "role": {"system": _ROLE, "code": "1", "display": "Patient"},
            },
        ],
    }


def _user(event: AuditEvent) -> dict[str, Json]:
    """The person who asked, by account, and from which address."""
    return {
        "type": {"coding": [{"system": _PARTICIPATION, "code": "IRCP", "display": "information recipient"}]},
        "who": {"identifier": {"system": "urn:oid:1.3.6.1.4.1.32473.2", "value": event.actor.id}},
        "requestor": True,
        "network": {"address": event.ip, "type": "2"},
    }


def _client(event: AuditEvent) -> dict[str, Json]:
    """The workstation, by name."""
    name = event.device.id if event.device else event.source_system
    return {
        "type": {"coding": [{"system": _DCM, "code": "110153", "display": "Source Role ID"}]},
        "who": {"display": name},
        "requestor": False,
        "network": {"address": name, "type": "1"},
    }


def bundle(events: Sequence[dict[str, Json]]) -> bytes:
    """A transaction Bundle that creates each of them (RESTful ATNA, ITI-20)."""
    entries: list[Json] = [{"resource": event, "request": {"method": "POST", "url": "AuditEvent"}} for event in events]
    return orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
