"""Who, whom and from where in an OCSF event.

The standard knows no patient. Senders put one into `resources`, `entity`, `web_resources` or `unmapped`, or into the URL of a FHIR
request; these places are read, and a mapping file can name others.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, Device, DeviceKind, Geo
from domain.json import normalise
from ingest.parsers.access_words import PATIENT_NAMES, plain
from ingest.parsers.addresses import ip_of, patient_identifier
from ingest.parsers.audit_codes import rest_action
from ingest.parsers.ocsf_actions import AUTHENTICATION, Target, activity_of, class_of, number
from ingest.parsers.shapes import mapping, sequence, text_of

RESOURCE_PLACES = ("resources", "resource", "entity", "entity_result", "web_resources", "web_resources_result")

_NOBODY = frozenset({"", "-", "n/a", "na", "none", "null", "unknown", "null sid", "anonymous logon", "s-1-0-0"})
_KINDS = {3: ActorKind.SERVICE, 4: ActorKind.SERVICE}
_WORDS = {
    "patient": ActorKind.PATIENT,
    "proxy": ActorKind.PROXY,
    "service": ActorKind.SERVICE,
    "system": ActorKind.SERVICE,
    "application": ActorKind.SERVICE,
    "vendor": ActorKind.VENDOR,
    "external": ActorKind.EXTERNAL,
    "guest": ActorKind.EXTERNAL,
}
_DEVICES = {
    1: DeviceKind.SERVER,
    2: DeviceKind.WORKSTATION,
    3: DeviceKind.WORKSTATION,
    4: DeviceKind.MOBILE,
    5: DeviceKind.MOBILE,
    8: DeviceKind.BROWSER,
}
_FHIR = re.compile(r"/(?i:fhir)/(?P<rest>[^?#]{1,2000})")
_TYPE = re.compile(r"[A-Z][A-Za-z]{2,40}")
_PATIENT_TYPES = frozenset({"patient", "patientrecord", "patientchart", "patientfile", "fhirpatient"})
_COUNTS = frozenset({"records", "recordcount", "numberofrecords", "rowcount"})
_PATIENT_URL = re.compile(r"/Patient/(?P<id>[A-Za-z0-9.-]{1,64})(?=[/?#]|$)")
_PATIENT_QUERY = re.compile(r"(?:^|[?&])(?:patient|subject)(?::Patient)?=(?:Patient/)?(?P<id>[A-Za-z0-9.-]{1,64})(?=&|#|$)")


def at_path(record: Mapping[str, object], path: str) -> str | None:
    """The text or number at a dotted path, keys in any capitals: how a mapping file names a place."""
    value: object = record
    for step in path.split("."):
        inner = mapping(value)
        value = next((found for key, found in inner.items() if str(key).lower() == step.lower()), None)
    return _scalar(value)


def _scalar(value: object) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(normalise(value))
    return text_of(value)


# --- Who -------------------------------------------------------------------------------------------------------------------


def actor_of(record: Mapping[str, object]) -> Actor:
    """
    The user who acted; at a login the one who logged in. Without a user, the program or machine that did.

    The id is the name, else the mail address, else the uid: a staff member's account is called by its name.
    Raises InvalidInput where nobody is named.
    """
    actor = mapping(record.get("actor"))
    candidates = [mapping(actor.get("user")), mapping(record.get("user"))]
    if class_of(record) == AUTHENTICATION:
        candidates.reverse()
    for user in candidates:
        if found := _identity(user, candidates):
            return Actor(id=found[:512], kind=_kind(user))
    process = mapping(actor.get("process"))
    programs = (
        *(actor.get("app_name"), actor.get("app_uid"), actor.get("invoked_by"), mapping(process.get("user")).get("name")),
        *(process.get("name"), mapping(process.get("file")).get("name"), mapping(record.get("service")).get("name")),
    )
    for program in programs:
        if found := _somebody(program):
            return Actor(id=found[:512], kind=ActorKind.SERVICE)
    for machine in _machines(record):
        for name in ("hostname", "name", "ip", "uid"):
            if found := _somebody(machine.get(name)):
                return Actor(id=found[:512], kind=ActorKind.SYSTEM)
    raise InvalidInput("the event names no user, program or machine that acted (actor, user, src_endpoint, device)")


def _identity(user: Mapping[str, object], others: Sequence[Mapping[str, object]]) -> str | None:
    """The user's name; where only an id is given, the name that another place has for the same id."""
    uid = _somebody(user.get("uid"))
    same = [user, *(other for other in others if uid and _somebody(other.get("uid")) == uid)]
    for name in ("name", "email_addr"):
        for one in same:
            if found := _somebody(one.get(name)):
                return found
    return uid or _somebody(mapping(user.get("account")).get("name")) or _somebody(mapping(user.get("account")).get("uid"))


def _somebody(value: object) -> str | None:
    text = (_scalar(value) or "").strip()
    return None if text.lower() in _NOBODY else text


def _kind(user: Mapping[str, object]) -> ActorKind:
    words = (text_of(user.get("type")) or "").lower().split()
    named = next((_WORDS[word] for word in words if word in _WORDS), None)
    if named is not None:
        return named
    if (_somebody(user.get("name")) or "").endswith("$"):
        return ActorKind.SERVICE
    return _KINDS.get(number(user.get("type_id")) or 0, ActorKind.STAFF)


# --- From where ------------------------------------------------------------------------------------------------------------


def _machines(record: Mapping[str, object]) -> list[Mapping[str, object]]:
    return [mapping(record.get("src_endpoint")), mapping(record.get("device"))]


