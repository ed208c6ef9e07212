"""Whatever comes in: a parser answers with at least one event or refusal, keeps the bytes, and never raises."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import AuditEvent
from domain.json import normalise
from domain.record import Rejected
from ingest.parsers import FORMATS, parser_for
from tests.golden.golden import inputs

RECEIVED = datetime(2026, 3, 2, tzinfo=UTC)
RECORDS = [line for path in inputs() for line in path.read_bytes().splitlines() if line]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3))


def check(format: str, record: bytes) -> None:  # noqa: A002
    parsed = parser_for(format, source_system="s", received=lambda: RECEIVED).parse(record)

    assert parsed
    for one in parsed:
        assert one.source_system == "s"
        assert one.format == format
        assert one.raw in record
        if isinstance(one, AuditEvent):
            assert normalise(one.details) == one.details
            assert one.time.tzinfo is not None
        else:
            assert isinstance(one, Rejected)
            assert 0 < len(one.reason) < 300


@settings(deadline=None)
@given(format=st.sampled_from(FORMATS), record=st.binary(max_size=200))
def test_arbitrary_bytes(format: str, record: bytes) -> None:  # noqa: A002
    check(format, record)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), format=st.sampled_from(FORMATS), record=st.sampled_from(RECORDS))
def test_real_records_cut_and_bent(data: st.DataObject, format: str, record: bytes) -> None:  # noqa: A002
    bent = bytearray(record)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, max(0, len(bent) - 1)))
        match data.draw(st.sampled_from(["flip", "cut", "drop", "double"])):
            case "flip":
                bent[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del bent[at:]
            case "drop":
                del bent[at : at + data.draw(st.integers(1, 20))]
            case "double":
                bent[at:at] = bent[at : at + 20]
    check(format, bytes(bent))


@pytest.mark.parametrize("format", ["phitrail", "fhir-auditevent"])
@settings(deadline=None)
@given(data=st.data())
def test_any_value_in_place_of_any_field(format: str, data: st.DataObject) -> None:  # noqa: A002
    folder = [path for path in inputs() if path.parent.name == format and path.stem in ("accepted", "r4")]
    document = json.loads(folder[0].read_bytes().splitlines()[0])
    inner, path = document, []
    while isinstance(inner, dict | list) and inner:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))))
        path.append((inner, key))
        inner = inner[key]
    holder, key = data.draw(st.sampled_from(path))
    holder[key] = data.draw(VALUES)
    check(format, json.dumps(document).encode())
