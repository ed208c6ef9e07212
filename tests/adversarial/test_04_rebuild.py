"""Attack: the whole record is made anew without one event, and signed with the ledger's own key. Nothing in the store contradicts
it.

It is caught by what is not in the store: the anchor and the copy of the checkpoint on this machine, a checkpoint that anybody
kept, a witness, an export that was given out before. Whoever holds the key and changes all of these has changed the past; what is
shown here is that each of them alone is enough. The first entry of the spine that is another is named, as closely as the
checkpoints that are known can.
"""

from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from api.witness import Witness, _Refused
from domain.errors import IntegrityError
from domain.keyring import KeyRing
from domain.merkle import consistency_proof
from domain.witness_protocol import AddCheckpoint
from store.anchor import Anchor
from store.engine import Engine
from store.spine import Spine
from store.tree import Log, StoredNodes
from store.witness_state import Refusal, WitnessState
from tests.adversarial.attacks import COUNT, SPINE, Laid, Scene, first, is_intact, place
from tests.dashboards.exports_checkers import Given, ask
from tests.dashboards.exports_forge import Forge, three_logs
from tests.support.clock import TickingClock
from tests.support.node import SIGNER
from tests.support.witness import WITNESS

OMITTED = 150
"""It is under the second checkpoint: the first one is the same in both histories."""
WITHOUT = [n for n in range(COUNT) if n != OMITTED]


@pytest.fixture(scope="module")
def another(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Laid:
    """The history without the event, made by this very program with the ledger's own key, in a state directory of its own."""
    return Laid(shared_engine, tmp_path_factory.mktemp("another"), WITHOUT)


@pytest.fixture
def mallory(another: Laid, tmp_path: Path) -> Scene:
    """The store without the event, and the directory of the node that made it."""
    return another.fresh(tmp_path / "mallory")


@pytest.fixture
def true(laid: Laid, mallory: Scene, tmp_path: Path) -> Scene:
    """The same store, and the directory of the true node: what the attacker did not reach."""
    return laid.outside(tmp_path / "node")


def test_the_store_by_itself_has_no_fault(mallory: Scene) -> None:
    """With the attacker's own state directory it verifies: this is what nothing on the machine can show."""
    said = mallory.verify()

    assert is_intact(said)
    assert said.entries == COUNT - 1


def test_the_anchor_contradicts_it(true: Scene) -> None:
    said = true.verify()

    assert first(said)[0] == SPINE
    assert any("two different checkpoints of size 5" in problem.what for problem in said.problems)
    assert ("main", COUNT - 1) in {place(problem) for problem in said.problems}


@pytest.mark.parametrize("gone", ["state", "copies"])
def test_either_copy_of_the_anchor_stops_the_writer(true: Scene, mallory: Scene, tmp_path: Path, gone: str) -> None:
    """The attacker replaced one of the two directories."""
    (true.directory / gone).rename(tmp_path / "away")
    (mallory.directory / gone).rename(true.directory / gone)

    assert first(true.verify())[0] == SPINE
    with pytest.raises(IntegrityError, match="first 5 spine entries are not what was signed here"), true.start():
        pass


def test_a_checkpoint_that_somebody_kept_contradicts_it(true: Scene, mallory: Scene) -> None:
    """The attacker replaced everything on this machine. Of five true checkpoints the first still fits: entry 1 is another."""
    assert is_intact(mallory.verify(true.notes[1]))
    for size in (2, 5):
        assert first(mallory.verify(true.notes[size]))[0] == SPINE
    assert first(mallory.verify(*true.notes.values())) == (SPINE, 1)


def test_a_witness_refuses_it(true: Scene, mallory: Scene, tmp_path: Path) -> None:
    with WitnessState.create(tmp_path / "w") as state:
        state.add_log(KeyRing.of(SIGNER.verifier))
        witness = Witness(state, [WITNESS], TickingClock())
        witness.add_checkpoint(AddCheckpoint(0, (), true.notes[3]).body)

        path = consistency_proof(StoredNodes(mallory.engine, Log(origin=SPINE)), 3, 5)
        with pytest.raises(_Refused) as refused:
            witness.add_checkpoint(AddCheckpoint(3, path, mallory.notes[5]).body)

        (kept,) = state.evidence()
    assert (refused.value.status, kept.refusal) == (422, Refusal.UNPROVEN)
    assert (kept.note, kept.held_note.partition("\n\n")[0]) == (mallory.notes[5], true.notes[3].partition("\n\n")[0])


def test_what_was_signed_once_is_not_signed_another_way(true: Scene) -> None:
    """The true node does not sign the forged spine, whatever is asked of it."""
    with closing(Anchor(true.directory / "state", true.directory / "copies")) as anchor, pytest.raises(IntegrityError):
        Spine(true.engine, anchor, SIGNER, TickingClock())


@pytest.mark.parametrize("has_line", [True, False], ids=["with a consistency line", "without"])
def test_an_export_of_it_contradicts_a_checkpoint_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_line: bool
) -> None:
    """The regulator kept the checkpoint of an earlier export: both checkers say that this is another history."""
    before, add, calls = three_logs(), Forge.add, count(1)
    monkeypatch.setattr(Forge, "add", lambda *args, **said: None if next(calls) == OMITTED else add(*args, **said))
    other = three_logs()
    draft = other.draft({"patient_id": "P-1"})
    if has_line:
        draft.history = [draft.consistency_line(4)]

    said = ask(draft.give(tmp_path / "x.zip"), Given(trust=SIGNER.verifier.text, since=before.note(4)))

    assert (said.failed == {"since"}) == has_line
    assert said.claims["since"].state != "PROVEN"
    if has_line:
        assert said.says("since", "two roots for one size, 4: the ledger signed two histories")
