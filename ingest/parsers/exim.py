"""Exim: main log and reject log, as files or by syslog; a delivery knows its sender, and carries its own TLS evidence.

The ledger keeps each line as evidence; `=>`, `->`, `**` and `==` are what the analytics look at. Deliveries carry in `details`:
`to to_domain orig_to from relay relay_ip relay_port router transport dsn reply_code response queue_id message_id size direction`
and `tls`, which is null (or has version null) only where plain text is proven and absent where nothing is known.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from domain.clock import Clock
from domain.json import Json
from ingest.parsers.exim_lines import EximLine, read_line
from ingest.parsers.mail_joins import Envelopes, TlsProofs, arrival_leg
from ingest.parsers.mail_lines import (
    LONGEST_LINE,
    Head,
    LineParser,
    Reading,
    foreign,
    is_companion,
    settled,
    stamp_of,
    unrepeated,
)
from ingest.parsers.recent import Recent
from ingest.parsers.syslog import read_syslog

_PROGRAM = re.compile(r"exim[\w./-]*", re.IGNORECASE)
_PID = re.compile(r"\[(?P<pid>\d{1,10})\] ")
_ID = re.compile(r"(?P<id>[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4}))(?: |$)")
_PART = re.compile(r"\[(?P<n>\d{1,3})(?P<cut>[/\\])(?P<of>\d{1,3})\] ?")
_PIECES = 1_000
_FALLBACKS = 10_000


@dataclass(slots=True)
class _Pieces:
    """What has come of an entry that Exim cut in pieces for syslog: `text` of the line under way, and the next piece's number."""

    text: str
    next: int
    first_line: bool = True


