"""Ledger entries: fixed bytes, and any single change is found."""

import hashlib
import hmac
import json
from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.clock import rfc3339
from domain.entry import (
    body_bytes,
    chain,
    draft,
    genesis,
    header_fields,
    place,
    private_digest,
    private_fields,
    salt,
    same_content,
)
from domain.event import Actor, ActorKind, AuditEvent, Device, Geo
from domain.json import MAX_INTEGER, canonical, normalise
from tests.support.cast import MORNING, PATIENT, chart_view

SECRET = bytes(range(32))
START = genesis("log.example/main/2026-03", b"")


def content(event: AuditEvent) -> bytes:
    return draft(event).content


def bodies(events: list[AuditEvent]) -> list[bytes]:
    made = []
    for seq, event in enumerate(events):
        header = canonical(header_fields(event, writer="main", seq=seq, received=MORNING))
        digest = private_digest(canonical(private_fields(event)), salt(SECRET, "main", seq))
        made.append(body_bytes(header, digest))
    return made


def leaves(entries: list[bytes], start: bytes = START) -> list[bytes]:
    chained = []
    for body in entries:
        start = chain(start, body)
        chained.append(start)
    return chained


BODIES = bodies([chart_view(n) for n in range(40)])
LEAVES = leaves(BODIES)


def test_the_first_entry_is_these_bytes() -> None:
    """The vector of docs/log-format.md: a re-implementer gets the same."""
    entry = place(draft(chart_view(0)), writer="main", seq=0, received=rfc3339(MORNING), secret=SECRET, previous=START)

    assert entry.header.decode() == (
        '{"action":"view_chart","actor":{"id":"alice","kind":"staff"},"device":{"id":"ws-7","kind":"workstation"},'
        '"event_id":"view-0","format":"phitrail","outcome":"success","private_digest":"","received":"2026-03-02T08:00:00.000000Z",'
        '"seq":0,"source":"access","source_system":"ehr","time":"2026-03-02T08:00:00.000000Z","v":1,"writer":"main"}'
    )
    assert entry.private.decode() == (
        '{"details":{"duration_s":12,"module":"chart","note":"Größe “x”"},"ip":"192.0.2.7","patient_id":"P-1",'
        '"raw":"{\\"event_id\\":\\"view-0\\"}"}'
    )
    salted = hmac.digest(SECRET, b"main\n0", "sha256")[:16] + entry.private
    body = entry.header.replace(b'"private_digest":""', b'"private_digest":"%s"' % hashlib.sha256(salted).hexdigest().encode())
    assert entry.leaf == hashlib.sha256(b"\x00" + START + body).digest()
    assert hashlib.sha256(b"log.example/main/2026-03").digest() == START


def test_a_patient_is_named_only_in_the_private_part() -> None:
    event = replace(chart_view(1), actor=PATIENT)

    header = canonical(header_fields(event, writer="main", seq=0, received=MORNING))

    assert b"portal-1" not in header
    assert b"P-1" not in header
    assert orjson.loads(canonical(private_fields(event)))["actor_id"] == "portal-1"


def test_raw_bytes_survive_whatever_they_are() -> None:
    text = private_fields(replace(chart_view(1), raw="é\x00".encode()))
    binary = private_fields(replace(chart_view(1), raw=b"\xff\xfe"))

    assert text["raw"] == "é\x00"
    assert binary["raw_base64"] == "//4="


def test_a_digest_cannot_be_smuggled_in_by_a_value() -> None:
    event = replace(chart_view(1), event_id='x","private_digest":""', action='"private_digest":""')
    header = canonical(header_fields(event, writer="main", seq=0, received=MORNING))

    body = orjson.loads(body_bytes(header, bytes(32)))

    assert body["private_digest"] == "00" * 32
    assert body["event_id"] == event.event_id
    assert body["action"] == event.action


