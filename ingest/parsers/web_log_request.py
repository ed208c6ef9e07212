"""A request as a log has it: method, path, the names in its query, protocol; also what is no HTTP at all.

Values of a query are not kept in `details`: search terms, tokens and birth dates stand there. They stay in the record.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_plus, urlsplit

from ingest.parsers.web_log_fields import text_of_log, unescaped

_LINE = re.compile(
    r"(?P<method>[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}) (?P<target>\S.*?)(?: (?P<protocol>[A-Z]{2,8}/\d(?:\.\d)?))?", re.DOTALL
)
_MOST_NAMES = 64
_LONGEST_PATH = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`path` is as sent, without the query; `query` has the first value of each name. `odd` is a request line that is none."""

    method: str | None = None
    path: str | None = None
    protocol: str | None = None
    host: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    query_names: Sequence[str] = ()
    odd: str | None = None
    is_tls: bool = False


def request_of(fields: Mapping[str, str]) -> Request:
    """The request of a line, from its request line or from its parts."""
    line = fields.get("request")
    method, target = fields.get("request_method"), fields.get("request_uri")
    protocol = fields.get("server_protocol")
    if line is not None and (text_of_log(line) or not target):
        text = unescaped(line)
        found = _LINE.fullmatch(text.rstrip())
        if found is None or not (found["protocol"] or found["method"].isalpha()):
            if text.startswith("/") and method:  # a field called `request` that has the target only
                return _parts(method, text, protocol, fields.get("query_string"))
            return Request(odd=_shown(line), is_tls=_is_tls(line, text))
        return _parts(found["method"], found["target"], found["protocol"] or protocol, fields.get("query_string"))
    if target is None or text_of_log(target) is None:
        return Request(method=_known(method), protocol=_protocol(protocol))
    return _parts(method, unescaped(target), protocol, fields.get("query_string"))


def bare_url(url: str) -> str:
    """A URL without its query, fragment and user: what may be shown of a referrer."""
    head = re.split(r"[?#;]", url, maxsplit=1)[0]
    scheme, mark, rest = head.partition("://")
    if not mark:
        return head[:_LONGEST_PATH]
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"[:_LONGEST_PATH]


def _parts(method: str | None, target: str, protocol: str | None, query: str | None) -> Request:
    host = None
    if "://" in target[:12]:  # the absolute form that proxies get (RFC 9112 §3.2.2)
        try:
            split = urlsplit(target)
            host = split.hostname
        except ValueError:
            split = None
        if split is not None:
            target = f"{split.path or '/'}?{split.query}" if split.query else split.path or "/"
    path, mark, asked = target.partition("?")
    values = _query(asked if mark else (text_of_log(query or "") or "").lstrip("?"))
    path = path.partition("#")[0]
    return Request(
        method=_known(method),
        path=path[:_LONGEST_PATH],
        protocol=_protocol(protocol),
        host=host,
        query=values,
        query_names=list(values),
    )


def _query(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in re.split(r"&(?:amp;)?", text, maxsplit=_MOST_NAMES)[:_MOST_NAMES]:
        name, _, value = pair.partition("=")
        if name := unquote_plus(name)[:128]:
            values.setdefault(name, unquote_plus(value))
    return values


def _known(method: str | None) -> str | None:
    return (text_of_log(method) or "")[:40].upper() or None if method else None


def _protocol(text: str | None) -> str | None:
    """`HTTP/2.0`, also where the log has the number only."""
    said = text_of_log(text or "")
    if said is None:
        return None
    return f"HTTP/{said}" if said[:1].isdigit() else said[:16]


def _shown(line: str) -> str:
    """A request line that is none, as it was logged: bytes in it stay escaped."""
    return line[:200]


def _is_tls(line: str, text: str) -> bool:
    """A client that speaks TLS to a plain port: a handshake record (RFC 8446 §5.1: 22, version 3.x) is what the log shows."""
    return line[:8].lower() == r"\x16\x03" or text.startswith("\x16\x03")
