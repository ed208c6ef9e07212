"""From a log line of keys and values to an event: what CEF and LEEF have in common.

Both say which product reports which of its events, how severe it takes it to be, and then anything at all as `key=value`. Who,
whom, from where and with what outcome is looked up by the names the format gives them, after the names a mapping file gives.
Nothing is dropped: every key is in `details.attributes` as it was sent, and every labelled one in `details.labelled` too.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Source
from domain.json import Json, normalise
from ingest.parsers.access_words import PATIENT_NAMES, action_word, outcome_word, plain
from ingest.parsers.addresses import ip_of, patient_identifier
from ingest.parsers.audit_codes import snake
from ingest.parsers.field_mapping import DETAILS, FieldMapping, checked
from ingest.parsers.syslog import SyslogRecord, read_syslog
from ingest.parsers.wall_times import from_epoch, moment_of, pattern_moment

DATE_TIME = re.compile(
    r"(?P<name>[A-Za-z]{3,9})\.? +(?P<day>\d{1,2}),?(?: +(?P<year>\d{4}))? +(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d)"
    r"(?:[.,](?P<fraction>\d{1,9}))?(?: +(?P<zone>[A-Za-z0-9_/:+-]{1,40}))?",
    re.ASCII,
)
"""`MMM dd yyyy HH:mm:ss`, with or without year, fraction and zone: the date formats of CEF, and what LEEF suggests."""

_NUMBERS = {
    "records": ("records", "recordCount", "record_count", "numberOfRecords", "number of records", "rowCount"),
    "duration_s": ("duration_s", "durationSeconds", "duration seconds"),
}
"""Details that rules calculate with, by the names that keys and labels have for them."""

_EPOCH = re.compile(r"\d{9,19}", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedLine:
    """
    One line as its format cuts it. `event` is the product's code for what happened, `name` its words for it.

    `attributes` are the keys as sent; `labelled` are values by the label that another key gives them (CEF `cs1Label`).
    `payload` is the line without its syslog header; `zone` the zone the line itself gives for its times; `implied` the action that
    flags of the format say it is.
    """

    vendor: str
    product: str
    version: str
    event: str
    name: str
    severity: str
    attributes: Mapping[str, str]
    labelled: Mapping[str, str] = field(default_factory=dict)
    payload: str
    zone: tzinfo | None = None
    implied: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Which keys of a format hold what, in order of preference, in lower case. `machine`: who acted where no person is named."""

    user: Sequence[str]
    logged_in: Sequence[str]
    machine: Sequence[str]
    ip: Sequence[str]
    device: Sequence[str]
    outcome: Sequence[str]
    action: Sequence[str]
    details: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a parser knows beside the line: the mapping, the zone for times without one, and the moment of receipt."""

    mapping: FieldMapping
    zone: tzinfo
    received: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When, and whether the line itself said so: `said_by` is the key, `syslog` or `receipt`."""

    time: datetime
    said_by: str

    @property
    def is_own(self) -> bool:
        """True where the time is in the line and not only in its syslog header."""
        return self.said_by not in ("syslog", "receipt")


class Lookup:
    """Finds values by key in any capitals, then by label in any spelling."""

    def __init__(self, line: KeyedLine) -> None:
        self._keys = {key.lower(): value for key, value in line.attributes.items()}
        self._labels = {plain(label): value for label, value in line.labelled.items()}
        self._loose = {plain(key): value for key, value in line.attributes.items()}

    def get(self, name: str) -> str | None:
        """The value of a key, or of a label."""
        found = (self._keys.get(name.lower()) or "").strip()
        return found or (self._labels.get(plain(name)) or "").strip() or None

    def first(self, names: Sequence[str]) -> str | None:
        """The value of the first of `names` that has one."""
        return next((found for name in names if (found := self.get(name))), None)

    def patient(self) -> str | None:
        """A patient's id by the names that are known for it (`PATIENT_NAMES`), labels before keys."""
        for name in PATIENT_NAMES:
            for found in (self._labels.get(name), self._loose.get(name)):
                if found and found.strip():
                    return found.strip()
        return None


def header_of(line: str, at: int, *, reading: Reading) -> SyslogRecord:
    """The syslog header in front of a payload that begins at `at`."""
    return read_syslog(line[:at].rstrip().encode() + b" ", received=reading.received, zone=reading.mapping.zone or reading.zone)


def event_time(
    line: KeyedLine,
    lookup: Lookup,
    header: SyslogRecord,
    keys: Sequence[str],
    reading: Reading,
    pattern: Callable[[str], "re.Pattern[str] | None"] = lambda _: None,
) -> Moment:
    """
    When it happened: the mapping's columns, else the first of `keys`, else the syslog header, else the moment of receipt.

    A time that is there and cannot be read is refused, never passed over. `pattern` gives the date pattern that the line has for a
    key. Raises InvalidInput, naming the key.
    """
    mapping = reading.mapping
    zone = line.zone or mapping.zone or reading.zone
    if mapping.time_columns:
        text = " ".join(part for name in mapping.time_columns if (part := lookup.get(name)))
        if text:
            return Moment(time=moment_of(text, "time", zone=zone, formats=mapping.time_formats), said_by="mapping")
    for key in keys:
        found = lookup.get(key)
        if found is None:
            continue
        own = pattern(key)
        if own is not None:
            moment = pattern_moment(found, own, key, zone=zone, received=reading.received)
        elif _EPOCH.fullmatch(found):
            moment = from_epoch(found, key)
        elif _ISO.match(found):
            moment = moment_of(found, key, zone=zone, formats=("iso",))
        else:
            moment = pattern_moment(found, DATE_TIME, key, zone=zone, received=reading.received)
        return Moment(time=moment, said_by=key)
    if header.time is not None:
        return Moment(time=header.time, said_by="syslog")
    return Moment(time=reading.received, said_by="receipt")


