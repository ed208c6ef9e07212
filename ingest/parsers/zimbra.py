"""Zimbra: audit.log (who signed in, delegated access, changes of accounts and forwarding), mailbox.log, and zimbra.log.

zimbra.log is what the servers beside the mailbox server write by syslog; the lines of its Postfix are read as the format `postfix`
reads them, with their joins and their TLS evidence.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo

from domain.clock import Clock
from domain.json import Json
from domain.record import Parsed
from ingest.parsers.mail_lines import Head, LineParser, Reading, foreign, is_companion, settled, stamp_of, unrepeated
from ingest.parsers.postfix import PostfixParser
from ingest.parsers.syslog import read_syslog
from ingest.parsers.zimbra_audit import read_audit
from ingest.parsers.zimbra_fields import Entry, read_entry
from ingest.parsers.zimbra_lines import MailboxLog

_POSTFIX = re.compile(r"postfix[^/\s]*(?:/.*)?")
_BESIDE = re.compile(
    r"zm\w*|zimbra[\w.-]*|mailboxd|slapd|nginx|memcached|cbpolicyd|postjournal|antispam|antivirus|amavis-\w+|swatch", re.IGNORECASE
)
_SASL = re.compile(
    r"auth_zimbra: (?P<sasl_username>\S{1,400}) auth (?P<result>failed|OK|success\w*)(?:: (?P<reason>.*))?", re.DOTALL
)


class ZimbraParser(LineParser):
    """Reads one stream of Zimbra log entries, in the order they were written; several hosts may share a stream."""

    format = "zimbra"
    maker = "Zimbra"

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC, tls_logging_proven: bool = False) -> None:
        super().__init__(source_system, received=received, zone=zone)
        self._postfix = PostfixParser(source_system, received=received, zone=zone, tls_logging_proven=tls_logging_proven)
        self._mailboxes = MailboxLog()

    def parse(self, record: bytes) -> list[Parsed]:
        """Events, mostly one, or one Rejected."""
        app = read_syslog(record[:512], received=self._received(), zone=self._zone).app
        if app is None or not _POSTFIX.fullmatch(app):
            return super().parse(record)
        return [replace(one, format=self.format) for one in self._postfix.parse(record)]

    def _head(self, record: bytes, received: datetime) -> Head:
        text = record.decode().removeprefix("\ufeff").strip("\r\n")
        own, _, rest = stamp_of(text, self._zone)
        if own is not None and read_entry(rest) is not None:
            return Head(program="mailboxd", moment=own, text=rest)
        syslog = read_syslog(record, received=received, zone=self._zone)
        message, repeated = unrepeated(syslog.message.decode().strip("\r\n"))
        inner, has_offset, rest = stamp_of(message, self._zone)
        known = syslog.app is not None and (is_companion(syslog.app) or _BESIDE.fullmatch(syslog.app))
        if not (known or read_entry(rest) is not None):
            raise foreign(text, self.maker)
        if not message.strip():
            raise foreign("", self.maker)
        moment = settled(syslog.time, inner, has_offset=has_offset)
        return Head(
            host=syslog.host,
            program=syslog.app or "mailboxd",
            pid=syslog.procid,
            moment=moment or received,
            own_time=moment is not None,
            repeated=repeated,
            text=rest if inner is not None else message,
        )

    def _read(self, head: Head) -> Sequence[Reading]:
        entry = read_entry(head.text)
        if entry is None:
            return [_beside(head)]
        return read_audit(entry) if _is_audit(entry) else self._mailboxes.read(entry, head.host)


def _is_audit(entry: Entry) -> bool:
    return entry.category == "security" and entry.text.startswith("cmd=")


def _beside(head: Head) -> Reading:
    """A line of a program beside the mailbox server; saslauthd says who failed to sign in for sending mail."""
    found = _SASL.fullmatch(head.text)
    if found is None:
        return Reading(action="mail_log", facts={"text": head.text})
    facts: dict[str, Json] = {"sasl_username": found["sasl_username"]}
    if found["reason"]:
        facts["reason"] = found["reason"]
    return Reading(action="mail_login", outcome="failure" if found["result"] == "failed" else "success", facts=facts)
