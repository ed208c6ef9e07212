"""Lines of access logs without a fixed format: common, combined, vhost_combined, and what sites make of them.

A line is found by its time in brackets and by its request in quotes; what stands around them is told apart by what it looks like.
Where that is not enough, the format itself is given (`web_log_format`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.parsers.addresses import ip_of
from ingest.parsers.web_log_fields import CLF_TIME, address_of, field_name, text_of_log
from ingest.parsers.web_log_format import format_reader

_TIME = re.compile(rf"\[(?P<time>{CLF_TIME}|\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[0-9.,+:Zz-]{{0,20}})\] ?", re.ASCII)
_QUOTED = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
_COMBINED = re.compile(
    rf"{_QUOTED} (?P<status>\d{{3}}|-) (?P<bytes>\d{{1,15}}|-)(?: {_QUOTED} {_QUOTED})?(?: (?P<rest>.*))?", re.DOTALL
)
_USUAL = re.compile(r"(\S+) ([^\s(\"]+) ([^\s(\"]+) ")
"""`client ident user`, as nearly every line begins."""

_TOKEN = re.compile(rf"{_QUOTED}|\[([^\]]*)\]|\(([^)]*)\)|(\S+)", re.DOTALL)
_REQUEST = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40} \S.* HTTP/\d", re.DOTALL)
_TLS = re.compile(r"(?P<version>(?:TLS|SSL)v\d(?:\.\d)?)(?:/(?P<cipher>[A-Z0-9_-]{5,60}))?")
_CIPHER = re.compile(r"(?:TLS_|ECDHE-|DHE-|AES|CAMELLIA|RC4-|DES-|PSK-|EDH-|ADH-|AECDH-|ECDH-)[A-Z0-9_-]{3,60}")
_SECONDS = re.compile(r"\d{1,6}\.\d{1,6}")
_NAMED = re.compile(r'([A-Za-z_][\w.-]{0,40})[=:]"?([^"\s]*)"?')
_MEDIA_TYPE = re.compile(r"(?:application|text|image|audio|video|font|multipart|message)/[\w.+-]+(?:\s*;.*)?")
_HEX_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UPSTREAM = re.compile(r"(?:[\d.]{7,15}|\[[0-9a-fA-F:]{2,45}\]):\d{1,5},?|unix:\S+")
_HOST = re.compile(r"[A-Za-z0-9_*-]+(?:\.[A-Za-z0-9_-]+)*(?::\d{1,5})?")
_MOST_TOKENS = 64
_BEHIND = "[Client $remote_addr] [Length $body_bytes_sent] [Gzip $gzip_ratio]"
_PROXY_MANAGER = [
    format_reader(
        f'[$time_local] {statuses} - $request_method $scheme $host "$uri" {_BEHIND}{sent} "$http_user_agent" "$http_referer"'
    )
    for statuses, sent in (("$status", ""), ("$upstream_cache_status $upstream_status $status", " [Sent-to $server]"))
]
"""The two formats of Nginx Proxy Manager, in which the request is no request line."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a line; `kind` is `"`, `[`, `(` or nothing by what it stood in."""

    text: str
    kind: str


def access_line(text: str) -> dict[str, str] | None:
    """The fields of a line under the names of `web_log_fields`; None where it is no access line."""
    stamp = _TIME.search(text, 0, 2_000)
    if stamp is None:
        return None
    if stamp.start() == 0 and " [Client " in text:
        for read in _PROXY_MANAGER:
            if (known := read(text)) is not None:
                return known
    fields = {"time": stamp["time"]}
    prefix, suffix = text[: stamp.start()], text[stamp.end() :]
    usual = _USUAL.fullmatch(prefix)
    combined = _COMBINED.fullmatch(suffix)
    if combined is not None:
        fields |= {"request": combined[1], "status": combined["status"], "body_bytes_sent": combined["bytes"]}
        if combined[4] is not None:
            fields |= {"http_referer": combined[4], "http_user_agent": combined[5]}
        if usual is not None and ip_of(usual[1]) is not None:
            fields |= {"remote_addr": usual[1], "remote_user": usual[3]}
            if usual[2] != "-":
                fields["remote_ident"] = usual[2]
        else:
            _before(_tokens(prefix), fields)
        if combined["rest"]:
            _after(_tokens(combined["rest"]), fields)
        return fields
    tokens = _tokens(suffix)
    at = next((place for place, token in enumerate(tokens) if token.kind == '"' and _is_request(token.text)), None)
    if at is None:
        at = next((place for place, token in enumerate(tokens) if token.kind == '"'), None)
    if at is None:
        return None
    fields["request"] = tokens[at].text
    before = _tokens(prefix)
    if before and at == 1 and _HOST.fullmatch(tokens[0].text) and "." in tokens[0].text:  # `$time $host "$request"`
        fields["host"] = tokens[0].text
        _before(before, fields)
    else:
        _before([*before, *tokens[:at]], fields)
    rest = _statuses(tokens[at + 1 :], fields)
    quoted = [place for place, token in enumerate(rest) if token.kind == '"' and not _is_forwarded(token.text)]
    for name, place in zip(("http_referer", "http_user_agent"), quoted[:2], strict=False):
        fields[name] = rest[place].text
    _after([token for place, token in enumerate(rest) if place not in quoted[:2]], fields)
    return fields


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind = ('"', "[", "(", "")[(match.lastindex or 1) - 1]
        found.append(Token(match[match.lastindex or 1], kind))
        if len(found) >= _MOST_TOKENS:
            break
    return found


def _is_request(text: str) -> bool:
    return _REQUEST.match(text) is not None


def _is_forwarded(text: str) -> bool:
    return bool(_addresses(text))


def _addresses(text: str) -> list[str]:
    """The addresses of a list of nothing else."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    found = [address for part in parts if (address := address_of(part))]
    return found if found and len(found) == len(parts) else []


def _before(tokens: Sequence[Token], fields: dict[str, str]) -> None:
    """What stands before the request: `[host] client[, client…] ident user`, and TLS in Apache's ssl_request_log."""
    words = list(tokens)
    at = 0
    if len(words) > 1 and not _is_client(words[0]) and (_is_client(words[1]) or words[1].text.endswith(",")):
        fields["host"], at = words[0].text, 1
    elif len(words) > 1 and ":" in words[0].text and ip_of(words[0].text) is None and _is_client(words[0]) and _is_client(words[1]):
        fields["host"], at = words[0].text, 1  # `10.0.0.9:443 1.2.3.4`: the server's own address has a port
    begin = at
    groups: list[list[str]] = []
    goes_on = False
    while at < len(words) and (_is_client(words[at]) or words[at].text.endswith(",") or (at > begin and words[at].kind == "(")):
        addresses = _addresses(words[at].text)
        if goes_on:
            groups[-1] += addresses
        else:
            groups.append(addresses)
        goes_on = words[at].text.endswith(",")
        at += 1
    if at == begin and at < len(words):  # a name, where the server looks names up
        fields["remote_addr"], at = words[at].text, at + 1
    _clients([group for group in groups if group], fields)
    if at < len(words) and words[at].kind == "(":
        at += 1
    left: list[Token] = []
    for token in words[at:]:
        if token.kind != '"' and (found := _TLS.fullmatch(token.text)):
            fields["ssl_protocol"] = found["version"]
        elif "ssl_protocol" in fields and _CIPHER.fullmatch(token.text):
            fields["ssl_cipher"] = token.text
        else:
            left.append(token)
    if len(left) == 1:
        name = "host" if "host" not in fields and "." in left[0].text and _HOST.fullmatch(left[0].text) else "remote_user"
        fields[name] = left[0].text
    elif left:
        user = " ".join(token.text for token in left[1:])
        if left[0].text != "-":
            fields["remote_ident"] = left[0].text
        fields["remote_user"] = "-" if user.startswith("- ") else user


def _clients(groups: Sequence[list[str]], fields: dict[str, str]) -> None:
    """
    Whose addresses they are. A list is X-Forwarded-For, a single one the peer; a list alone stands where the client does. Of two
    single ones the second is what a header said.
    """
    lists = [group for group in groups if len(group) > 1]
    singles = [group[0] for group in groups if len(group) == 1]
    if lists and not singles:
        fields["client_list"] = ", ".join(lists[0])
    elif lists:
        fields |= {"remote_addr": singles[-1], "http_x_forwarded_for": ", ".join(lists[0])}
    elif singles:
        fields["remote_addr"] = singles[0]
        if len(singles) > 1:
            fields["http_x_forwarded_for"] = ", ".join(singles[1:])


def _is_client(token: Token) -> bool:
    return token.text in ("unix:", "localhost") or bool(_addresses(token.text.rstrip(",")))


def _statuses(tokens: Sequence[Token], fields: dict[str, str]) -> Sequence[Token]:
    """The status, which is a bare number of three digits near the request, and the bytes after it."""
    for at, token in enumerate(tokens[:4]):
        if not token.kind and (token.text == "-" or (len(token.text) == 3 and token.text.isdecimal())):
            left = [*tokens[:at], *tokens[at + 1 :]]
            if token.text == "-" or not "100" <= token.text <= "599":
                break
            fields["status"] = token.text
            if len(left) > at and not left[at].kind and (left[at].text == "-" or left[at].text.isdecimal()):
                fields["body_bytes_sent"] = left[at].text
                del left[at]
            return left
    if tokens and not tokens[0].kind and tokens[0].text.isdecimal():
        fields["body_bytes_sent"] = tokens[0].text
        return tokens[1:]
    return tokens


def _after(tokens: Sequence[Token], fields: dict[str, str]) -> None:
    """What sites add behind the common fields, by what it looks like; the rest is kept in its order as `extra`."""
    extra: list[str] = []
    times: list[str] = []
    for token in tokens:
        text = token.text.strip()
        if text_of_log(text) is None:
            continue
        if token.kind == "" and (named := _NAMED.fullmatch(text)) and address_of(text) is None:
            fields.setdefault(field_name(named[1]), named[2])
        elif (tls := _TLS.fullmatch(text)) is not None:
            fields["ssl_protocol"] = tls["version"]
            if tls["cipher"]:
                fields["ssl_cipher"] = tls["cipher"]
        elif "ssl_protocol" in fields and "ssl_cipher" not in fields and _CIPHER.fullmatch(text):
            fields["ssl_cipher"] = text
        elif token.kind in ('"', "") and _SECONDS.fullmatch(text.rstrip(",")):
            times.append(text.rstrip(","))
        elif token.kind == '"' and _MEDIA_TYPE.fullmatch(text):
            fields["sent_http_content_type"] = text
        elif _HEX_ID.fullmatch(text):
            fields.setdefault("request_id", text)
        elif token.kind == "" and _UPSTREAM.fullmatch(text):
            fields.setdefault("upstream_addr", text.rstrip(","))
        elif token.kind == '"' and (forwarded := _addresses(text)):
            fields.setdefault("http_x_forwarded_for", ", ".join(forwarded))
        else:
            extra.append(text)
    for name, value in zip(("request_time", "upstream_response_time"), times, strict=False):
        fields.setdefault(name, value)
    if extra:
        fields["extra"] = " ".join(extra)[:500]
