"""RFC 6962 hash tree: roots, inclusion and consistency proofs, and the frontier that grows one leaf at a time.

Hashes are 32 bytes, SHA-256. A *tile hash* at level L is the root of a complete subtree of 256^L leaves (C2SP tlog-tiles); level 0
is the leaves. Proofs read tile hashes through `Nodes`, so their cost does not grow with the log but with its logarithm.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

EMPTY_ROOT = hashlib.sha256(b"").digest()
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT


def leaf_hash(entry: bytes) -> bytes:
    """SHA256(0x00 || entry), RFC 6962 §2.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA256(0x01 || left || right), RFC 6962 §2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of leaf hashes, in order; of none, SHA256 of nothing."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


@dataclass(frozen=True, slots=True)
class Tile:
    """The root of complete subtree number `n` (from 0) of 256^level leaves."""

    level: int
    n: int
    hash: bytes


@dataclass(slots=True)
class Frontier:
    """The right edge of a growing tree: its complete subtrees, largest first. Memory is logarithmic in the size."""

    size: int = 0
    _stack: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> list[Tile]:
        """Add a leaf hash. Returns the tile hashes (levels 1 and up) that this leaf completes, lowest first."""
        node, height, index = leaf, 0, self.size
        completed: list[Tile] = []
        while index & 1:
            node = node_hash(self._stack.pop(), node)
            height, index = height + 1, index >> 1
            if height % TILE_HEIGHT == 0:
                completed.append(Tile(height // TILE_HEIGHT, index, node))
        self._stack.append(node)
        self.size += 1
        return completed

    def extend(self, leaves: Sequence[bytes]) -> list[Tile]:
        """Add many leaf hashes. Returns the tile hashes that they complete, lowest level first within each.

        Whole subtrees of 256 are hashed level by level, which takes less than half the time of leaf by leaf.
        """
        completed: list[Tile] = []
        start = min(-self.size % TILE_WIDTH, len(leaves))
        for leaf in leaves[:start]:
            completed += self.append(leaf)
        end = start + (len(leaves) - start) // TILE_WIDTH * TILE_WIDTH
        for first in range(start, end, TILE_WIDTH):
            completed += self._append_tile(leaves[first : first + TILE_WIDTH])
        for leaf in leaves[end:]:
            completed += self.append(leaf)
        return completed

    def _append_tile(self, leaves: Sequence[bytes]) -> list[Tile]:
        sha256, level = hashlib.sha256, leaves
        while len(level) > 1:
            level = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=True)]
        node, height, index = level[0], TILE_HEIGHT, self.size // TILE_WIDTH
        completed = [Tile(1, index, node)]
        while index & 1:
            node = node_hash(self._stack.pop(), node)
            height, index = height + 1, index >> 1
            if height % TILE_HEIGHT == 0:
                completed.append(Tile(height // TILE_HEIGHT, index, node))
        self._stack.append(node)
        self.size += TILE_WIDTH
        return completed

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._stack:
            return EMPTY_ROOT
        node = self._stack[-1]
        for left in reversed(self._stack[:-1]):
            node = node_hash(left, node)
        return node

    @classmethod
    def restore(cls, size: int, nodes: "Nodes") -> "Frontier":
        """The frontier of the first `size` leaves, read as complete subtrees instead of leaf by leaf."""
        frontier, start = cls(size=size), 0
        for height in range(size.bit_length() - 1, -1, -1):
            if size >> height & 1:
                frontier._stack.append(_complete(nodes, height, start >> height))
                start += 1 << height
        return frontier


class Nodes(Protocol):
    """Where tile hashes are read from."""

    def hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        """`count` consecutive tile hashes of a level from number `first`. Raises LookupError where one is missing."""


class Leaves:
    """Tile hashes computed from leaf hashes in memory, for small trees and for tests."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._leaves = leaves

    def hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        """See `Nodes`."""
        width = TILE_WIDTH**level
        if (first + count) * width > len(self._leaves):
            raise LookupError("beyond the end of the tree")
        if level == 0:
            return self._leaves[first : first + count]
        return [root(self._leaves[n * width : (n + 1) * width]) for n in range(first, first + count)]


def inclusion_proof(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """The audit path of leaf `index` in the tree of the first `size` leaves (RFC 6962 §2.1.1), nearest sibling first.

    Raises ValueError where the index is not in the tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range(nodes, middle, high))
            high = middle
        else:
            path.append(_range(nodes, low, middle))
            low = middle
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected: bytes) -> bool:
    """Whether `path` shows that `leaf` stands at `index` in the tree of `size` with root `expected` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and node == expected


def consistency_proof(nodes: Nodes, old: int, new: int) -> list[bytes]:
    """The proof that the tree of `old` leaves is a prefix of that of `new` (RFC 6962 §2.1.2).

    Raises ValueError unless 0 <= old <= new.
    """
    if not 0 <= old <= new:
        raise ValueError(f"{old} is no earlier size of {new}")
    if old in (0, new):
        return []
    path: list[bytes] = []
    low, high, whole = 0, new, True
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_range(nodes, middle, high))
            high = middle
        else:
            path.append(_range(nodes, low, middle))
            low, whole = middle, False
    if not whole:
        path.append(_range(nodes, low, high))
    return path[::-1]


def verify_consistency(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether `path` shows that the tree (old, old_root) is a prefix of (new, new_root) (RFC 9162 §2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    proof = list(path)
    if old & (old - 1) == 0:
        proof.insert(0, old_root)
    if not proof:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _split(count: int) -> int:
    """The largest power of two smaller than `count` (k of RFC 6962 §2.1)."""
    return 1 << (count - 1).bit_length() - 1


def _range(nodes: Nodes, low: int, high: int) -> bytes:
    """The tree hash of leaves [low, high), where `low` is a multiple of the smallest power of two that is at least high − low."""
    count = high - low
    if count & (count - 1) == 0:
        height = count.bit_length() - 1
        return _complete(nodes, height, low >> height)
    middle = low + _split(count)
    return node_hash(_range(nodes, low, middle), _range(nodes, middle, high))


def _complete(nodes: Nodes, height: int, n: int) -> bytes:
    level, rest = divmod(height, TILE_HEIGHT)
    hashes = list(nodes.hashes(level, n << rest, 1 << rest))
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]
