"""The small pieces that Exim log lines are made of: `NAME=value` fields, addresses with their parents, hosts.

Text that came from outside (HELO names, message ids, replies) stands among the fields, so a line is read from its front, each
field once; after `id=`, which holds the sender's own words, nothing that matters is taken any more. Exim specification, chapter
“Log files”, “Summary of fields in log lines”.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from domain.json import Json
from ingest.parsers.addresses import ip_of

_INNER = r'(?:"(?:[^"\\]|\\.)*"|[^<>"])*'
_BARE = r"\S*?(?=:?(?:\s|$))"
_VALUE = rf'"(?:[^"\\]|\\.)*"|<{_INNER}>|\[[^\]\s]*\](?::\d{{1,5}})?|{_BARE}'
_HOST = re.compile(
    r"(?:(?P<name>[^\s()\[\]]{1,255}) )?(?:DS )?(?:\((?P<helo>[^()]{0,300})\) )?"
    r"\[(?P<ip>[0-9A-Fa-f.:]{2,45})\](?::(?P<port>\d{1,5}))?(?P<reused>\*)?"
)
_FIELD = re.compile(
    r" ?(?P<name>A|Ci|CV|C|DKIM|DN|DT|DS|D|F|H|I|id\*?|M8S|PRX|P|QT|Q|RT|R|SNI|SRS|ST|S|T|U|X)="
    rf"(?P<value>{_VALUE})"
)
_MARK = re.compile(r" (?P<mark>K|L[-.*]{0,2}|PRDR|TFO\*{0,2}|DS|\(proxied\))(?=[\s:]|$)")
_TO = re.compile(
    r"(?P<to>:blackhole:|discarded|(?:[|/>]|save )(?:(?! <| \([^()@]*@[^()@]*\) <)[^\n])*(?= [<(])|"
    rf"{_INNER}?(?=:?(?:\s|$))|{_BARE})(?: \((?P<via>[^()]*)\))?(?: <(?P<orig>{_INNER})>)?"
)
_OUTSIDE_LATER = frozenset({"X", "CV", "DN", "H", "P", "A", "U", "S"})
_QUOTED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The fields of a line by Exim's names, the host fields under our names, and where the fields end in the text."""

    values: Mapping[str, str]
    host: Mapping[str, Json]
    reused: bool
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a copy went: the final address (or pipe, or file), and the address it was sent to where that is another."""

    to: str
    via: str | None
    original: str | None
    end: int


def read_fields(text: str, at: int, *, peer: str) -> Fields:
    """Every field from offset `at` on; the host of `H=` as `peer`, `peer_ip`, `peer_port`, and `helo`."""
    values: dict[str, str] = {}
    host: dict[str, Json] = {}
    reused = False
    while True:
        if mark := _MARK.match(text, at):
            at = mark.end()
            continue
        found = _FIELD.match(text, at)
        if found is None:
            return Fields(values=values, host=host, reused=reused, end=at)
        name, value, at = found["name"].rstrip("*"), found["value"], found.end()
        if name == "H" and (named := _HOST.match(text, found.start("value"))):
            at = named.end()
            if "id" not in values and not host:
                host, reused = host_fields(named, peer), named["reused"] is not None
        elif not ("id" in values and name in _OUTSIDE_LATER):
            values.setdefault(name, unquoted(value))


def read_host(text: str, peer: str) -> tuple[dict[str, Json], int]:
    """`name (helo) [ip]:port` at the front of the text, and where it ends; nothing and 0 where there is none."""
    found = _HOST.match(text)
    return (host_fields(found, peer), found.end()) if found else ({}, 0)


def host_fields(found: re.Match[str], peer: str) -> dict[str, Json]:
    """A host as fields. A name in parentheses is what the client called itself (RFC 5321 §4.1.1.1), and proves nothing."""
    fields: dict[str, Json] = {}
    if found["name"]:
        fields[peer] = found["name"]
    if found["helo"]:
        fields["helo"] = found["helo"]
    if ip := ip_of(found["ip"]):
        fields[f"{peer}_ip"] = ip
    if found["port"]:
        fields[f"{peer}_port"] = int(found["port"])
    return fields


def destination(text: str, at: int) -> Destination:
    """The address list of a delivery line: `final (parents) <original>` (deliver.c, string_log_address)."""
    found = _TO.match(text, at)
    assert found is not None  # its first part may be empty
    return Destination(to=found["to"].strip(), via=found["via"], original=found["orig"], end=found.end())


def unquoted(value: str) -> str:
    """A value without its quotes or angle brackets."""
    if len(value) >= 2 and value.startswith('"') and value.endswith('"'):
        return _QUOTED.sub(r"\1", value[1:-1])
    if value.startswith("<") and value.endswith(">"):
        return value[1:-1]
    return value
