"""Attack: keys out of their time: an old key signs new history, a new key old history, nobody known signs, junk hides who signs.

A key counts for the sizes that the key list gives it, and for no other; at a rotation both sign. Unknown keys are ignored, so
they neither help nor harm; a known key whose signature fails spoils the note, whoever else signed.
"""

import base64
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from domain.checkpoint import Head
from domain.errors import IntegrityError
from domain.json import canonical
from domain.keyring import KeyRing, RangedKey, successor_of
from domain.note import Signature, Signer, open_note
from store.anchor import Anchor
from store.fsck_notes import open_note as open_fsck_note
from store.keeper import Keeper
from store.spine import Spine
from tests.adversarial.attacks import SPINE, Scene, first, is_intact, place, spine_row
from tests.dashboards.exports_checkers import Answer, Given, ask
from tests.dashboards.exports_forge import Draft, three_logs
from tests.support.clock import TickingClock
from tests.support.node import SIGNER

SUCCESSOR = Signer(SPINE, bytes(range(32, 64)))
STRANGER = Signer(SPINE, b"s" * 32)
RING = KeyRing.of(SIGNER.verifier).rotated(5, SUCCESSOR.verifier)
"""The old key for sizes to 6, the new one from 6 on."""

JUNK = "".join(f"— junk{n} {base64.b64encode(bytes([n]) * 68).decode()}\n" for n in range(16))


def note(size: int, *signers: Signer) -> str:
    """A checkpoint of a size."""
    text = Head(SPINE, size, bytes(32)).checkpoint
    lines = [signer.sign(text).removeprefix(f"{text}\n") for signer in signers]
    return f"{text}\n" + "".join(lines)


@pytest.mark.parametrize(
    ("size", "signers"),
    [
        (1, [SIGNER]),
        (5, [SIGNER]),
        (5, [STRANGER, SIGNER]),
        (6, [SIGNER, SUCCESSOR]),
        (6, [SUCCESSOR, SIGNER]),
        (7, [SUCCESSOR]),
        (7, [SIGNER, SUCCESSOR]),
    ],
)
def test_the_key_of_a_size_signs_it(size: int, signers: Sequence[Signer]) -> None:
    assert RING.open(note(size, *signers)).size == size


@pytest.mark.parametrize(
    ("size", "signers", "says"),
    [
        pytest.param(7, [SIGNER], "size 7 is not signed by the key", id="the old key signs a new size"),
        pytest.param(5, [SUCCESSOR], "size 5 is not signed by the key", id="the new key signs an old size"),
        pytest.param(6, [SIGNER], "size 6 is not signed by the key", id="the rotation without the new key"),
        pytest.param(6, [SUCCESSOR], "size 6 is not signed by the key", id="the rotation without the old key"),
        pytest.param(7, [STRANGER], "no known key", id="an unknown key only"),
        pytest.param(7, [SIGNER, STRANGER], "size 7 is not signed by the key", id="an old and an unknown key"),
    ],
)
def test_a_key_out_of_its_time_does_not_count(size: int, signers: Sequence[Signer], says: str) -> None:
    with pytest.raises(IntegrityError, match=says):
        RING.open(note(size, *signers))


def test_junk_signatures_neither_help_nor_harm() -> None:
    assert RING.open(note(5, SIGNER) + JUNK).size == 5
    with pytest.raises(IntegrityError, match="no known key"):
        RING.open(note(5, STRANGER) + JUNK)
    with pytest.raises(IntegrityError, match="too many signatures"):
        RING.open(note(5, SIGNER) + JUNK * 4)


def test_a_known_key_that_fails_spoils_the_note() -> None:
    """Also under its own name and id, beside a good one."""
    bad = Signature(SPINE, SIGNER.verifier.key_id, bytes(64)).line

    with pytest.raises(IntegrityError, match="does not fit the note"):
        RING.open(note(5, SIGNER) + bad)
    with pytest.raises(IntegrityError, match="does not fit the note"):
        RING.open(note(7, SUCCESSOR) + bad)
    assert open_note(note(7, SUCCESSOR) + bad, [SUCCESSOR.verifier]).signers == (SPINE,), "who does not know the key ignores it"


@pytest.mark.parametrize(
    "keys",
    [
        [RangedKey(SIGNER.verifier, 0, 6), RangedKey(SUCCESSOR.verifier, 7)],
        [RangedKey(SIGNER.verifier, 0, 6), RangedKey(SUCCESSOR.verifier, 5)],
        [RangedKey(SIGNER.verifier), RangedKey(SUCCESSOR.verifier, 6)],
        [RangedKey(SIGNER.verifier, 0, 0), RangedKey(SUCCESSOR.verifier, 0)],
        [RangedKey(SIGNER.verifier, 0, 6), RangedKey(Signer("x", bytes(32)).verifier, 6)],
    ],
    ids=["a gap", "an overlap", "two for ever", "of no size", "of another log"],
)
def test_a_key_list_that_does_not_join(keys: Sequence[RangedKey]) -> None:
    with pytest.raises(IntegrityError):
        KeyRing(tuple(keys))


