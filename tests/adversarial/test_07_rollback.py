"""Attack: an older state is shown as the newest: an older store, an older checkpoint, an older export. A newer checkpoint
contradicts it.

An older checkpoint is valid for ever; it is only not the newest. So the question is always "consistent with what I hold?"
(`--since`), and whoever holds a newer one sees at which size the record ends that they are shown.
"""

import shutil
from pathlib import Path

import polars as pl
import pytest

from api.witness import Witness
from domain.errors import IntegrityError
from domain.keyring import KeyRing
from domain.merkle import consistency_proof
from domain.witness_protocol import AddCheckpoint
from store.tiles import Tiles
from store.tree import Log, StoredNodes
from store.witness_state import Superseded, WitnessState
from tests.adversarial.attacks import COVERED, SPINE, Scene, first, is_intact
from tests.dashboards.exports_checkers import OPEN, PROVEN, Given, ask
from tests.dashboards.exports_forge import SIGNER, three_logs
from tests.support.clock import TickingClock
from tests.support.witness import WITNESS

TRUST = SIGNER.verifier.text


def back_to(scene: Scene, size: int) -> None:
    """The store as it was at a checkpoint."""
    entries = COVERED[size - 1]
    scene.sql(f"ALTER TABLE events DELETE WHERE seq >= {entries}", f"ALTER TABLE event_keys DELETE WHERE seq >= {entries}")
    scene.write("spine", scene.table("spine").filter(pl.col("seq") < size))
    scene.write("checkpoints", scene.table("checkpoints").filter(pl.col("size") <= size))
    scene.sql("TRUNCATE TABLE tiles")


@pytest.mark.parametrize("size", [1, 3])
def test_an_older_store(scene: Scene, size: int) -> None:
    """Named is the first entry of the spine that is not there; the writer does not start."""
    back_to(scene, size)

    assert first(scene.verify()) == (SPINE, size)
    with pytest.raises(IntegrityError, match=f"the spine has {size} entries, but 5 were signed here"), scene.start():
        pass


@pytest.mark.parametrize("size", [1, 3])
def test_an_older_store_with_an_older_anchor(scene: Scene, size: int) -> None:
    """All of the machine is of yesterday: nothing on it knows better, and a checkpoint that somebody kept does."""
    back_to(scene, size)
    for name in ("state", "copies"):
        shutil.rmtree(scene.directory / name)

    assert first(scene.verify(scene.notes[4])) == (SPINE, size)
    assert is_intact(scene.verify(scene.notes[size]))


def test_an_older_checkpoint_beside_a_newer_one_contradicts_nothing(scene: Scene) -> None:
    """It is true of an earlier time."""
    assert is_intact(scene.verify(*scene.notes.values()))


def test_a_witness_is_shown_an_older_checkpoint(scene: Scene, tmp_path: Path) -> None:
    with WitnessState.create(tmp_path / "w") as state:
        state.add_log(KeyRing.of(SIGNER.verifier))
        witness = Witness(state, [WITNESS], TickingClock())
        witness.add_checkpoint(AddCheckpoint(0, (), scene.notes[4]).body)

        path = consistency_proof(StoredNodes(scene.engine, Log(origin=SPINE)), 1, 3)
        with pytest.raises(Superseded) as refused:
            witness.add_checkpoint(AddCheckpoint(1, path, scene.notes[3]).body)

        assert refused.value.size == 4
        assert state.held(SPINE).head.size == 4


def test_the_consistency_that_is_served_shows_growth_only(scene: Scene) -> None:
    proof = Tiles(scene.engine, SPINE).consistency(2, 5)
    roots = [KeyRing.of(SIGNER.verifier).open(scene.notes[size]).root for size in (2, 5)]

    assert [proof.old.root, proof.new.root] == roots


def test_an_export_after_what_the_reader_holds(tmp_path: Path) -> None:
    forge = three_logs()
    draft = forge.draft({"patient_id": "P-1"})
    draft.history = [draft.consistency_line(3)]

    said = ask(draft.give(tmp_path / "x.zip"), Given(trust=TRUST, since=forge.note(3)))

    assert (said.failed, said.claims["since"].state) == (set(), PROVEN)
    assert ask(draft.give(tmp_path / "y.zip"), Given(trust=TRUST)).claims["since"].state == OPEN


def test_an_export_from_before_what_the_reader_holds(tmp_path: Path) -> None:
    """The ledger was rolled back, and an export made of what is left: the reader's checkpoint has more entries than it."""
    forge = three_logs()
    later = forge.clone()
    for _ in range(9):
        later.commit_heads()

    said = ask(forge.draft({"patient_id": "P-1"}).give(tmp_path / "x.zip"), Given(trust=TRUST, since=later.note(13)))

    assert said.failed == {"since"}
    assert said.says("since", "13 entries, the export's newest 7: entries were lost, or it is not older")


def test_an_export_of_another_history(tmp_path: Path) -> None:
    """Rolled back to size 3 and gone on another way: the line about the reader's size is of the new history."""
    forge = three_logs()
    kept = forge.note(4)
    forge.bodies.pop(), forge.leaves.pop()
    forge.commit("audit-off", {"writer": "main", "state": "off"})
    draft = forge.draft({"patient_id": "P-1"})
    draft.history = [draft.consistency_line(4)]

    said = ask(draft.give(tmp_path / "x.zip"), Given(trust=TRUST, since=kept))

    assert said.failed == {"since"}
    assert said.says("since", "two roots for one size, 4")
