"""Postfix: every line is an event, and a delivery knows its sender and its TLS session.

The ledger keeps each line as evidence; a status line of a delivery agent is what the analytics look at. Deliveries carry in
`details`: `to to_domain from relay relay_ip relay_port dsn delay delays status response queue_id message_id size direction orig_to`
and `tls`, which is null only where plain text is proven and absent where nothing is known.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.event import EARLIEST, LATEST, Actor, ActorKind, AuditEvent, Device, DeviceKind, Source
from domain.json import Json
from domain.record import Parsed, Rejected
from ingest.parsers.addresses import is_inside
from ingest.parsers.mail_joins import arrival_leg
from ingest.parsers.postfix_fields import PostfixLine, peer
from ingest.parsers.postfix_joins import Messages, ProcessKey, TlsSessions
from ingest.parsers.postfix_lines import read_line
from ingest.parsers.postfix_programs import Written, written
from ingest.parsers.postfix_tls import TlsSummary, delivery_tls, session_field, tls_feature, tls_summary
from ingest.parsers.recent import Recent
from ingest.parsers.syslog import SyslogRecord, read_syslog

LONGEST_LINE = 64 * 1024
"""Bytes. Postfix cuts its lines at 2,000; syslog daemons at 8 or 64 KiB."""

LINES_REMEMBERED = 65_536
"""How many different lines back an identical one is still told apart from a line read twice."""

_DELIVERIES = frozenset({"deliver", "defer", "bounce", "discard", "mail_probe"})
_CLIENT_LINES = frozenset({"mail_reply", "smtp_tls", "smtp_auth"})
_CONNECTION_OVER = frozenset({"lost connection", "conversation"})
"""How a reply line begins that tells of a connection lost, or of a conversation that timed out."""

_LOCAL_AGENTS = frozenset({"lmtp", "local", "virtual", "pipe", "discard"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Author:
    """Who wrote a line, when, and under which id the line is kept. `process` is None where the line has no process id."""

    host: str | None
    daemon: str
    process: ProcessKey | None
    event_id: str
    moment: datetime


class PostfixParser:
    """Reads one stream of Postfix log lines, in the order they were written; several hosts may share a stream."""

    format = "postfix"

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC, tls_logging_proven: bool = False) -> None:
        self._source_system = source_system
        self._received = received
        self._zone = zone
        self._tls_logging_proven = tls_logging_proven
        self._messages = Messages()
        self._sessions = TlsSessions()
        self._seen: Recent[bytes, int] = Recent(LINES_REMEMBERED)

    def parse(self, record: bytes) -> list[Parsed]:
        """One event, or one Rejected."""
        try:
            return [self._event(record)]
        except InvalidInput as refusal:
            reason = str(refusal)
        return [Rejected(source_system=self._source_system, format=self.format, reason=reason, raw=record)]

    def _event(self, record: bytes) -> AuditEvent:
        if len(record) > LONGEST_LINE:
            raise InvalidInput(f"the line is longer than any line of Postfix ({LONGEST_LINE} bytes)")
        try:
            record.decode()
        except UnicodeDecodeError as invalid:
            raise InvalidInput(f"the line is not valid UTF-8 (byte {invalid.start})") from None
        received = self._received()
        syslog = read_syslog(record, received=received, zone=self._zone)
        source = written(syslog)
        moment = syslog.time or received
        if not EARLIEST <= moment < LATEST:
            raise InvalidInput(f"the time of the line lies outside {EARLIEST.year} to {LATEST.year}")
        author = _Author(
            host=syslog.host,
            daemon=source.daemon,
            process=(syslog.host, source.program, syslog.procid) if syslog.procid else None,
            event_id=self._event_id(record),
            moment=moment,
        )
        line = self._read(author, source)
        about: dict[str, Json] = {
            "program": source.program,
            "pid": syslog.procid,
            "queue_id": line.queue_id,
            "repeated": source.repeated,
            "time_from": None if syslog.time else "receipt",
        }
        client_ip = line.facts.get("client_ip")
        return AuditEvent(
            source_system=self._source_system,
            event_id=author.event_id,
            time=author.moment,
            source=Source.MAIL,
            action=line.action,
            actor=Actor(id=self._actor(syslog, line), kind=ActorKind.SYSTEM),
            outcome=line.outcome,
            device=Device(id=syslog.host, kind=DeviceKind.SERVER) if syslog.host else None,
            ip=client_ip if isinstance(client_ip, str) else None,
            details={**line.facts, **{name: value for name, value in about.items() if value is not None}},
            raw=record,
            format=self.format,
        )

    def _event_id(self, record: bytes) -> str:
        """The line and how many like it the stream had before: reading a file again gives the same ids, two like lines differ."""
        digest = hashlib.sha256(record).digest()[:16]
        times = (self._seen.get(digest) or 0) + 1
        self._seen.put(digest, times)
        return digest.hex() if times == 1 else f"{digest.hex()}~{times}"

    def _actor(self, syslog: SyslogRecord, line: PostfixLine) -> str:
        for name in ("sasl_username", "from"):
            mailbox = line.facts.get(name)
            if isinstance(mailbox, str) and 0 < len(mailbox) <= 512:
                return mailbox
        return syslog.host or self._source_system

    def _read(self, author: _Author, source: Written) -> PostfixLine:
        if source.companion:
            return PostfixLine(action="mail_log", facts={"text": source.text})
        if (summary := tls_summary(source.text)) is not None:
            return self._tls_line(author, summary)
        return self._joined(author, read_line(source.daemon, source.text))

    def _tls_line(self, author: _Author, summary: TlsSummary) -> PostfixLine:
        facts: dict[str, Json] = {**summary.facts, "evidence": author.event_id}
        if summary.outbound:
            relay = peer(summary.peer, "relay")
            if author.daemon == "tlsproxy":
                self._sessions.opened_by_proxy(author.host, relay, facts, author.moment)
            elif author.process:
                self._sessions.opened(author.process, relay, facts, author.moment)
            said: dict[str, Json] = {"tls": summary.facts, "tls_field": session_field(summary.facts)}
            return PostfixLine(action="smtp_tls", outcome="success", facts={**relay, **said})
        client = peer(summary.peer, "client")
        if author.process:
            self._sessions.client_secured(author.process, client.get("client_ip"), facts)
        said = {"tls": summary.facts, "tls_field": session_field(summary.facts, outbound=False)}
        return PostfixLine(action="smtpd_tls", outcome="success", facts={**client, **said})

    def _joined(self, author: _Author, line: PostfixLine) -> PostfixLine:
        """The line with what earlier ones said about its mail and its session; and what it says to later ones."""
        facts = dict(line.facts)
        process = author.process
        self._messages.learn(author.host, line)
        if line.queue_id is not None:
            facts = {**self._messages.about(author.host, line.queue_id), **facts}
            if line.action == "mail_queued":
                self._sessions.taken_up(author.host, line.queue_id)
        if line.action in _DELIVERIES:
            facts |= self._delivery(author, line)
        elif process is None:
            pass  # without a process id, lines of several processes would be mixed up
        elif line.action == "mail_accepted":
            secured = self._sessions.of_client(process, facts.get("client_ip"))
            if secured is not None:
                facts |= {"tls": secured, "tls_field": session_field(secured, outbound=False), **arrival_leg(facts)}
        elif line.action in ("mail_connect", "mail_disconnect"):
            self._sessions.client_arrived(process)
        elif facts.pop("starttls_offered", None) is not None:  # logged only where TLS is not used
            facts |= {"tls": {"version": None, "starttls_offered": True}, "tls_field": "Host offered STARTTLS"}
            plain: dict[str, Json] = {"version": None, "starttls_offered": True, "evidence": author.event_id}
            self._sessions.left_plain(process, facts.get("relay"), plain, author.moment)
        elif line.queue_id is not None and line.action in _CLIENT_LINES:
            if line.facts.get("reason") in _CONNECTION_OVER:
                self._sessions.broke(process, line.queue_id, line.facts.get("relay_ip"))
            else:
                self._sessions.used(process, line.queue_id)
        self._messages.ended(author.host, line)
        return PostfixLine(action=line.action, outcome=line.outcome, queue_id=line.queue_id, facts=facts)

    def _delivery(self, author: _Author, line: PostfixLine) -> dict[str, Json]:
        relay_ip, field = line.facts.get("relay_ip"), line.facts.get("tls_feature")
        session = None
        if author.process and line.queue_id:
            session = self._sessions.of_delivery(author.process, line.queue_id, line.facts, author.moment)
        facts: dict[str, Json] = {}
        if direction := _direction(author.daemon, relay_ip):
            facts["direction"] = direction
        return facts | delivery_tls(
            feature=tls_feature(field) if isinstance(field, str) else None,
            session=session,
            attempted=relay_ip is not None and line.facts.get("status") == "sent",
            logging_proven=self._tls_logging_proven,
        )


def _direction(daemon: str, relay_ip: Json) -> str | None:
    """`internal` for a hop that stays in the organisation, `outbound` for one that leaves it, None where there was no hop."""
    if daemon in _LOCAL_AGENTS:
        return "internal"
    if not isinstance(relay_ip, str):
        return None
    return "internal" if is_inside(relay_ip) else "outbound"
