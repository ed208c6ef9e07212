"""RFC 6962 trees: published roots, and proofs for every size that matters."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.merkle import (
    EMPTY_ROOT,
    TILE_WIDTH,
    Frontier,
    Leaves,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

# The eight inputs and the roots of their trees, as published with the reference implementation of RFC 6962.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [hashlib.sha256(b"\x00%d" % n).digest() for n in range(1 << 16 | 1)]


def test_published_roots() -> None:
    leaves = [leaf_hash(bytes.fromhex(text)) for text in INPUTS]

    assert [root(leaves[:size]).hex() for size in range(1, 9)] == ROOTS
    assert root([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962 §2.1 writes it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(by_definition(leaves[:split]), by_definition(leaves[split:]))


def test_roots_are_those_of_the_definition_for_all_sizes_to_600() -> None:
    frontier = Frontier()
    for size in range(601):
        assert frontier.root() == by_definition(LEAVES[:size])
        frontier.append(LEAVES[size])


def test_every_leaf_of_every_size_to_600_is_proven() -> None:
    for size in range(1, 601):
        leaves = LEAVES[:size]
        nodes, whole = Leaves(leaves), root(leaves)
        step = 1 if size < 80 else 37
        for index in {*range(0, size, step), size - 1}:
            path = inclusion_proof(nodes, index, size)
            assert verify_inclusion(leaves[index], index, size, path, whole)
            assert not verify_inclusion(leaves[index] if size > 1 else b"", (index + 1) % size, size, path, whole)


def test_every_earlier_size_to_600_is_consistent() -> None:
    roots = [root(LEAVES[:size]) for size in range(601)]
    for new in range(601):
        nodes = Leaves(LEAVES[:new])
        step = 1 if new < 60 else 31
        for old in {*range(0, new + 1, step), new}:
            path = consistency_proof(nodes, old, new)
            assert verify_consistency(old, new, path, roots[old], roots[new])
            if 0 < old < new:
                assert not verify_consistency(old, new, path, roots[old - 1], roots[new])
                assert not verify_consistency(old, new, path[:-1], roots[old], roots[new])


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 513, 1023, 1025, 4095, 4096, 4097, 65535, 65536, 65537])
def test_proofs_around_powers_of_two(size: int) -> None:
    leaves = LEAVES[:size]
    nodes, whole = Leaves(leaves), root(leaves)

    for index in (0, 1, size // 2, size - 2, size - 1):
        path = inclusion_proof(nodes, index, size)
        assert verify_inclusion(leaves[index], index, size, path, whole)
        assert not verify_inclusion(leaves[index], index, size, [*path, whole], whole)
        assert not verify_inclusion(leaves[index], index, size, path[1:], whole)
    for old in (1, size // 2, size - 1):
        assert verify_consistency(old, size, consistency_proof(nodes, old, size), root(leaves[:old]), whole)


@given(st.integers(0, 3000))
def test_a_restored_frontier_is_the_grown_one(size: int) -> None:
    restored = Frontier.restore(size, Leaves(LEAVES[:size]))

    assert restored.root() == root(LEAVES[:size])
    assert restored.append(LEAVES[size]) is not None
    assert restored.root() == root(LEAVES[: size + 1])


def test_tiles_are_the_roots_of_complete_subtrees() -> None:
    frontier, tiles = Frontier(), []
    for leaf in LEAVES[: TILE_WIDTH * TILE_WIDTH]:
        tiles += frontier.append(leaf)

    level_one = [tile for tile in tiles if tile.level == 1]
    assert [tile.n for tile in level_one] == list(range(TILE_WIDTH))
    assert all(tile.hash == root(LEAVES[tile.n * TILE_WIDTH : (tile.n + 1) * TILE_WIDTH]) for tile in level_one[:4])
    assert [(tile.level, tile.n, tile.hash) for tile in tiles if tile.level == 2] == [(2, 0, frontier.root())]


@given(st.integers(2, 300), st.data())
def test_a_changed_proof_proves_nothing(size: int, data: st.DataObject) -> None:
    leaves = LEAVES[:size]
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(Leaves(leaves), index, size)
    which = data.draw(st.integers(0, len(path) - 1))
    bit = data.draw(st.integers(0, 255))
    broken = bytearray(path[which])
    broken[bit // 8] ^= 1 << bit % 8

    assert not verify_inclusion(leaves[index], index, size, [*path[:which], bytes(broken), *path[which + 1 :]], root(leaves))


def test_a_node_is_no_leaf() -> None:
    """Second preimage: an inner node offered as a leaf of a smaller tree (RFC 6962 §2.1.3)."""
    left, right = (leaf_hash(bytes([n])) for n in range(2))
    inner = left + right

    assert leaf_hash(inner) != root([left, right])


def test_asking_beyond_the_tree_is_refused() -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        inclusion_proof(Leaves([]), 0, 0)
    with pytest.raises(ValueError, match="no earlier size"):
        consistency_proof(Leaves(LEAVES[:3]), 4, 3)
    assert not verify_inclusion(LEAVES[0], 1, 1, [], LEAVES[0])
    assert not verify_consistency(3, 2, [], LEAVES[0], LEAVES[0])
