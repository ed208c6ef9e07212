"""sendmail: every line is an event, each recipient of a delivery is one, and a delivery knows its sender and its TLS session.

Deliveries carry in `details`: `to to_domain from ctladdr mailer relay relay_ip dsn delay xdelay status response reply_code queue_id
message_id size nrcpt direction` and `tls`, which is null only where plain text is proven and absent where nothing is known.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from domain.clock import Clock
from domain.json import Json
from ingest.parsers.mail_joins import Envelopes, arrival_leg
from ingest.parsers.mail_lines import Head, LineParser, Reading, foreign, is_companion, unrepeated
from ingest.parsers.recent import Recent
from ingest.parsers.sendmail_fields import relay, relay_name
from ingest.parsers.sendmail_lines import SendmailLine, read_line
from ingest.parsers.sendmail_tls import PROCESSES, Sessions, TlsLine, tls_line, verified
from ingest.parsers.syslog import read_syslog

_PROGRAM = re.compile(r"(?:sendmail|send-mail|sm-)[\w./-]*|newaliases|smrsh|mail\.local", re.IGNORECASE)
_SOLARIS = re.compile(r"\[ID \d{1,10} \w{1,20}\.\w{1,20}\] ")
_LONGEST_CONNECTION = timedelta(hours=1)
_UNDESCRIBED = frozenset({"mail_log", "mail_warning", "mail_error", "mail_policy"})
_CLIENT: Mapping[str, Json] = {"tls_field": "STARTTLS=client"}
_SERVER: Mapping[str, Json] = {"tls_field": "STARTTLS=server"}


@dataclass(slots=True)
class _Client:
    """What a server process said about the client it serves: since when, its address, its session, who signed in."""

    since: datetime
    ip: Json
    facts: dict[str, Json] = field(default_factory=dict)


class SendmailParser(LineParser):
    """Reads one stream of sendmail log lines, in the order they were written; several hosts may share a stream."""

    format = "sendmail"
    maker = "sendmail"

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC, tls_logging_proven: bool = False) -> None:
        super().__init__(source_system, received=received, zone=zone)
        self._tls_logging_proven = tls_logging_proven
        self._envelopes = Envelopes()
        self._sessions = Sessions()
        self._clients: Recent[tuple[str | None, str], _Client] = Recent(PROCESSES)

    def _head(self, record: bytes, received: datetime) -> Head:
        syslog = read_syslog(record, received=received, zone=self._zone)
        app, message = syslog.app or "", syslog.message.decode().strip("\r\n")
        own = _PROGRAM.fullmatch(app) is not None
        if not (own or is_companion(app)):
            # Without a program, what looked like one may be the queue id of the line.
            message = f"{app}: {message}" if app and not syslog.procid else message
            if syslog.procid or not _described(message):
                raise foreign(message, self.maker)
            app = "sendmail"
        text, repeated = unrepeated(_SOLARIS.sub("", message, count=1) if message.startswith("[ID ") else message)
        if not text.strip():
            raise foreign("", self.maker)
        return Head(
            host=syslog.host,
            program=app,
            pid=syslog.procid,
            moment=syslog.time or received,
            own_time=syslog.time is not None,
            repeated=repeated,
            text=text,
        )

    def _read(self, head: Head) -> Sequence[Reading]:
        if is_companion(head.program):
            return [Reading(action="mail_log", facts={"text": head.text})]
        if (session := tls_line(head.text)) is not None:
            return [self._session(head, session)]
        line = read_line(head.text)
        facts: dict[str, Json] = dict(line.facts)
        if line.queue_id is not None:
            facts = {"queue_id": line.queue_id, **self._envelopes.about(head.host, line.queue_id), **facts}
            if line.action in ("mail_accepted", "mail_submitted"):
                self._envelopes.learn(head.host, line.queue_id, line.facts)
            elif line.action == "mail_removed":
                self._envelopes.forget(head.host, line.queue_id)
        if line.each:
            facts |= _alias(facts)
            facts |= self._of_delivery(head, line)
            return [Reading(action=line.action, outcome=line.outcome, facts={**facts, **one}) for one in line.each]
        if line.action == "mail_accepted":
            facts |= self._of_client(head, line)
        elif line.action == "mail_login" and line.outcome == "success":
            self._served(head, line.facts.get("client_ip"), {"sasl_username": line.facts.get("sasl_username")})
        return [Reading(action=line.action, outcome=line.outcome, facts=facts)]

    def _session(self, head: Head, session: TlsLine) -> Reading:
        facts: dict[str, Json] = {**session.facts, "session": "established"}
        if session.outbound:
            if head.pid:
                known = {**facts, "evidence": head.event_id}
                self._sessions.opened((head.host, head.pid), relay_name(session.relay), head.moment, known)
            return Reading(action="smtp_tls", outcome="success", facts={**relay(session.relay, "relay"), "tls": facts, **_CLIENT})
        client = relay(session.relay, "client")
        self._served(head, client.get("client_ip"), {"tls": {**facts, "evidence": head.event_id}, **_SERVER})
        return Reading(action="smtpd_tls", outcome="success", facts={**client, "tls": facts, **_SERVER})

    def _served(self, head: Head, client_ip: Json, facts: dict[str, Json]) -> None:
        """A server process said something about its client. It forks for each, so a process id is one connection."""
        if head.pid is None:
            return
        key = (head.host, head.pid)
        client = self._clients.get(key)
        if client is None or client.ip != client_ip or head.moment - client.since > _LONGEST_CONNECTION:
            client = _Client(since=head.moment, ip=client_ip)
        client.facts |= {name: value for name, value in facts.items() if value}
        self._clients.put(key, client)

    def _of_client(self, head: Head, line: SendmailLine) -> dict[str, Json]:
        """The session over which a client handed in its mail and who it signed in as, where lines prove them."""
        client = self._clients.get((head.host, head.pid)) if head.pid else None
        facts: dict[str, Json] = {}
        if client is not None and client.ip == line.facts.get("client_ip") and head.moment - client.since <= _LONGEST_CONNECTION:
            facts |= client.facts
        if "tls" not in facts:
            facts |= verified(line.tls_verify)
        protocol = line.facts.get("protocol")
        if "tls" not in facts and protocol in ("ESMTPS", "ESMTPSA"):  # without the S, old versions may have used TLS too
            facts |= {"tls": {"established": True}, "tls_field": "proto"}
        return {**facts, **arrival_leg({**line.facts, **facts})} if "tls" in facts else facts

    def _of_delivery(self, head: Head, line: SendmailLine) -> dict[str, Json]:
        """`details.tls` with `tls_field`, what said so; without either where nothing is known."""
        session, proves = None, False
        if head.pid and line.relay and line.queue_id and "relay_ip" in line.facts:
            session, proves = self._sessions.of_delivery(
                (head.host, head.pid), line.relay, line.queue_id, ended=head.moment, took=line.took
            )
        if session is not None:
            return {"tls": session, **_CLIENT}
        if stated := verified(line.tls_verify):
            return stated
        if self._tls_logging_proven and proves and line.attempted:
            return {"tls": None, "tls_field": "the missing STARTTLS=client line", "tls_confidence": "inferred"}
        return {}


def _alias(facts: dict[str, Json]) -> dict[str, Json]:
    """`orig_to` where another user than the sender controls a copy: the one whose .forward or list it was sent to."""
    controlling, sender = facts.get("ctladdr"), facts.get("from")
    if not isinstance(controlling, str) or not isinstance(sender, str):
        return {}
    # By the local part: host names are added and taken off on the way from the submission program.
    return {"orig_to": controlling} if controlling.partition("@")[0] != sender.partition("@")[0] else {}


def _described(text: str) -> bool:
    return tls_line(text) is not None or read_line(text).action not in _UNDESCRIBED
