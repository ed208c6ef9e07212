"""What the coded events of DICOM, RFC 3881, IHE and FHIR are called here.

One table for ATNA messages and FHIR AuditEvents, because FHIR took its codes from DICOM PS3.16 (CID 400 to 403).
"""

import re
from collections.abc import Collection, Sequence

_SECURITY_TYPES = {
    "110126": "node_authentication",
    "110127": "break_glass",
    "110128": "network_configuration",
    "110129": "security_configuration",
    "110130": "hardware_configuration",
    "110131": "software_configuration",
    "110132": "restricted_function",
    "110133": "audit_stop",
    "110134": "audit_start",
    "110135": "object_security_change",
    "110136": "privilege_change",
    "110137": "privilege_change",
    "110138": "break_glass_end",
    "110139": "remote_service_start",
    "110140": "remote_service_stop",
    "110141": "local_service_start",
    "110142": "local_service_stop",
}
_TYPES = {
    "110100": {"110120": "application_start", "110121": "application_stop"},
    "110108": {"110124": "network_attach", "110125": "network_detach"},
    "110113": {**_SECURITY_TYPES, "AuthZ-Consent": "consent_decision"},
    "110114": {"110122": "login", "110123": "logout"},
}
_EVENTS = {
    "110100": "application_activity",
    "110101": "audit_log_used",
    "110102": "transfer_begin",
    "110104": "transfer",
    "110105": "study_deleted",
    "110106": "export",
    "110107": "import",
    "110108": "network_entry",
    "110112": "search",
    "110113": "security_alert",
    "110114": "authentication",
}
_RECORD_EVENTS = {"110103": "imaging", "110109": "orders", "110110": "chart", "110111": "procedures"}
_VERBS = {"C": "create", "R": "view", "U": "edit", "D": "delete", "E": "view"}
_CODES_BY_NAME = {
    "application activity": "110100",
    "audit log used": "110101",
    "dicom instances accessed": "110103",
    "dicom instances transferred": "110104",
    "dicom study deleted": "110105",
    "export": "110106",
    "import": "110107",
    "network entry": "110108",
    "order record": "110109",
    "patient record": "110110",
    "procedure record": "110111",
    "query": "110112",
    "security alert": "110113",
    "user authentication": "110114",
}
_AREAS = {
    "notes": ("Composition", "DocumentReference", "DocumentManifest", "ClinicalImpression", "QuestionnaireResponse"),
    "labs": ("Observation", "DiagnosticReport", "Specimen"),
    "meds": ("Medication", "MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"),
    "orders": ("ServiceRequest", "DeviceRequest", "NutritionOrder", "RequestGroup", "Task"),
    "imaging": ("ImagingStudy", "ImagingSelection", "Media"),
    "billing": ("Account", "ChargeItem", "Claim", "ClaimResponse", "Coverage", "ExplanationOfBenefit", "Invoice", "PaymentNotice"),
    "demographics": ("Patient", "RelatedPerson", "Person"),
    "schedule": ("Appointment", "AppointmentResponse", "Schedule", "Slot"),
}
_AREA_OF = {resource: area for area, resources in _AREAS.items() for resource in resources}
_EDITED = {"notes": "note", "labs": "result"}
_READS = frozenset({"read", "vread", "history", "history-instance"})
_WRITES = frozenset({"create", "update", "patch"})
_OUTCOMES = {"0": "success", "4": "failure", "8": "failure", "12": "failure"}
_OTHER_OUTCOMES = {"success": "success", "information": "success", "warning": "failure", "error": "failure", "fatal": "failure"}
_WORD = re.compile(r"[^a-z0-9]+")
_LONGEST = 1_000
"""Characters that are read of what should be a code or name."""


def dicom_action(event: str, types: Collection[str], code: str | None) -> str | None:
    """The action of a DICOM audit event: its EventID, its EventTypeCodes and its action code (C R U D E). None for other codes."""
    for kind in types:
        if (action := _TYPES.get(event, {}).get(kind)) is not None:
            return action
    if (record := _RECORD_EVENTS.get(event)) is not None:
        return f"{_VERBS.get(code or '', 'view')}_{record}"
    return _EVENTS.get(event)


def dicom_code(code: str, name: str) -> str:
    """The DICOM number of an event; by its display name where the sender put a placeholder in place of the number."""
    return code if code.isdecimal() else _CODES_BY_NAME.get(name.strip().lower(), code)


def rest_action(interaction: str, resources: Sequence[str]) -> str:
    """The action of a RESTful interaction (FHIR restful-interaction) on resources, the main one first; others in snake case."""
    area = _AREA_OF.get(resources[0], "chart") if resources else "chart"
    if interaction in _READS:
        return f"view_{area}"
    if interaction == "create" and "MedicationAdministration" in resources:
        return "med_admin"
    if interaction in _WRITES:
        return f"edit_{_EDITED.get(area, area)}"
    if interaction.startswith("search"):
        return "search"
    return snake(interaction)


def under_purpose(action: str, purposes: Collection[object]) -> str:
    """The action, or `break_glass` where the purpose of use is breaking the glass (HL7 v3 ActReason BTG)."""
    return "break_glass" if "BTG" in purposes else action


def outcome_of(code: str | None) -> str | None:
    """`success` or `failure` from an audit outcome: 0 4 8 12 (RFC 3881 §5.1.4), or a FHIR issue severity."""
    if code is None:
        return None
    return _OUTCOMES.get(code.strip()) or _OTHER_OUTCOMES.get(code.strip().lower())


def snake(text: str) -> str:
    """A code or name as an action word."""
    return _WORD.sub("_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text[:_LONGEST]).lower()).strip("_")[:128]
