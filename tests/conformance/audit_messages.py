"""FHIR and ATNA, which come without keys: the fields are read a second time by plain look-up in the source."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

from domain.event import AuditEvent
from tests.conformance.agreement import Agreement, parse


def measure(samples: Path, agreement: Agreement) -> None:
    """Read every FHIR and ATNA sample under `samples`."""
    for path in sorted((samples / "fhir_auditevent").glob("*.json")):
        _compare_fhir(agreement, path)
    for path in sorted((samples / "atna").glob("*.[xs]*")):
        _compare_atna(agreement, path)


def _compare_fhir(agreement: Agreement, path: Path) -> None:
    parsed = parse("fhir-auditevent", [path.read_bytes()])
    agreement.account("fhir-auditevent", parsed)
    source = json.loads(path.read_bytes())
    events = [one for one in parsed if isinstance(one, AuditEvent)]
    if not events:
        return
    key, name, event = "fhir-auditevent", path.stem, events[0]
    agreement.compare(key, "id", name, source["id"], event.event_id)
    agreement.compare(key, "recorded", name, datetime.fromisoformat(source["recorded"]), event.time)
    if event.outcome != "denied" and "outcome" in source:
        agreement.compare(key, "outcome", name, "success" if source["outcome"] == "0" else "failure", event.outcome)
    references = re.findall(r'"reference": "Patient/([^/"]+)', json.dumps(source.get("entity", [])))
    agreement.compare(key, "patient", name, sorted(set(references)), sorted(one.patient_id for one in events if one.patient_id))
    asking = [agent for agent in source["agent"] if agent["requestor"]] or source["agent"]
    agreement.compare(key, "actor", name, True, any(event.actor.id in json.dumps(agent) for agent in asking))


def _compare_atna(agreement: Agreement, path: Path) -> None:
    record = path.read_bytes()
    parsed = parse("atna", [record])
    agreement.account("atna", parsed)
    events = [one for one in parsed if isinstance(one, AuditEvent)]
    if not events:
        return
    key, name, event = "atna", path.stem, events[0]
    root = ElementTree.fromstring(record[record.index(b"<AuditMessage") :])
    identification = root.find("EventIdentification")
    assert identification is not None
    agreement.compare(key, "EventDateTime", name, datetime.fromisoformat(identification.attrib["EventDateTime"]), event.time)
    outcome = "success" if identification.attrib["EventOutcomeIndicator"] == "0" else "failure"
    agreement.compare(key, "EventOutcomeIndicator", name, outcome, event.outcome)
    asking = [
        element.attrib["UserID"] for element in root.findall("ActiveParticipant") if element.attrib["UserIsRequestor"] == "true"
    ]
    agreement.compare(key, "UserID", name, True, event.actor.id in asking)
    objects = [element.attrib for element in root.findall("ParticipantObjectIdentification")]
    patients = [one["ParticipantObjectID"] for one in objects if one["ParticipantObjectTypeCodeRole"] == "1"]
    found = [one.details["patient"] for one in events if "patient" in one.details]
    agreement.compare(key, "patient", name, patients, [one["id"] for one in found if isinstance(one, Mapping)])
