"""An older checkpoint that the reader kept: of the same history, of another, newer, unknown; and two histories in one export."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.checkpoint import Head
from tests.dashboards.exports_checkers import OPEN, PROVEN, Answer, Given, ask
from tests.dashboards.exports_forge import MALLORY, SIGNER, Draft, Forge, Line, three_logs


@pytest.fixture
def forge() -> Forge:
    """A ledger of its own for each test: four entries in the spine."""
    return three_logs()


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., Answer]:
    """What both checkers say, with the ledger's keys trusted."""

    def check(draft: Draft, **given: object) -> Answer:
        return ask(draft.give(tmp_path / "x.zip"), Given(trust=draft.forge.keys.text, **given))  # type: ignore[arg-type]

    return check


def answer_for(forge: Forge, old: int, new: int, **changes: object) -> bytes:
    """What /v1/consistency says."""
    sizes = {"origin": SIGNER.name, "from_size": old, "to_size": new}
    roots = {"from_root": forge.root(old).hex(), "to_root": forge.root(new).hex()}
    return json.dumps(sizes | roots | {"path": forge.consistency(old, new)} | changes).encode()


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5])
def test_the_ledger_grew_since(forge: Forge, checked: Callable[..., Answer], size: int) -> None:
    draft = forge.draft({"patient_id": "P-2"})
    old = forge.note(size)
    bare = checked(draft, since=old)
    asked = checked(draft, since=old, consistency=answer_for(forge, size, draft.size))
    draft.history = [draft.consistency_line(size)]
    shown = checked(draft, since=old)

    assert (shown.claims["since"].state, asked.claims["since"].state) == (PROVEN, PROVEN)
    assert bare.claims["since"].state == (OPEN if size else PROVEN)
    assert not bare.failed


def test_the_export_s_own_checkpoints_need_no_proof(forge: Forge, checked: Callable[..., Answer]) -> None:
    draft = forge.draft({"patient_id": "P-2"})

    assert checked(draft, since=draft.checkpoint).claims["since"].state == PROVEN
    draft = draft.forge.draft({"patient_id": "P-2"})
    said = checked(draft, since=draft.checkpoint.replace("— ", "— x YWJjZGVm\n— ", 1))
    assert said.claims["since"].state == PROVEN


@pytest.fixture
def other() -> Forge:
    """A ledger that the same key signed, which went another way at its third entry."""
    ledger = three_logs()
    ledger.leaves[2] = b"x" * 32
    for _ in range(12):
        ledger.commit_heads()
    return ledger


@pytest.mark.parametrize("is_own", [True, False])
def test_another_history(forge: Forge, other: Forge, checked: Callable[..., Answer], is_own: bool) -> None:
    draft = forge.draft({"patient_id": "P-2"})
    draft.history = [draft.consistency_line(4)]
    size = draft.size if is_own else 4

    said = checked(draft, since=other.note(size))

    assert said.failed == {"since"}
    assert said.says("since", f"two roots for one size, {size}: the ledger signed two histories")


def test_another_history_at_a_size_that_the_export_does_not_know(
    forge: Forge, other: Forge, checked: Callable[..., Answer]
) -> None:
    draft = forge.draft({"patient_id": "P-2"})

    said = checked(draft, since=other.note(4), consistency=answer_for(other, 4, draft.size))

    assert said.failed == {"since"}
    assert said.says("since", "the answer about consistency does not lead from 4 to")


def test_a_newer_checkpoint(forge: Forge, checked: Callable[..., Answer]) -> None:
    """By itself it may be that the ledger lost entries since; with a proof between the two it is just newer."""
    draft = forge.draft({"patient_id": "P-2"})
    later = forge.clone()
    for _ in range(5):
        later.commit_heads()
    size = len(later.bodies)

    said = checked(draft, since=later.note(size))
    assert said.failed == {"since"}
    assert said.says("since", "entries were lost, or it is not older")

    draft = later.clone().draft({"patient_id": "P-2"})
    assert checked(draft, since=later.note(size)).claims["since"].state == OPEN
    early = forge.draft({"patient_id": "P-2"})
    later = forge.clone()
    for _ in range(3):
        later.commit_heads()
    newest = len(later.bodies)
    said = checked(early, since=later.note(newest), consistency=answer_for(later, early.size, newest))
    assert said.claims["since"].state == PROVEN


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"{", "cannot be read: the answer is no JSON object"),
        (b'{"from_size":4,"from_size":4,"to_size":8,"path":[]}', "cannot be read: the answer is no JSON object"),
        (b'{"from_size":4.0,"to_size":8,"path":[]}', "cannot be read: the answer is no JSON object"),
        (b'{"from_size":4,"to_size":8}', "cannot be read: path is missing"),
        (b'{"from_size":3,"to_size":8,"path":[]}', "is for other checkpoints than these"),
    ],
)
def test_an_answer_about_consistency_that_says_nothing(
    forge: Forge, checked: Callable[..., Answer], answer: bytes, words: str
) -> None:
    said = checked(forge.draft({"patient_id": "P-2"}), since=forge.note(4), consistency=answer)

    assert said.claims["since"].state == OPEN
    assert said.says("since", words), said.claims["since"]


@pytest.mark.parametrize(
    "change",
    [
        {"consistency": 3},
        {"consistency": 99},
        {"consistency": -1},
        {"root": "00" * 32},
        {"path": []},
        {"root": None},
        {"path": ["x"]},
    ],
)
def test_consistency_lines_that_do_not_hold(forge: Forge, checked: Callable[..., Answer], change: Line) -> None:
    draft = forge.draft({"patient_id": "P-2"})
    draft.history = [draft.consistency_line(2), draft.consistency_line(5) | change]

    said = checked(draft)

    assert said.failed == {"since"}
    assert said.says("since", "history.jsonl line 2: ")


@pytest.mark.parametrize("old", ["x", "", SIGNER.sign("x\n"), MALLORY.sign(Head(SIGNER.name, 4, b"r" * 32).checkpoint)])
def test_an_older_checkpoint_that_is_none_of_this_ledger(forge: Forge, checked: Callable[..., Answer], old: str) -> None:
    assert checked(forge.draft({"patient_id": "P-2"}), since=old).failed == {"since"}


def test_two_roots_for_one_size_in_one_export(forge: Forge, checked: Callable[..., Answer]) -> None:
    """A note in timestamps.jsonl of a size that a consistency line, or another note, knows otherwise."""
    other = forge.clone()
    other.leaves[3] = b"y" * 32
    draft = forge.draft({"patient_id": "P-2"})
    draft.history = [draft.consistency_line(5)]
    draft.timestamps = [draft.covers_line(forge.logs[0]) | {"note": other.note(5)}]

    said = checked(draft)

    assert "signature" in said.failed
    assert said.says("signature", "there are two roots for one size, 5")
