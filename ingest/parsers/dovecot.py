"""Dovecot: who signed in to which mailbox and from where (source access), and what LMTP and Sieve did with mail (source mail).

Logins carry in `details`: `service method reason attempts secured session server_ip mail_pid` and `tls`; deliveries
`to to_domain folder message_id direction`, and where a Sieve rule sent a mail on, `auto_forwarded` and `orig_to`.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from domain.clock import Clock
from domain.event import ActorKind, Source
from domain.json import Json
from ingest.parsers.addresses import ip_of
from ingest.parsers.dovecot_lines import DovecotLine, read_line, service_of
from ingest.parsers.mail_joins import TlsProofs
from ingest.parsers.mail_lines import Head, LineParser, Reading, foreign, person, unrepeated
from ingest.parsers.syslog import read_syslog

_PROGRAM = re.compile(r"dovecot[\w./-]*", re.IGNORECASE)
_STAMP = (
    r"(?:[A-Z][a-z]{2} [ \d]\d(?: \d{4})? \d\d:\d\d:\d\d(?:\.\d{1,9})?|"
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
)
_SERVICES = (
    r"(?:imap|pop3|managesieve|submission|sieve)-login|imap(?:-hibernate|-urlauth\S{0,20})?|pop3|managesieve|submission|lmtp|lda|"
    r"auth(?:-worker)?|master|config|anvil|log|stats|doveadm|dict|director|indexer(?:-worker)?|quota-status|replicator|ssl-params"
)
_PAM = re.compile(
    r"pam_unix\(dovecot:auth\): (?P<reason>authentication failure); .{0,200}?ruser=(?P<user>\S{0,400}) rhost=(?P<ip>\S{0,60})"
    r"(?: +user=(?P<account>\S{1,400}))?",
    re.DOTALL,
)
_OWN_LOG = re.compile(
    rf"(?P<stamp>{_STAMP} +)?(?P<text>(?:{_SERVICES})(?:\([^()]{{0,400}}\))?(?:<[^<>]{{0,80}}>){{0,2}}: .*)", re.DOTALL
)


class DovecotParser(LineParser):
    """Reads one stream of Dovecot log lines, by syslog or from its own log files; several hosts may share a stream."""

    format = "dovecot"
    maker = "Dovecot"

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC) -> None:
        super().__init__(source_system, received=received, zone=zone)
        self._proofs = TlsProofs()

    def _head(self, record: bytes, received: datetime) -> Head:
        text = record.decode().removeprefix("\ufeff").strip("\r\n")
        if (own := _OWN_LOG.fullmatch(text)) is not None:
            stamp = own["stamp"]
            time = read_syslog(f"{stamp}log: x".encode(), received=received, zone=self._zone).time if stamp else None
            return Head(program="dovecot", moment=time or received, own_time=time is not None, text=own["text"])
        syslog = read_syslog(record, received=received, zone=self._zone)
        if syslog.app is None or not _PROGRAM.fullmatch(syslog.app):
            raise foreign(text, self.maker)
        message, repeated = unrepeated(syslog.message.decode().strip("\r\n"))
        if not message.strip():
            raise foreign("", self.maker)
        return Head(
            host=syslog.host,
            program=syslog.app,
            pid=syslog.procid,
            moment=syslog.time or received,
            own_time=syslog.time is not None,
            repeated=repeated,
            text=message,
        )

    def _read(self, head: Head) -> Sequence[Reading]:
        service = service_of(head.text)
        if service is None:
            return [_pam(head) or Reading(action="mail_log", facts={"text": head.text})]
        line = read_line(service)
        facts: dict[str, Json] = {"service": service.name, **line.facts}
        if service.pid:
            facts["pid"] = service.pid
        if line.encrypted is not None:
            for tls in self._tls(head, line):
                facts["tls"] = tls
        actor = person(line.user) or person(line.mailbox, kind=ActorKind.SYSTEM)
        return [Reading(source=line.source, action=line.action, outcome=line.outcome, actor=actor, ip=line.ip, facts=facts)]

    def _tls(self, head: Head, line: DovecotLine) -> tuple[Json, ...]:
        """
        `details.tls` of a login that does not name its session, a tuple of one, or an empty tuple for "not known".

        `TLS` and `secured` are in login_log_format_elements by default. Where a host writes them, a line without either is a
        login in the clear.
        """
        if line.encrypted:
            self._proofs.logged(head.host, head.moment, head.event_id)
            return ()
        shown = self._proofs.evidence(head.host, head.moment)
        return ({"version": None, "evidence": shown},) if shown is not None and line.ip is not None else ()


def _pam(head: Head) -> Reading | None:
    """A line that PAM wrote in the name of Dovecot: an attempt, as the operating system's accounts saw it."""
    found = _PAM.fullmatch(head.text.strip())
    if found is None:
        return None
    ip = ip_of(found["ip"])
    facts: dict[str, Json] = {"service": "auth", "database": "pam", "reason": found["reason"], **({"client_ip": ip} if ip else {})}
    actor = person(found["account"] or found["user"])
    return Reading(source=Source.ACCESS, action="authentication", outcome="failure", actor=actor, ip=ip, facts=facts)
