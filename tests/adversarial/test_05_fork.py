"""Attack: two histories are shown to two readers: two checkpoints of one size, or two leaves at one place of a log.

Whoever sees both has proof; a witness that sees both keeps it. On the machine itself compare-and-swap lets one of two writers go
on.
"""

import shutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from api.witness import Witness, _Refused
from domain.checkpoint import Head, parse_checkpoint
from domain.errors import Conflict, IntegrityError
from domain.note import open_note
from store.anchor import Anchor
from store.fsck import Integrity
from store.lease import hold_lease
from store.ledger import Ledger
from store.spine import Spine
from store.witness_state import Refusal, WitnessState
from tests.adversarial.attacks import COUNT, MARCH, SECRET, SPINE, Scene, first, forged_rows, place, some_events
from tests.dashboards.exports_checkers import Given, ask
from tests.dashboards.exports_forge import three_logs
from tests.support.clock import TickingClock
from tests.support.node import SIGNER
from tests.support.witness import WITNESS, GrowingLog

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("size", [1, 5])
def test_a_second_checkpoint_of_one_size_that_somebody_kept(scene: Scene, size: int) -> None:
    other = SIGNER.sign(Head(SPINE, size, bytes(32)).checkpoint)

    said = scene.verify(other)

    assert first(said) == (SPINE, 0 if size == 1 else size - 1)
    assert f"first {size} spine entries are not what was signed" in said.problems[0].what


def test_a_second_checkpoint_in_the_store(scene: Scene) -> None:
    """The published note is replaced by another of its size; the anchor has the true one."""
    other = SIGNER.sign(Head(SPINE, 5, bytes(32)).checkpoint)
    notes = scene.table("checkpoints").filter(pl.col("size") < 5)
    scene.write(
        "checkpoints",
        pl.concat([notes, scene.table("checkpoints").filter(pl.col("size") == 5).with_columns(pl.lit(other).alias("note"))]),
    )

    said = scene.verify()

    assert first(said) == (SPINE, 4)
    assert any("two different checkpoints of size 5" in problem.what for problem in said.problems)


def test_a_witness_keeps_both_notes(tmp_path: Path) -> None:
    honest, fork = GrowingLog(), GrowingLog(forked_at=2)
    with WitnessState.create(tmp_path / "w") as state:
        state.add_log(honest.ring)
        witness = Witness(state, [WITNESS], TickingClock())
        witness.add_checkpoint(honest.request(0, 5).body)

        with pytest.raises(_Refused) as refused:
            witness.add_checkpoint(fork.request(5, 5).body)

        (kept,) = state.evidence()
    assert (refused.value.status, kept.refusal) == (409, Refusal.FORK)
    heads = [parse_checkpoint(open_note(note, [honest.signer.verifier]).text) for note in (kept.note, kept.held_note)]
    assert heads == [fork.head(5), honest.head(5)]


def test_two_roots_for_one_size_in_an_export(tmp_path: Path) -> None:
    forge = three_logs()
    other = forge.clone()
    other.add(other.logs[2], patient="P-9")
    other.bodies.pop(), other.leaves.pop()
    other.commit_heads()

    said = ask(forge.draft({}).give(tmp_path / "x.zip"), Given(trust=SIGNER.verifier.text, since=other.note(4)))

    assert "since" in said.failed or said.claims["since"].state == "NOT PROVEN"
    draft = forge.clone().draft({})
    draft.history = [draft.consistency_line(4)]
    said = ask(draft.give(tmp_path / "y.zip"), Given(trust=SIGNER.verifier.text, since=other.note(4)))
    assert said.failed == {"since"}
    assert said.says("since", "two roots for one size, 4: the ledger signed two histories")


@pytest.mark.parametrize("seq", [COUNT - 1, 320])
def test_two_leaves_at_one_place(scene: Scene, seq: int) -> None:
    """The second one follows the entry before it and says its own number: it is as well made as the first."""
    previous = scene.table("events")["leaf"][seq - 1]
    twin = forged_rows(scene, some_events([900]), first_seq=seq, previous=previous)
    scene.write("events", pl.concat([scene.table("events"), twin]))

    assert first(scene.verify()) == (MARCH, seq)


def test_another_end_of_the_log(scene: Scene) -> None:
    """From entry 330 on the log goes another way, chained as it should be: the signed root is not over that."""
    frame = scene.table("events")
    other = forged_rows(scene, some_events(range(900, 910)), first_seq=330, previous=frame["leaf"][329])
    scene.write("events", pl.concat([frame[:330], other]))

    said = scene.verify()

    assert first(said)[0] == MARCH
    assert ("main", COUNT - 1) in {place(problem) for problem in said.problems}
    with pytest.raises(IntegrityError, match=f"entry {COUNT - 1} of writer main is not what was acknowledged"), scene.start():
        pass


def test_of_two_processes_one_signs_a_size(scene: Scene) -> None:
    """Two spines over one anchor: whoever is second does not sign, and says so."""
    with closing(Anchor(scene.directory / "state", None)) as anchor:
        one, other = (Spine(scene.engine, anchor, SIGNER, TickingClock(NOON)) for _ in range(2))
        one.append("heads", {})

        with pytest.raises(IntegrityError, match="another process moved the head of the spine"):
            other.append("verified", {"verdict": "intact"})

    assert [place(problem) for problem in scene.verify().problems[:1]] == [(SPINE, 5)]
    assert scene.engine.rows("SELECT count() FROM checkpoints FINAL WHERE size = 6") == [(1,)]


def test_a_cloned_machine_does_not_go_on_unnoticed(scene: Scene) -> None:
    """Both have the state directory of one moment, and one store. The clone's rows are not acknowledged, and are named."""
    clone_state = scene.directory.with_name("clone")
    shutil.copytree(scene.directory / "state", clone_state)

    def writer(state: Path) -> Ledger:
        return Ledger(
            engine=scene.engine, anchor=Anchor(state, None), origin=SPINE, clock=TickingClock(NOON), new_secret=lambda: SECRET
        )

    with writer(scene.directory / "state") as true, writer(clone_state) as clone:
        assert true.append(some_events([800]))[0].seq == COUNT
        with pytest.raises(IntegrityError, match=f"entries {COUNT} to {COUNT} were not stored as written"):
            clone.append(some_events([801]))
        assert clone.has_stopped

    assert first(scene.verify()) == (MARCH, COUNT)
    assert scene.verify().integrity is Integrity.TAMPERED


def test_one_state_directory_has_one_writer(tmp_path: Path) -> None:
    with hold_lease(tmp_path, "main"), pytest.raises(Conflict, match="another process writes"), hold_lease(tmp_path, "main"):
        pass
