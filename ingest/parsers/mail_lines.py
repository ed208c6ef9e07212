"""What the parsers of mail log lines have in common: bounds, ids, time, and what becomes of a line that is none of theirs.

A subclass says whose line it is and what it says; here the reading becomes events that carry the bytes of the line.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import ClassVar

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.event import EARLIEST, LATEST, Actor, ActorKind, AuditEvent, Device, DeviceKind, Source
from domain.json import Json
from domain.record import Parsed, Rejected
from ingest.parsers.repeats import Repeats

LONGEST_LINE = 64 * 1024
"""Bytes. Mail servers cut their lines far earlier, syslog daemons at 8 or 64 KiB."""

_SAME = timedelta(seconds=2)
_A_DAY = timedelta(days=1)
_STAMP = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[ T](?P<clock>\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d{1,9}))?"
    r"(?: ?(?P<offset>[+-]\d\d:?\d\d|Z))?(?: +|$)",
    re.ASCII,
)
_REPEATED = re.compile(r"message repeated (?P<times>\d{1,9}) times: \[ ?(?P<text>.*)\]", re.DOTALL)
_COMPANION = re.compile(
    r"amavisd?|clamav-milter|clamd|clamsmtpd|freshclam|milter-\w+|mimedefang(?:\.pl|-multiplexor)?|opendkim|opendmarc|"
    r"policyd-(?:spf|weight)|postgrey|rspamd|saslauthd|spamass-milter|spam[cd]",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """
    Who wrote a line, when, and the text after all headers. `own_time` is False where the time is that of receipt.

    `event_id` is what the first event of the line will be called; it is filled in after `_head`.
    """

    host: str | None = None
    program: str
    pid: str | None = None
    moment: datetime
    own_time: bool = True
    repeated: int | None = None
    text: str
    event_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a line says. `actor` None is the sender's mailbox where `facts` name it, else the host; `ip` None is `client_ip`."""

    source: Source = Source.MAIL
    action: str
    outcome: str | None = None
    actor: Actor | None = None
    ip: str | None = None
    facts: Mapping[str, Json]


class LineParser(ABC):
    """Reads one stream of log lines in the order they were written; several hosts may share it. One thread at a time."""

    format: ClassVar[str]
    maker: ClassVar[str]
    """Whose lines these are, for people."""

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC) -> None:
        self._source_system = source_system
        self._received = received
        self._zone = zone
        self._ids = Repeats()

    def parse(self, record: bytes) -> list[Parsed]:
        """Events, mostly one, or one Rejected."""
        try:
            return list(self._events(record))
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=record)]

    @abstractmethod
    def _head(self, record: bytes, received: datetime) -> Head:
        """Author, time and text. `record` is UTF-8. Raises InvalidInput where the line is none of this format's."""

    @abstractmethod
    def _read(self, head: Head) -> Sequence[Reading]:
        """What the line says, at least one thing."""

    def _events(self, record: bytes) -> Sequence[AuditEvent]:
        if len(record) > LONGEST_LINE:
            raise InvalidInput(f"the line is longer than any line of {self.maker} ({LONGEST_LINE} bytes)")
        try:
            record.decode()
        except UnicodeDecodeError as invalid:
            raise InvalidInput(f"the line is not valid UTF-8 (byte {invalid.start})") from None
        head = self._head(record, self._received())
        if not EARLIEST <= head.moment < LATEST:
            raise InvalidInput(f"the time of the line lies outside {EARLIEST.year} to {LATEST.year}")
        head = replace(head, event_id=self._ids.event_id(hashlib.sha256(record).digest()))
        return [
            self._event(record, head, reading, head.event_id if number == 1 else f"{head.event_id}#{number}")
            for number, reading in enumerate(self._read(head), 1)
        ]

    def _event(self, record: bytes, head: Head, reading: Reading, event_id: str) -> AuditEvent:
        about: dict[str, Json] = {
            "program": head.program,
            "pid": head.pid,
            "repeated": head.repeated,
            "time_from": None if head.own_time else "receipt",
        }
        facts = {**{name: value for name, value in about.items() if value is not None}, **reading.facts}
        client_ip = facts.get("client_ip")
        mail = reading.source is Source.MAIL
        if head.host and not mail:
            facts.setdefault("server", head.host)
        return AuditEvent(
            source_system=self._source_system,
            event_id=event_id,
            time=head.moment,
            source=reading.source,
            action=reading.action,
            actor=reading.actor or Actor(id=self._mailbox(head, facts), kind=ActorKind.SYSTEM),
            outcome=reading.outcome,
            device=Device(id=head.host, kind=DeviceKind.SERVER) if head.host and mail else None,
            ip=reading.ip or (client_ip if isinstance(client_ip, str) else None),
            details=facts,
            raw=record,
            format=self.format,
        )

    def _mailbox(self, head: Head, facts: Mapping[str, Json]) -> str:
        for name in ("sasl_username", "from"):
            mailbox = facts.get(name)
            if isinstance(mailbox, str) and 0 < len(mailbox) <= 512:
                return mailbox
        return (head.host or self._source_system)[:512]


def person(name: str | None, *, kind: ActorKind = ActorKind.STAFF) -> Actor | None:
    """The actor of a user name, None where there is none that can be kept."""
    return Actor(id=name, kind=kind) if name and len(name) <= 512 else None


def stamp_of(text: str, zone: tzinfo) -> tuple[datetime | None, bool, str]:
    """
    The time a program wrote in front of its own text, whether it had an offset, and the text after it.

    `YYYY-MM-DD hh:mm:ss`, with fraction and offset or without; without an offset it is in `zone`. None where there is none.
    """
    found = _STAMP.match(text)
    if found is None:
        return None, False, text
    offset = found["offset"] or ""
    try:
        moment = datetime.fromisoformat(f"{found['day']}T{found['clock']}.{(found['fraction'] or '')[:6].ljust(6, '0')}{offset}")
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None, False, text
    return moment, bool(offset), text[found.end() :]


def settled(header: datetime | None, own: datetime | None, *, has_offset: bool) -> datetime | None:
    """
    The better of two times of one line: the syslog header's, and the one the program wrote itself.

    The program knows the year and the fraction; the header may know the offset. They agree, or the program's is read in the wrong
    zone (then the header's is nearer, as only it can carry an offset), or the year of the header was guessed wrong.
    """
    if header is None or own is None or has_offset:
        return own or header
    apart = abs(own - header)
    return own if apart <= _SAME or apart >= _A_DAY else header


def unrepeated(text: str) -> tuple[str, int | None]:
    """The text of a line that syslog folded (`message repeated 3 times: [ … ]`), and how often it came."""
    found = _REPEATED.fullmatch(text.strip())
    return (found["text"], int(found["times"])) if found else (text, None)


def is_companion(program: str | None) -> bool:
    """True for programs that log about the same mail beside the mail server: their lines are kept, not read."""
    return program is not None and _COMPANION.fullmatch(program) is not None


def foreign(text: str, maker: str) -> InvalidInput:
    """Why a line is refused that is none of `maker`'s."""
    if "last message repeated" in text:
        return InvalidInput("syslog left out identical lines (“last message repeated”): turn message reduction off at the sender")
    return InvalidInput(f"the line does not come from {maker}")
