"""What the parsers of sign-in and directory services have in common: Okta, Google, Keycloak, authentik and Authelia.

A subclass reads what a record says (`Said`); here that becomes an event, after a mapping file had its say. Workforce is the
default: where the same service stands in front of a patient portal, the mapping's constants `source` and `actor_kind` say so.
Only people change their kind: services, machines and mere addresses stay what they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import ClassVar

from domain.errors import InvalidInput
from domain.event import EARLIEST, LATEST, Actor, ActorKind, AuditEvent, Device, DeviceKind, Geo, Source
from domain.json import Json, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.addresses import patient_identifier
from ingest.parsers.field_mapping import DETAILS, FieldMapping, checked
from ingest.parsers.shapes import kind_of, mapping
from ingest.parsers.wall_times import from_epoch, moment_of

NOBODY = frozenset({"", "-", "null", "none", "unknown", "n/a", "anonymous", "anonymoususer"})
"""What services write where they know no user, in lower case."""

_MAY_BE_NULL = frozenset({"tls", "submission_tls"})
"""Details that say something where they are null: that plain text was proven. Who does not know it leaves them out."""

_PORTAL = frozenset({ActorKind.PATIENT, ActorKind.PROXY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """
    What a record says, or one event of a record.

    `is_person` is True where the actor is a user of the service, whose kind a mapping may change. `words` are the source's own
    names for what happened, which `values.action` of a mapping translates. `fields` is the record as the mapping's paths see it.
    `details` may hold anything JSON holds; what is empty is left out.
    """

    event_id: str
    time: datetime
    action: str
    actor: Actor
    is_person: bool = False
    source: Source = Source.ACCESS
    outcome: str | None = None
    ip: str | None = None
    device: Device | None = None
    geo: Geo | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    words: Sequence[str | None] = ()
    fields: Mapping[str, object] = field(default_factory=dict)


class IdentityParser(ABC):
    """Reads one stream of records. One thread at a time."""

    format: ClassVar[str]

    def __init__(self, source_system: str, *, mapping: FieldMapping | None = None) -> None:
        """In `mapping`, their names are dotted paths into the record: `patient_id = "details.mrn"`."""
        self._source_system = source_system
        self._mapping = mapping or FieldMapping()

    def parse(self, record: bytes) -> list[Parsed]:
        """Events, or one Rejected."""
        try:
            return [self._event(said, record) for said in self._read(record)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=record)]

    @abstractmethod
    def _read(self, record: bytes) -> Sequence[Said]:
        """What the record says, at least one thing. Raises InvalidInput where it is none of this format's."""

    @property
    def _is_portal(self) -> bool:
        """True where the mapping says that these are the users of a patient portal."""
        constants = self._mapping.constants
        return constants.get("source") == Source.PORTAL or constants.get("actor_kind") in _PORTAL

    def _event(self, said: Said, record: bytes) -> AuditEvent:
        def ours(name: str) -> str | None:
            return checked(name, self._mapping.value(name, lambda path: at_path(said.fields, path)))

        if not EARLIEST <= said.time < LATEST:
            raise InvalidInput(f"the time of the record lies outside {EARLIEST.year} to {LATEST.year}")
        actor = self._actor(said, ours)
        patient, device = ours("patient_id"), ours("device_id")
        details = compact({**said.details, **self._mapped_details(ours)})
        return AuditEvent(
            source_system=self._source_system,
            event_id=(ours("event_id") or said.event_id)[:512],
            time=said.time,
            source=self._source(said, actor, ours("source")),
            action=self._translated(said, ours) or said.action or "event",
            actor=actor,
            patient_id=patient_identifier(patient)[0][:512] if patient else None,
            outcome=ours("outcome") or said.outcome,
            device=Device(id=device[:512], kind=_device_kind(ours("device_kind"))) if device else said.device,
            ip=address(ours("ip")) or said.ip,
            geo=said.geo,
            details=details,
            raw=record,
            format=self.format,
        )

    def _source(self, said: Said, actor: Actor, named: str | None) -> Source:
        """The stream: mail stays mail, whatever a mapping says of the sign-ins beside it."""
        if said.source is Source.MAIL:
            return Source.MAIL
        return Source(named) if named else Source.PORTAL if actor.kind in _PORTAL else said.source

    def _actor(self, said: Said, ours: Callable[[str], str | None]) -> Actor:
        kind, named = ours("actor_kind"), ours("actor_id")
        if named:
            return Actor(id=named[:512], kind=ActorKind(kind or ActorKind.STAFF))
        return Actor(id=said.actor.id, kind=ActorKind(kind)) if kind and said.is_person else said.actor

    def _translated(self, said: Said, ours: Callable[[str], str | None]) -> str | None:
        """The mapping's word for what happened: of a field it names, else of the source's own names."""
        if self._mapping.fields.get("action") and (named := ours("action")):
            return named[:128]
        translations = self._mapping.values.get("action", {})
        return next((found for word in said.words if word and (found := translations.get(word.lower()))), None)

    def _mapped_details(self, ours: Callable[[str], str | None]) -> dict[str, object]:
        names = [name for name in {**self._mapping.fields, **self._mapping.constants} if name.startswith(DETAILS)]
        return {name.removeprefix(DETAILS): found for name in names if (found := ours(name)) is not None}


