"""FHIR AuditEvent in JSON, of R4, R4B and R5, alone or in a Bundle.

Required of a sender are only the things without which there is no event: a type, a time with offset and someone who acted.
Everything else is read where it is, and the whole resource is kept in `details` and as bytes. One event per patient (BALP).
"""

import hashlib
from collections.abc import Mapping

from domain.errors import InvalidInput
from domain.event import AuditEvent, Device, Source
from domain.json import Json, canonical, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.addresses import origin_of
from ingest.parsers.audit_codes import dicom_action, outcome_of, rest_action, snake, under_purpose
from ingest.parsers.fhir_agents import access_points, actor_of, code_list, codes, patient_of, reference_of
from ingest.parsers.fhir_bundle import bundle_entries
from ingest.parsers.instants import instant
from ingest.parsers.shapes import decode_json, kind_of, mapping, sequence, text_of

_KEPT = (
    *("type", "subtype", "category", "code", "action", "severity", "outcome", "outcomeDesc"),
    *("purposeOfEvent", "encounter", "basedOn"),
)
_REST = "rest"
_INTERACTIONS = {"C": "create", "R": "read", "U": "update", "D": "delete"}


class FhirParser:
    """Reads AuditEvent resources (R4 §AuditEvent, IHE BALP, ITI-20 ATX: FHIR Feed)."""

    format = "fhir-auditevent"

    def __init__(self, source_system: str) -> None:
        self._source_system = source_system

    def parse(self, record: bytes) -> list[Parsed]:
        """An event per patient that the AuditEvent touches; for a Bundle, those of every entry; else one Rejected."""
        entries = bundle_entries(record)
        if entries:
            return [parsed for entry in entries for parsed in self._parse_one(entry)]
        return self._parse_one(record)

    def _parse_one(self, record: bytes) -> list[Parsed]:
        try:
            return [*self._events(record)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=record)]

    def _events(self, record: bytes) -> list[AuditEvent]:
        resource = decode_json(record)
        if not isinstance(resource, dict):
            raise InvalidInput(f"the record is {kind_of(resource)}, not an object")
        if resource.get("resourceType") == "Bundle":
            is_full = isinstance(resource.get("entry"), list) and bool(resource["entry"])
            raise InvalidInput("the Bundle is nested too deep" if is_full else "the Bundle has no entries")
        if resource.get("resourceType") != "AuditEvent":
            raise InvalidInput("resourceType is not AuditEvent")
        try:
            normal = normalise(resource, 1)  # its parts lie one deeper in `details`
        except ValueError as error:
            raise InvalidInput(str(error)) from None
        assert isinstance(normal, Mapping)
        agents = [mapping(agent) for agent in sequence(resource.get("agent"))]
        if not agents:
            raise InvalidInput("agent is missing")
        actor, origin, moment = actor_of(agents), origin_of(access_points(agents)), instant(resource.get("recorded"), "recorded")
        access, outcome = _action(resource), _outcome(resource)
        purposes = _purposes(resource)
        action = under_purpose(access, purposes)
        identifier = text_of(resource.get("id")) or hashlib.sha256(canonical(normal)).hexdigest()
        patients = _patients(resource)
        return [
            AuditEvent(
                source_system=self._source_system,
                event_id=identifier if number == 1 else f"{identifier}#{number}",
                time=moment,
                source=Source.ACCESS,
                action=action,
                actor=actor,
                patient_id=patient,
                outcome="denied" if action == "consent_decision" and outcome == "failure" else outcome,
                device=Device(id=origin.machine) if origin.machine else None,
                ip=origin.ip,
                details={**_details(resource, normal, patients, patient), **({"access": access} if action != access else {})},
                raw=record,
                format=self.format,
            )
            for number, patient in enumerate(patients or [None], start=1)
        ]


