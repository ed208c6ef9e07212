"""Sorted index trees: what a log holds about each subject, proven to be all of it, or proven to be nothing.

    index key = HMAC-SHA256(epoch secret, "index\\n" dimension)
    tag       = HMAC-SHA256(index key, subject)                                              32 bytes
    digest    = SHA256(u64be(seq) || leaf, for each entry of the subject in order of seq)    32 bytes
    row       = tag || u64be(number of entries) || digest                                    72 bytes

The tree is that of RFC 6962 over the rows sorted by tag. A seal commits to one tree for each dimension, so a subject's row is shown
with its path, or two rows at neighbouring places that have the subject's tag between theirs (docs/log-format.md section 9; the idea
is from Crosby and Wallach, USENIX Security 2009). A proof is worth what the tree is: who reads the log can build it anew.
"""

import builtins
import hashlib
import hmac
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import IntegrityError
from domain.json import Json
from domain.merkle import EMPTY_ROOT, TILE_HEIGHT, Frontier, inclusion_proof, leaf_hash, verify_inclusion

TAG_SIZE = 32
ROW_SIZE = 72

_HASH = re.compile(r"[0-9a-f]{64}")
_ROW = re.compile(r"[0-9a-f]{144}")
_MOST_LEVELS = 64
"""No tree that can be built has longer paths."""


class Dimension(StrEnum):
    """What an index tree is sorted by: patient id, actor id, or source system."""

    PATIENT = "patient"
    ACTOR = "actor"
    SOURCE_SYSTEM = "source_system"


def index_key(secret: bytes, dimension: Dimension) -> bytes:
    """The key of a log's tags in one dimension (32 bytes). Whoever has it can test whether a guessed subject is behind a tag."""
    return hmac.digest(secret, f"index\n{dimension}".encode(), "sha256")


def tag(key: bytes, subject: str) -> bytes:
    """What stands for a subject in a tree (32 bytes)."""
    return hmac.digest(key, subject.encode(), "sha256")


def subject_digest(entries: Iterable[tuple[int, bytes]]) -> bytes:
    """SHA-256 over (seq, leaf) of a subject's entries, which must come in order of seq."""
    digest = hashlib.sha256()
    for seq, leaf in entries:
        digest.update(seq.to_bytes(8, "big") + leaf)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class Row:
    """One subject: its tag (32 bytes), the number of its entries, and the digest that fixes which they are (32 bytes)."""

    tag: bytes
    count: int
    digest: bytes

    @classmethod
    def parse(cls, encoded: builtins.bytes) -> "Row":
        """Read the 72 bytes back. Raises ValueError where they are more or fewer."""
        if len(encoded) != ROW_SIZE:
            raise ValueError(f"a row of an index tree has {ROW_SIZE} bytes")
        return cls(encoded[:TAG_SIZE], int.from_bytes(encoded[TAG_SIZE : TAG_SIZE + 8], "big"), encoded[TAG_SIZE + 8 :])

    @property
    def bytes(self) -> builtins.bytes:
        """The 72 bytes that are hashed."""
        return self.tag + self.count.to_bytes(8, "big") + self.digest


@dataclass(frozen=True, slots=True)
class Place:
    """A row where it stands: its index among all rows, and its audit path (RFC 6962 §2.1.1)."""

    row: Row
    index: int
    path: Sequence[bytes]

    def to_json(self) -> Mapping[str, Json]:
        """`{"row", "index", "path"}`, bytes in lower-case hex."""
        return {"row": self.row.bytes.hex(), "index": self.index, "path": [item.hex() for item in self.path]}


@dataclass(frozen=True, slots=True)
class IndexProof:
    """Either the row of a subject (`found`), or that there is none: the rows left and right of where it would stand.

    There is no row left of the first and none right of the last; an empty tree has neither.
    """

    found: Place | None = None
    left: Place | None = None
    right: Place | None = None

    def to_json(self) -> Mapping[str, Json]:
        """`{"row", "index", "path"}`, or `{"left", "right"}` with such an object or null in each (export-format.md section 3)."""
        if self.found is not None:
            return self.found.to_json()
        return {
            "left": None if self.left is None else self.left.to_json(),
            "right": None if self.right is None else self.right.to_json(),
        }

    @classmethod
    def parse(cls, value: object) -> "IndexProof":
        """Read the decoded JSON form. Raises IntegrityError where it is none, to the letter: one proof has one spelling."""
        if isinstance(value, Mapping) and set(value) == {"left", "right"}:
            left, right = value["left"], value["right"]
            return cls(left=None if left is None else _place(left), right=None if right is None else _place(right))
        return cls(found=_place(value))