def ip_address(record: Mapping[str, object]) -> str | None:
    """The address the request came from, else that of the device."""
    return next((found for machine in _machines(record) if (found := ip_of(text_of(machine.get("ip"))))), None)


def device_of(record: Mapping[str, object]) -> Device | None:
    """The machine the request came from, by name; an address alone is no device."""
    for machine in _machines(record):
        for name in ("hostname", "name", "uid"):
            if (found := _somebody(machine.get(name))) and ip_of(found) is None:
                return Device(id=found[:512], kind=_DEVICES.get(number(machine.get("type_id")) or 0))
    return None


def geo_of(record: Mapping[str, object]) -> Geo | None:
    """Where the request came from, as the sender located it."""
    for machine in _machines(record):
        location = mapping(machine.get("location"))
        if not location:
            continue
        pair = sequence(location.get("coordinates"))  # longitude first, as in GeoJSON
        lon, lat = (pair[0], pair[1]) if len(pair) == 2 else (location.get("long"), location.get("lat"))
        geo = Geo(
            city=text_of(location.get("city")),
            country=text_of(location.get("country")),
            lat=_degrees(lat, 90),
            lon=_degrees(lon, 180),
        )
        if geo != Geo():
            return geo
    return None


def _degrees(value: object, bound: int) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -bound <= value <= bound:
        return None
    return str(normalise(value))


# --- Whom ------------------------------------------------------------------------------------------------------------------


def resources(record: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Everything the event was done to."""
    return [mapping(one) for place in RESOURCE_PLACES for one in sequence(record.get(place)) if mapping(one)]


def patient_in(resource: Mapping[str, object]) -> str | None:
    """The patient that a resource is: by its type (`Patient`, `Patient Record`, `Patient Chart`, …), else by its FHIR URL."""
    if plain(text_of(resource.get("type")) or "") in _PATIENT_TYPES:
        for name in ("uid", "name"):
            if found := _somebody(resource.get(name)):
                return patient_identifier(found)[0][:512]
    return next(iter(_patients_in_url(text_of(resource.get("url_string")) or "")), None)


def patients(record: Mapping[str, object]) -> list[str]:
    """
    Every patient once, in the order named, of the first place that names any: resources, unmapped fields and enrichments, the URL.

    The places are not added up, because they may call one patient by two numbers.
    """
    found = [patient for resource in resources(record) if (patient := patient_in(resource))]
    if not found:
        others = list(_unmapped(record))
        known = [value for name in PATIENT_NAMES for key, value in others if plain(key.rsplit(".", 1)[-1]) == name]
        found = [patient_identifier(value)[0][:512] for value in known[:1]]
    if not found:
        found = [patient for url in _urls(record) for patient in _patients_in_url(url)]
    return list(dict.fromkeys(found))


def records_taken(record: Mapping[str, object]) -> int | None:
    """How many records an export held, which the standard has no place for either."""
    counts = (number(value) for key, value in _unmapped(record) if plain(key.rsplit(".", 1)[-1]) in _COUNTS)
    return next((count for count in counts if count is not None), None)


def _unmapped(record: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Names and values of `unmapped` (an object, or a list of pairs as some converters write it) and of `enrichments`."""
    unmapped = record.get("unmapped")
    if isinstance(unmapped, list):
        for pair in unmapped:
            if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and (single := _somebody(pair[1])):
                yield pair[0], single
    for key, value in mapping(unmapped).items():
        if found := _somebody(value):
            yield key, found
        for inner, deeper in mapping(value).items():
            if text := _somebody(deeper):
                yield inner, text
    for enrichment in sequence(record.get("enrichments")):
        name, worth = text_of(mapping(enrichment).get("name")), _somebody(mapping(enrichment).get("value"))
        if name and worth:
            yield name, worth


def _urls(record: Mapping[str, object]) -> list[str]:
    request = mapping(record.get("http_request"))
    url = mapping(request.get("url"))
    query = text_of(url.get("query_string")) or text_of(request.get("args"))
    whole = [text_of(url.get("url_string")), text_of(url.get("text"))]
    path = text_of(url.get("path"))
    return [one for one in (*whole, f"{path}?{query.lstrip('?')}" if path and query and "?" not in path else path) if one]


def _patients_in_url(url: str) -> list[str]:
    text = unquote(url)
    found = [match["id"] for match in _PATIENT_URL.finditer(text)]
    query = text.partition("?")[2]
    return found + [match["id"] for match in _PATIENT_QUERY.finditer(query)]


def target_of(record: Mapping[str, object], *, has_patient: bool) -> Target:
    """What it was done to, by the types of the resources and by the URL of a FHIR request (`/fhir/R4/Observation/17`)."""
    found = [kind for one in resources(record) if (kind := text_of(one.get("type"))) and is_clinical(kind)]
    search = export = False
    for url in _urls(record):
        request = _FHIR.search(unquote(url))
        if request is None:
            continue
        parts = [part for part in request["rest"].split("/") if part]
        types = [part for part in parts if _TYPE.fullmatch(part)]
        # `Patient/1/$everything` opens the chart and not the patient's address only.
        found += [] if parts[-1:] == ["$everything"] else types
        export = export or parts[-1:] == ["$export"]
        # Reading what is a type and no one resource, also under a patient, is a search (FHIR http.html#search).
        search = search or "_search" in parts or (activity_of(record) in ("read", "get", "list") and parts[-1:] == types[-1:] != [])
    kinds = sorted(dict.fromkeys(found), key=lambda kind: kind == "Patient")
    return Target(kinds=kinds, has_patient=has_patient, search=search, export=export)


def is_clinical(kind: str) -> bool:
    """True for a FHIR resource type that our actions tell apart."""
    return rest_action("read", [kind]) != "view_chart"
