"""An entry of the ledger as a FHIR R4 AuditEvent.

What came as one is shown as it came, as far as R4 allows, with its place in the ledger as its id, and without patients whom the
entry is not about. Anything else is written anew from the event: the actor as the agent who asked, the source system as the
observer, the patient as an entity, our own action as the subtype.
"""

import re
from collections.abc import Mapping

import orjson

from domain.clock import rfc3339
from domain.event import ActorKind, AuditEvent
from domain.json import Json, normalise
from domain.record import StoredEvent
from ingest.parsers.fhir_agents import patient_of
from ingest.parsers.shapes import mapping, sequence, text_of
from store.fhir_search import DCM, ENTITY_ROLES, ENTITY_TYPES, OUR_ACTIONS, SUBTYPES, action_code, outcome_code, type_of

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_SOURCE_TYPES = "http://terminology.hl7.org/CodeSystem/security-source-type"
_R5 = frozenset(
    {"category", "code", "severity", "occurredPeriod", "occurredDateTime", "patient", "encounter", "authorization", "basedOn"}
)
_AGENT_TYPES: Mapping[ActorKind, tuple[str, str]] = {
    ActorKind.STAFF: ("http://terminology.hl7.org/CodeSystem/extra-security-role-type", "humanuser"),
    ActorKind.PATIENT: ("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "PAT"),
    ActorKind.SERVICE: (DCM, "110150"),
    ActorKind.SYSTEM: (DCM, "110150"),
}


def resource_id(stored: StoredEvent) -> str:
    """The id of an entry as a resource: its writer and place, as the answer to its sender said."""
    return f"{stored.writer}-{stored.seq}"


def audit_event(stored: StoredEvent) -> Mapping[str, Json]:
    """The resource. Valid by R4's structure, whatever came in."""
    came = _as_it_came(stored.event)
    return _kept(stored, came) if came is not None else _made(stored)


# --- What came as an AuditEvent --------------------------------------------------------------------------------------------------


def _as_it_came(event: AuditEvent) -> Mapping[str, Json] | None:
    """The resource of the record where it is a valid R4 AuditEvent; None for R5, another format, or a record that was erased."""
    if event.format != "fhir-auditevent" or not event.raw:
        return None
    try:
        normal = normalise(orjson.loads(event.raw.removeprefix(b"\xef\xbb\xbf")))
    except ValueError:
        return None
    resource = mapping(normal)
    agents, source = sequence(resource.get("agent")), mapping(resource.get("source"))
    valid = (
        text_of(mapping(resource.get("type")).get("code")) is not None
        and _INSTANT.fullmatch(str(resource.get("recorded"))) is not None
        and isinstance(resource.get("agent"), list)
        and all(isinstance(mapping(agent).get("requestor"), bool) for agent in agents)
        and isinstance(source.get("observer"), dict)
        and isinstance(resource.get("outcome", "0"), str)
        and isinstance(resource.get("entity", []), list)
        and not _R5 & resource.keys()
    )
    return normal if valid and agents and isinstance(normal, Mapping) else None


def _kept(stored: StoredEvent, resource: Mapping[str, Json]) -> Mapping[str, Json]:
    """The resource with our id, of several patients' entities those of this entry only."""
    entities = [one for one in sequence(resource.get("entity")) if patient_of(mapping(one)) in (None, stored.event.patient_id)]
    meta = {**mapping(resource.get("meta")), "lastUpdated": rfc3339(stored.received)}
    found = normalise({**resource, "id": resource_id(stored), "meta": meta, "entity": entities})
    assert isinstance(found, dict)
    if not entities:
        del found["entity"]
    if len(entities) != len(sequence(resource.get("entity"))):
        found.pop("text", None)  # the narrative may speak of all of them
        found.pop("contained", None)
    return found


# --- What is written anew --------------------------------------------------------------------------------------------------------


def _made(stored: StoredEvent) -> Mapping[str, Json]:
    event = stored.event
    system, code = type_of(event.action, event.source, has_patient=event.patient_id is not None)
    own = event.details if event.format == "fhir-auditevent" and _own_type(event.details) else None
    resource: dict[str, Json] = {
        "resourceType": "AuditEvent",
        "id": resource_id(stored),
        "meta": {"lastUpdated": rfc3339(stored.received)},
        "type": _own_type(own) if own else {"system": system, "code": code},
        "subtype": _own_list(own, "subtype") if own else _subtypes(event.action),
        "action": _chosen(own.get("action"), ("C", "R", "U", "D", "E")) if own else action_code(event.action),
        "recorded": rfc3339(event.time),
        "outcome": _chosen(own.get("outcome"), ("0", "4", "8", "12")) if own else outcome_code(event.outcome),
        "outcomeDesc": text_of(event.details.get("reason")) if event.outcome not in (None, "success") else None,
        "purposeOfEvent": _purpose(event),
        "agent": _agents(event),
        "source": {
            "observer": {"identifier": {"value": event.source_system}, "display": event.source_system},
            "type": [_source_type(event)],
        },
        "entity": _own_list(own, "entities") if own else _entities(event) or None,
    }
    return {name: value for name, value in resource.items() if value is not None}


def _own_type(own: Mapping[str, Json]) -> Json:
    coding = own.get("type")
    return coding if isinstance(coding, Mapping) and isinstance(coding.get("code"), str) else None


def _own_list(own: Mapping[str, Json], name: str) -> Json:
    found = own.get(name)
    return found if isinstance(found, list) and found and all(isinstance(one, Mapping) for one in found) else None


def _chosen(value: Json, known: tuple[str, ...]) -> str | None:
    return value if isinstance(value, str) and value in known else None


def _subtypes(action: str) -> list[Json]:
    coded: list[Json] = [{"system": DCM, "code": code} for code, actions in SUBTYPES.items() if action in actions]
    return [*coded, {"system": OUR_ACTIONS, "code": action}]


def _purpose(event: AuditEvent) -> Json:
    if event.action != "break_glass":
        return None
    return [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "BTG", "display": "break the glass"}]}
    ]


