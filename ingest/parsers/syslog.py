"""The header that syslog puts in front of a record, read liberally: senders agree on little.

RFC 5424, RFC 3164, the file formats of rsyslog, syslog-ng, journald and Postfix's own log daemon, a bare `program[pid]: `, or
none at all. What is not there is None; the message is always there, byte for byte.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

_PRI = re.compile(rb"\s*<(\d{1,3})>")
_RFC5424 = re.compile(rb"\d{1,2} (?P<time>\S+) +(?P<host>\S+) +(?P<app>\S+) +(?P<procid>\S+) +(?P<msgid>\S+) ?")
_ISO_TIME = re.compile(
    rb"(?P<day>\d{4}-\d\d-\d\d)[Tt ](?P<clock>\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d+))? ?"
    rb"(?P<offset>[Zz]|[+-]\d\d:?\d\d)?(?=[ \t]|$)"
)
_BSD_TIME = re.compile(
    rb"\*?(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\s+(?P<day>\d{1,2})(?:\s+(?P<year>\d{4}))?"
    rb"\s+(?P<clock>\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d+))?:?(?=\s|$)",
)
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_TAG = re.compile(rb"(?P<app>[^\s:\[\]<>]{1,64})(?:\[(?P<procid>[^\]\s]{0,32})\]:\s?|:(?:\s|$))")
_HOST = re.compile(rb"(?P<host>[^\s:\[\]]\S{0,254})\s+")
_ELEMENT = re.compile(rb'\[(?P<id>[^\s="\]]{1,64})(?P<params>(?:\s+[^\s="\]]{1,64}="(?:[^"\\\]]|\\.)*")*)\s*\]')
_PARAM = re.compile(rb'([^\s="\]]+)="((?:[^"\\\]]|\\.)*)"')
_MARK = b"\xef\xbb\xbf"
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogRecord:
    """What the header said, and the message after it. `time` is in UTC; `facility` 0–23 and `severity` 0–7 come from PRI."""

    time: datetime | None = None
    host: str | None = None
    app: str | None = None
    procid: str | None = None
    msgid: str | None = None
    facility: int | None = None
    severity: int | None = None
    data: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    message: bytes


def read_syslog(record: bytes, *, received: datetime, zone: tzinfo = UTC) -> SyslogRecord:
    """
    Take the header off a record. Never raises; a header that cannot be read is part of the message.

    A time without a year (RFC 3164 §4.1.2) gets the latest year that puts it no more than one day after `received`; a time
    without an offset is in `zone`.
    """
    rest = record.removeprefix(_MARK)
    facility = severity = None
    if pri := _PRI.match(rest):
        rest = rest[pri.end() :]
        if int(pri[1]) <= 191:
            facility, severity = divmod(int(pri[1]), 8)
    header = _RFC5424.match(rest)
    if header is not None and (header["time"] == b"-" or _ISO_TIME.match(header["time"])):
        return _rfc5424(rest, header, facility, severity, zone)
    time, rest = _time(rest.lstrip(b" \t"), received, zone)
    host: str | None = None
    tag = _TAG.match(rest)
    if tag is None and time is not None and (named := _HOST.match(rest)):
        host = _text(named["host"])
        rest = rest[named.end() :]
        tag = _TAG.match(rest)
    return SyslogRecord(
        time=time,
        host=host,
        app=_text(tag["app"]) if tag else None,
        procid=_text(tag["procid"]) if tag and tag["procid"] else None,
        facility=facility,
        severity=severity,
        message=rest[tag.end() :] if tag else rest,
    )


def _rfc5424(rest: bytes, header: re.Match[bytes], facility: int | None, severity: int | None, zone: tzinfo) -> SyslogRecord:
    stamp = _ISO_TIME.match(header["time"])
    data, message = _structured_data(rest[header.end() :])
    return SyslogRecord(
        time=_iso(stamp, zone) if stamp else None,
        host=_given(header["host"]),
        app=_given(header["app"]),
        procid=_given(header["procid"]),
        msgid=_given(header["msgid"]),
        facility=facility,
        severity=severity,
        data=data,
        message=message.removeprefix(_MARK),
    )


def _structured_data(rest: bytes) -> tuple[Mapping[str, Mapping[str, str]], bytes]:
    """The elements and the message. What does not follow RFC 5424 §6.3 stays in the message."""
    if rest == b"-" or rest.startswith(b"- "):
        return {}, rest[2:]
    data: dict[str, Mapping[str, str]] = {}
    at = 0
    while element := _ELEMENT.match(rest, at):
        params = {_text(name): _text(re.sub(rb"\\(.)", rb"\1", value)) for name, value in _PARAM.findall(element["params"])}
        data[_text(element["id"])] = params
        at = element.end()
    return data, rest[at:].removeprefix(b" ") if at else rest


def _time(rest: bytes, received: datetime, zone: tzinfo) -> tuple[datetime | None, bytes]:
    if stamp := _ISO_TIME.match(rest):
        return _iso(stamp, zone), rest[stamp.end() :].lstrip()
    if stamp := _BSD_TIME.match(rest):
        return _bsd(stamp, received, zone), rest[stamp.end() :].lstrip()
    return None, rest


def _iso(stamp: re.Match[bytes], zone: tzinfo) -> datetime | None:
    text = f"{_text(stamp['day'])}T{_text(stamp['clock'])}.{_fraction(stamp)}{_text(stamp['offset'] or b'').upper()}"
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _bsd(stamp: re.Match[bytes], received: datetime, zone: tzinfo) -> datetime | None:
    month, day, clock = _MONTHS.index(stamp["month"]) + 1, int(stamp["day"]), _text(stamp["clock"])
    latest = received.astimezone(zone).year + 1
    years = (int(stamp["year"]),) if stamp["year"] else range(latest, latest - 10, -1)  # ten, for 29 February around 2100
    for year in years:
        try:
            moment = datetime.fromisoformat(f"{year:04}-{month:02}-{day:02}T{clock}.{_fraction(stamp)}").replace(tzinfo=zone)
            if stamp["year"] or moment <= received + _A_DAY:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def _fraction(stamp: re.Match[bytes]) -> str:
    return _text(stamp["fraction"] or b"")[:6].ljust(6, "0")


def _given(value: bytes) -> str | None:
    return None if value == b"-" else _text(value)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