def digest_of(line: KeyedLine, moment: Moment, record: bytes) -> bytes:
    """
    What the id is made of: the line without its syslog header, so that it may be sent again in a new one.

    A line that has its time only from the header is taken with it: else two events of one content would be one.
    """
    return hashlib.sha256(line.payload.encode() if moment.is_own else record).digest()


def keyed_event(
    line: KeyedLine,
    lookup: Lookup,
    header: SyslogRecord,
    names: Names,
    reading: Reading,
    *,
    moment: Moment,
    event_id: str,
    source_system: str,
    format: str,  # noqa: A002 (the field's name everywhere)
    record: bytes,
) -> AuditEvent:
    """The event of one line. Raises InvalidInput where nobody and nothing is named who acted, and where a value is no good."""
    mapping = reading.mapping

    def ours(name: str) -> str | None:
        return checked(name, mapping.value(name, lookup.get))

    action, implied = _action(line, lookup, names, mapping)
    details = _details(line, lookup, names, mapping)
    if not moment.is_own:
        details["time_from"] = moment.said_by
    device_kind = ours("device_kind")
    device = ours("device_id") or lookup.first(names.device)
    patient = ours("patient_id") or lookup.patient()
    identifier, authority = patient_identifier(patient) if patient else (None, None)
    if authority:
        details["patient_authority"] = authority
    ip = ours("ip") or next((found for name in names.ip if (found := ip_of(lookup.get(name)))), None)
    return AuditEvent(
        source_system=source_system,
        event_id=ours("event_id") or event_id,
        time=moment.time,
        source=Source(ours("source") or Source.ACCESS),
        action=action,
        actor=_actor(lookup, header, names, action, ours),
        patient_id=identifier[:512] if identifier else None,
        outcome=ours("outcome") or _outcome(lookup, names) or implied,
        device=Device(id=device[:512], kind=DeviceKind(device_kind) if device_kind else None) if device else None,
        ip=ip_of(ip) or (ip[:64] if ip else None),
        details=details,
        raw=record,
        format=format,
    )


def _action(line: KeyedLine, lookup: Lookup, names: Names, mapping: FieldMapping) -> tuple[str, str | None]:
    """
    What happened: by the mapping, else where a code or name is known, else the product's own words for it.

    The mapping's `values.action` translates the code, the name and the keys that say what was done.
    """
    if mapping.fields.get("action") and (named := mapping.value("action", lookup.get)):
        known = action_word([named])
        return known or (named[:128], None)
    said = [line.event, line.name, *(lookup.get(name) for name in names.action)]
    translations = mapping.values.get("action", {})
    for text in said:
        if text and (translated := translations.get(text.strip().lower())):
            return translated, None
    known = action_word([*said, line.implied])
    if known is not None:
        return known
    if constant := mapping.constants.get("action"):
        return constant, None
    return snake(line.name) or snake(line.event) or "event", None


def _outcome(lookup: Lookup, names: Names) -> str | None:
    return next((known for name in names.outcome if (known := outcome_word(lookup.get(name)))), None)


def _actor(lookup: Lookup, header: SyslogRecord, names: Names, action: str, ours: Callable[[str], str | None]) -> Actor:
    """The user who acted; at a login the one who logged in; else the machine, as a system."""
    kind = ours("actor_kind")
    order = [*names.logged_in, *names.user] if action in ("login", "logout") else [*names.user, *names.logged_in]
    user = ours("actor_id") or lookup.first(order)
    if user:
        default = ActorKind.SERVICE if user.endswith("$") else ActorKind.STAFF
        return Actor(id=user[:512], kind=ActorKind(kind) if kind else default)
    machine = lookup.first(names.machine) or header.host
    if machine is None:
        raise InvalidInput("the line names no user and no machine that acted; a mapping file can name the key")
    return Actor(id=machine[:512], kind=ActorKind.SYSTEM)


def _details(line: KeyedLine, lookup: Lookup, names: Names, mapping: FieldMapping) -> dict[str, Json]:
    details: dict[str, Json] = {
        "vendor": line.vendor,
        "product": line.product,
        "product_version": line.version,
        "event_code": line.event,
        "event_name": line.name if line.name != line.event else None,
        "severity": line.severity,
    }
    for name, keys in names.details.items():
        details[name] = lookup.first(keys)
    for name, keys in _NUMBERS.items():
        details[name] = _integer(lookup.first(keys))
    for name in {*mapping.fields, *mapping.constants}:
        if name.startswith(DETAILS):
            inner, value = name.removeprefix(DETAILS), mapping.value(name, lookup.get)
            details[inner] = (_integer(value) if inner in _NUMBERS else None) or value
    details["attributes"] = dict(line.attributes) or None
    details["labelled"] = dict(line.labelled) or None
    normal = normalise({name: value for name, value in details.items() if value})
    assert isinstance(normal, dict)
    return normal


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 16 else None
