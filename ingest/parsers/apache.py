"""Apache HTTP Server: access log in any format, error log of 2.2 and 2.4 (ModSecurity's too), from files, by syslog or in JSON."""

import re
from dataclasses import dataclass, field

from domain.json import Json
from ingest.parsers.addresses import ip_of
from ingest.parsers.web_log import ErrorLine, WebLogParser
from ingest.parsers.web_log_request import bare_url

_LEVELS = "emerg|alert|crit|error|warn|notice|info|debug|trace[1-8]"
_GROUP = re.compile(r"\s*\[(?P<inside>[^\]]{1,200})\]")
_LEVEL = re.compile(rf"(?:(?P<module>[\w-]{{0,40}}):)?(?P<level>{_LEVELS})")
_PROCESS = re.compile(r"pid (?P<pid>\d{1,10})(?::tid (?P<tid>\w{1,32}))?")
_CLIENT = re.compile(r"(?:client|remote) (?P<client>\S+(?: :\d+)?)")
_STAMP = re.compile(
    r"(?:[A-Z][a-z]{2} )?(?P<month>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) "
    r"(?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,9}))? (?P<year>\d{4})"
)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?")
_SYSTEM_ERROR = re.compile(r"\((?P<number>-?\d{1,6})\)(?P<words>[^:\[]{1,200}): ?")
_CODE = re.compile(r"(?P<code>AH\d{5}): ?")
_REFERER = re.compile(r", referer: (?P<referer>\S+)\s*$")
_SIGN_IN = re.compile(r"user (?P<user>.{1,200}?)(?:: authentication failure for | not found: |: password mismatch)", re.IGNORECASE)
_NAMED = re.compile(
    r"\[(?P<name>file|line|id|rev|msg|data|severity|ver|maturity|accuracy|tag|hostname|uri|unique_id) "
    r'"(?P<value>[^"\\]*(?:\\.[^"\\]*)*)"\]'
)
_MODSECURITY = re.compile(
    r"ModSecurity: ?(?P<verdict>Warning|Access denied[^.]*|[A-Z][^.\[]{0,100})?\.? ?(?P<why>[^\n]*?)(?: \[\w+ \"|$)"
)
_MOST_GROUPS = 8


@dataclass(slots=True)
class _Head:
    """What the bracketed groups in front of a message say."""

    time: str | None = None
    level: str | None = None
    module: str | None = None
    client: str | None = None
    details: dict[str, Json] = field(default_factory=dict)
    known: int = 0


class ApacheParser(WebLogParser):
    """Reads lines of Apache."""

    format = "apache"
    maker = "Apache"

    def _error_line(self, text: str) -> ErrorLine | None:
        head, at = _Head(), 0
        for _ in range(_MOST_GROUPS):
            group = _GROUP.match(text, at)
            if group is None:
                break
            if not _take(head, group["inside"]):
                break
            at = group.end()
        if head.level is None and not (head.time and head.known > 1):
            return None
        rest = text[at:].strip()
        if broken := _SYSTEM_ERROR.match(rest):
            head.details |= {"error_code": broken["number"], "reason": broken["words"].strip()}
            rest = rest[broken.end() :].lstrip()
        if (group := _GROUP.match(rest)) is not None and _CLIENT.fullmatch(group["inside"]) is not None:
            _take(head, group["inside"])
            rest = rest[group.end() :].lstrip()
        if code := _CODE.match(rest):
            head.details["error_code"] = code["code"]
            rest = rest[code.end() :]
        referer = _REFERER.search(rest)
        if referer is not None:
            rest = rest[: referer.start()]
        head.details["message"] = rest[:2_048]
        host = path = None
        if "ModSecurity" in rest[:200]:
            found = _modsecurity(rest)
            host, path = found.pop("hostname", None), found.pop("uri", None)
            head.details["message"] = rest[: first.start()].rstrip()[:2_048] if (first := _NAMED.search(rest)) else rest[:2_048]
            head.details |= {"modsecurity": dict(found), **({"reason": found["msg"]} if "msg" in found else {})}
        signing = _SIGN_IN.search(rest[:600])
        return ErrorLine(
            time=head.time,
            level=head.level,
            client=head.client,
            user=signing["user"] if signing else None,
            path=bare_url(path) if path else None,
            host=host,
            referer=referer["referer"] if referer else None,
            details=head.details,
        )


def _take(head: _Head, inside: str) -> bool:
    """Read one group. False for one that is not known, with which the message begins."""
    if head.time is None and (stamp := _STAMP.fullmatch(inside)) is not None:
        head.time = f"{stamp['day'].zfill(2)}/{stamp['month']}/{stamp['year']}:{stamp['clock']}" + (
            f".{stamp['fraction']}" if stamp["fraction"] else ""
        )
    elif head.time is None and _ISO.fullmatch(inside):
        head.time = inside
    elif (level := _LEVEL.fullmatch(inside)) is not None:
        head.level = level["level"]
        head.module = level["module"] or None
        if head.module:
            head.details["module"] = head.module
    elif (process := _PROCESS.fullmatch(inside)) is not None:
        head.details |= {name: value for name, value in process.groupdict().items() if value}
    elif (client := _CLIENT.fullmatch(inside)) is not None:
        if head.client is None:
            head.client, port = _without_port(client["client"].replace(" ", ""), has_port=head.module is not None)
            if port:
                head.details["client_port"] = int(port)
    else:
        return False
    head.known += 1
    return True


def _without_port(text: str, *, has_port: bool) -> tuple[str, str | None]:
    """
    The address and the port. 2.4 writes a port behind every address, also behind a bare IPv6 one; 2.2, whose lines name no module,
    none.
    """
    host, colon, port = text.rpartition(":")
    is_port = bool(colon) and port.isascii() and port.isdecimal() and len(port) <= 5
    if is_port and ip_of(host) is not None and (has_port or ip_of(text) is None):
        return host, port
    return text, None


def _modsecurity(text: str) -> dict[str, str]:
    """The named parts of a ModSecurity message, and what it matched."""
    found: dict[str, str] = {}
    for one in _NAMED.finditer(text):
        found.setdefault(one["name"], one["value"][:2_048])
    if verdict := _MODSECURITY.search(text):
        found |= {"verdict": verdict["verdict"] or "", "match": verdict["why"].strip()[:2_048]}
    return {name: value for name, value in found.items() if value}
