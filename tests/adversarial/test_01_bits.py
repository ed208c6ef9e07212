"""Attack: one bit is flipped, in every kind of byte that there is. It must be named where it is, or change nothing that is said.

Kinds of bytes: body, leaf, private part and every column of an entry; the register with its secrets (which are the salts); the
spine and the signed notes; what is kept of redacted entries; proofs; cosignatures; time-stamp tokens; and every file of an
export, salts among them.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from domain.cosignature import cosignatures
from domain.errors import IntegrityError
from domain.keyring import KeyRing
from domain.proof import EventProof, verify_event_proof
from domain.tlog_proof import TlogProof, tlog_proof, verify_entry
from retention.timestamps import verify_token
from store.fsck_notes import open_note as open_fsck_note
from store.proofs import Proofs
from tests.adversarial.attacks import (
    MARCH,
    SPINE,
    Laid,
    Scene,
    first,
    flip,
    flipped,
    is_intact,
    numbered,
    pack,
    place,
    unpack,
)
from tests.dashboards.exports_checkers import Given, ask
from tests.dashboards.exports_forge import three_logs
from tests.retention.test_timestamps import CHECKPOINT, ENDED_ROOT, ENDED_TOKEN
from tests.support.node import SIGNER
from tests.support.witness import POST_QUANTUM, WITNESS, GrowingLog

RING = KeyRing.of(SIGNER.verifier)

COLUMNS = [
    "header", "private", "private_digest", "event_id", "source_system", "source", "action", "actor_id", "actor_kind", "patient_id",
    "outcome", "time", "received", "device_id", "device_kind", "ip", "format",
]  # fmt: skip


def test_the_store_as_it_was_laid_is_intact(scene: Scene) -> None:
    assert is_intact(scene.verify(*scene.notes.values()))


def test_a_bit_of_every_column(scene: Scene) -> None:
    """Each column is changed in an entry of its own: these are named, and no other but the one received before the one in front."""
    assert {*COLUMNS, "epoch", "writer", "seq", "leaf"} == set(scene.table("events").columns)
    changed = {column: 10 + 12 * number for number, column in enumerate(COLUMNS)}
    for column, row in changed.items():
        flip(scene, "events", column, row)

    said = scene.verify()

    assert first(said) == (MARCH, 10)
    assert numbered(said) - {(MARCH, changed["received"] + 1)} == {(MARCH, row) for row in changed.values()}


# What says where an entry stands. The number 16 for entry 17 stands twice; a leaf is wrong for its own entry first.
@pytest.mark.parametrize(("column", "seq"), [("epoch", 17), ("writer", 17), ("seq", 16), ("leaf", 17)])
def test_a_bit_of_a_place(scene: Scene, column: str, seq: int) -> None:
    flip(scene, "events", column, row=17)

    assert first(scene.verify()) == (MARCH, seq)


def test_a_bit_anywhere_in_a_body(scene: Scene) -> None:
    """At the beginning, in the middle and at the end; the last of them in the newest entry."""
    places = {
        20: ("header", 0),
        60: ("header", 210),
        100: ("header", -1),
        140: ("private", 0),
        180: ("private", 90),
        339: ("private", -1),
    }
    for row, (column, position) in places.items():
        flip(scene, "events", column, row, position)

    said = scene.verify()

    assert first(said) == (MARCH, 20)
    assert numbered(said) == {(MARCH, row) for row in places}


# The register decides what follows what, and what the salts are: every entry of the month is wrong then, from its first on.
@pytest.mark.parametrize("column", ["first_seq", "previous", "secret"])
def test_a_bit_of_the_register(scene: Scene, column: str) -> None:
    flip(scene, "logs", column, row=0)

    assert first(scene.verify()) == (MARCH, 0)


@pytest.mark.parametrize("column", ["writer", "epoch", "origin"])
def test_a_bit_of_a_logs_name(scene: Scene, column: str) -> None:
    """The log that the spine commits to is not there any more under its name."""
    flip(scene, "logs", column, row=0)

    assert MARCH in {problem.log for problem in scene.verify().problems}


@pytest.mark.parametrize("columns", [("time", "kind", "heads"), ("heads", "body", "time"), ("leaf",), ("body",)], ids=" ".join)
def test_a_bit_of_the_spine(scene: Scene, columns: tuple[str, ...]) -> None:
    """Old entries as well as the newest: what they said is evidence for ever. Each change is in an entry of its own."""
    rows = [0, 2, 4][: len(columns)]
    for column, row in zip(columns, rows, strict=True):
        flip(scene, "spine", column, row)

    said = scene.verify()

    assert first(said) == (SPINE, 0)
    assert {(SPINE, row) for row in rows} <= {place(problem) for problem in said.problems}


def test_a_bit_of_the_newest_head(scene: Scene) -> None:
    """The vector beside the newest `heads` entry, in the root of the open log."""
    heads = scene.table("spine")["heads"][4]
    flip(scene, "spine", "heads", 4, len(heads) - 2)

    assert first(scene.verify()) == (SPINE, 4)


def test_a_bit_of_a_checkpoint(scene: Scene) -> None:
    """In whichever of its bytes: for two readers it is no checkpoint of this ledger."""
    note, trusted = scene.notes[5], scene.trusted()
    for position in range(len(note.encode()) - 3):  # the last bytes are padding of base64, and the line's end
        if note.encode()[position] < 128:
            changed = flipped(note, position)
            assert isinstance(open_fsck_note(changed, trusted), str), position
            with pytest.raises(IntegrityError):
                RING.open(changed)


@pytest.mark.parametrize("row", [0, 4], ids=["the oldest", "the newest"])
def test_a_bit_of_a_published_checkpoint(scene: Scene, row: int) -> None:
    """In the store, in its root."""
    flip(scene, "checkpoints", "note", row, len(f"{SPINE}\n5\n") + 10)

    said = scene.verify()

    assert first(said)[0] == SPINE
    assert "checkpoint" in said.problems[0].what


@pytest.fixture(scope="module")
def proof(laid: Laid, tmp_path_factory: pytest.TempPathFactory) -> EventProof:
    """The proof of entry 17."""
    scene = laid.fresh(tmp_path_factory.mktemp("proof") / "node")
    return Proofs(scene.engine, SPINE).event("main", 17)


def test_the_proof_holds(proof: EventProof) -> None:
    assert verify_event_proof(proof, RING).origin == SPINE
    assert verify_entry(tlog_proof(proof), proof.body, proof.previous, RING).origin == SPINE


FIELDS = [
    "body", "previous", "index", "head", "path", "heads_path", "heads_index", "heads_count", "spine_body", "spine_previous",
    "spine_index", "spine_path", "checkpoint",
]  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_a_bit_of_a_proof(proof: EventProof, name: str) -> None:
    """Every eleventh character of every field, and the number in it; entry 17 is named, or the note that does not open."""
    said = json.loads(json.dumps(proof.to_json()))
    for changed in _changed(said[name]):
        with pytest.raises(IntegrityError) as refused:
            verify_event_proof(EventProof.from_json(json.dumps({**said, name: changed}).encode()), RING)
        assert "entry 17" in str(refused.value) or name in {"head", "checkpoint"} or "no event proof" in str(refused.value), (
            refused.value
        )


def _changed(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [[*value[:n], one, *value[n + 1 :]] for n in range(len(value)) for one in _changed(value[n])] or [["00" * 32]]
    return [flipped(value)] if isinstance(value, int) else [flipped(value, n) for n in range(0, len(value), 11)]


def test_a_bit_of_a_tlog_proof(proof: EventProof) -> None:
    text = tlog_proof(proof).text
    for position in range(0, len(text), 5):
        with pytest.raises(IntegrityError):
            verify_entry(TlogProof.parse(flipped(text, position)), proof.body, proof.previous, RING)


def test_a_bit_of_a_cosignature() -> None:
    text = GrowingLog().head(9).checkpoint
    for key, step in ((WITNESS, 1), (POST_QUANTUM, 97)):
        line = key.cosign(text, 1_772_000_000)
        before = f"{text}\n— {key.name} "
        for position in range(len(f"— {key.name} "), len(line) - 3, step):
            changed = line[:position] + ("A" if line[position] != "A" else "B") + line[position + 1 :]
            note = before.partition("—")[0] + changed
            try:
                found = cosignatures(note, [key.cosigner])
            except IntegrityError:
                continue
            assert found == [], position  # the bytes of the key's id: the line is a stranger's now


def test_a_bit_of_a_time_stamp_token() -> None:
    """A token has bytes that nobody signs; where one of them changes, it proves the same time of the same text."""
    roots = [x509.load_der_x509_certificate(base64.b64decode(ENDED_ROOT))]
    token = base64.b64decode(ENDED_TOKEN)
    moment = verify_token(token, CHECKPOINT, roots)
    survived = 0
    for position in range(0, len(token), 4):
        try:
            assert verify_token(flipped(token, position), CHECKPOINT, roots) == moment
            survived += 1
        except IntegrityError as refused:
            assert "the time-stamp does not hold" in str(refused)  # noqa: PT017 - some flips are refused, some change nothing
    assert survived < len(token) // 4 // 10
    with pytest.raises(IntegrityError, match="over something else"):
        verify_token(token, CHECKPOINT.replace("\n7\n", "\n8\n"), roots)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of patient P-1, checked with the ledger's key."""
    forge = three_logs()
    return forge.draft({"patient_id": "P-1"}).give(tmp_path_factory.mktemp("export") / "x.zip")