class IndexTree:
    """A whole tree in memory, some 150 bytes a row, with the hashes of its subtrees: a proof costs what its path costs."""

    def __init__(self, rows: Iterable[Row]) -> None:
        """The rows in any order. Raises ValueError where two have one tag."""
        self._build(b"".join(sorted(row.bytes for row in rows)))

    @classmethod
    def packed(cls, rows: bytes) -> "IndexTree":
        """From the bytes of all rows, one after the other, in order. Raises ValueError where they are not, or two have one tag."""
        tree = cls.__new__(cls)
        tree._build(rows)
        return tree

    def _build(self, rows: bytes) -> None:
        self.size, rest = divmod(len(rows), ROW_SIZE)
        if rest:
            raise ValueError(f"rows of an index tree have {ROW_SIZE} bytes each")
        self._rows = rows
        if any(self._tag(index) >= self._tag(index + 1) for index in range(self.size - 1)):
            raise ValueError("the rows of an index tree are in order of their tags, one for each")
        leaves = [leaf_hash(rows[start : start + ROW_SIZE]) for start in range(0, len(rows), ROW_SIZE)]
        frontier = Frontier()
        tiles = {(tile.level, tile.n): tile.hash for tile in frontier.extend(leaves)}
        self.root = frontier.root()
        self._nodes = _Nodes(leaves, tiles)

    def row(self, index: int) -> Row:
        """The row at a place."""
        return Row.parse(self._rows[index * ROW_SIZE : (index + 1) * ROW_SIZE])

    def prove(self, wanted: bytes) -> IndexProof:
        """The proof about the subject with this tag: its row, or that it has none."""
        index = bisect_left(range(self.size), wanted, key=self._tag)
        if index < self.size and self._tag(index) == wanted:
            return IndexProof(found=self._place(index))
        return IndexProof(left=self._place(index - 1) if index else None, right=self._place(index) if index < self.size else None)

    def _tag(self, index: int) -> bytes:
        return self._rows[index * ROW_SIZE : index * ROW_SIZE + TAG_SIZE]

    def _place(self, index: int) -> Place:
        return Place(self.row(index), index, tuple(inclusion_proof(self._nodes, index, self.size)))


def verify_index_proof(proof: IndexProof, tag: bytes, root: bytes, size: int) -> Row | None:
    """What a proof shows about the subject with this tag in the tree of `size` rows with this root: its row, or None for none.

    Raises IntegrityError where it shows neither.
    """
    if proof.found is not None:
        if proof.left is not None or proof.right is not None:
            raise IntegrityError("an index proof shows a row or its absence, not both")
        if proof.found.row.tag != tag:
            raise IntegrityError("the index proof is of another subject")
        _check(proof.found, root, size)
        return proof.found.row
    left, right = proof.left, proof.right
    if size == 0:
        if left is not None or right is not None or root != EMPTY_ROOT:
            raise IntegrityError("the index proof does not fit an empty tree")
        return None
    if left is None and right is None:
        raise IntegrityError("the index proof shows nothing about a tree that has rows")
    if (-1 if left is None else left.index) + 1 != (size if right is None else right.index):
        raise IntegrityError("the rows of the index proof are not neighbours: one between them could be the subject's")
    if (left is not None and left.row.tag >= tag) or (right is not None and right.row.tag <= tag):
        raise IntegrityError("the subject's tag is not between those of the index proof")
    for place in (left, right):
        if place is not None:
            _check(place, root, size)
    return None


def _check(place: Place, root: bytes, size: int) -> None:
    """Raises IntegrityError unless the row stands at its place in the tree, with an entry at least."""
    if place.row.count < 1:
        raise IntegrityError("a row of the index proof has no entries")
    if not verify_inclusion(leaf_hash(place.row.bytes), place.index, size, place.path, root):
        raise IntegrityError("a row of the index proof is not in the tree as proven")


def _place(value: object) -> Place:
    if not isinstance(value, Mapping) or set(value) != {"row", "index", "path"}:
        raise IntegrityError("this is no index proof")
    row, index, path = value["row"], value["index"], value["path"]
    if not isinstance(row, str) or not _ROW.fullmatch(row):
        raise IntegrityError("a row of the index proof is not 72 bytes in lower-case hex")
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise IntegrityError("an index of the index proof is no number")
    if not isinstance(path, list) or len(path) > _MOST_LEVELS:
        raise IntegrityError("a path of the index proof is no list of hashes")
    if not all(isinstance(item, str) and _HASH.fullmatch(item) for item in path):
        raise IntegrityError("a path of the index proof has a hash that is not 32 bytes in lower-case hex")
    return Place(Row.parse(bytes.fromhex(row)), index, tuple(bytes.fromhex(item) for item in path))


class _Nodes:
    """`domain.merkle.Nodes` over hashes that are all in memory."""

    def __init__(self, leaves: Sequence[bytes], tiles: Mapping[tuple[int, int], bytes]) -> None:
        self._leaves = leaves
        self._tiles = tiles

    def hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        if (first + count) << TILE_HEIGHT * level > len(self._leaves):
            raise LookupError("beyond the end of the tree")
        if level == 0:
            return self._leaves[first : first + count]
        return [self._tiles[level, n] for n in range(first, first + count)]
