"""Inclusion proofs of many entries of one log, subtree by subtree: each hash is computed once, and nothing is read per entry.

The tree over n leaves is cut into subtrees of 256 (the last one may be smaller), and those again, as RFC 6962 §2.1 cuts it anyway:
the path of a leaf is its path inside its subtree, followed by the path of that subtree among all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.merkle import TILE_HEIGHT, TILE_WIDTH, Nodes, node_hash


@dataclass(frozen=True, slots=True)
class Subtree:
    """Up to 256 neighbouring nodes and all above them. `rows[0]` are the nodes; each further row has half as many, the last one."""

    rows: Sequence[Sequence[bytes]]

    @classmethod
    def over(cls, nodes: Sequence[bytes]) -> "Subtree":
        """Hash up from at least one node; one without a sibling moves up as it is (RFC 6962 §2.1 by pairs)."""
        rows = [nodes]
        while len(nodes) > 1:
            above = [node_hash(nodes[i], nodes[i + 1]) for i in range(0, len(nodes) - 1, 2)]
            if len(nodes) & 1:
                above.append(nodes[-1])
            rows.append(above)
            nodes = above
        return cls(rows)

    @property
    def root(self) -> bytes:
        """The hash over all nodes."""
        return self.rows[-1][0]

    def path(self, index: int) -> list[bytes]:
        """The audit path of node `index` under this root, nearest sibling first."""
        path = []
        for row in self.rows[:-1]:
            sibling = index ^ 1
            if sibling < len(row):
                path.append(row[sibling])
            index >>= 1
        return path


class TileTree:
    """The tree over the first `size` leaves of a log. Of each level it keeps one subtree and the last: ask in order of index."""

    def __init__(self, nodes: Nodes, size: int) -> None:
        """Raises ValueError for an empty tree."""
        if size < 1:
            raise ValueError("an empty tree has no paths")
        self.size = size
        self._nodes = nodes
        self._counts = [size]
        while self._counts[-1] > TILE_WIDTH:
            self._counts.append(-(-self._counts[-1] // TILE_WIDTH))
        self._newest: dict[int, tuple[int, Subtree]] = {}
        self._last: dict[int, Subtree] = {}

    @property
    def root(self) -> bytes:
        """The root over all leaves."""
        return self._subtree(len(self._counts) - 1, 0).root

    def width(self, tile: int) -> int:
        """How many leaves subtree number `tile` has: 256, or what is left."""
        return min(TILE_WIDTH, self.size - tile * TILE_WIDTH)

    def tile(self, tile: int) -> Subtree:
        """Subtree number `tile`, read from the store."""
        return self._subtree(0, tile)

    def tile_path(self, tile: int) -> list[bytes]:
        """The audit path of that subtree's root among all subtrees, under the root of the log."""
        path: list[bytes] = []
        for level in range(1, len(self._counts)):
            path += self._subtree(level, tile // TILE_WIDTH).path(tile % TILE_WIDTH)
            tile //= TILE_WIDTH
        return path

    def _subtree(self, level: int, number: int) -> Subtree:
        """Subtree `number` of a level: its nodes are roots of subtrees of the level below, or leaves."""
        is_last = number == (self._counts[level] - 1) // TILE_WIDTH
        if is_last and level in self._last:
            return self._last[level]
        if level in self._newest and self._newest[level][0] == number:
            return self._newest[level][1]
        made = Subtree.over(self._read(level, number))
        if is_last:
            self._last[level] = made
        else:
            self._newest[level] = number, made
        return made

    def _read(self, level: int, number: int) -> list[bytes]:
        first = number * TILE_WIDTH
        end = min(first + TILE_WIDTH, self._counts[level])
        complete = min(end, self.size >> TILE_HEIGHT * level)
        nodes = list(self._nodes.hashes(level, first, complete - first)) if complete > first else []
        if complete < end:  # the one on the right edge is not complete, so no tile hash is stored for it
            nodes.append(self._subtree(level - 1, complete).root)
        return nodes
