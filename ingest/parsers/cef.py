"""ArcSight Common Event Format, revision 25: `CEF:0|vendor|product|version|event class|name|severity|key=value …`.

In the header a pipe is written `\\|`, in the extension an equals sign `\\=`, line ends `\\n` and `\\r`, and everywhere a backslash
`\\\\`. A value ends where the next ` key=` begins. Any syslog header in front, or none.
"""

import re
from collections.abc import Mapping
from datetime import UTC, tzinfo

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.event import AuditEvent
from domain.record import Parsed, Rejected
from ingest.parsers.field_mapping import FieldMapping
from ingest.parsers.keyed_events import KeyedLine, Lookup, Names, Reading, digest_of, event_time, header_of, keyed_event
from ingest.parsers.repeats import Repeats
from ingest.parsers.wall_times import zone_of

HEADER = re.compile(r"CEF:\s?\d{1,3}(?:\.\d{1,3})?\|")
"""Where a CEF message begins. Some senders put a blank behind the colon."""

_FIELD = re.compile(r"((?:[^\\|]|\\.)*+)(\||$)", re.DOTALL)
_KEY = re.compile(r"(?:^|(?<=\s))(?P<key>[A-Za-z0-9_.\-\[\]]++)=")
_ESCAPE = re.compile(r"\\([\\|=nr])")
_MEANT = {"n": "\n", "r": "\r"}
_LABELLED = re.compile(r"(.+)label", re.IGNORECASE)

# The long names of the keys, as some senders write them (revision 25, "full name").
_SHORT = {
    "sourceusername": "suser",
    "sourceuserid": "suid",
    "destinationusername": "duser",
    "destinationuserid": "duid",
    "sourceaddress": "src",
    "sourcehostname": "shost",
    "devicehostname": "dvchost",
    "deviceaddress": "dvc",
    "deviceprocessname": "deviceprocessname",
    "deviceaction": "act",
    "eventoutcome": "outcome",
    "devicereceipttime": "rt",
    "starttime": "start",
    "endtime": "end",
    "devicetimezone": "dtz",
    "deviceeventcategory": "cat",
    "message": "msg",
}

_TIMES = ("rt", "start", "end")
_NAMES = Names(
    user=("suser", "suid"),
    logged_in=("duser", "duid"),
    machine=("shost", "dvchost", "src", "dvc", "deviceExternalId"),
    ip=("src", "c6a2", "sourceTranslatedAddress"),
    device=("shost",),
    outcome=("outcome", "categoryOutcome", "act"),
    action=("act", "cat"),
    details={
        "reason": ("reason",),
        "message": ("msg",),
        "category": ("cat",),
        "module": ("app", "destinationServiceName"),
        "external_id": ("externalId",),
        "request": ("request",),
    },
)


class CefParser:
    """Reads one CEF line a record."""

    format = "cef"

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC, mapping: FieldMapping | None = None) -> None:
        self._source_system = source_system
        self._received = received
        self._zone = zone
        self._mapping = mapping or FieldMapping()
        self._repeats = Repeats()

    def parse(self, record: bytes) -> list[Parsed]:
        """One event, or one Rejected."""
        try:
            return [self._event(record)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=record)]

    def _event(self, record: bytes) -> AuditEvent:
        reading = Reading(mapping=self._mapping, zone=self._zone, received=self._received())
        text = text_of_line(record)
        begin = HEADER.search(text)
        if begin is None:
            raise InvalidInput("the line has no CEF header (CEF:version|)")
        line = _read(text[begin.start() :], begin[0])
        lookup = Lookup(line)
        header = header_of(text, begin.start(), reading=reading)
        moment = event_time(line, lookup, header, _TIMES, reading)
        return keyed_event(
            line,
            lookup,
            header,
            _NAMES,
            reading,
            moment=moment,
            event_id=self._repeats.event_id(digest_of(line, moment, record)),
            source_system=self._source_system,
            format=self.format,
            record=record,
        )


def text_of_line(record: bytes) -> str:
    """The text of a log line. Raises InvalidInput, with the place, where it is not UTF-8."""
    try:
        return record.decode()
    except UnicodeDecodeError as invalid:
        raise InvalidInput(f"the line is not valid UTF-8 (byte {invalid.start})") from None


def _read(payload: str, prefix: str) -> KeyedLine:
    fields: list[str] = []
    at = len(prefix)
    while len(fields) < 6:
        found = _FIELD.match(payload, at)
        if found is None:
            raise InvalidInput("the CEF header ends in a backslash")
        fields.append(_ESCAPE.sub(_header_escape, found[1]).strip())
        at = found.end()
        if not found[2] and len(fields) < 6:
            raise InvalidInput(f"the CEF header has {len(fields)} of its 6 fields after the version")
    attributes = _extension(payload[at:].strip())
    zone_name = attributes.get("dtz") or attributes.get("deviceTimeZone")
    zone = zone_of(zone_name) if zone_name else None
    if zone_name and zone is None:
        raise InvalidInput("dtz is no time zone that is known")
    vendor, product, version, event, name, severity = fields
    return KeyedLine(
        vendor=vendor,
        product=product,
        version=version,
        event=event,
        name=name,
        severity=severity,
        attributes=attributes,
        labelled=_labelled(attributes),
        payload=payload,
        zone=zone,
    )


def _header_escape(found: re.Match[str]) -> str:
    return found[1] if found[1] in "\\|" else found[0]


def _extension(text: str) -> Mapping[str, str]:
    """Keys and values. Raises InvalidInput for text before the first key."""
    keys = list(_KEY.finditer(text))
    if text and (not keys or keys[0].start() != 0):
        raise InvalidInput("the CEF extension does not begin with key=value")
    attributes: dict[str, str] = {}
    for number, found in enumerate(keys):
        end = keys[number + 1].start() if number + 1 < len(keys) else len(text)
        value = text[found.end() : end].rstrip()
        key = _SHORT.get(found["key"].lower(), found["key"])
        attributes[key] = _ESCAPE.sub(lambda escape: _MEANT.get(escape[1], escape[1]), value)
    return attributes


def _labelled(attributes: Mapping[str, str]) -> Mapping[str, str]:
    """Values by their labels: `cs1Label=Patient ID cs1=82`, and likewise cn, cfp, c6a, flexString, deviceCustomDate."""
    values = {key.lower(): value for key, value in attributes.items()}
    labelled: dict[str, str] = {}
    for key, label in attributes.items():
        named = _LABELLED.fullmatch(key)
        if named and label.strip() and (value := values.get(named[1].lower())):
            labelled[label.strip()] = value
    return labelled
