"""IBM QRadar Log Event Extended Format, 1.0 and 2.0: `LEEF:2.0|vendor|product|version|event id|delimiter|key=value…`.

Attributes are separated by tabs; 2.0 may name another character, plain or as hexadecimal (`x5E`, `0x5E`). A value is not escaped:
it ends at the delimiter and may hold equals signs. Any syslog header in front, or none; tabs that a syslog daemon wrote as `#011`
or `<009>` are tabs.
"""

import re
from collections.abc import Mapping
from datetime import UTC, tzinfo

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.event import AuditEvent
from domain.record import Parsed, Rejected
from ingest.parsers.cef import text_of_line
from ingest.parsers.field_mapping import FieldMapping
from ingest.parsers.keyed_events import KeyedLine, Lookup, Names, Reading, digest_of, event_time, header_of, keyed_event
from ingest.parsers.repeats import Repeats
from ingest.parsers.wall_times import java_pattern

HEADER = re.compile(r"LEEF:\s?(?P<version>\d{1,3}(?:\.\d{1,3})?)\|")
"""Where a LEEF message begins."""

_DELIMITER = re.compile(r"(?:0?x(?P<code>[0-9A-Fa-f]{1,4})|(?P<tab>\\t)|(?P<one>[^\s\w|]|\t))?", re.DOTALL)
_TAB_WRITTEN = re.compile(r"#011|<009>|\\t|\\x09|\\0x09")
_KEY = re.compile(r"[A-Za-z0-9_.\-]{1,128}", re.ASCII)
_BY_BLANKS = re.compile(r"\s(?:usrName|accountName|src|dst|identSrc|cat|sev|devTime|resource|policy)=")
_TRUE = frozenset({"true", "1", "yes"})

_TIMES = ("devTime", "eventTime", "startTime")
_NAMES = Names(
    user=("usrName", "accountName", "userName", "identUserName", "suser"),
    logged_in=(),
    machine=("identHostName", "identSrc", "src", "vSrcName", "dvchost", "dvc", "devName"),
    ip=("identSrc", "src"),
    device=("identHostName", "shost"),
    outcome=("outcome", "result", "status", "action", "act"),
    action=("action", "act", "cat"),
    details={
        "reason": ("reason",),
        "message": ("msg",),
        "category": ("cat",),
        "module": ("resource", "app", "application"),
        "role": ("role",),
        "request": ("url",),
    },
)


class LeefParser:
    """Reads one LEEF line a record."""

    format = "leef"

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
            raise InvalidInput("the line has no LEEF header (LEEF:version|)")
        line = _read(text[begin.start() :], begin)
        lookup = Lookup(line)
        header = header_of(text, begin.start(), reading=reading)
        pattern = lookup.get("devTimeFormat")
        moment = event_time(
            line,
            lookup,
            header,
            _TIMES,
            reading,
            lambda key: java_pattern(pattern, "devTimeFormat") if pattern and key == "devTime" else None,
        )
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


def _read(payload: str, begin: re.Match[str]) -> KeyedLine:
    fields = payload[len(begin[0]) :].split("|", 4)
    if len(fields) < 4:
        raise InvalidInput(f"the LEEF header has {len(fields)} of its 4 fields after the version")
    vendor, product, version, event = (part.strip() for part in fields[:4])
    body = fields[4] if len(fields) > 4 else ""
    delimiter = None
    if not begin["version"].startswith("1"):
        named, bar, rest = body.partition("|")
        if bar and (found := _DELIMITER.fullmatch(named.strip(" "))):
            delimiter, body = _character(found), rest
    attributes = _attributes(body, delimiter)
    return KeyedLine(
        vendor=vendor,
        product=product,
        version=version,
        event=event,
        name=event,
        implied=_implied(attributes),
        severity=next((value for key, value in attributes.items() if key.lower() in ("sev", "severity")), ""),
        attributes=attributes,
        payload=payload,
    )


def _character(found: re.Match[str]) -> str | None:
    if found["code"]:
        return chr(int(found["code"], 16)) if int(found["code"], 16) else None
    return "\t" if found["tab"] else found["one"]


def _attributes(body: str, delimiter: str | None) -> Mapping[str, str]:
    """Keys and values. Raises InvalidInput where pieces are no `key=value`, or where blanks stand for the delimiter."""
    if delimiter in (None, "\t"):
        delimiter = "\t"
        if delimiter not in body:
            body = _TAB_WRITTEN.sub("\t", body)
    pieces: dict[str, list[str]] = {}
    last: list[str] | None = None
    for piece in body.strip("\r\n").split(delimiter):
        key, equals, value = piece.partition("=")
        if equals and _KEY.fullmatch(key.strip()):
            last = pieces[key.strip()] = [value]
        elif piece.strip():
            if last is None:
                raise InvalidInput("the LEEF attributes do not begin with key=value")
            last.append(piece)  # the delimiter inside a value, which LEEF has no escape for
    attributes = {key: delimiter.join(parts).strip() for key, parts in pieces.items()}
    if len(attributes) == 1 and _BY_BLANKS.search(next(iter(attributes.values()))):
        raise InvalidInput("the LEEF attributes are separated by blanks, and not by tabs or the delimiter in the header")
    return attributes


def _implied(attributes: Mapping[str, str]) -> str | None:
    """What QRadar's two flags say of an event."""
    flags = {key.lower() for key, value in attributes.items() if value.lower() in _TRUE}
    if "isloginevent" in flags:
        return "login"
    return "logout" if "islogoutevent" in flags else None
