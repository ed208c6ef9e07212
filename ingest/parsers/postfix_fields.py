"""The small pieces that Postfix log lines are made of.

Text that came from outside (addresses, HELO names, replies) sits between fields that matter, so pieces are read from the front
with quoting understood, and never searched for in the middle of such text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from domain.json import Json
from ingest.parsers.addresses import ip_of

ADDRESS = r'(?:<(?:"(?:[^"\\]|\\.)*"|[^">])*>|[^\s,;]*)'
PEER = r"[^\s\[\]]*\[[^\]\s]*\](?::\d{1,5})?"

_PAIR = re.compile(rf"(?P<name>[a-z_]+)=(?P<value>{ADDRESS}),? ?")
_NUMBERS = frozenset(
    {
        "addresses",
        "bytes",
        "cache_size",
        "connections",
        "domains",
        "conn_use",
        "count",
        "dropped",
        "hits",
        "miss",
        "rank",
        "rate",
        "retained",
        "success",
        "uid",
        "signal",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostfixLine:
    """One line: what it is (`action`, `outcome`), which mail it is about, and its fields by the names used in `details`."""

    action: str
    outcome: str | None = None
    queue_id: str | None = None
    facts: Mapping[str, Json]


def bare(address: str) -> str:
    """An envelope address without its angle brackets."""
    return address[1:-1] if address.startswith("<") and address.endswith(">") else address


def recipient(address: str) -> dict[str, Json]:
    """`to` and, where there is one, `to_domain` in lower case."""
    local, at, domain = bare(address).rpartition("@")
    return {"to": bare(address), "to_domain": domain.lower()} if at and local else {"to": bare(address)}


def peer(text: str, name: str) -> dict[str, Json]:
    """`host[ip]:port` as fields `name`, `name_ip`, `name_port`; a socket in place of the address as `name_service`."""
    host, bracket, rest = text.partition("[")
    if not bracket:
        host, _, port = text.rpartition(":")
        if port.isdecimal() and (ip := ip_of(host)):
            return {name: host, f"{name}_ip": ip, f"{name}_port": int(port[:9])}
        return {name: text} if text else {}
    address, _, port = rest.partition("]")
    fields: dict[str, Json] = {name: host} if host else {}
    if ip := ip_of(address):
        fields[f"{name}_ip"] = ip
    elif address:
        fields[f"{name}_service"] = address
    if port[1:].isdecimal():
        fields[f"{name}_port"] = int(port[1:10])
    return fields


def pairs(text: str, at: int = 0) -> tuple[dict[str, str], int]:
    """`name=value` pairs from offset `at` on, separated by blanks or commas, and where they end."""
    found: dict[str, str] = {}
    while (pair := _PAIR.match(text, at)) is not None:
        found[pair["name"]] = bare(pair["value"])
        at = pair.end()
    return found, at


def typed(name: str, value: str) -> Json:
    """A field's value: whole numbers where the field counts something, else text (delays keep their decimals as written)."""
    return int(value) if name in _NUMBERS and value.isdecimal() and len(value) < 16 else value
