"""What the tests of identity formats share: one event of a record, and records cut and bent."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import strategies as st

from domain.event import AuditEvent
from domain.json import normalise
from domain.record import Parsed, Rejected
from ingest.parsers import Parser
from ingest.parsers.records import MAX_RECORD, Feed, Oversize
from tests.golden.golden import FOLDER

DOCS = Path(__file__).parents[2] / "docs" / "formats"
RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)

Splitter = Callable[[Feed, int], Iterator[bytes | Oversize]]


def event(parser: Parser, record: bytes | str) -> AuditEvent:
    """The one event of a record."""
    (parsed,) = parser.parse(record if isinstance(record, bytes) else record.encode())
    assert isinstance(parsed, AuditEvent), parsed.reason
    return parsed


def events(parser: Parser, record: bytes | str) -> list[AuditEvent]:
    """The events of a record."""
    found = [one for one in parser.parse(record if isinstance(record, bytes) else record.encode()) if isinstance(one, AuditEvent)]
    assert found
    return found


def refusal(parser: Parser, record: bytes | str) -> str:
    """Why a record is refused."""
    (parsed,) = parser.parse(record if isinstance(record, bytes) else record.encode())
    assert isinstance(parsed, Rejected)
    return parsed.reason


def split(splitter: Splitter, data: bytes, size: int = 7) -> list[bytes]:
    """The records of a stream that comes in small pieces."""
    found = list(splitter(Feed(data[at : at + size] for at in range(0, len(data), size)), MAX_RECORD))
    assert all(isinstance(one, bytes) for one in found)
    return [one for one in found if isinstance(one, bytes)]


def page_sample(format: str) -> bytes:  # noqa: A002
    """The sample on a format's page."""
    found = re.search(rf"^```{format}\n(.*?)^```$", (DOCS / f"{format}.md").read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1].encode()


def golden_records(format: str, splitter: Splitter) -> list[bytes]:  # noqa: A002
    """Every record of a format's golden inputs."""
    return [one for path in sorted((FOLDER / format).glob("*.in")) for one in split(splitter, path.read_bytes(), 4096)]


def check(parser: Parser, record: bytes) -> list[Parsed]:
    """A parser never raises, never answers with nothing, and keeps to the shapes of events and refusals."""
    parsed = parser.parse(record)
    assert parsed
    for one in parsed:
        assert one.source_system == "s"
        assert one.format == parser.format
        assert one.raw == record
        if isinstance(one, AuditEvent):
            assert normalise(one.details) == one.details
        else:
            assert 0 < len(one.reason) < 300
    ids = [one.event_id for one in parsed if isinstance(one, AuditEvent)]
    assert len(set(ids)) == len(ids)
    return parsed


@st.composite
def bent(draw: st.DrawFn, records: list[bytes]) -> bytes:
    """One of the records with bytes changed, cut, left out or doubled."""
    record = bytearray(draw(st.sampled_from(records)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(record) - 1)))
        match draw(st.sampled_from(["flip", "cut", "drop", "double"])):
            case "flip":
                record[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del record[at:]
            case "drop":
                del record[at : at + draw(st.integers(1, 20))]
            case "double":
                record[at:at] = record[at : at + 20]
    return bytes(record)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3))


@st.composite
def swapped(draw: st.DrawFn, documents: list[object]) -> object:
    """One of the documents with any value in place of any of its fields."""
    document = draw(st.sampled_from(documents))
    path: list[object] = []
    inner = document
    while isinstance(inner, dict | list) and inner:
        key = draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))))
        path.append(key)
        inner = inner[key]
    depth = draw(st.integers(1, max(1, len(path))))
    return _with(document, path[:depth], draw(VALUES))


def _with(document: object, path: list[object], value: object) -> object:
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(document, dict):
        return {name: _with(inner, rest, value) if name == key else inner for name, inner in document.items()}
    if isinstance(document, list):
        return [_with(inner, rest, value) if place == key else inner for place, inner in enumerate(document)]
    return document
