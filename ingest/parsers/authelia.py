"""Authelia: the lines of its log, as text (`time="…" level=… msg="…"`) or as JSON, with a syslog header or without."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo

from domain.clock import Clock
from domain.errors import InvalidInput
from ingest.parsers.authelia_messages import read_message
from ingest.parsers.field_mapping import FieldMapping
from ingest.parsers.identity_events import IdentityParser, Said, address, moment, outsider, person, system
from ingest.parsers.mail_lines import LONGEST_LINE
from ingest.parsers.repeats import Repeats
from ingest.parsers.shapes import decode_json, kind_of, text_of
from ingest.parsers.syslog import read_syslog

_PAIR = re.compile(r'\s*(?P<name>[A-Za-z_][\w.-]{0,63})=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s"]*))')
_BEGIN = re.compile(r'(?:^|(?<=[\s|]))(?:time|level|msg)=(?="|\S)')
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_READ = frozenset({"time", "level", "msg", "method", "path", "remote_ip", "error", "stack", "username"})


class AutheliaParser(IdentityParser):
    """Reads one stream of lines."""

    format = "authelia"

    def __init__(self, source_system: str, *, received: Clock, zone: tzinfo = UTC, mapping: FieldMapping | None = None) -> None:
        super().__init__(source_system, mapping=mapping)
        self._received = received
        self._zone = self._mapping.zone or zone
        self._ids = Repeats()

    def _read(self, record: bytes) -> Sequence[Said]:
        received = self._received()
        if len(record) > LONGEST_LINE:
            raise InvalidInput(f"the line is longer than any line of Authelia ({LONGEST_LINE} bytes)")
        text, header = record.lstrip(b"\xef\xbb\xbf \t"), None
        if not text.startswith((b"{", b"time=")):
            header = read_syslog(record, received=received, zone=self._zone)
            begin = header.message.find(b"{")
            text = header.message[begin:] if begin >= 0 and b"msg=" not in header.message else record
        fields = _json(text) if text.startswith(b"{") else _pairs(text)
        message = text_of(fields.get("msg")) or text_of(fields.get("message"))
        if message is None:
            raise InvalidInput("the line has no msg: it is none of Authelia's log")
        said = read_message(message)
        ip, user = address(fields.get("remote_ip")), person(said.user or fields.get("username"))
        header_time = header.time if header else None
        given = fields.get("time")
        error = text_of(fields.get("error"))
        return [
            Said(
                event_id=self._ids.event_id(hashlib.sha256(record).digest()),
                time=header_time or received if given is None else moment(given, "time", zone=self._zone),
                action=said.action,
                actor=user or outsider(ip) or system("authelia"),
                is_person=user is not None,
                outcome=said.outcome,
                ip=ip,
                details={
                    "message": message,
                    "level": fields.get("level"),
                    "http_method": fields.get("method"),
                    "path": fields.get("path"),
                    "error": error,
                    **_facts(said.facts, error),
                    "server": header.host if header else None,
                    "time_from": None if given is not None else "syslog" if header_time else "receipt",
                    "attributes": {name: value for name, value in fields.items() if name not in _READ},
                },
                words=(message,),
                fields=fields,
            )
        ]


def _facts(facts: Mapping[str, str], error: str | None) -> dict[str, object]:
    mfa = facts.get("mfa")
    return {
        "mfa": mfa,
        "method": "password" if mfa and mfa.lower() == "1fa" else mfa,
        "url": facts.get("url"),
        "requested_method": facts.get("requested"),
        "status": int(facts["status"]) if "status" in facts else None,
        "redirect_uri": facts.get("redirect"),
        "banned_until": facts.get("until"),
        "groups": facts.get("groups"),
        "client_id": facts.get("client"),
        "reason": facts.get("reason") or error,
    }


def _json(text: bytes) -> Mapping[str, object]:
    decoded = decode_json(text)
    if not isinstance(decoded, dict):
        raise InvalidInput(f"the record is {kind_of(decoded)}, not an object")
    return {name: value for name, value in decoded.items() if isinstance(value, str | int | float | bool)}


def _pairs(text: bytes) -> Mapping[str, object]:
    """The pairs of a line, each name once: what stands later may be what a user typed."""
    try:
        line = text.decode()
    except UnicodeDecodeError as invalid:
        raise InvalidInput(f"the line is not valid UTF-8 (byte {invalid.start})") from None
    begin = _BEGIN.search(line)
    fields: dict[str, object] = {}
    at = begin.start() if begin else len(line)
    while found := _PAIR.match(line, at):
        quoted = found["quoted"]
        fields.setdefault(found["name"], _unescaped(quoted) if quoted is not None else found["bare"])
        at = found.end()
    return fields


def _unescaped(text: str) -> str:
    """The text of a Go string: `\\"`, `\\n`, `\\x1b`, `\\u00e9`."""

    def plain(found: re.Match[str]) -> str:
        code = found[1] or found[2]
        if code is None:
            return _PLAIN.get(found[3], found[3])
        return chr(int(code, 16)) if not 0xD800 <= int(code, 16) < 0xE000 else "\ufffd"

    return _ESCAPE.sub(plain, text) if "\\" in text else text
