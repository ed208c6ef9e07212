"""The signing key and its rotation: whatever a stop cuts short, one key list and one key come out, and the record verifies."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from domain.errors import ConfigError, IntegrityError
from domain.note import Signer, open_note
from runtime import identity
from runtime.identity import load_keys, load_signer, make_signer, resume_rotation, rotate
from store.anchor import Anchor
from store.engine import Engine
from store.fsck import Integrity, Trusted, TrustedKey, check
from store.keeper import Keeper
from store.spine import Spine
from tests.support.clock import TickingClock
from tests.support.faults import Fault, FaultyAnchor, FaultyEngine

SEED = b"\x07" * 32
BOTH = pytest.mark.parametrize("after", [False, True], ids=["lost", "done"])


class State:
    """A state directory with a ledger that has signed three checkpoints."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine = engine
        self.directory = directory / "state"
        self.broken = FaultyEngine(engine)
        self.clock = TickingClock()
        self.old = make_signer(self.directory, "log.example")
        spine, anchor = self.open()
        for _ in range(3):
            Keeper(engine, spine, self.clock).checkpoint()
        anchor.close()

    def open(self) -> tuple[Spine, FaultyAnchor]:
        """What a start does, in its order."""
        anchor = FaultyAnchor(self.directory, None)
        signer = load_signer(self.directory)
        assert signer is not None
        spine = Spine(cast("Engine", self.broken), anchor, signer, self.clock, load_keys(self.directory, signer))
        resume_rotation(self.directory, spine)
        return spine, anchor

    def settle(self) -> tuple[Signer, int]:
        """Start again and sign on; returns the signer and how many rotations the spine has."""
        spine, anchor = self.open()
        Keeper(self.engine, spine, self.clock).checkpoint()
        signer = load_signer(self.directory)
        assert signer is not None
        keys = load_keys(self.directory, signer)
        notes = [str(note) for (note,) in self.engine.rows("SELECT note FROM checkpoints FINAL ORDER BY size")]
        for note in notes:
            keys.open(note)
        trusted = Trusted(
            key_name=keys.origin,
            keys=[
                TrustedKey(name=key.verifier.name, public_key=key.verifier.public, from_size=key.from_size, to_size=key.to_size)
                for key in keys.keys
            ],
            notes=notes,
        )
        assert check(self.engine, trusted).problems == []
        assert check(self.engine, trusted).integrity is Integrity.INTACT
        assert sorted(path.name for path in self.directory.glob("signing*")) == ["signing.key"]
        assert (self.directory / "ledger.vkey").read_text(encoding="utf-8").strip() == signer.verifier.text
        anchor.close()
        ((rotations,),) = self.engine.rows("SELECT count() FROM spine WHERE kind = 'key-rotate'")
        return signer, cast("int", rotations)


@pytest.fixture
def state(engine: Engine, tmp_path: Path) -> State:
    return State(engine, tmp_path)


def test_both_keys_sign_the_change_and_the_new_one_goes_on(state: State) -> None:
    spine, anchor = state.open()

    entry = rotate(state.directory, spine, lambda: SEED)

    new = Signer(state.old.name, SEED)
    assert open_note(entry.checkpoint, [state.old.verifier]).signers == open_note(entry.checkpoint, [new.verifier]).signers
    assert spine.keys.text == f"{state.old.verifier.text} 0 4\n{new.verifier.text} 4 -\n"
    later = spine.append("heads", {"seals": 0, "last_seal": None})
    assert open_note(later.checkpoint, [new.verifier]).signers
    with pytest.raises(IntegrityError):
        open_note(later.checkpoint, [state.old.verifier])
    anchor.close()
    signer, rotations = state.settle()
    assert (signer.seed, rotations) == (SEED, 1)
    assert state.old.seed.hex() not in "".join(path.read_bytes().hex() for path in state.directory.iterdir() if path.is_file())


def test_a_second_rotation_follows_the_first(state: State) -> None:
    for number in (7, 8):
        spine, anchor = state.open()
        rotate(state.directory, spine, lambda seed=bytes([number]) * 32: seed)  # type: ignore[misc]
        anchor.close()

    signer, rotations = state.settle()

    assert (signer.seed[0], rotations) == (8, 2)
    assert len(load_keys(state.directory, signer).keys) == 3


@BOTH
@pytest.mark.parametrize("step", ["spine", "checkpoints", "advance_spine"])
def test_a_step_of_the_entry_fails(state: State, step: str, after: bool) -> None:
    spine, anchor = state.open()
    state.broken.table, state.broken.after = step, after
    anchor.step, anchor.after = step, after
    with pytest.raises(Fault):
        rotate(state.directory, spine, lambda: SEED)
    state.broken.table = anchor.step = None
    anchor.close()

    signer, rotations = state.settle()

    happened = not (step == "spine" and not after)
    assert (signer.seed == SEED, rotations) == (happened, int(happened))


@BOTH
@pytest.mark.parametrize("step", ["_write_keys", "_replace_key", "_write_key"])
def test_a_step_on_disk_fails(state: State, monkeypatch: pytest.MonkeyPatch, step: str, after: bool) -> None:
    spine, anchor = state.open()
    with monkeypatch.context() as patched:
        patched.setattr(identity, step, failing(getattr(identity, step), after=after))
        with pytest.raises(Fault):
            rotate(state.directory, spine, lambda: SEED)
    anchor.close()

    signer, rotations = state.settle()

    happened = step != "_write_key"
    assert (signer.seed == SEED, rotations) == (happened, int(happened))


def failing(work: Callable[..., object], *, after: bool) -> Callable[..., object]:
    def fail(*arguments: object) -> object:
        if after:
            work(*arguments)
        raise Fault("disk")

    return fail


def test_a_stop_while_the_old_key_is_being_overwritten(state: State) -> None:
    spine, anchor = state.open()
    rotate(state.directory, spine, lambda: SEED)
    anchor.close()
    key = state.directory / "signing.key"
    (state.directory / "signing.key.next").write_bytes(key.read_bytes())
    key.write_bytes(bytes(100))

    signer, rotations = state.settle()

    assert (signer.seed, rotations) == (SEED, 1)


def test_a_key_list_of_another_key_is_refused(state: State) -> None:
    (state.directory / "ledger.keys").write_text(Signer(state.old.name, SEED).verifier.text, encoding="utf-8")

    with pytest.raises(ConfigError, match="does not end with the key"):
        state.open()


def test_a_key_is_never_made_over_another(state: State) -> None:
    with pytest.raises(IntegrityError, match="never overwritten"):
        make_signer(state.directory, "log.example")
    (state.directory / "signing.key").write_text("nonsense", encoding="utf-8")
    with pytest.raises(ConfigError, match="no signing key"):
        load_signer(state.directory)


def test_the_key_of_another_log_is_refused(state: State) -> None:
    spine, anchor = state.open()
    with pytest.raises(IntegrityError, match="another log"):
        spine.rotate(Signer("other.example/spine", SEED))
    anchor.close()


def test_a_spine_without_its_last_key_is_not_written_to(state: State, engine: Engine) -> None:
    anchor = Anchor(state.directory, None)
    with pytest.raises(IntegrityError):
        Spine(engine, anchor, Signer(state.old.name, SEED), state.clock)
    anchor.close()
