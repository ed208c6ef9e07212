"""nginx: access log in any format, and error log, from files, by syslog or in JSON."""

import re
from collections.abc import Iterator

from domain.json import Json
from ingest.parsers.records import BLANK, Feed, Oversize
from ingest.parsers.web_log import LONGEST_LINE, ErrorLine, WebLogParser

_ERROR = re.compile(
    r"(?:(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) )?\[(?P<level>debug|info|notice|warn|error|crit|alert|emerg)\] "
    r"(?P<pid>\d{1,10})#(?P<tid>\d{1,20}): (?:\*(?P<connection>\d{1,20}) )?(?P<text>.*)",
    re.DOTALL,
)
_CONTEXT = re.compile(
    r", (?P<name>client|server|request|subrequest|upstream|host|referrer|responder|peer|certificate|login|session|"
    r'bytes from/to client|from/to upstream): (?:"(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"|(?P<bare>[^,"\n]*))'
)
_FILE_ERROR = re.compile(r"\((?P<number>\d{1,4}): (?P<words>[^)]{1,100})\)")
_SIGN_IN = re.compile(r'user "(?P<user>[^"]{1,512})"(?:: password mismatch| was not found in )')
_OPEN = re.compile(rb'sent in stderr: "(?!.*" while )', re.DOTALL)
_BEGINS = re.compile(
    rb"\d{4}/\d\d/\d\d |<\d{1,3}>|[{\[]|\S.*\[\d\d/[A-Z][a-z]{2}/|[A-Z][a-z]{2} +\d{1,2} \d\d:|\d{4}-\d\d-\d\d[T ]"
)
_MOST_LINES = 200
_KEPT = {
    "server": "vhost",
    "upstream": "upstream",
    "subrequest": "subrequest",
    "responder": "responder",
    "peer": "peer",
    "certificate": "certificate",
    "login": "login",
}


class NginxParser(WebLogParser):
    """Reads lines of nginx and of the ingress controller that is made of it."""

    format = "nginx"
    maker = "nginx"

    def _error_line(self, text: str) -> ErrorLine | None:
        found = _ERROR.fullmatch(text)
        if found is None:
            return None
        context = {
            one["name"]: (one["quoted"] if one["quoted"] is not None else one["bare"] or "").strip()
            for one in _CONTEXT.finditer(text)
        }
        first = _CONTEXT.search(found["text"])
        message = found["text"][: first.start()] if first else found["text"]
        broken = _FILE_ERROR.search(message)
        details: dict[str, Json] = {
            "message": message[:2_048],
            "pid": found["pid"],
            "connection": found["connection"],
            "error_code": broken["number"] if broken else None,
            "reason": broken["words"] if broken else None,
            **{name: _without_query(context[own]) for own, name in _KEPT.items() if context.get(own)},
        }
        signing = _SIGN_IN.search(message)
        return ErrorLine(
            time=found["time"].replace("/", "-") if found["time"] else None,
            level=found["level"],
            client=context.get("client"),
            user=signing["user"] if signing else None,
            request=context.get("request"),
            host=context.get("host") or context.get("server") or None,
            referer=context.get("referrer"),
            details={name: value for name, value in details.items() if value is not None},
        )


def _without_query(text: str) -> str:
    return text.partition("?")[0][:2_048]


def nginx_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """
    Every line that is not blank, without its line end; an error line goes on over the lines that an application's output has.

    What FastCGI and its kin write to standard error stands in one quoted text with line ends in it.
    """
    feed.skip_mark()
    held, count = b"", 0
    while (line := feed.line(limit)) is not None:
        if held and isinstance(line, bytes) and count < _MOST_LINES and _goes_on(held, line, min(limit, LONGEST_LINE)):
            held, count = held + line, count + 1
            if not _OPEN.search(held):
                yield held.rstrip(b"\r\n")
                held = b""
            continue
        if held:
            yield held.rstrip(b"\r\n")
        held, count = b"", 0
        if isinstance(line, Oversize):
            yield line
        elif _OPEN.search(line):
            held = line
        elif line.strip(BLANK):
            yield line.rstrip(b"\r\n")
        else:
            feed.skip_blank_lines()
    if held:
        yield held.rstrip(b"\r\n")


def _goes_on(held: bytes, line: bytes, limit: int) -> bool:
    """True for a line inside the text that the held one began."""
    return len(held) + len(line) <= limit and not _BEGINS.match(line)
