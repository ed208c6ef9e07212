"""Attack: notes and checkpoints that are almost right: line ends, empty lines, leading zeros, bad base64. Every reader refuses
every one.

The readers are four, and share no code where it matters: `domain/` (exports, witness, start), the checker of the store, and the
two checkers of exports. A form that only a holder of the key can make is signed here, so that no reader refuses it for its
signature alone.
"""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from domain.checkpoint import Head, parse_checkpoint
from domain.errors import IntegrityError
from domain.keyring import KeyRing
from domain.note import Signature, Signer, open_note, split_note
from domain.witness_protocol import AddCheckpoint
from store.fsck_notes import open_note as open_fsck_note
from tests.adversarial.attacks import SPINE, Scene, first, is_intact, place
from tests.dashboards.exports_checkers import Given, ask
from tests.dashboards.exports_forge import Forge, three_logs
from tests.support.node import SIGNER
from tests.support.witness import WITNESS

RING = KeyRing.of(SIGNER.verifier)


def signed(change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    """The lines of the text changed, and signed as they are then."""
    return lambda note: _sign("\n".join(change(split_note(note)[0].removesuffix("\n").split("\n"))) + "\n")


def _sign(text: str) -> str:
    """As `Signer.sign` does, whatever the text."""
    return f"{text}\n{Signature(SPINE, SIGNER.verifier.key_id, SIGNER._key().sign(text.encode())).line}"


FORMS: Mapping[str, Callable[[str], str]] = {
    # Anybody on the way can do these.
    "CRLF": lambda note: note.replace("\n", "\r\n"),
    "no final newline": lambda note: note.removesuffix("\n"),
    "a newline too many": lambda note: note + "\n",
    "no empty line": lambda note: note.replace("\n\n", "\n"),
    "two empty lines": lambda note: note.replace("\n\n", "\n\n\n"),
    "an empty line in the text": lambda note: note.replace("\n\n", "\n\nextension\n\n"),
    "a hyphen for the dash": lambda note: note.replace("—", "-"),
    "no signature": lambda note: split_note(note)[0],
    "no signature after the empty line": lambda note: note.partition("\n\n")[0] + "\n\n",
    "a signature without name": lambda note: note + "—  AAAAAAAA\n",
    "a name with a plus": lambda note: note + "— a+b AAAAAAAA\n",
    "a signature that is no base64": lambda note: note + "— name !!!!!!!!\n",
    "a signature of three bytes": lambda note: note + "— name AAAA\n",
    "base64 that is not ASCII": lambda note: note + "— name ÄÄÄÄÄÄÄÄ\n",
    "a control character": lambda note: note + "— x\x07 AAAAAAAA\n",
    "100 signatures": lambda note: note + "— x AAAAAAAA\n" * 100,
    "another size": lambda note: note.replace(f"\n{note.split(chr(10))[1]}\n", "\n99\n", 1),
    "leading spaces": lambda note: " " + note,
    # Only the key can do these.
    "leading zeros, signed": signed(lambda lines: [lines[0], "0" + lines[1], *lines[2:]]),
    "a plus sign, signed": signed(lambda lines: [lines[0], "+" + lines[1], *lines[2:]]),
    "a minus sign, signed": signed(lambda lines: [lines[0], "-" + lines[1], *lines[2:]]),
    "an underscore, signed": signed(lambda lines: [lines[0], lines[1] + "_0", *lines[2:]]),
    "other digits, signed": signed(
        lambda lines: [lines[0], lines[1].translate({ord(d): 0x660 + int(d) for d in "0123456789"}), *lines[2:]]
    ),
    "a size of 100 digits, signed": signed(lambda lines: [lines[0], "9" * 100, *lines[2:]]),
    "no size, signed": signed(lambda lines: [lines[0], "", *lines[2:]]),
    "a root of 31 bytes, signed": signed(lambda lines: [*lines[:2], base64.b64encode(bytes(31)).decode()]),
    "a root that is no base64, signed": signed(lambda lines: [*lines[:2], "!" + lines[2][1:]]),
    "no root, signed": signed(lambda lines: lines[:2]),
    "an empty extension line, signed": signed(lambda lines: [*lines, "", "x"]),
    "another origin, signed": signed(lambda lines: ["other.example/spine", *lines[1:]]),
    "no origin, signed": signed(lambda lines: ["", *lines[1:]]),
    "a signature of another text": lambda note: note.partition("\n\n")[0] + "\n\n" + _sign("x\n").partition("\n\n")[2],
    "a second signature that fails": lambda note: note + Signature(SPINE, SIGNER.verifier.key_id, bytes(64)).line,
    "a signature cut short": lambda note: (
        note.partition("\n\n")[0] + "\n\n" + Signature(SPINE, SIGNER.verifier.key_id, bytes(63)).line
    ),
}


def test_the_checkpoint_as_it_is(scene: Scene) -> None:
    assert is_intact(scene.verify(scene.notes[5]))
    assert RING.open(scene.notes[5]).size == 5
    assert AddCheckpoint.parse(AddCheckpoint(0, (), scene.notes[5]).body).note == scene.notes[5]


@pytest.mark.parametrize("form", FORMS)
def test_the_reader_of_notes(form: str) -> None:
    note = SIGNER.sign(Head(SPINE, 42, bytes(range(32))).checkpoint)

    with pytest.raises(IntegrityError):
        RING.open(FORMS[form](note))


def test_the_checker_of_the_store(scene: Scene) -> None:
    """Checkpoints that somebody kept, one in each form: none is taken for this ledger's; the node's own holds all the same."""
    trusted = scene.trusted()
    bad = {form: change(scene.notes[5]) for form, change in FORMS.items()}

    assert [form for form, note in bad.items() if not isinstance(open_fsck_note(note, trusted), str)] == []
    said = scene.verify(*bad.values())
    assert first(said)[0] == SPINE
    assert {place(problem)[0] for problem in said.problems} == {SPINE}
    assert said.signed_size == 5


@pytest.fixture(scope="module")
def forge() -> Forge:
    return three_logs()


@pytest.mark.parametrize("form", FORMS)
def test_the_checkers_of_an_export(forge: Forge, tmp_path: Path, form: str) -> None:
    """In the file `checkpoint`, and as the older checkpoint that a reader kept; both checkers say the same."""
    draft = forge.clone().draft({"patient_id": "P-1"})
    draft.extra["checkpoint"] = FORMS[form](draft.checkpoint).encode()

    said = ask(draft.give(tmp_path / "x.zip"), Given(trust=SIGNER.verifier.text))

    assert "signature" in said.failed
    assert said.says("signature", "checkpoint: "), said.claims["signature"]
    draft = forge.clone().draft({"patient_id": "P-1"})
    said = ask(draft.give(tmp_path / "y.zip"), Given(trust=SIGNER.verifier.text, since=FORMS[form](forge.note(4))))
    assert said.failed == {"since"}


def test_what_is_no_fault_is_taken_by_all(scene: Scene, tmp_path: Path, forge: Forge) -> None:
    """Unknown keys are ignored, and extension lines, which are signed with the rest."""
    other = Signer("other.example/log", b"o" * 32)
    draft = forge.clone().draft({"patient_id": "P-1"})
    checks: list[tuple[str, Callable[[str], bool]]] = [
        (scene.notes[5], lambda note: is_intact(scene.verify(note))),
        (draft.checkpoint, lambda note: _is_taken(forge, tmp_path, note)),
    ]
    for note, check in checks:
        text, _ = split_note(note)
        for good in (
            note + other.sign(text).partition("\n\n")[2] + WITNESS.cosign(text, 1_772_000_000),
            note + "".join(f"— junk{n} {base64.b64encode(bytes([n]) * 68).decode()}\n" for n in range(16)),
            _sign(text + "an extension\n"),
        ):
            assert parse_checkpoint(open_note(good, [SIGNER.verifier]).text).size > 0
            assert check(good), good


def _is_taken(forge: Forge, path: Path, note: str) -> bool:
    draft = forge.clone().draft({"patient_id": "P-1"})
    draft.extra["checkpoint"] = note.encode()
    return not ask(draft.give(path / "z.zip"), Given(trust=SIGNER.verifier.text)).failed