class EximParser(LineParser):
    """Reads one stream of Exim log lines, in the order they were written; several hosts may share a stream."""

    format = "exim"
    maker = "Exim"

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC, tls_logging_proven: bool = False) -> None:
        super().__init__(source_system, received=received, zone=zone)
        self._tls_logging_proven = tls_logging_proven
        self._envelopes = Envelopes()
        self._proofs = TlsProofs()
        self._pieces: Recent[tuple[str | None, str | None], _Pieces] = Recent(_PIECES)
        self._fallbacks: Recent[tuple[str | None, str, Json], str] = Recent(_FALLBACKS)

    def _head(self, record: bytes, received: datetime) -> Head:
        syslog = read_syslog(record, received=received, zone=self._zone)
        text = record.decode().removeprefix("\ufeff").strip("\r\n")
        own, _, rest = stamp_of(text, self._zone)
        if syslog.app is not None and (_PROGRAM.fullmatch(syslog.app) or is_companion(syslog.app)):
            text, repeated = unrepeated(syslog.message.decode().strip("\r\n"))
            return self._by_syslog(syslog.host, syslog.app, syslog.procid, syslog.time, text, received, repeated)
        if own is not None and rest.strip():
            return Head(program="exim", moment=own, text=rest)
        message = syslog.message.decode().strip("\r\n")
        inner = stamp_of(_PART.sub("", message, count=1), self._zone)[0]
        if syslog.time is not None and (inner is not None or _ID.match(message)):
            return self._by_syslog(syslog.host, syslog.app or "exim", syslog.procid, syslog.time, message, received, None)
        if syslog.time is None and _ID.match(text):
            return Head(program="exim", moment=received, own_time=False, text=text)
        raise foreign(text, self.maker)

    def _by_syslog(
        self,
        host: str | None,
        app: str,
        pid: str | None,
        time: datetime | None,
        text: str,
        received: datetime,
        repeated: int | None,
    ) -> Head:
        """A line that came in a syslog message; its own time stamp may be in it or not (syslog_timestamp)."""
        part = _PART.match(text)
        own, has_offset, rest = stamp_of(text[part.end() :] if part else text, self._zone)
        if part:
            rest = part[0] + rest
        if not rest.strip():
            raise foreign("", self.maker)
        moment = settled(time, own, has_offset=has_offset)
        return Head(
            host=host,
            program=app,
            pid=pid,
            moment=moment or received,
            own_time=moment is not None,
            repeated=repeated,
            text=rest if not is_companion(app) else text,
        )

    def _read(self, head: Head) -> Sequence[Reading]:
        if is_companion(head.program):
            return [Reading(action="mail_log", facts={"text": head.text})]
        text, facts = head.text, dict[str, Json]()
        if part := _PART.match(text):
            facts["part"] = f"{part['n']}/{part['of']}"
            whole = self._assembled((head.host, head.pid), part, text[part.end() :])
            if whole is None:
                return [Reading(action="mail_log", facts=facts)]
            text = stamp_of(whole, self._zone)[2]
        if pid := _PID.match(text):
            facts["pid"] = pid["pid"]
            text = text[pid.end() :]
        queue_id = None
        if identified := _ID.match(text):
            facts["queue_id"] = queue_id = identified["id"]
            text = text[identified.end() :]
        line = read_line(text)
        facts |= line.facts if queue_id is None else {**self._envelopes.about(head.host, queue_id), **line.facts}
        self._join(head, queue_id, line)
        facts |= self._tls(head, queue_id, line)
        if line.action == "mail_accepted" and "tls" in facts:
            facts |= arrival_leg(facts)
        return [Reading(action=line.action, outcome=line.outcome, facts=facts)]

    def _assembled(self, key: tuple[str | None, str | None], part: re.Match[str], text: str) -> str | None:
        """The first line of an entry, once its last piece is there; None before, and for what follows in the entry."""
        number, last = int(part["n"]), int(part["of"])
        pieces = self._pieces.get(key)
        if number == 1:
            pieces = _Pieces(text="", next=1)
        if pieces is None or pieces.next != number or number > last or len(pieces.text) + len(text) > LONGEST_LINE:
            self._pieces.forget(key)
            return None
        pieces.text += text
        pieces.next += 1
        self._pieces.put(key, pieces)
        if number == last:
            self._pieces.forget(key)
        complete = part["cut"] == "\\" or number == last
        if not complete or not pieces.first_line:
            return None
        pieces.first_line = False
        return pieces.text

    def _join(self, head: Head, queue_id: str | None, line: EximLine) -> None:
        """What the line says to later ones."""
        if line.tls is not None:
            self._proofs.logged(head.host, head.moment, head.event_id)
        elif line.uses_tls:
            self._proofs.left_out(head.host)
        if queue_id is None:
            return
        if line.action in ("mail_accepted", "mail_submitted"):
            self._envelopes.learn(head.host, queue_id, line.facts)
        elif line.action in ("mail_removed", "mail_deleted"):
            self._envelopes.forget(head.host, queue_id)
        elif line.facts.get("kind") == "delivering unencrypted":
            self._fallbacks.put((head.host, queue_id, line.facts.get("relay_ip")), head.event_id)

    def _tls(self, head: Head, queue_id: str | None, line: EximLine) -> dict[str, Json]:
        """`details.tls` with `tls_field`, what said so; without either where nothing is known."""
        if line.tls is not None:
            return {"tls": line.tls, "tls_field": "X, CV" if "verified" in line.tls else "X"}
        if line.uses_tls is False:
            return {"tls": None, "tls_field": "P"}
        if line.uses_tls:
            return {"tls": {"established": True}, "tls_field": "P" if line.action == "mail_accepted" else "CV"}
        if not line.attempted:
            return {}
        fallback = self._fallbacks.get((head.host, queue_id or "", line.facts.get("relay_ip")))
        if fallback is not None:
            said: dict[str, Json] = {"version": None, "starttls_offered": True, "evidence": fallback}
            return {"tls": said, "tls_field": "delivering unencrypted"}
        if line.reused:
            return {}
        missing: dict[str, Json] = {"tls_field": "the missing X", "tls_confidence": "inferred"}
        if self._tls_logging_proven:
            return {"tls": None, **missing}
        shown = self._proofs.evidence(head.host, head.moment)
        return {"tls": {"version": None, "evidence": shown}, **missing} if shown is not None else {}