@settings(max_examples=200)
@given(st.integers(0, len(BODIES) - 1), st.data())
def test_any_single_change_is_found_at_its_place(index: int, data: st.DataObject) -> None:
    body = bytearray(BODIES[index])
    bit = data.draw(st.integers(0, len(body) * 8 - 1))
    body[bit // 8] ^= 1 << bit % 8

    changed = leaves([*BODIES[:index], bytes(body), *BODIES[index + 1 :]])

    assert changed[:index] == LEAVES[:index]
    assert all(a != b for a, b in zip(changed[index:], LEAVES[index:], strict=True))


@given(st.integers(0, 39), st.integers(0, 39))
def test_a_swap_a_drop_and_an_insertion_change_every_leaf_from_there_on(one: int, other: int) -> None:
    low, high = sorted((one, other))
    swapped = list(BODIES)
    swapped[low], swapped[high] = swapped[high], swapped[low]
    dropped = leaves(BODIES[:low] + BODIES[low + 1 :])
    inserted = leaves([*BODIES[:low], BODIES[high], *BODIES[low:]])

    if low != high:
        assert leaves(swapped)[low:] != LEAVES[low:]
        assert leaves(swapped)[-1] != LEAVES[-1]
    assert (dropped or [START])[-1] != LEAVES[-1]
    assert inserted[-1] != LEAVES[-1]


def test_a_repeat_is_told_from_a_reused_id() -> None:
    event = chart_view(1)
    reformatted = replace(event, raw=b'{ "event_id" : "view-1" }')
    less_context = replace(event, details={})
    reused = replace(event, patient_id="P-2", raw=b"other")

    digest = content(event)

    assert same_content(digest, content(reformatted), has_raw=True)
    assert same_content(digest, content(less_context), has_raw=True)
    assert not same_content(digest, content(reused), has_raw=True)
    assert not same_content(content(replace(event, raw=b"")), content(replace(reused, raw=b"")), has_raw=False)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=5))
def test_normalising_brings_any_json_into_the_profile(value: dict[str, object]) -> None:
    normal = normalise(value)
    assert isinstance(normal, dict)

    encoded = canonical(normal)

    # Another encoder gives the same bytes, and normalising again changes nothing.
    assert encoded == json.dumps(normal, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert normalise(json.loads(encoded)) == normal


def test_numbers_outside_the_profile_become_text() -> None:
    assert normalise([1.0, 1.5, 2**60, float("1e300"), -(2**53 - 1)]) == [1, "1.5", str(2**60), "1e+300", -MAX_INTEGER]


def test_bottomless_nesting_is_refused() -> None:
    value: object = 1
    for _ in range(40):
        value = [value]

    with pytest.raises(ValueError, match="32 levels"):
        normalise(value)


TEXT = st.text(max_size=20)
KINDS = st.sampled_from(ActorKind)


@settings(max_examples=300)
@given(
    TEXT, TEXT, KINDS, st.none() | TEXT, st.none() | TEXT, st.none() | TEXT,
    st.binary(max_size=20), st.dictionaries(TEXT, TEXT), st.booleans(), st.integers(0, 2**50),
)  # fmt: skip
def test_the_parts_of_a_draft_join_to_the_canonical_bytes(
    event_id: str, action: str, kind: ActorKind, patient: str | None, outcome: str | None, device: str | None,
    raw: bytes, details: dict[str, str], has_geo: bool, seq: int,
) -> None:  # fmt: skip
    event = replace(
        chart_view(0),
        event_id=f"e{event_id}",
        action=f"a{action}",
        actor=Actor(id=f"i{event_id}", kind=kind),
        patient_id=patient,
        outcome=outcome,
        device=None if device is None else Device(id=device),
        raw=raw,
        details=normalise(details),
        geo=Geo(city=action, lat="1.5") if has_geo else None,
    )

    entry = place(draft(event), writer="main", seq=seq, received=rfc3339(MORNING), secret=SECRET, previous=START)

    assert entry.header == canonical(header_fields(event, writer="main", seq=seq, received=MORNING))
    assert entry.private == canonical(private_fields(event))
    body = body_bytes(entry.header, private_digest(entry.private, salt(SECRET, "main", seq)))
    assert entry.leaf == chain(START, body)