def _action(resource: Mapping[str, object]) -> str:
    """R4 says what happened in `type` and `subtype`, R5 in `category` and `code`."""
    named = [*code_list(resource.get("type")), *code_list(resource.get("category"))]
    subtypes = [*code_list(resource.get("subtype")), *code_list(resource.get("code"))]
    if not named and not subtypes:
        raise InvalidInput("neither type nor code says what happened")
    verb = text_of(resource.get("action"))
    for code in [*named, *subtypes]:
        if (action := dicom_action(code, subtypes, verb)) is not None:
            return action
    if _REST in named or not named:
        for interaction in subtypes:
            return rest_action(interaction, _resources(resource))
    if _REST in named and verb in _INTERACTIONS:
        return rest_action(_INTERACTIONS[verb], _resources(resource))
    return snake(subtypes[0] if subtypes else named[0]) or "audit_event"


def _outcome(resource: Mapping[str, object]) -> str | None:
    outcome = resource.get("outcome")
    if isinstance(outcome, dict):  # R5: a backbone element with a coding
        return next((known for code in code_list(outcome.get("code")) if (known := outcome_of(code))), None)
    return outcome_of(text_of(outcome))


def _entities(resource: Mapping[str, object]) -> list[Mapping[str, object]]:
    return [mapping(entity) for entity in sequence(resource.get("entity"))]


def _resources(resource: Mapping[str, object]) -> list[str]:
    """Resource types of the objects, the record that was opened before the patient whose it is."""
    kinds = [
        kind for entity in _entities(resource) for kind in (reference_of(entity.get("what"))[0], *_resource_types(entity)) if kind
    ]
    return sorted(dict.fromkeys(kinds), key=lambda kind: kind == "Patient")


def _resource_types(entity: Mapping[str, object]) -> list[str]:
    """What an entity is, where its type is coded as a FHIR resource."""
    return [
        code
        for coding in codes(entity.get("type"))
        if (code := text_of(coding.get("code")))
        and (text_of(coding.get("system")) or "").endswith(("resource-types", "fhir-types"))
    ]


def _patients(resource: Mapping[str, object]) -> list[str]:
    """Every patient once, in the order named: the entities, and the `patient` element of R5."""
    named = [patient_of({"what": resource.get("patient"), "role": {"code": "1"}})] if "patient" in resource else []
    named += [patient_of(entity) for entity in _entities(resource)]
    return list(dict.fromkeys(patient for patient in named if patient))


def _details(
    resource: Mapping[str, object], normal: Mapping[str, Json], patients: list[str], patient: str | None
) -> Mapping[str, Json]:
    """What the resource says beside the fields of the event; of several patients' entities, those of `patient` only."""
    details: dict[str, Json] = {name: normal[name] for name in _KEPT if name in normal}
    kept_entities = normal.get("entity")
    entities = kept_entities if isinstance(kept_entities, list) else [kept_entities]
    others = set(patients) - {patient}
    details["entities"] = [kept for kept in entities if isinstance(kept, Mapping) and patient_of(kept) not in others]
    details["agents"] = normal["agent"]
    if "source" in normal:
        details["audit_source"] = normal["source"]
    if resources := _resources(resource):
        details["module"] = resources[0]
    if purposes := _purposes(resource):
        details["purpose_of_use"] = list(purposes)
        details["reason"] = "; ".join(purposes.values())
    for entity in _entities(resource):
        if "XrequestId" in code_list(entity.get("type")):
            details["request_id"] = reference_of(entity.get("what"))[1]
    return details


def _purposes(resource: Mapping[str, object]) -> dict[str, str]:
    """Code and words of every purpose of use, of the event and of the agents."""
    concepts = [*sequence(resource.get("purposeOfEvent")), *sequence(resource.get("authorization"))]
    for agent in sequence(resource.get("agent")):
        concepts += [*sequence(mapping(agent).get("purposeOfUse")), *sequence(mapping(agent).get("authorization"))]
    found: dict[str, str] = {}
    for concept in concepts:
        words = text_of(mapping(concept).get("text"))
        for coding in codes(concept):
            code = text_of(coding.get("code"))
            if code or words:
                found.setdefault(code or words or "", words or text_of(coding.get("display")) or code or "")
    return found