@pytest.fixture
def rotated(scene: Scene) -> Scene:
    """The key was changed by entry 5 of the spine; the newest checkpoint is of size 8."""
    with closing(Anchor(scene.directory / "state", scene.directory / "copies")) as anchor:
        spine = Spine(scene.engine, anchor, SIGNER, TickingClock())
        assert spine.rotate(SUCCESSOR).seq == 5
        keeper = Keeper(scene.engine, spine, TickingClock())
        keeper.checkpoint()
        keeper.checkpoint()
    notes = {
        int(str(size)): str(text) for size, text in scene.engine.rows("SELECT size, note FROM checkpoints FINAL ORDER BY size")
    }
    return Scene(scene.engine, scene.directory, notes, RING)


def resigned(scene: Scene, size: int, *signers: Signer) -> str:
    """The true checkpoint of a size, signed by others."""
    text = scene.notes[size].partition("\n\n")[0] + "\n"
    return f"{text}\n" + "".join(signer.sign(text).removeprefix(f"{text}\n") for signer in signers)


def test_a_rotated_record_is_intact(rotated: Scene) -> None:
    assert is_intact(rotated.verify(*rotated.notes.values()))
    assert rotated.verify().signed_size == 8


OUT_OF_TIME = {
    "the old key signs a new size": (8, SIGNER),
    "the new key signs an old size": (5, SUCCESSOR),
    "the rotation by the new key alone": (6, SUCCESSOR),
    "the rotation by the old key alone": (6, SIGNER),
    "an unknown key": (7, STRANGER),
}


def test_checkpoints_that_keys_out_of_their_time_signed(rotated: Scene) -> None:
    """As somebody brings them: root and size are true, and none is taken for one of this ledger's."""
    trusted = rotated.trusted()
    bad = {name: resigned(rotated, size, signer) for name, (size, signer) in OUT_OF_TIME.items()}

    assert [name for name, note in bad.items() if not isinstance(open_fsck_note(note, trusted), str)] == []
    said = rotated.verify(*bad.values())
    assert {place(problem)[0] for problem in said.problems} == {SPINE}
    assert said.signed_size == 8


def test_the_newest_checkpoint_was_signed_by_a_key_out_of_its_time(rotated: Scene) -> None:
    """In the store, in place of the true one."""
    size, signer = 8, SIGNER
    frame = rotated.table("checkpoints")
    notes = dict(frame.select("size", "note").iter_rows()) | {size: resigned(rotated, size, signer)}
    rotated.write("checkpoints", frame.with_columns(note=pl.Series(list(notes.values()))))

    assert first(rotated.verify())[0] == SPINE


def test_a_key_that_the_spine_did_not_announce(rotated: Scene) -> None:
    """Somebody at the database adds an entry that names their own key: nobody signed it, and it makes their key none of the
    ledger's.
    """
    row = spine_row(rotated, 8, "key-rotate", {"key": STRANGER.verifier.text, "previous": SUCCESSOR.verifier.text})
    rotated.write("spine", pl.concat([rotated.table("spine"), row]))
    head = Head(SPINE, 9, bytes(32))

    assert first(rotated.verify(STRANGER.sign(head.checkpoint)))[0] == SPINE


@pytest.mark.parametrize(
    "change",
    [{"kind": "heads"}, {"previous": STRANGER.verifier.text}, {"key": Signer("x", bytes(32)).verifier.text}, {"key": "x"}],
    ids=["another kind", "after another key", "of another log", "no key"],
)
def test_an_entry_that_rotates_nothing(change: dict[str, str]) -> None:
    fields = {"key": SUCCESSOR.verifier.text, "previous": SIGNER.verifier.text}
    kind = change.pop("kind", "key-rotate")
    body = canonical({"kind": kind, "fields": fields | change})

    with pytest.raises(IntegrityError):
        successor_of(body, SIGNER.verifier)


class Exported:
    """An export after a rotation at size 5."""

    def __init__(self, path: Path) -> None:
        self.path = path / "x.zip"
        forge = three_logs()
        self.place = forge.rotate()
        forge.commit_heads()
        self.draft: Draft = forge.draft({"patient_id": "P-2"})
        self.draft.history = [self.draft.rotation_line(self.place)]

    def answer(self, since: str | None = None) -> Answer:
        return ask(self.draft.give(self.path), Given(trust=SIGNER.verifier.text, since=since))


def test_an_export_whose_checkpoint_a_stolen_old_key_signed(tmp_path: Path) -> None:
    export = Exported(tmp_path)
    assert export.answer().failed == set()
    export.draft.extra["checkpoint"] = export.draft.forge.note(export.draft.size, SIGNER).encode()

    said = export.answer()

    assert said.failed == {"signature"}
    assert said.says(
        "signature", f"checkpoint: the checkpoint of size {export.draft.size} is not signed by the key that signs for this size"
    )


def test_an_export_against_an_old_checkpoint_that_a_new_key_signed(tmp_path: Path) -> None:
    export = Exported(tmp_path)

    said = export.answer(since=export.draft.forge.note(4, SUCCESSOR))

    assert said.failed == {"since"}
    assert said.says("since", "the checkpoint of size 4 is not signed by the key that signs for this size")


@pytest.mark.parametrize("signers", [[SIGNER], [SUCCESSOR], [STRANGER, SUCCESSOR]], ids=["old", "new", "stranger and new"])
def test_an_export_whose_rotation_one_key_signed(tmp_path: Path, signers: list[Signer]) -> None:
    export = Exported(tmp_path)
    export.draft.history = [export.draft.rotation_line(export.place, export.draft.forge.note(5, *signers))]

    said = export.answer()

    assert "signature" in said.failed
    assert said.says("signature", "history.jsonl line 1: the checkpoint of the rotation is not signed by both keys")
