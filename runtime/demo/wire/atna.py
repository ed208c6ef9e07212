"""ATNA: DICOM audit messages (PS3.15 A.5) as the radiology system sends them over syslog."""

from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from domain.event import AuditEvent

SOURCE_ID = "radiology"
HOST = "radiology"
APP = "ris"
MESSAGE_ID = "IHE+RFC-3881"

_EVENTS = {
    "view_orders": ("110109", "Order Record", "R"),
    "view_imaging": ("110103", "DICOM Instances Accessed", "R"),
    "edit_result": ("110103", "DICOM Instances Accessed", "U"),
}
"""The EventID (DICOM PS3.16 CID 400) and action code of what is done at a modality or a reading station."""


def atna_message(event: AuditEvent, zone: ZoneInfo) -> bytes:
    """The XML of one event. The order of elements is that of the DICOM schema."""
    message = ET.Element("AuditMessage")
    _identify_event(message, event, zone)
    _participants(message, event)
    source = ET.SubElement(message, "AuditSourceIdentification", AuditEnterpriseSiteID="harrowfalls", AuditSourceID=SOURCE_ID)
    _code(source, "AuditSourceTypeCode", "4", "DCM", "Application Server Process")
    _objects(message, event)
    return b'<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(message)


def _identify_event(message: ET.Element, event: AuditEvent, zone: ZoneInfo) -> None:
    code, name, verb = _EVENTS.get(event.action, ("110110", "Patient Record", "R"))
    identification = ET.SubElement(
        message,
        "EventIdentification",
        EventActionCode=verb,
        EventDateTime=event.time.astimezone(zone).isoformat(timespec="milliseconds"),
        EventOutcomeIndicator="0" if event.outcome == "success" else "4",
    )
    _code(identification, "EventID", code, "DCM", name)


def _participants(message: ET.Element, event: AuditEvent) -> None:
    """The person by account and address, and the application that was asked."""
    ET.SubElement(
        message,
        "ActiveParticipant",
        UserID=event.actor.id,
        UserIsRequestor="true",
        NetworkAccessPointTypeCode="2",
        NetworkAccessPointID=event.ip or "",
    )
    application = ET.SubElement(message, "ActiveParticipant", UserID=HOST, UserIsRequestor="false")
    _code(application, "RoleIDCode", "110152", "DCM", "Destination Role ID")


def _objects(message: ET.Element, event: AuditEvent) -> None:
    """The patient, and the study, whose number makes one message differ from the next."""
    if event.patient_id is not None:
        patient = ET.SubElement(
            message,
            "ParticipantObjectIdentification",
            ParticipantObjectID=f"{event.patient_id}^^^HARROWFALLS&1.3.6.1.4.1.32473.1&ISO",
            ParticipantObjectTypeCode="1",
            ParticipantObjectTypeCodeRole="1",
        )
        _code(patient, "ParticipantObjectIDTypeCode", "2", "RFC-3881", "Patient Number")
    study = ET.SubElement(
        message,
        "ParticipantObjectIdentification",
        ParticipantObjectID=f"1.3.6.1.4.1.32473.3.{int(event.event_id.rpartition('-')[2])}",
        ParticipantObjectTypeCode="2",
        ParticipantObjectTypeCodeRole="3",
    )
    _code(study, "ParticipantObjectIDTypeCode", "110180", "DCM", "Study Instance UID")


def _code(parent: ET.Element, name: str, code: str, system: str, text: str) -> None:
    ET.SubElement(parent, name, {"csd-code": code, "codeSystemName": system, "originalText": text})
