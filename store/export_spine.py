"""The spine as an export quotes it: entries with their proofs, the chain of seals, consistency with earlier checkpoints."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

from domain.checkpoint import Head
from domain.clock import microseconds
from domain.entry import genesis
from domain.errors import IntegrityError, NotFound
from domain.merkle import TILE_HEIGHT, TILE_WIDTH, Frontier, Nodes, consistency_proof, inclusion_proof
from store.engine import Engine
from store.tree import Log, StoredNodes

_ROWS = "SELECT seq, kind, time, body, heads, leaf FROM spine WHERE seq IN (SELECT arrayJoin({seqs:Array(UInt64)})) ORDER BY seq"

_TOLD = """
SELECT seq FROM spine WHERE kind IN ('seal', 'tombstone', 'disposed', 'redact', 'key-rotate') AND seq < {size:UInt64} ORDER BY seq
"""

_NOTE = "SELECT note FROM checkpoints WHERE size = {size:UInt64} LIMIT 1"

# What whoever got an earlier export holds: the checkpoint of its receipt, and the one that its proofs end in, which is that of the
# newest `heads` or `index` entry in front.
_OF_EXPORTS = """
SELECT made.seq + 1 AS receipt, covered.seq + 1 AS proofs
FROM (SELECT 1 AS one, seq FROM spine WHERE kind = 'export' AND seq < {size:UInt64}) AS made
ASOF JOIN (SELECT 1 AS one, seq FROM spine WHERE kind IN ('heads', 'index')) AS covered
ON made.one = covered.one AND covered.seq < made.seq
"""

_LAST_OF_DAYS = """
SELECT max(size) FROM checkpoints WHERE time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND size < {size:UInt64}
GROUP BY toDate(time)
"""

_DAYS = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpineQuote:
    """A spine entry with the leaf before it and its audit path under a checkpoint; `heads` is the vector that it commits to."""

    index: int
    kind: str
    time: datetime
    body: str
    previous: bytes
    path: Sequence[bytes]
    heads: Sequence[Head]

    @property
    def fields(self) -> Mapping[str, object]:
        """The fields of its kind (docs/log-format.md section 4)."""
        said: Mapping[str, object] = orjson.loads(self.body)["fields"]
        return said

    def number(self, name: str) -> int | None:
        """A field that is a whole number, or null."""
        value = self.fields[name]
        if value is not None and not isinstance(value, int):
            raise IntegrityError(f"spine entry {self.index}: {name} is no number; run phitrail verify")
        return value

    def word(self, name: str) -> str:
        """A field that is text."""
        return str(self.fields[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An earlier size of the spine, its root, and the proof (RFC 9162 §2.1.4) that it is a prefix of the size quoted from."""

    size: int
    root: bytes
    path: Sequence[bytes]


class ExportSpine:
    """The first `size` entries of the spine, under one checkpoint. They never change, so what is read is remembered."""

    def __init__(self, engine: Engine, origin: str, size: int) -> None:
        self.size = size
        self._engine = engine
        self._origin = origin
        self._told: list[SpineQuote] | None = None
        self._nodes = _TileCache(StoredNodes(engine, Log(origin=origin)), size)

    def quotes(self, seqs: Iterable[int]) -> list[SpineQuote]:
        """These entries under the checkpoint, in order of seq. Raises IntegrityError where one is not in the store."""
        return self._quotes(sorted(set(seqs)), self.size)

    def quote(self, seq: int, size: int | None = None) -> SpineQuote:
        """One entry, under the checkpoint or under that of another `size`."""
        return self._quotes([seq], self.size if size is None else size)[0]

    def of_kind(self, kind: str) -> list[SpineQuote]:
        """All entries of a kind that tells what became of logs and keys: seal, tombstone, disposed, redact, key-rotate."""
        if self._told is None:
            self._told = self.quotes(_int(seq) for (seq,) in self._engine.rows(_TOLD, size=self.size))
        return [quote for quote in self._told if quote.kind == kind]

    def seals(self, last: int | None) -> list[SpineQuote]:
        """Every seal, newest first, as `last` and then `previous_seal` lead to it. Raises IntegrityError where one is missing."""
        found = {seal.index: seal for seal in self.of_kind("seal")}
        chain: list[SpineQuote] = []
        while last is not None:
            if last not in found:
                raise IntegrityError(f"spine entry {last} is not the seal it should be: run phitrail verify")
            seal = found.pop(last)
            chain.append(seal)
            last = seal.number("previous_seal")
        return chain

    def note(self, size: int) -> str:
        """The signed checkpoint of this size. Raises NotFound where none was published."""
        rows = self._engine.rows(_NOTE, size=size)
        if not rows:
            raise NotFound(f"there is no checkpoint of size {size}")
        return str(rows[0][0])

    def root(self, size: int) -> bytes:
        """The root over the first `size` entries."""
        return Frontier.restore(size, self._nodes).root()

    def earlier(self, size: int) -> Earlier:
        """That the first `size` entries are still the first of these."""
        return Earlier(size=size, root=self.root(size), path=consistency_proof(self._nodes, size, self.size))

    def earlier_sizes(self, now: datetime) -> set[int]:
        """The sizes whose checkpoints others may hold: those of earlier exports, and the last of each of the last 400 days."""
        held = {_int(size) for pair in self._engine.rows(_OF_EXPORTS, size=self.size) for size in pair}
        held |= {_int(size) for (size,) in self._engine.rows(_LAST_OF_DAYS, since=microseconds(now - _DAYS), size=self.size)}
        return {size for size in held if size < self.size}

    def _quotes(self, seqs: Sequence[int], size: int) -> list[SpineQuote]:
        wanted = set(seqs) | {seq - 1 for seq in seqs if seq}
        frame = self._engine.frame(_ROWS, seqs=sorted(wanted))
        rows = {row["seq"]: row for row in frame.iter_rows(named=True)}
        if len(rows) != len(wanted):
            raise IntegrityError("the spine has not all entries that were signed: it was changed from outside; run phitrail verify")
        return [
            SpineQuote(
                index=seq,
                kind=rows[seq]["kind"],
                time=rows[seq]["time"].astimezone(UTC),
                body=rows[seq]["body"],
                previous=rows[seq - 1]["leaf"] if seq else genesis(self._origin, b""),
                path=inclusion_proof(self._nodes, seq, size),
                heads=[Head.parse(line) for line in rows[seq]["heads"].splitlines()],
            )
            for seq in seqs
        ]


class _TileCache:
    """`domain.merkle.Nodes` of a tree of known size: tiles are read whole, the last one as far as it goes, and kept."""

    def __init__(self, nodes: Nodes, size: int, most: int = 4_096) -> None:
        """`most` tiles of 8 KiB are kept."""
        self._nodes = nodes
        self._size = size
        self._most = most
        self._tiles: dict[tuple[int, int], Sequence[bytes]] = {}

    def hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        """See `Nodes`."""
        if (first + count) << TILE_HEIGHT * level > self._size:
            raise LookupError("beyond the end of the tree")
        tile, offset = divmod(first, TILE_WIDTH)
        if (level, tile) not in self._tiles:
            end = min((tile + 1) * TILE_WIDTH, self._size >> TILE_HEIGHT * level)
            if len(self._tiles) >= self._most:
                self._tiles.pop(next(iter(self._tiles)))
            self._tiles[level, tile] = self._nodes.hashes(level, tile * TILE_WIDTH, end - tile * TILE_WIDTH)
        return self._tiles[level, tile][offset : offset + count]


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
