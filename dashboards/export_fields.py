"""Reading JSON that somebody sent us: each field has the type and form it should have, or an IntegrityError says which has not."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from domain.checkpoint import Head
from domain.clock import parse_rfc3339, rfc3339
from domain.entry import chain
from domain.errors import IntegrityError
from domain.json import MAX_DEPTH, MAX_INTEGER, canonical
from domain.merkle import verify_inclusion

Fields = Mapping[str, object]
"""A JSON object."""

_HEX = frozenset("0123456789abcdef")
_LONGEST_PATH = 64
_SPELLING = re.compile(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{6}Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedEntry:
    """A spine entry that is proven under a checkpoint. `time` is in the spelling of `rfc3339`, `heads_root` 32 bytes."""

    index: int
    kind: str
    time: str
    heads_root: bytes
    fields: Fields
    body: str


def read_object(text: bytes, what: str) -> Fields:
    """A JSON object in exactly the bytes that our encoder gives, so that nothing hides in a second reading."""
    try:
        value = orjson.loads(text)
        if isinstance(value, dict) and _is_plain(value, MAX_DEPTH) and canonical(value) == text:
            return value
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        pass
    raise IntegrityError(f"{what} is no JSON object in canonical form")


def read_loose_object(text: bytes, what: str) -> Fields:
    """A JSON object with any white space and order of names; no name twice, no number that readers read differently."""
    try:
        value = json.loads(text.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
        if isinstance(value, dict) and _is_plain(value, MAX_DEPTH):
            orjson.dumps(value)  # refuses lone surrogates
            return value
    except (ValueError, RecursionError, orjson.JSONEncodeError):
        pass
    raise IntegrityError(f"{what} is no JSON object")


def read_text(fields: Fields, name: str) -> str:
    """A text."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise IntegrityError(f"{name} is missing or is no text")
    return value


def read_number(fields: Fields, name: str) -> int:
    """An integer."""
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise IntegrityError(f"{name} is missing or is no number")
    return value


def read_fields(fields: Fields, name: str) -> Fields:
    """An object in an object."""
    value = fields.get(name)
    if not isinstance(value, Mapping):
        raise IntegrityError(f"{name} is missing or is no object")
    return value


def read_hex(fields: Fields, name: str, size: int = 32) -> bytes:
    """`size` bytes in lower-case hex."""
    value = fields.get(name)
    if not _is_hex(value, size):
        raise IntegrityError(f"{name} is missing or is not {size} bytes in hex")
    return bytes.fromhex(str(value))


def read_path(fields: Fields, name: str) -> list[bytes]:
    """A list of hashes, as a proof is one."""
    value = fields.get(name)
    if not isinstance(value, list) or len(value) > _LONGEST_PATH or not all(_is_hex(item, 32) for item in value):
        raise IntegrityError(f"{name} is missing or is no list of hashes")
    return [bytes.fromhex(item) for item in value]


def read_moment(fields: Fields, name: str) -> str:
    """A moment in the spelling of `rfc3339`, in which the order of text is the order of time."""
    value = read_text(fields, name)
    try:
        is_moment = _SPELLING.fullmatch(value) is not None and rfc3339(parse_rfc3339(value)) == value
    except ValueError:
        is_moment = False
    if not is_moment:
        raise IntegrityError(f"{name} is no moment in UTC with six decimals")
    return value


def line_kind(fields: Fields, *kinds: str) -> str:
    """Which kind of line this is: it has the field of exactly one of them."""
    found = set(kinds) & fields.keys()
    if len(found) != 1:
        raise IntegrityError(f"the line is not of one of the kinds {', '.join(kinds)}")
    return found.pop()


def read_spine_entry(fields: Fields, spine: Head, *kinds: str) -> QuotedEntry:
    """The spine entry that a line quotes, proven to be under `spine`, and of one of `kinds` where any are given."""
    text, index = read_text(fields, "spine_body"), read_number(fields, "spine_index")
    leaf = chain(read_hex(fields, "spine_previous"), text.encode())
    if not verify_inclusion(leaf, index, spine.size, read_path(fields, "spine_path"), spine.root):
        raise IntegrityError("the spine entry is not under the checkpoint")
    body = read_object(text.encode(), "the spine entry")
    if read_number(body, "seq") != index:
        raise IntegrityError("the spine entry stands in another place than it says")
    entry = QuotedEntry(
        index=index,
        kind=read_text(body, "kind"),
        time=read_moment(body, "time"),
        heads_root=read_hex(body, "heads_root"),
        fields=read_fields(body, "fields"),
        body=text,
    )
    if kinds and entry.kind not in kinds:
        raise IntegrityError(f"the spine entry is of kind {entry.kind[:40]}, not {' or '.join(kinds)}")
    return entry


def _is_hex(value: object, size: int) -> bool:
    return isinstance(value, str) and len(value) == 2 * size and _HEX.issuperset(value)


def _is_plain(value: object, levels: int) -> bool:
    """Whether a value lies in the profile of `domain/json.py`: no fractions, no larger integers, not deeper."""
    match value:
        case float():
            return False
        case int():
            return abs(value) <= MAX_INTEGER
        case dict():
            return levels > 0 and all(_is_plain(item, levels - 1) for item in value.values())
        case list():
            return levels > 0 and all(_is_plain(item, levels - 1) for item in value)
    return True


def _once(pairs: list[tuple[str, object]]) -> Fields:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _no_constant(name: str) -> object:
    raise ValueError(name)
