"""Paths by subtree are those of RFC 6962, whatever the size; each subtree is read once."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.merkle import Leaves, inclusion_proof, root, verify_inclusion
from store.export_tree import Subtree, TileTree

LEAVES = [sha256(str(n).encode()).digest() for n in range(66_100)]
SIZES = st.one_of(st.integers(1, 1_100), st.sampled_from([65_535, 65_536, 65_537, 65_793, 66_100]))


@settings(deadline=None)
@given(size=SIZES, place=st.floats(0, 1, exclude_max=True))
def test_inside_the_subtree_and_then_of_the_subtree_is_the_audit_path(size: int, place: float) -> None:
    index = int(place * size)
    tile, rest = divmod(index, 256)
    leaves = LEAVES[:size]
    tree = TileTree(Leaves(leaves), size)

    inside, above = tree.tile(tile).path(rest), tree.tile_path(tile)

    whole = tree.root
    assert whole == root(leaves)
    assert verify_inclusion(leaves[index], rest, tree.width(tile), inside, tree.tile(tile).root)
    assert verify_inclusion(tree.tile(tile).root, tile, -(-size // 256), above, whole)
    if size < 2_000:
        assert inside + above == inclusion_proof(Leaves(leaves), index, size)


@settings(deadline=None)
@given(st.integers(1, 256))
def test_a_subtree_has_the_root_of_its_nodes(size: int) -> None:
    assert Subtree.over(LEAVES[:size]).root == root(LEAVES[:size])


class _Counted:
    def __init__(self, nodes: Leaves) -> None:
        self._nodes = nodes
        self.read: Counter[tuple[int, int]] = Counter()

    def hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        self.read[level, first] += 1
        return self._nodes.hashes(level, first, count)


def test_in_order_of_index_nothing_is_read_twice() -> None:
    size = 66_100
    nodes = _Counted(Leaves(LEAVES[:size]))
    tree = TileTree(nodes, size)

    for tile in range(250, 259):
        for _ in range(3):
            tree.tile(tile)
            tree.tile_path(tile)

    assert set(nodes.read.values()) == {1}


def test_an_empty_log_has_no_paths() -> None:
    with pytest.raises(ValueError, match="empty tree"):
        TileTree(Leaves([]), 0)