def _agents(event: AuditEvent) -> list[Json]:
    who: dict[str, Json] = {"identifier": {"value": event.actor.id}}
    if event.actor.kind is ActorKind.PATIENT and _ID.fullmatch(event.actor.id):
        who["reference"] = f"Patient/{event.actor.id}"
    agent: dict[str, Json] = {"who": who, "altId": event.actor.id, "requestor": True}
    if coded := _AGENT_TYPES.get(event.actor.kind):
        agent["type"] = {"coding": [{"system": coded[0], "code": coded[1]}]}
    if event.ip:
        agent["network"] = {"address": event.ip, "type": "2"}
    agents: list[Json] = [agent]
    if event.device is not None and event.device.id:
        agents.append(
            {
                "type": {"coding": [{"system": DCM, "code": "110150"}]},
                "who": {"display": event.device.id},
                "requestor": False,
                "network": {"address": event.device.id, "type": "1"},
            }
        )
    return agents


def _source_type(event: AuditEvent) -> Mapping[str, Json]:
    return {"system": _SOURCE_TYPES, "code": "3" if event.source == "portal" else "4"}


def _entities(event: AuditEvent) -> list[Json]:
    entities: list[Json] = []
    if event.patient_id is not None:
        what: dict[str, Json] = {"type": "Patient", "identifier": {"value": event.patient_id}}
        if _ID.fullmatch(event.patient_id):
            what["reference"] = f"Patient/{event.patient_id}"
        entities.append(
            {"what": what, "type": {"system": ENTITY_TYPES, "code": "1"}, "role": {"system": ENTITY_ROLES, "code": "1"}}
        )
    if module := text_of(event.details.get("module")):
        entities.append(
            {"name": module, "type": {"system": ENTITY_TYPES, "code": "2"}, "role": {"system": ENTITY_ROLES, "code": "4"}}
        )
    if event.action == "search":
        entities.append({"type": {"system": ENTITY_TYPES, "code": "2"}, "role": {"system": ENTITY_ROLES, "code": "24"}})
    return entities
