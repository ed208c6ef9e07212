"""Attack: on what bytes mean: a tree's node offered as a leaf, an entry too long for a tile, JSON that two readers read
differently.

Leaves and nodes are hashed apart; an entry has one sequence of bytes, inside a profile in which all encoders agree; at the door
anything else is brought into it, or refused; a reader of proofs and exports takes the one spelling only.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from domain.checkpoint import Head
from domain.entry import chain
from domain.errors import IntegrityError, InvalidInput
from domain.json import MAX_DEPTH, canonical, normalise
from domain.keyring import KeyRing
from domain.merkle import Leaves, inclusion_proof, leaf_hash, node_hash, root, verify_inclusion
from domain.proof import EventProof, verify_event_proof
from domain.record import Rejected
from domain.tiles import bundle
from ingest.parsers.phitrail import PhitrailParser
from store.engine import Engine
from store.proofs import Proofs
from store.spine import MAX_ENTRY
from tests.adversarial.attacks import MARCH, SPINE, Scene, first, is_intact, numbered, some_events
from tests.dashboards.exports_checkers import Given, ask
from tests.dashboards.exports_forge import encoded, three_logs
from tests.support.clock import TickingClock
from tests.support.node import SIGNER, node

RING = KeyRing.of(SIGNER.verifier)


# ---- A node is no leaf ----


def test_a_node_is_no_leaf() -> None:
    """Second preimage: two hashes side by side, given as an entry, would stand where their parent stands."""
    leaves = [leaf_hash(bytes([n])) for n in range(4)]
    whole, inner = root(leaves), leaves[0] + leaves[1]
    path = inclusion_proof(Leaves(leaves), 0, 4)[1:]

    assert node_hash(leaves[0], leaves[1]) != leaf_hash(inner)
    assert verify_inclusion(node_hash(leaves[0], leaves[1]), 0, 2, path, whole), "the hash of a node fits a tree of half the size"
    assert not verify_inclusion(leaf_hash(inner), 0, 2, path, whole), "and no entry has that hash"


def test_a_node_offered_as_an_event(scene: Scene) -> None:
    """The two halves of a node as `previous` and `body`: the entry is named, whatever size and index are said."""
    proof = Proofs(scene.engine, SPINE).event("main", 0)
    leaves = scene.table("events")["leaf"]
    for size, index in ((proof.head.size, 0), (proof.head.size // 2, 0), (1, 0)):
        lie = replace(
            proof,
            previous=leaves[0],
            body=leaves[1],
            index=index,
            head=Head(proof.head.origin, size, proof.head.root),
            path=proof.path[1:],
        )
        with pytest.raises(IntegrityError, match="entry 0: "):
            verify_event_proof(lie, RING)


# ---- Lengths ----


def test_an_entry_of_64_kib(scene: Scene) -> None:
    """It has no place in a tile bundle: the spine refuses it and writes nothing; 65,535 bytes go in."""
    with scene.start() as live:
        size = live.spine.size
        with pytest.raises(InvalidInput, match="too long for the spine"):
            live.keeper.commit("export", {"export_id": "x" * 70_000})
        assert live.spine.size == size
    assert is_intact(scene.verify())
    assert len(bundle([bytes(MAX_ENTRY)])) == 2 + MAX_ENTRY
    with pytest.raises(ValueError, match="64 KiB"):
        bundle([bytes(MAX_ENTRY + 1)])


# ---- At the door ----

STRANGE = [
    "\0",
    "a\0b",
    '"private_digest":""',
    '\\"',
    "\u2028",
    "\u0085",
    "e\u0301",
    "\U0001f480",
    "{}",
    "'; DROP TABLE events --",
    "\x7f\x01",
]


def test_strange_text_in_every_field_is_recorded_as_it_is(engine: Engine, tmp_path: Path) -> None:
    """NUL, quotes, escapes, what looks like a digest to fill in: the checker reads back what was written, and the proofs hold."""
    (plain,) = some_events([0])
    events = [
        replace(
            plain, event_id=f"{n}{text}", source_system=f"s{text}", action=f"a{text}", actor=replace(plain.actor, id=f"i{text}"),
            patient_id=f"p{text}", outcome=f"o{text}", ip=f"x{text}", details={f"k{n}": text}, raw=text.encode(), format=f"f{text}",
        )
        for n, text in enumerate(STRANGE)
    ]  # fmt: skip
    with node(engine, tmp_path, TickingClock()) as live:
        live.ledger.append(events)
        live.keeper.checkpoint()

        assert is_intact(live.verify()), live.verify().problems
        proofs = Proofs(engine, SPINE)
        for seq, event in enumerate(events):
            assert json.loads(proofs.event("main", seq).body)["event_id"] == event.event_id
            assert verify_event_proof(proofs.event("main", seq), RING).origin == SPINE


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        pytest.param(1.5, "1.5", id="a fraction"),
        pytest.param(1.0, 1, id="a whole float"),
        pytest.param(-0.0, 0, id="minus zero"),
        pytest.param(1e16, "1e+16", id="a large float"),
        pytest.param(float("nan"), "nan", id="no number"),
        pytest.param(2**53 - 1, 2**53 - 1, id="the largest integer"),
        pytest.param(2**53, "9007199254740992", id="2^53"),
        pytest.param(-(2**53), "-9007199254740992", id="-2^53"),
        pytest.param("\ud800", "\ufffd\ufffd\ufffd", id="a lone surrogate"),
        pytest.param({"ä": 1}, {"%C3%A4": 1}, id="a key that is not ASCII"),
    ],
)
def test_what_encoders_differ_in_is_brought_into_the_profile(given: object, becomes: object) -> None:
    assert normalise(given) == becomes
    assert canonical({"x": normalise(given)}) == json.dumps({"x": becomes}, ensure_ascii=False, separators=(",", ":")).encode()


def test_nesting_is_bounded() -> None:
    value: object = 1
    for _ in range(MAX_DEPTH + 1):
        value = [value]

    with pytest.raises(ValueError, match="levels deep"):
        normalise(value)


LINE = (
    '{"event_id":"E","time":"2026-03-02T08:00:00Z","source":"access","action":"view_chart","actor":{"id":"alice","kind":"staff"},'
    "%s}"
)


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param('"details":{"a":1},"details":{"a":2}', id="a name twice"),
        pytest.param('"details":{"a":1,"a":2}', id="a name twice, deeper"),
        pytest.param('"details":{"a":NaN}', id="NaN"),
        pytest.param('"details":{"a":01}', id="a leading zero"),
        pytest.param('"details":{"a":"\\ud800"}', id="a lone surrogate"),
        pytest.param('"details":{"a":"' + "\0" + '"}', id="a raw NUL"),
        pytest.param('"details":' + "[" * 40 + "]" * 40, id="too deep"),
    ],
)
def test_what_can_be_read_in_two_ways_is_never_recorded_as_one_of_them_unseen(rest: str) -> None:
    """It is quarantined with its bytes; or recorded with the bytes as received beside what was understood."""
    record = (LINE % rest).encode()
    for result in PhitrailParser("ehr").parse(record):
        if isinstance(result, Rejected):
            assert result.raw == record
        else:
            assert result.raw == record
            assert (
                canonical(result.details)
                == json.dumps(
                    json.loads(canonical(result.details)), ensure_ascii=False, sort_keys=True, separators=(",", ":")
                ).encode()
            )


# ---- Between columns ----


MOVED: list[dict[str, str]] = [
    {"source_system": "e", "event_id": "hrview-10"},
    {"action": 'view_chart","actor":{"id":"bob', "actor_id": ""},
    {"actor_kind": 'staff"},"device":null,"event_id":"x', "device_id": "", "device_kind": ""},
    {"ip": '192.0.2.7","patient_id":"P-1', "patient_id": ""},
    {"ip": "", "patient_id": ""},
    {"outcome": '","private_digest":"'},
    {"actor_kind": "patient"},
    {"format": 'phitrail","outcome":"success', "outcome": ""},
]


def test_text_is_moved_between_columns(scene: Scene) -> None:
    """Columns repeat the entry for queries, and are compared with it one by one: a line that reads the same does not help.

    Each in an entry of its own, and each is named.
    """
    frame = scene.table("events")
    for number, moved in enumerate(MOVED):
        is_it = pl.col("seq") == 10 + 12 * number
        frame = frame.with_columns(
            pl.when(is_it).then(pl.lit(text)).otherwise(pl.col(name)).alias(name) for name, text in moved.items()
        )
    scene.write("events", frame)

    said = scene.verify()

    assert first(said) == (MARCH, 10)
    assert numbered(said) == {(MARCH, 10 + 12 * number) for number in range(len(MOVED))}


# ---- At a reader's ----


@pytest.mark.parametrize(
    "respell",
    [
        pytest.param(lambda text: text.replace(b":", b": ", 1), id="white space"),
        pytest.param(lambda text: text.replace(b'"seq":', b'"seq":9,"seq":', 1), id="a name twice"),
        pytest.param(lambda text: text.replace(b'"seq":12', b'"seq":12.0', 1), id="a float"),
        pytest.param(lambda text: text.replace(b'"seq":12', b'"seq":9007199254740993', 1), id="beyond 2^53"),
        pytest.param(lambda text: text.replace(b"view_chart", b"view\\u005fchart", 1), id="an escape"),
        pytest.param(lambda text: text.replace(b"alice", b"\\ud800", 1), id="a lone surrogate"),
        pytest.param(lambda text: text.replace(b"alice", b"al\x00ce", 1), id="a raw NUL"),
        pytest.param(lambda text: text.replace(b"alice", b"al\xffce", 1), id="no UTF-8"),
    ],
)
def test_a_line_of_an_export_in_another_spelling(tmp_path: Path, respell: Callable[[bytes], bytes]) -> None:
    """Line 5 of the events, by somebody with the ledger's key: file and line are named, by both checkers alike."""
    draft = three_logs().draft({"patient_id": "P-0", "actor_id": "alice"}, wants=lambda entry: b'"alice"' in entry.body)
    lines = [encoded(line) for line in draft.events]
    lines[2] = respell(lines[2])
    assert lines[2] != encoded(draft.events[2])
    draft.extra["events.jsonl"] = b"".join(lines)

    said = ask(draft.give(tmp_path / "x.zip"), Given(trust=SIGNER.verifier.text))

    assert "events" in said.failed
    assert said.says("events", "events.jsonl line 3: "), said.claims["events"]


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"writer":"main"}', '{"seq":"x"}', '{"body":1}', "\ud800"])
def test_what_is_no_proof(text: str) -> None:
    with pytest.raises(IntegrityError, match="no event proof"):
        EventProof.from_json(text.encode("utf-8", "surrogatepass"))


def test_the_same_body_with_another_spelling_is_another_entry() -> None:
    """There is no normalising after hashing: what was hashed is what counts."""
    body = b'{"a":1}'

    assert chain(bytes(32), body) != chain(bytes(32), b'{"a": 1}')
