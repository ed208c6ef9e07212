"""The spine as a stranger reads it: tiles of hashes, bundles of entries, and that one size of it is a prefix of another.

Only what a published checkpoint covers is given out, so whoever reads can check every byte against a signature.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.checkpoint import Head
from domain.entry import genesis
from domain.errors import IntegrityError, InvalidInput, NotFound
from domain.merkle import TILE_WIDTH, Frontier, consistency_proof
from domain.tiles import Address, bundle
from store.engine import Engine
from store.tree import CachedNodes, Log, StoredNodes

_SIGNED = "SELECT max(size) FROM checkpoints"

_ENTRIES = "SELECT seq, body, leaf FROM spine WHERE seq >= {first:UInt64} AND seq < {end:UInt64} ORDER BY seq"

_SHORT = "the spine has not all entries that were signed: it was changed from outside; run phitrail verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """Two sizes of the spine, their roots, and the proof (RFC 6962 §2.1.2) that `old` is a prefix of `new`."""

    old: Head
    new: Head
    path: Sequence[bytes]


class Tiles:
    """Reads the spine. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, spine_origin: str) -> None:
        self._engine = engine
        self._log = Log(origin=spine_origin)

    def size(self) -> int:
        """Entries under the newest published checkpoint; 0 before the first."""
        return int(str(self._engine.rows(_SIGNED)[0][0]))

    def read(self, address: Address) -> bytes:
        """The bytes at an address: 32 for each hash of a tile, or a bundle of entries `leaf_{i-1} || body_i`.

        Raises NotFound where the newest checkpoint covers no such tile, and for a partial tile that is full by now; IntegrityError
        where rows that were signed are missing.
        """
        width = address.width_in(self.size())
        if address.width > width:
            raise NotFound("the newest checkpoint covers no such tile")
        if address.is_partial and width == TILE_WIDTH:
            raise NotFound("this tile is full by now: ask for it without a width")
        if address.level is None:
            return self._bundle(address.first, address.width)
        try:
            return b"".join(StoredNodes(self._engine, self._log).hashes(address.level, address.first, address.width))
        except LookupError:
            raise IntegrityError(_SHORT) from None

    def consistency(self, old: int, new: int) -> Consistency:
        """That the first `old` entries of the spine are still the first of `new`.

        Raises InvalidInput unless 0 <= old <= new, NotFound beyond the newest checkpoint, IntegrityError as `read`.
        """
        if not 0 <= old <= new:
            raise InvalidInput("the earlier size comes first: from is at most to")
        signed = self.size()
        if new > signed:
            raise NotFound(f"the newest checkpoint covers {signed} entries: ask for sizes up to that")
        nodes = CachedNodes(StoredNodes(self._engine, self._log))
        try:
            roots = [Frontier.restore(size, nodes).root() for size in (old, new)]
            path = consistency_proof(nodes, old, new)
        except LookupError:
            raise IntegrityError(_SHORT) from None
        origin = self._log.origin
        return Consistency(old=Head(origin, old, roots[0]), new=Head(origin, new, roots[1]), path=path)

    def _bundle(self, first: int, count: int) -> bytes:
        rows = list(self._engine.frame(_ENTRIES, first=max(first - 1, 0), end=first + count).iter_rows())
        if [seq for seq, _, _ in rows] != list(range(max(first - 1, 0), first + count)):
            raise IntegrityError(_SHORT)
        previous = [leaf for _, _, leaf in rows[:-1]]
        bodies = [body.encode() for _, body, _ in rows]
        if first == 0:
            previous.insert(0, genesis(self._log.origin, b""))
        else:
            bodies.pop(0)
        return bundle([leaf + body for leaf, body in zip(previous, bodies, strict=True)])
