"""Attack: trees of every awkward size, and proofs for another place, too short, too long. Each proves its own entry, and nothing
else.

Sizes around a tile (256) and around a tile of tiles (65,536); in memory, and as the store keeps them.
"""

import hashlib
from pathlib import Path

import pytest

from domain.errors import IntegrityError, NotFound
from domain.json import canonical
from domain.keyring import KeyRing
from domain.merkle import EMPTY_ROOT, Leaves, consistency_proof, inclusion_proof, root, verify_consistency, verify_inclusion
from domain.proof import verify_event_proof
from store.engine import Engine
from store.proofs import Proofs
from store.tiles import Tiles
from tests.adversarial.attacks import MARCH, SPINE, first, is_intact, some_events
from tests.support import long_spine
from tests.support.clock import TickingClock
from tests.support.node import SIGNER, node

SIZES = [0, 1, 255, 256, 257, 65_535, 65_536, 65_537]
LEAVES = [hashlib.sha256(b"\x00%d" % n).digest() for n in range(max(SIZES))]
ROOTS = {size: root(LEAVES[:size]) for size in SIZES}


@pytest.mark.parametrize("size", SIZES[1:])
def test_an_inclusion_proof_proves_its_own_place_only(size: int) -> None:
    nodes, whole = Leaves(LEAVES[:size]), ROOTS[size]
    for index in {0, size // 2, size - 1}:
        path, leaf = inclusion_proof(nodes, index, size), LEAVES[index]
        assert verify_inclusion(leaf, index, size, path, whole)
        assert not any(
            verify_inclusion(leaf, place, count, changed, whole)
            for place, count, changed in [
                (index, size, [*path, whole]),
                (index, size, [whole, *path]),
                (size, size, path),
                (-1, size, path),
                (index + size, size, path),
                (index, 0, path),
                (index, -size, path),
                *([(index, size, path[1:]), (index, size, path[:-1]), (index ^ 1, size, path)] if path else []),
            ]
        )


@pytest.mark.parametrize("index", [-1, 5, 6, 10**9])
def test_no_proof_is_made_for_a_place_out_of_range(index: int) -> None:
    with pytest.raises(ValueError, match="not in a tree of 5"):
        inclusion_proof(Leaves(LEAVES[:5]), index, 5)


@pytest.mark.parametrize("new", SIZES)
def test_a_consistency_proof_proves_its_own_sizes_only(new: int) -> None:
    nodes = Leaves(LEAVES[:new])
    for old in [size for size in SIZES if size <= new]:
        path = consistency_proof(nodes, old, new)
        assert verify_consistency(old, new, path, ROOTS[old], ROOTS[new])
        assert not verify_consistency(old, new, [*path, bytes(32)], ROOTS[old], ROOTS[new])
        assert not verify_consistency(new + 1, new, path, ROOTS[new], ROOTS[new])
        if 0 < old < new:
            assert not verify_consistency(old, new, path[:-1], ROOTS[old], ROOTS[new])
            assert not verify_consistency(old, new, path[1:], ROOTS[old], ROOTS[new])
            assert not verify_consistency(old - 1, new, path, ROOTS[old], ROOTS[new])
            assert not verify_consistency(old, new, path, ROOTS[old][::-1], ROOTS[new])
    assert not verify_consistency(0, new, [], bytes(32), ROOTS[new]) or new == 0


def test_the_empty_tree() -> None:
    assert ROOTS[0] == EMPTY_ROOT == hashlib.sha256(b"").digest()
    assert not verify_inclusion(EMPTY_ROOT, 0, 0, [], EMPTY_ROOT)
    assert verify_consistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    assert not verify_consistency(0, 0, [], EMPTY_ROOT, bytes(32))
    assert not verify_consistency(0, 5, [], bytes(32), root(LEAVES[:5]))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257])
def test_a_stored_log_of_every_size(engine: Engine, tmp_path: Path, size: int) -> None:
    """It verifies; its first and last entries are proven; beyond the end there is no proof; one entry less or another is named."""
    with node(engine, tmp_path, TickingClock()) as live:
        live.ledger.append(some_events(range(size)))
        live.keeper.checkpoint()
        assert is_intact(live.verify())
        proofs = Proofs(engine, SPINE)
        for seq in {0, size - 1} - {-1}:
            if size:
                assert verify_event_proof(proofs.event("main", seq), KeyRing.of(SIGNER.verifier)).origin == SPINE
        for beyond in (size, size + 256):
            with pytest.raises(NotFound):
                proofs.event("main", beyond)
        if not size:
            return
        engine.execute(f"ALTER TABLE events UPDATE leaf = reverse(leaf) WHERE seq = {size - 1}")
        assert first(live.verify()) == (MARCH, size - 1)
        if size > 1:  # a log of one entry has no path to be wrong
            wrong = Proofs(engine, SPINE).event("main", 0)
            with pytest.raises(IntegrityError, match="entry 0"):
                verify_event_proof(wrong, KeyRing.of(SIGNER.verifier))


def test_a_stored_log_of_65_537(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spine, over a tile of tiles: signed, verified, consistent with every size before; a changed entry is named."""
    counted = {"seals": 0, "last_seal": None}  # what a `heads` entry says of seals, of which there is none
    monkeypatch.setattr(long_spine, "canonical", lambda said: canonical({**said, "fields": counted}))
    long_spine.lay_spine(engine, tmp_path, TickingClock(), 65_536)
    with node(engine, tmp_path, TickingClock()) as live:
        live.keeper.checkpoint()
        said = live.verify()
        assert (said.spine_entries, said.signed_size, said.problems) == (65_537, 65_537, [])
        tiles = Tiles(engine, SPINE)
        for old in SIZES:
            proof = tiles.consistency(old, 65_537)
            assert verify_consistency(old, 65_537, proof.path, proof.old.root, proof.new.root)
        engine.execute("ALTER TABLE spine DELETE WHERE seq = 65535")

        assert first(live.verify()) == (SPINE, 65_535)
