"""The text of Keycloak's event logger (`jboss-logging`), and the head that the server's log puts in front of it.

    2026-03-02 06:00:00,123 WARN  [org.keycloak.events] (executor-thread-1) type=LOGIN_ERROR, realmId=…, username='a b'
    type="LOGIN", realmId="…", clientId="…", userId="null", …          (since 24, values in quotes)

What a user typed stands among the fields, so a field counts where it comes first: the fields that say who and what come before.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from ingest.parsers.mail_lines import settled, stamp_of
from ingest.parsers.syslog import SyslogRecord

_BEGIN = re.compile(r"(?:^|[\s|])(?=(?:type|operationType)=[\"']?[A-Za-z_]{3,80}(?:[\"',\s]|$))")
_FIELD = re.compile(
    r"(?P<name>[A-Za-z_][\w.:-]{0,79})="
    r"""(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>.{0,4096}?)'(?=, [A-Za-z_][\w.:-]{0,79}=|\Z)"""
    r"|(?P<bare>.*?)(?=, [A-Za-z_][\w.:-]{0,79}=|\Z))",
    re.DOTALL,
)
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]?\d{0,9}(?: ?[+-]\d\d:?\d\d|Z)?(?=\s|$)")
_CLOCK = re.compile(r"(?:^|\s)(?P<clock>\d\d:\d\d:\d\d)[.,](?P<milli>\d{3})(?=\s)")
_HEAD = re.compile(r"(?P<level>TRACE|DEBUG|INFO|WARN|ERROR|FATAL)\s+\[(?P<logger>[\w.$-]{1,200})\] \((?P<thread>[^()]{0,200})\)\s?")
_TRACE = re.compile(r"at [\w.$<>/@]+\(|\.\.\. \d+ (?:more|common)|Caused by: |Suppressed: |[\w.$]{1,200}(?:Exception|Error)(?::|$)")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeycloakLine:
    """A line: the fields of its event, none where it is another line of the server; its time, None where it has none; its head."""

    fields: Mapping[str, object]
    time: datetime | None = None
    text: str = ""
    head: Mapping[str, str] = field(default_factory=dict)


def event_fields(message: str) -> Mapping[str, str]:
    """The fields of an event's text; none where it is no event. `null` is how the logger writes what it does not know."""
    message = message.rstrip()
    found = _BEGIN.search(message)
    if found is None:
        return {}
    at, fields = found.end(), dict[str, str]()
    while one := _FIELD.match(message, at):
        if (double := one["double"]) is not None:
            value = _ESCAPED.sub(r"\1", double)
        else:
            value = one["single"] if one["single"] is not None else one["bare"]
        fields.setdefault(one["name"], value)
        if not message.startswith(", ", one.end()):
            break
        at = one.end() + 2
    return {name: value for name, value in fields.items() if value != "null"}


def is_trace(text: str) -> bool:
    """True for a line of a Java stack trace, which belongs to the line of the log before it."""
    return _TRACE.match(text.strip()) is not None


def read_line(text: str, header: SyslogRecord, *, received: datetime, zone: tzinfo) -> KeycloakLine:
    """
    Read a line that may have a syslog header, a container's time stamp or none in front of the server's own head.

    A WildFly console gives the time of day alone: it is the last such time before `received`.
    """
    found = _BEGIN.search(text)
    before = text[: found.end()] if found else text
    head = _HEAD.search(before)
    about = {name: value for name, value in head.groupdict().items() if value} if head else {}
    own, has_offset = _own_time(before[: head.start()] if head else before, received, zone)
    return KeycloakLine(
        fields=event_fields(text),
        time=settled(header.time, own, has_offset=has_offset),
        text=text[head.end() :] if head else "",
        head=about,
    )


def _own_time(before: str, received: datetime, zone: tzinfo) -> tuple[datetime | None, bool]:
    """The server's own stamp, which is the last in front of its text, and whether it has an offset."""
    stamps = _STAMP.findall(before)
    if stamps:
        moment, has_offset, _ = stamp_of(stamps[-1], zone)
        if moment is not None:
            return moment, has_offset
    clock = _CLOCK.search(before)
    if clock is None:
        return None, False
    local = received.astimezone(zone)
    try:
        moment = datetime.fromisoformat(f"{local.date().isoformat()}T{clock['clock']}.{clock['milli']}").replace(tzinfo=zone)
        return (moment if moment <= received + timedelta(minutes=5) else moment - _A_DAY).astimezone(UTC), False
    except (ValueError, OverflowError):
        return None, False