TRUST = Given(trust=SIGNER.verifier.text + "\n")


def test_a_bit_of_any_file_of_an_export(whole: Path, tmp_path: Path) -> None:
    """The file is named, by both checkers alike."""
    files = unpack(whole)
    assert ask(whole, TRUST).failed == set()
    for name, content in files.items():
        for position in {0, len(content) // 2, max(len(content) - 1, 0)}:
            changed = flipped(content, position)
            said = ask(pack({**files, name: changed}, tmp_path / "x.zip"), TRUST)
            assert said.exit_code in {1, 2}, (name, position)
            assert said.problem or any(name in why for claim in said.failed for why in said.claims[claim].why), (name, position)


@pytest.mark.parametrize(("field", "claim"), [("body", "events"), ("leaf", "events"), ("private", "private"), ("salt", "private")])
def test_a_bit_of_an_event_that_the_manifest_was_made_for(tmp_path: Path, field: str, claim: str) -> None:
    """Whoever holds the ledger's key lets it record a manifest over changed lines: file and line are named all the same."""
    draft = three_logs().draft({"patient_id": "P-1"})
    line = draft.events[4]
    line[field] = (
        flipped(line[field], 40 if field == "body" else 1 if field == "private" else 0)
        if field not in {"leaf", "salt"}
        else _hex(line[field])
    )

    said = ask(draft.give(tmp_path / "x.zip"), TRUST)

    assert claim in said.failed
    assert said.says(claim, "events.jsonl line 5: ")


def _hex(text: object) -> str:
    """Hexadecimal digits with the lowest bit of the first changed."""
    return f"{int(str(text)[0], 16) ^ 1:x}{str(text)[1:]}"
