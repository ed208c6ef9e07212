"""Who acted, on whom, and from where, in a FHIR AuditEvent of any release.

`agent.requestor` is boolean and often wrong; codes, references and names are weighed together, a person before a machine.
"""

from collections.abc import Iterator, Mapping

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind
from ingest.parsers.addresses import patient_identifier
from ingest.parsers.shapes import mapping, sequence, text_of

_MACHINE_CODES = frozenset({"110150", "110152", "110153", "110154", "110155", "custodian", "authserver", "dataprocessor"})
_PERSON_CODES = frozenset(
    {"humanuser", "110151", "IRCP", "AUT", "AUTHEN", "ENT", "INF", "PPRF", "SPRF", "VRF", "UserSamlAgent", "UserOauthAgent"}
)
_KIND_OF_REFERENCE = {
    "Practitioner": ActorKind.STAFF,
    "PractitionerRole": ActorKind.STAFF,
    "Patient": ActorKind.PATIENT,
    "RelatedPerson": ActorKind.PROXY,
    "Device": ActorKind.SERVICE,
    "Organization": ActorKind.SERVICE,
}


def codes(concept: object) -> Iterator[Mapping[str, object]]:
    """The codings of a CodeableConcept, a Coding or an array of either."""
    for item in sequence(concept):
        coding = mapping(item).get("coding")
        yield from (mapping(one) for one in (sequence(coding) if coding is not None else (item,)))


def code_list(concept: object) -> list[str]:
    """Just the codes, in their order."""
    return [code for coding in codes(concept) if (code := text_of(coding.get("code")))]


def reference_of(what: object) -> tuple[str | None, str | None]:
    """Resource type and id of a Reference: from its `reference`, or its identifier's value with its `type`."""
    target = mapping(what)
    named = text_of(target.get("type"))
    if reference := text_of(target.get("reference")):
        parts = reference.split("/_history/", 1)[0].rstrip("/").split("/")
        if len(parts) > 1 and parts[-2].isalpha() and parts[-2][0].isupper():
            return parts[-2], parts[-1]
        return named, reference
    return named, text_of(mapping(target.get("identifier")).get("value"))


def actor_of(agents: list[Mapping[str, object]]) -> Actor:
    """The one who asked: a person where one is named, else the program. Raises InvalidInput where no agent has an identity."""
    asking = [agent for agent in agents if agent.get("requestor") is True] or agents
    ordered = sorted(asking, key=_is_machine)
    for agent in [*ordered, *agents]:
        if identity := _identity(agent):
            return Actor(id=identity[:512], kind=_kind(agent))
    raise InvalidInput("no agent has an identity (who, altId, name or network address)")


def access_points(agents: list[Mapping[str, object]]) -> list[str]:
    """The network addresses of the agents, those of who asked first."""
    ordered = sorted(agents, key=lambda agent: agent.get("requestor") is not True)
    return [address for agent in ordered if (address := _network_address(agent))]


def patient_of(entity: Mapping[str, object]) -> str | None:
    """The patient that an entity is, by its reference, its role (object-role 1) or the type of what it names."""
    kind, identifier = reference_of(entity.get("what"))
    is_patient = kind == "Patient" or "1" in code_list(entity.get("role")) or "Patient" in code_list(entity.get("type"))
    if not is_patient or identifier is None or kind not in (None, "Patient"):
        return None
    return patient_identifier(identifier)[0][:512]


def _network_address(agent: Mapping[str, object]) -> str | None:
    network = mapping(agent.get("network"))
    return text_of(network.get("address")) or text_of(agent.get("networkString")) or text_of(agent.get("networkUri"))


def _identity(agent: Mapping[str, object]) -> str | None:
    who = mapping(agent.get("who"))
    _, identifier = reference_of(who)
    for candidate in (
        text_of(mapping(who.get("identifier")).get("value")),
        identifier,
        text_of(agent.get("altId")),
        text_of(agent.get("name")),
        text_of(who.get("display")),
        _network_address(agent),
    ):
        if candidate:
            return candidate
    return None


def _is_machine(agent: Mapping[str, object]) -> bool:
    return _kind(agent) is ActorKind.SERVICE


def _kind(agent: Mapping[str, object]) -> ActorKind:
    kind, _ = reference_of(agent.get("who"))
    if kind in _KIND_OF_REFERENCE:
        return _KIND_OF_REFERENCE[kind]
    named = frozenset(code_list(agent.get("type")))
    if named & _PERSON_CODES:
        return ActorKind.STAFF
    if "PAT" in named:
        return ActorKind.PATIENT
    if named & _MACHINE_CODES or not (text_of(agent.get("name")) or agent.get("requestor") is True):
        return ActorKind.SERVICE
    return ActorKind.STAFF
