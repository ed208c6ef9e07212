"""What is compared and counted: fields against the answer keys of other projects, and what became of every record."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from domain.event import AuditEvent
from domain.record import Parsed
from ingest.parsers import Oversize, Parser, parser_for, split_records

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
"""The moment of receipt of every sample."""

_FREE_TEXT = frozenset({"reason", "response", "text", "subject"})

Reading = Callable[[AuditEvent], object]
"""Where an event has what a key names."""


@dataclass(slots=True)
class Agreement:
    """Counts per (key, field), every disagreement by record and field, and what became of the records."""

    agreed: Counter[tuple[str, str]] = field(default_factory=Counter)
    compared: Counter[tuple[str, str]] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    not_claimed: list[str] = field(default_factory=list)
    records: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[tuple[str, str]] = field(default_factory=Counter)

    def compare(self, key: str, name: str, record: str, expected: object, found: object, *, doubtful: str | None = None) -> None:
        """Count a field of a record. `doubtful` says why a key that differs is not one we claim to agree with."""
        if doubtful is not None and expected != found:
            self.not_claimed.append(f"{key} {record} {name}: {doubtful}")
            return
        self.compared[key, name] += 1
        if expected == found:
            self.agreed[key, name] += 1
        else:
            self.differences.append(f"{key} {record} {name}: key {expected!r}, ours {found!r}")

    def account(self, key: str, parsed: Iterable[Parsed]) -> None:
        """Count a record by what came of it."""
        self.records[key] += 1
        for one in parsed:
            if isinstance(one, AuditEvent):
                self.events[key] += 1
            else:
                self.quarantined[key, one.reason] += 1

    def ratio(self) -> float:
        """Fields that agree, of those compared."""
        return sum(self.agreed.values()) / max(1, sum(self.compared.values()))


def parse(format: str, records: Iterable[bytes], parser: Parser | None = None) -> list[Parsed]:  # noqa: A002
    """What comes of records of one stream, one after the other."""
    reader = parser or parser_for(format, source_system="conformance", received=lambda: RECEIVED)
    parsed: list[Parsed] = []
    for record in split_records(format, [b"\n".join(records)]):
        assert not isinstance(record, Oversize)
        parsed += reader.parse(record)
    return parsed


def account_files(agreement: Agreement, format: str, paths: Iterable[Path]) -> None:  # noqa: A002
    """Files without keys: every record has to become something."""
    for path in paths:
        parser = parser_for(format, source_system="conformance", received=lambda: RECEIVED)
        for record in split_records(format, [path.read_bytes()]):
            assert not isinstance(record, Oversize)
            agreement.account(f"{format}/{path.name}", parser.parse(record))


def jsonl(path: Path) -> Iterator[dict[str, object]]:
    """The objects of a file of JSON Lines; none where there is no such file."""
    if path.exists():
        yield from (json.loads(line) for line in path.read_text().splitlines())


def keyed(folder: Path, name: str) -> Iterator[tuple[str, dict[str, object], Mapping[str, object]]]:
    """Each row of `NAME.input.jsonl` with its id and its key out of `NAME.expected.jsonl`."""
    keys = {str(row["id"]): row["expected"] for row in jsonl(folder / f"{name}.expected.jsonl")}
    for row in jsonl(folder / f"{name}.input.jsonl"):
        yield str(row["id"]), row, cast("Mapping[str, object]", keys[str(row["id"])])


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every value that is no object, with its dotted path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path, value


def alike(name: str, expected: object, found: object) -> tuple[object, object]:
    """Numbers as text, one address out of a list of one, and free text that differs only in what stands around it."""
    if isinstance(expected, list) and len(expected) == 1:
        expected = expected[0]
    if isinstance(expected, int | float):
        expected, found = _number(expected), _number(found)
    if isinstance(found, tuple):  # either of two fields of ours answers the one of the key
        found = next((one for one in found if one is not None and str(one).lower() == str(expected).lower()), found)
        return (found, found) if not isinstance(found, tuple) else (expected, found)
    if name in _FREE_TEXT and isinstance(expected, str) and isinstance(found, str):
        inner, outer = sorted((_core(expected), _core(found)), key=len)
        if inner and inner in outer:
            return expected, expected
    return expected if expected != "" else None, found if found != "" else None


def _core(text: str) -> str:
    """Free text without the reply codes before it and the command after it, which some keys put in fields of their own."""
    return re.sub(r"^[245]\d\d [245]\.\d+\.\d+ | \(in reply to [^)]*\)$", "", text)


def _number(value: object) -> object:
    """A number in its shortest spelling, whatever it came as; anything else as it is."""
    text = str(value)
    return f"{float(text):g}" if re.fullmatch(r"-?\d+(\.\d+)?", text) else value


def detail(name: str) -> Reading:
    """A field of `details`."""
    return lambda event: event.details.get(name)


def either(*names: str) -> Reading:
    """The first of several fields of `details` that says something."""
    return lambda event: next((event.details[name] for name in names if event.details.get(name)), None)


def session(name: str, pick: Callable[[str], str] = lambda text: text) -> Reading:
    """A field of `details.tls`."""

    def read(event: AuditEvent) -> object:
        tls = event.details.get("tls")
        value = tls.get(name) if isinstance(tls, Mapping) else None
        return pick(str(value)) if value is not None else None

    return read