def person(name: object) -> Actor | None:
    """The user of that name as staff; None where the source names nobody."""
    text = text_or_number(name)
    return None if text is None or text.lower() in NOBODY else Actor(id=text[:512], kind=ActorKind.STAFF)


def outsider(ip: str | None) -> Actor | None:
    """Somebody of whom only the address is known."""
    return Actor(id=ip, kind=ActorKind.EXTERNAL) if ip else None


def service(name: object) -> Actor | None:
    """A program by its name."""
    text = text_or_number(name)
    return None if text is None or text.lower() in NOBODY else Actor(id=text[:512], kind=ActorKind.SERVICE)


def system(name: str) -> Actor:
    """A machine, or the service itself."""
    return Actor(id=name[:512], kind=ActorKind.SYSTEM)


def text_or_number(value: object) -> str | None:
    """The text or number as a text without blanks around it; None for anything else and for the empty text."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(normalise(value))
    return None


def compact(details: Mapping[str, object]) -> Mapping[str, Json]:
    """The details inside the canonical profile, without what is None or empty. Raises InvalidInput for what is nested too deep."""
    try:
        normal = normalise({name: value for name, value in details.items() if name in _MAY_BE_NULL or not is_empty(value)})
    except ValueError as error:
        raise InvalidInput(f"the record is {error}") from None
    assert isinstance(normal, Mapping)
    return normal


def is_empty(value: object) -> bool:
    """None, blank text, and lists and objects of nothing. False and 0 say something."""
    return value is None or (isinstance(value, str) and not value.strip()) or (isinstance(value, list | dict | tuple) and not value)


def at_path(record: Mapping[str, object], path: str) -> str | None:
    """The text or number at a dotted path, keys in any capitals; a key may hold the dots itself, as log lines in ECS have them."""
    value: object = record
    lower = path.lower()
    flat = next((found for key, found in record.items() if str(key).lower() == lower), None)
    if flat is not None:
        return text_or_number(flat)
    for step in lower.split("."):
        if isinstance(value, list):
            value = value[int(step)] if step.isdecimal() and len(step) < 6 and int(step) < len(value) else None
        else:
            value = next((found for key, found in mapping(value).items() if str(key).lower() == step), None)
    return text_or_number(value)


def address(value: object) -> str | None:
    """The IP address in its one usual spelling: the first of a list, without port, brackets and zone, IPv4 out of IPv6."""
    return _address(value) if isinstance(value, str) and len(value) <= 512 else None


@lru_cache(maxsize=4096)
def _address(text: str) -> str | None:
    bare = text.partition(",")[0].strip().removeprefix("IPv6:")
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


def degrees(value: object, bound: int) -> str | None:
    """Latitude or longitude as a text; None where it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -bound <= value <= bound:
        return None
    return str(normalise(value))


def place(*, city: object, country: object, lat: object = None, lon: object = None) -> Geo | None:
    """A place, None where nothing is known of it."""
    known = [found if (found := text_or_number(one)) and found.lower() not in NOBODY else None for one in (city, country)]
    geo = Geo(city=known[0], country=known[1], lat=degrees(lat, 90), lon=degrees(lon, 180))
    return None if geo == Geo() else geo


def moment(value: object, name: str, *, zone: tzinfo = UTC) -> datetime:
    """The instant of a text or an epoch number. Raises InvalidInput, naming the field, where it is neither."""
    if value is None:
        raise InvalidInput(f"{name} is missing")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return from_epoch(value, name)
    if not isinstance(value, str):
        raise InvalidInput(f"{name} is {kind_of(value)} and no time")
    return moment_of(value, name, zone=zone)


def _device_kind(kind: str | None) -> DeviceKind | None:
    return DeviceKind(kind) if kind else None
