"""What is read back from the spool is what was put in, exactly."""

import json
import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.entry import draft
from domain.event import AuditEvent
from domain.record import Parsed
from ingest.spool.contents import UNREADABLE, Kind, decode, encode
from store.quarantine import Fragment
from tests.support.cast import chart_view
from tests.support.parsed import parsed


@given(parsed)
def test_every_record_comes_back_as_it_was(item: Parsed) -> None:
    again = decode(*encode(item))

    assert again == item
    assert type(again) is type(item)
    assert again.raw == item.raw


def test_the_entry_that_the_ledger_writes_is_the_same() -> None:
    event = chart_view(7)

    again = decode(*encode(event))

    assert isinstance(again, AuditEvent)
    assert draft(again) == draft(event)


def test_numbers_outside_the_profile_of_the_ledger_come_back_too() -> None:
    details: dict[str, Any] = {"big": 2**70, "small": -(2**64), "float": 0.1, "deep": [[{"x": [None, True]}]]}
    event = chart_view(1)
    odd = AuditEvent(
        source_system="ehr", event_id="e", time=event.time, source=event.source, action="a", actor=event.actor, details=details
    )

    assert decode(*encode(odd)) == odd


@given(st.integers(0, 255), st.binary(max_size=80))
def test_what_cannot_be_read_is_kept_and_never_raises(kind: int, content: bytes) -> None:
    assert decode(kind, content) == Fragment(source_system="spool", format="spool", reason=UNREADABLE, raw=content)


def test_a_record_of_another_version_is_kept_byte_for_byte() -> None:
    kind, content = encode(chart_view(1))
    (length,) = struct.unpack_from(">I", content)
    fields = json.loads(content[4 : 4 + length])
    fields["source"] = "a stream of the future"
    text = json.dumps(fields).encode()
    future = struct.pack(">I", len(text)) + text

    item = decode(kind, future)

    assert item == Fragment(source_system="spool", format="spool", reason=UNREADABLE, raw=future)
    assert decode(200, content).raw == content
    assert [kind.value for kind in Kind] == [1, 2, 3], "the numbers are on disk: they never change"
