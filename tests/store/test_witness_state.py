"""A witness's memory goes forward only: against rivals, faults, kill -9, backups and replaced logs."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.checkpoint import Head
from domain.errors import ConfigError, Conflict, InvalidInput
from domain.keyring import KeyRing, RangedKey
from domain.merkle import EMPTY_ROOT
from domain.note import Signer
from store import witness_state
from store.witness_state import Cosigned, Refusal, Superseded, WitnessState
from tests.support.witness import SIGNER, GrowingLog

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
LOG = GrowingLog()
EMPTY = Head(SIGNER.name, 0, EMPTY_ROOT)


def cosign(note: str = "note", timestamp: int = 1) -> Callable[[int], Cosigned]:
    return lambda least: Cosigned(note, [], max(timestamp, least))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[WitnessState]:
    with WitnessState.create(tmp_path / "w") as made:
        made.add_log(LOG.ring)
        yield made


def test_what_is_held_is_what_was_stored_last_also_after_opening_again(state: WitnessState, tmp_path: Path) -> None:
    assert state.held(SIGNER.name).head == EMPTY
    state.check_and_store(EMPTY, LOG.head(3), cosign("three", 7))
    state.check_and_store(LOG.head(3), LOG.head(5), cosign("five", 9))

    with WitnessState(tmp_path / "w") as again:
        held = again.held(SIGNER.name)
        assert (held.head, held.note, held.timestamp) == (LOG.head(5), "five", 9)
        assert again.keys_of(SIGNER.name) == LOG.ring


@pytest.mark.parametrize(
    "new",
    [LOG.head(2), LOG.head(0), GrowingLog(forked_at=1).head(3), Head("log.example/other", 5, LOG.head(5).root)],
    ids=["smaller", "empty", "other root", "other log"],
)
def test_nothing_smaller_or_other_is_stored(state: WitnessState, new: Head) -> None:
    state.check_and_store(EMPTY, LOG.head(3), cosign("three"))

    with pytest.raises(ValueError, match="forward"):
        state.check_and_store(LOG.head(3), new, cosign("bad"))

    assert state.held(SIGNER.name).note == "three"


@pytest.mark.parametrize("old", [EMPTY, LOG.head(2), GrowingLog(forked_at=1).head(3)], ids=["none", "smaller", "other root"])
def test_what_follows_something_else_than_is_held_is_refused_with_the_size_held(state: WitnessState, old: Head) -> None:
    state.check_and_store(EMPTY, LOG.head(3), cosign("three"))

    with pytest.raises(Superseded) as refused:
        state.check_and_store(old, LOG.head(9), cosign("nine"))

    assert refused.value.size == 3
    assert state.held(SIGNER.name).note == "three"


def test_of_rivals_exactly_one_follows(state: WitnessState, tmp_path: Path) -> None:
    """Threads on one connection and on connections of their own, as several processes would have."""
    others = [WitnessState(tmp_path / "w") for _ in range(3)]
    start = threading.Barrier(8)
    outcomes: list[str] = []

    def rival(number: int) -> None:
        mine = [state, *others][number % 4]
        start.wait(20)
        try:
            mine.check_and_store(EMPTY, LOG.head(10 + number), cosign(f"{number}"))
            outcomes.append(f"{number}")
        except Superseded as superseded:
            outcomes.append(f"lost to {superseded.size - 10}")

    threads = [threading.Thread(target=rival, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for other in others:
        other.close()

    (winner,) = [outcome for outcome in outcomes if outcome.isdigit()]
    assert sorted(outcomes) == sorted([winner, *[f"lost to {winner}"] * 7])
    assert state.held(SIGNER.name).note == winner


def test_a_cosigner_that_fails_leaves_everything_as_it_was(state: WitnessState) -> None:
    def broken(least: int) -> Cosigned:
        raise RuntimeError("no signature")

    with pytest.raises(RuntimeError):
        state.check_and_store(EMPTY, LOG.head(3), broken)

    assert state.held(SIGNER.name).head == EMPTY
    state.check_and_store(EMPTY, LOG.head(4), cosign("four"))
    assert state.held(SIGNER.name).note == "four"


def test_the_last_time_is_given_to_the_next_cosignature(state: WitnessState) -> None:
    state.check_and_store(EMPTY, LOG.head(3), cosign(timestamp=1_000))

    assert state.check_and_store(LOG.head(3), LOG.head(4), cosign(timestamp=10)).timestamp == 1_000


def test_what_was_stored_is_there_after_kill_9(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from store.witness_state import Cosigned, WitnessState\n"
        "from tests.store.test_witness_state import EMPTY, LOG\n"
        "state = WitnessState.create(Path(sys.argv[1])); state.add_log(LOG.ring)\n"
        "state.check_and_store(EMPTY, LOG.head(7), lambda least: Cosigned('seven', [], 5))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "w")], cwd=ROOT, check=False, env=os.environ)

    assert done.returncode == -signal.SIGKILL
    with WitnessState(tmp_path / "w") as state:
        assert (state.held(SIGNER.name).head, state.held(SIGNER.name).note) == (LOG.head(7), "seven")


def test_kill_9_inside_the_transaction_leaves_what_was_held(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from store.witness_state import WitnessState\n"
        "from tests.store.test_witness_state import EMPTY, LOG\n"
        "state = WitnessState.create(Path(sys.argv[1])); state.add_log(LOG.ring)\n"
        "state.check_and_store(EMPTY, LOG.head(7), lambda least: os.kill(os.getpid(), signal.SIGKILL))\n"
    )

    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "w")], cwd=ROOT, check=False, env=os.environ)

    assert done.returncode == -signal.SIGKILL
    with WitnessState(tmp_path / "w") as state:
        assert state.held(SIGNER.name).head == EMPTY


def test_a_backup_that_is_put_back_goes_on_from_there_and_never_below(tmp_path: Path) -> None:
    with WitnessState.create(tmp_path / "w") as state:
        state.add_log(LOG.ring)
        state.check_and_store(EMPTY, LOG.head(5), cosign("five"))
    shutil.copytree(tmp_path / "w", tmp_path / "backup")
    with WitnessState(tmp_path / "w") as state:
        state.check_and_store(LOG.head(5), LOG.head(9), cosign("nine"))
    shutil.rmtree(tmp_path / "w")
    (tmp_path / "backup").rename(tmp_path / "w")

    with WitnessState(tmp_path / "w") as restored:
        with pytest.raises(Superseded):
            restored.check_and_store(LOG.head(9), LOG.head(12), cosign())
        with pytest.raises(Superseded):
            restored.check_and_store(EMPTY, LOG.head(4), cosign())
        with pytest.raises(ValueError, match="forward"):
            restored.check_and_store(LOG.head(5), LOG.head(4), cosign())
        restored.check_and_store(LOG.head(5), LOG.head(12), cosign("twelve"))
        assert restored.held(SIGNER.name).note == "twelve"


def test_a_memory_is_made_once_and_never_silently_anew(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="retire the key"):
        WitnessState(tmp_path / "w")
    WitnessState.create(tmp_path / "w").close()
    with pytest.raises(Conflict):
        WitnessState.create(tmp_path / "w")

    assert (tmp_path / "w" / "witness.sqlite").stat().st_mode & 0o077 == 0
    assert (tmp_path / "w").stat().st_mode & 0o077 == 0


def test_a_log_may_rotate_its_key_and_nobody_may_take_its_name(state: WitnessState) -> None:
    second = Signer(SIGNER.name, b"2" * 32)
    rotated = LOG.ring.rotated(7, second.verifier)
    state.check_and_store(EMPTY, LOG.head(6), cosign(LOG.note(6)))

    state.add_log(rotated)

    assert state.keys_of(SIGNER.name) == rotated
    assert [ring.origin for ring in state.logs()] == [SIGNER.name]
    for thief in (KeyRing.of(second.verifier), LOG.ring):
        with pytest.raises(Conflict, match="other keys"):
            state.add_log(thief)
    assert state.keys_of(SIGNER.name) == rotated


def test_a_key_list_that_takes_back_what_was_cosigned_is_refused(state: WitnessState) -> None:
    """The old key signed size 6 here; a list that ends it at 4 says that this checkpoint never counted."""
    second = Signer(SIGNER.name, b"2" * 32)
    state.check_and_store(EMPTY, LOG.head(6), cosign(LOG.note(6)))

    with pytest.raises(Conflict, match="size 6"):
        state.add_log(KeyRing((RangedKey(SIGNER.verifier, 0, 4), RangedKey(second.verifier, 4))))

    assert state.keys_of(SIGNER.name) == LOG.ring


def test_a_name_that_no_cosignature_can_hold_is_refused(state: WitnessState) -> None:
    with pytest.raises(InvalidInput):
        state.add_log(KeyRing.of(Signer("l" * 256, b"2" * 32).verifier))


def test_the_note_is_found_by_the_hash_of_the_origin(state: WitnessState) -> None:
    # By sha256sum.
    known = "dd0360bf887726332ffa66bfc7028578f9fc325bead0ca7e99a4e88940ab5a35"
    assert state.note_of(known) is None
    state.check_and_store(EMPTY, LOG.head(3), cosign("three"))

    assert state.note_of(known) == "three"
    assert state.note_of(known.upper()) is None


def test_refusals_are_kept_once_each_and_the_cheap_kind_is_bounded(state: WitnessState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_state, "MOST_UNPROVEN", 2)
    for size in (4, 4, 5, 6):
        state.add_evidence(Refusal.UNPROVEN, LOG.head(size), f"note {size}", held_note="held", at=NOW)
    for fork in (1, 2, 2, 3):
        state.add_evidence(Refusal.FORK, GrowingLog(forked_at=fork).head(9), f"fork {fork}", held_note="held", at=NOW)

    kept = state.evidence()

    assert [item.note for item in kept] == ["note 4", "note 5", "fork 1", "fork 2", "fork 3"]
    assert kept[0].at == "2026-03-02T08:00:00.000000Z"
    assert kept[0].held_note == "held"
    assert kept[2].head == GrowingLog(forked_at=1).head(9)
