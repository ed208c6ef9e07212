"""RFC 6962 trees as the checker computes them: from the leaves, with nothing of the writer's.

A tile hash of level L is the root of a complete subtree of 256^L leaves (c2sp.org/tlog-tiles); level 0 is the leaves.
"""

import hashlib
from collections.abc import Mapping, Sequence

WIDTH = 256
"""Hashes of one level under one hash of the next."""


def leaf(entry: bytes) -> bytes:
    """SHA256(0x00 || entry), RFC 6962 §2.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    """SHA256(0x01 || left || right), RFC 6962 §2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1, as it is written there, level by level: an odd one out moves up as it is."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    level = list(hashes)
    while len(level) > 1:
        paired = [node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) & ~1 :]
    return level[0]


def root_of_levels(levels: Sequence[Sequence[bytes]]) -> bytes:
    """The root over a log given as its right edge.

    `levels[0]` are the leaves after the last complete subtree of 256, `levels[1]` the tile hashes of level 1 after the last
    complete one of level 2, and so on; the last holds all there are of its level. What is left over of a level stands as one piece
    to the right of the next level's subtrees, and moves up where it has no sibling: MTH splits at the largest power of two below
    the size.
    """
    pieces: list[bytes] = []
    for hashes in levels:
        pieces = [*hashes, root(pieces)] if pieces else list(hashes)
    return root(pieces)


class Tiles:
    """A tree of which the hashes of level 1 are known, by number: roots at any size, at the cost of its right edge."""

    def __init__(self, tiles: Mapping[int, bytes]) -> None:
        self._known = {(1, n): hash_ for n, hash_ in tiles.items()}

    def root(self, size: int, rest: Sequence[bytes]) -> bytes | None:
        """The root over the first `size` leaves; `rest` are those after the last complete tile. None where a tile is not known."""
        if len(rest) != size % WIDTH:
            return None
        levels, count, level = [rest], size // WIDTH, 1
        while count:
            above = count // WIDTH
            hashes = [self._at(level, n) for n in range(above * WIDTH, count)]
            known = [hash_ for hash_ in hashes if hash_ is not None]
            if len(known) != len(hashes):
                return None
            levels.append(known)
            count, level = above, level + 1
        return root_of_levels(levels)

    def _at(self, level: int, n: int) -> bytes | None:
        if (level, n) not in self._known and level > 1:
            below = [self._at(level - 1, m) for m in range(n * WIDTH, (n + 1) * WIDTH)]
            known = [hash_ for hash_ in below if hash_ is not None]
            if len(known) == WIDTH:
                self._known[level, n] = root(known)
        return self._known.get((level, n))
