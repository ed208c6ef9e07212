"""A log format that the site gives itself: nginx `log_format` (`$remote_addr`) or Apache `LogFormat` (`%h`), as an expression.

What a directive writes is anything up to what stands after it in the format; quotes and brackets in the format bound it. So a
format in which two free values touch each other cannot be read back, and is refused.
"""

import re
from collections.abc import Callable

from domain.errors import InvalidInput
from ingest.parsers.web_log_fields import field_name

_NGINX = re.compile(r"\$(?:\{(?P<braced>\w{1,64})\}|(?P<name>\w{1,64}))")
_APACHE = re.compile(r"%[!,\d]*[<>]?(?:\{(?P<argument>[^}]{1,64})\})?(?P<letter>\^[A-Za-z]{2}|[A-Za-z%])")
_LETTERS = {
    "a": "remote_addr",
    "h": "remote_addr",
    "A": "server_addr",
    "b": "body_bytes_sent",
    "B": "body_bytes_sent",
    "O": "bytes_out",
    "I": "request_length",
    "D": "request_time_us",
    "T": "request_time",
    "H": "server_protocol",
    "l": "remote_ident",
    "L": "log_id",
    "m": "request_method",
    "p": "server_port",
    "P": "pid",
    "q": "query_string",
    "r": "request",
    "s": "status",
    "t": "time",
    "u": "remote_user",
    "U": "request_uri",
    "v": "host",
    "V": "host",
    "X": "connection_status",
    "k": "keepalive",
    "f": "filename",
    "R": "handler",
}
_QUOTED = r'[^"\\]*(?:\\.[^"\\]*)*'

Reader = Callable[[str], dict[str, str] | None]


def format_reader(text: str) -> Reader:
    """
    A function that reads a line of this format into fields, or answers None for a line of another.

    Raises InvalidInput for a format without a request and time, or one that cannot be read back.
    """
    directive = _NGINX if "$" in text and "%" not in text else _APACHE
    parts: list[str] = []
    names: list[str] = []
    at, touching = 0, False
    for found in directive.finditer(text):
        between = text[at : found.start()]
        if touching and not between:
            raise InvalidInput("log_format has two values with nothing between them, which cannot be told apart")
        parts.append(re.escape(between))
        at = found.end()
        name = _name(found)
        if name is None:
            parts.append("%")
            touching = False
            continue
        parts.append(f"({_value(text, found.start(), at, name)})")
        names.append(name)
        touching = True
    parts.append(re.escape(text[at:]))
    if "time" not in names or not {"request", "request_uri"} & set(names):
        raise InvalidInput("log_format has no time or no request, so its lines say nothing about access")
    pattern = re.compile("".join(parts), re.DOTALL)

    def read(line: str) -> dict[str, str] | None:
        match = pattern.fullmatch(line)
        if match is None:
            return None
        fields: dict[str, str] = {}
        for name, value in zip(names, match.groups(), strict=True):
            fields.setdefault(name, value)
        return fields

    return read


def _name(found: re.Match[str]) -> str | None:
    """Our name of a directive; None for the escaped percent sign."""
    parts = found.groupdict()
    if "letter" not in parts:
        return field_name(parts["braced"] or parts["name"] or "")
    letter, argument = str(parts["letter"]), parts["argument"]
    if letter == "%":
        return None
    if argument:
        if letter == "t":
            return "time"
        if letter == "T":
            return {"ms": "request_time_ms", "us": "request_time_us"}.get(argument, "request_time")
        if letter in ("a", "h") and argument == "c":
            return "peer_addr"
        if letter == "i" and argument.lower() in ("referer", "user-agent", "x-forwarded-for", "host", "x-real-ip", "x-request-id"):
            return field_name(f"http_{argument}")
        return field_name(f"http_{argument}" if letter == "i" else argument)
    return _LETTERS.get(letter, f"apache_{letter}")


def _value(text: str, start: int, end: int, name: str) -> str:
    """What a directive can have written, by the character before and the one after it."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if before == '"' and after == '"':
        return _QUOTED
    if name == "time" and before != "[" and after != "]" and text[start : start + 2] in ("%t", "%{"):
        return r"\[[^\]]*\]|[^\s\]]+"
    if before == "[" and after == "]":
        return r"[^\]]*"
    if after in ("", " "):
        # One value with blanks at most, or a hostile line could be split in more ways than there is time for.
        return r".*?" if name == "remote_user" else r"\S*"
    return rf"[^{re.escape(after)}]*"
