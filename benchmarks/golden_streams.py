"""Streams of every format for measurements: the golden inputs over and over, each copy with ids of its own."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from domain.event import AuditEvent
from ingest.parsers import Oversize, Parser, parser_for, split_records
from tests.golden.golden import inputs

RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)
_TOKEN = re.compile(rb"(?<![\w%+/=])\w{6,40}(?![\w+/=])")
_DIGIT = re.compile(rb"[0-9]")
_ALGORITHM = re.compile(rb"TLS|SHA|AES|ECD|RSA|25519")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Copies of the golden inputs of a format that are JSON, or of those that are not. One copy is one stream of bytes."""

    format: str
    is_json: bool
    files: Sequence[Sequence[bytes]]

    def records(self) -> list[bytes]:
        """Every record, as it is cut."""
        return [record for copies in self.files for copy in copies for record in _cut(self.format, copy)]

    def read(self) -> int:
        """Cut and parse everything, one parser a file; the number of events."""
        found = 0
        for copies in self.files:
            parser = _parser(self.format)
            for copy in copies:
                for record in _cut(self.format, copy):
                    found += sum(isinstance(one, AuditEvent) for one in parser.parse(record))
        return found


def streams(count: int) -> Iterator[Stream]:
    """At least `count` records for each format, of JSON and of other bytes apart where it has both; refused inputs are left out."""
    kinds: dict[tuple[str, bool], list[bytes]] = {}
    once: dict[str, int] = {}
    for path in inputs():
        if path.stem != "refused":
            content = path.read_bytes()
            kinds.setdefault((path.parent.name, _is_json(path, content)), []).append(content)
            once[path.parent.name] = once.get(path.parent.name, 0) + len(_cut(path.parent.name, content))
    for (name, is_json), contents in kinds.items():
        copies = -(-count // once[name])
        files = [_copies(name, content, copies) for content in contents]
        yield Stream(format=name, is_json=is_json, files=files)


def _cut(name: str, content: bytes) -> list[bytes]:
    return [record for record in split_records(name, [content]) if not isinstance(record, Oversize)]


def _parser(name: str) -> Parser:
    return parser_for(name, source_system="bench", received=lambda: RECEIVED)


def _is_json(path: Path, content: bytes) -> bool:
    try:
        for record in _cut(path.parent.name, content):
            orjson.loads(record)
    except orjson.JSONDecodeError:
        return False
    return True


def _with_ids(content: bytes, number: int) -> bytes:
    """The content with the last digits of everything that looks like an id changed: alike where they were alike."""

    def changed(found: re.Match[bytes]) -> bytes:
        token, left = bytearray(found[0]), number
        digits = [*_DIGIT.finditer(found[0])]
        if not 3 <= len(digits) < len(token) or _ALGORITHM.search(found[0]):
            return found[0]
        for digit in reversed(digits):
            token[digit.start()] = ord("0") + (digit[0][0] - ord("0") + left) % 10
            left //= 10
        return bytes(token)

    return _TOKEN.sub(changed, content) if number else content


def _copies(name: str, content: bytes, count: int) -> list[bytes]:
    return [_with_ids(content, number) for number in range(count)] if _may_vary(name, content) else [content] * count


def _may_vary(name: str, content: bytes) -> bool:
    """False where other ids would be other events: packed and signed content."""
    return _events(name, _with_ids(content, 123)) == _events(name, content)


def _events(name: str, content: bytes) -> int:
    return Stream(format=name, is_json=False, files=[[content]]).read()
