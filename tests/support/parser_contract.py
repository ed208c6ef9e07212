"""What every parser owes for every record (`ingest.parsers.Parser`), as a check that names each breach."""

import ast
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from domain.event import AuditEvent
from domain.json import normalise
from domain.record import Parsed, Rejected

SOURCE_SYSTEM = "fuzz"
RUN = 12
"""Characters of a record that in a row make a quotation."""

_PACKAGES = Path(__file__).resolve().parents[2]


def breaches(format: str, record: bytes, parsed: Sequence[Parsed], earlier: Sequence[bytes] = ()) -> Iterator[str]:  # noqa: A002
    """
    Every way in which an answer breaks the contract; nothing where it holds.

    `earlier` are the records that the same parser had before: a row is kept with its header, which may have come with one of them.
    """
    if not parsed:
        yield "no answer"
    for one in parsed:
        if one.source_system != SOURCE_SYSTEM or one.format != format:
            yield "another source system or format"
        if one.raw not in record and not _with_header(one.raw, record, earlier):
            yield "raw is not in the record"
        if isinstance(one, AuditEvent):
            if not _is_normal(one):
                yield "details outside the canonical profile"
            if one.time.tzinfo is None:
                yield "a time without a zone"
        elif not isinstance(one, Rejected) or not 0 < len(one.reason) < 300:
            yield "no reason, or one of 300 characters and more"
        elif quoted(one.reason, record):
            yield "the reason quotes the record"


def _is_normal(event: AuditEvent) -> bool:
    try:
        return normalise(event.details) == event.details
    except ValueError:
        return False


def _with_header(raw: bytes, record: bytes, earlier: Sequence[bytes]) -> bool:
    if not raw.endswith(record):
        return False
    header = raw[: len(raw) - len(record)].rstrip(b"\r\n\0")
    return any(header in one for one in earlier)


def quoted(reason: str, record: bytes) -> bool:
    """
    True where a run of characters of the reason is the record's and not the program's own words.

    Of JSON only the values count: a reason may name a field that it does not know (`phitrail` names those that read like names).
    """
    own = foreign_runs(reason)
    if not own:
        return False
    said = _keys_and_values(record)
    if said is None:
        text = record.decode("utf-8", "replace").lower()
        return any(run in text for run in own)
    keys, values = said
    return any(run in values and run not in keys for run in own)


@cache
def foreign_runs(reason: str) -> tuple[str, ...]:
    """The runs of a reason that stand in no string of the program."""
    lower, known = reason.lower(), _own_words()
    runs = (lower[at : at + RUN] for at in range(len(lower) - RUN + 1))
    return tuple(run for run in runs if run not in known and not _is_joint(run, known))


def _is_joint(run: str, known: str) -> bool:
    """True where one of the program's strings ends and another begins: the name of a field, and what is wrong with it."""
    return any(f"{run[:at]}\n" in known and f"\n{run[at:]}" in known for at in range(1, RUN))


@cache
def _own_words() -> str:
    found: set[str] = set()
    for package in ("domain", "ingest/parsers"):
        for path in (_PACKAGES / package).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value.lower())
    return "\n" + "\n".join(sorted(found)) + "\n"


def _keys_and_values(record: bytes) -> tuple[str, str] | None:
    """The keys and the values of a JSON record in lower case, their escapes resolved, each on its line; None for other bytes."""
    try:
        waiting: list[object] = [json.loads(record)]
    except (ValueError, RecursionError):
        return None
    keys: list[str] = []
    values: list[str] = []
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            keys += value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        else:
            values.append(str(value))
    return "\n".join(keys).lower(), "\n".join(values).lower()
