"""Which parser a syslog message is for, told by what is in it.

Senders share ports: one listener gets audit messages in XML, Postfix lines and JSON events. What none of the parsers is for goes to
quarantine, as format `syslog`, and a later version that knows it can replay it.
"""

import re
from datetime import UTC, tzinfo
from typing import Final

from domain.clock import Clock
from domain.record import Parsed, Rejected
from ingest.parsers import Parser, parser_for
from ingest.parsers.syslog import SyslogRecord, read_syslog

SYSLOG: Final = "syslog"
UNKNOWN_CONTENT: Final = "unknown syslog content"

_AUDIT_MESSAGE_IDS = frozenset({"IHE+RFC-3881", "DICOM+RFC3881"})
_POSTFIX = re.compile(r"postfix[^/\s]*(?:/|$)")
_PROGRAMS: Final = (
    (re.compile(r"exim[\w./-]*", re.IGNORECASE), "exim"),
    (re.compile(r"(?:sendmail|sm-)[\w./-]*"), "sendmail"),
    (re.compile(r"dovecot[\w./-]*"), "dovecot"),
    (re.compile(r"mailboxd|zimbra[\w.-]*|zmmailboxd|zmconfigd"), "zimbra"),
)
"""Mail servers that name themselves in the header."""
_KEYED = re.compile(rb"(?:(?P<format>CEF|LEEF):)?\s?\d{1,3}(?:\.\d{1,3})?\|")
"""How a CEF or LEEF message begins. With a blank behind the colon its name reads like a TAG."""
_HOST = re.compile(r"(?!phitrail$)[A-Za-z0-9._:-]{1,128}")
"""What a HOSTNAME may be to name a source. `phitrail` is the source system of this system's own events."""
_MAX_PARSERS = 64
"""Per stream. A relay may speak for many hosts; one that makes up names must not fill the memory."""


class SyslogRouter:
    """Parses the messages of one stream (a connection, or a UDP sender) in the order received. One thread at a time."""

    format = SYSLOG

    def __init__(
        self, *, source_system: str | None, received: Clock, peer: str = "", zone: tzinfo = UTC, tls_logging_proven: bool = False
    ) -> None:
        """`source_system` None: each message's HOSTNAME names its source, and where there is none the `peer` does."""
        self._source_system = source_system
        self._received = received
        self._peer = peer or "unknown"
        self._zone = zone
        self._tls_logging_proven = tls_logging_proven
        self._parsers: dict[tuple[str, str], Parser] = {}

    def parse(self, record: bytes) -> list[Parsed]:
        """The events of one message, or one Rejected."""
        header = read_syslog(record, received=self._received(), zone=self._zone)
        source = self.source_of(header)
        body = header.message.lstrip()
        if header.app is not None and header.app.startswith("{"):  # a first key and its colon read like a TAG (RFC 3164 §4.1.3)
            body = record[record.index(b"{") :]
        if header.app is not None and _POSTFIX.match(header.app):
            return self._parser("postfix", source).parse(record)
        for program, server in _PROGRAMS:
            if header.app is not None and program.fullmatch(header.app):
                return self._parser(server, source).parse(record)
        if header.msgid in _AUDIT_MESSAGE_IDS or body.startswith(b"<"):
            return self._parser("atna", source).parse(record)
        if (keyed := _KEYED.match(body)) and (name := (keyed["format"] or b"").decode() or header.app) in ("CEF", "LEEF"):
            return self._parser(name.lower(), source).parse(record)
        if body.startswith(b"{"):
            return [self._whole(item, record) for item in self._parser("phitrail", source).parse(body)]
        return [Rejected(source_system=source, format=SYSLOG, reason=UNKNOWN_CONTENT, raw=record)]

    def _whole(self, item: Parsed, record: bytes) -> Parsed:
        """An event is its JSON, which over HTTP comes without a header; what is not understood is kept with all there was."""
        if isinstance(item, Rejected):
            return Rejected(source_system=item.source_system, format=SYSLOG, reason=item.reason, raw=record)
        return item

    def source_of(self, header: SyslogRecord) -> str:
        """The source system a message belongs to."""
        if self._source_system is not None:
            return self._source_system
        return header.host if header.host is not None and _HOST.fullmatch(header.host) else self._peer

    def source_of_part(self, data: bytes) -> str:
        """The same for a message that did not come whole."""
        return self.source_of(read_syslog(data, received=self._received(), zone=self._zone))

    def _parser(self, format: str, source: str) -> Parser:  # noqa: A002 (the field's name everywhere)
        parser = self._parsers.get((format, source))
        if parser is None:
            if len(self._parsers) >= _MAX_PARSERS:
                self._parsers.pop(next(iter(self._parsers)))
            parser = self._parsers[format, source] = parser_for(
                format,
                source_system=source,
                received=self._received,
                zone=self._zone,
                tls_logging_proven=self._tls_logging_proven,
            )
        return parser
