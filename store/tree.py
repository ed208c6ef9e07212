"""Merkle trees over stored logs: tile hashes read from ClickHouse, missing ones computed from the leaves.

A log's leaves are a column of `events` (or `spine`); tile hashes of level 1 and up are in `tiles`. Both are read in ranges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from domain.merkle import TILE_HEIGHT, TILE_WIDTH, Frontier, Tile, root
from store.engine import Engine

_EVENT_LEAVES = """
SELECT leaf FROM events
WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND seq >= {first:UInt64} AND seq < {end:UInt64}
ORDER BY seq
"""

_SPINE_LEAVES = "SELECT leaf FROM spine WHERE seq >= {first:UInt64} AND seq < {end:UInt64} ORDER BY seq"

_TILES = """
SELECT n, any(hash) AS hash FROM tiles
WHERE log = {log:String} AND level = {level:UInt8} AND n >= {first:UInt64} AND n < {end:UInt64}
GROUP BY n ORDER BY n
"""

_TILE_COUNT = "SELECT uniqExact(n), max(n) FROM tiles WHERE log = {log:String} AND level = 1 AND n < {end:UInt64}"

# Ranges are numbers of ours; with projections the planner takes longer than the answer.
_EVENT_SPANS = """
SELECT seq, leaf FROM events WHERE epoch = {{epoch:UInt32}} AND writer = {{writer:String}} AND ({where})
SETTINGS optimize_use_projections = 0
"""
_SPINE_SPANS = "SELECT seq, leaf FROM spine WHERE {where}"
_PATH_TILES = "SELECT level, n, hash FROM tiles WHERE log = {{log:String}} AND ({where})"

SPINE_LOG = "spine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A stored log: its place in `tiles`, and where its leaves are. `writer` is None for the spine."""

    origin: str
    writer: str | None = None
    epoch: int = 0
    first_seq: int = 0

    @property
    def name(self) -> str:
        """The key of this log's rows in `tiles`."""
        return SPINE_LOG if self.writer is None else f"{self.writer}/{self.epoch}"


class StoredNodes:
    """`domain.merkle.Nodes` over a stored log."""

    def __init__(self, engine: Engine, log: Log) -> None:
        self._engine = engine
        self._log = log

    def hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        """See `Nodes`. A tile that was not stored yet (a crash between rows and tiles) is computed from the level below."""
        if level == 0:
            return self._leaves(first, count)
        frame = self._engine.frame(_TILES, log=self._log.name, level=level, first=first, end=first + count)
        found = dict(zip(frame["n"].to_list(), frame["hash"].to_list(), strict=True))
        wanted = range(first, first + count)
        return [found[n] if n in found else root(self.hashes(level - 1, n * TILE_WIDTH, TILE_WIDTH)) for n in wanted]

    def leaves_of(self, spans: Sequence[tuple[int, int]]) -> Sequence[tuple[int, bytes]]:
        """(index, leaf) of what is stored in ranges [from, to) of indexes, in one question."""
        log = self._log
        where = " OR ".join(f"(seq >= {log.first_seq + low} AND seq < {log.first_seq + end})" for low, end in spans) or "0"
        if log.writer is None:
            frame = self._engine.frame(_SPINE_SPANS.format(where=where))
        else:
            frame = self._engine.frame(_EVENT_SPANS.format(where=where), epoch=log.epoch, writer=log.writer)
        return [(seq - log.first_seq, leaf) for seq, leaf in frame.iter_rows()]

    def _leaves(self, first: int, count: int) -> Sequence[bytes]:
        log = self._log
        low = log.first_seq + first
        if log.writer is None:
            frame = self._engine.frame(_SPINE_LEAVES, first=low, end=low + count)
        else:
            frame = self._engine.frame(_EVENT_LEAVES, epoch=log.epoch, writer=log.writer, first=low, end=low + count)
        leaves: list[bytes] = frame["leaf"].to_list()
        if len(leaves) != count:
            raise LookupError(f"the log {log.origin} has no {count} entries from {low}")
        return leaves


def store_tiles(engine: Engine, log: Log, tiles: Sequence[Tile]) -> None:
    """Keep completed tile hashes; storing one again changes nothing."""
    if not tiles:
        return
    engine.insert(
        "tiles",
        pl.DataFrame(
            {
                "log": [log.name] * len(tiles),
                "level": pl.Series([tile.level for tile in tiles], dtype=pl.UInt8),
                "n": pl.Series([tile.n for tile in tiles], dtype=pl.UInt64),
                "hash": pl.Series([tile.hash for tile in tiles], dtype=pl.Binary),
            }
        ),
    )


def restore_frontier(engine: Engine, log: Log, size: int) -> Frontier:
    """The frontier of the first `size` entries, after storing any tile that a crash left out."""
    nodes = StoredNodes(engine, log)
    expected = size // TILE_WIDTH
    stored, last = engine.rows(_TILE_COUNT, log=log.name, end=expected)[0]
    if stored != expected:
        # Tiles are stored in order: what a stop left out is the end, unless somebody took some from the middle.
        start = int(str(stored)) if stored and last == int(str(stored)) - 1 else 0
        _complete_tiles(engine, log, nodes, start, expected)
    return Frontier.restore(size, nodes)


def _complete_tiles(engine: Engine, log: Log, nodes: StoredNodes, start: int, end: int) -> None:
    frontier, tiles = Frontier.restore(start * TILE_WIDTH, nodes), list[Tile]()
    for n in range(start, end, TILE_WIDTH):
        tiles += frontier.extend(nodes.hashes(0, n * TILE_WIDTH, (min(n + TILE_WIDTH, end) - n) * TILE_WIDTH))
    store_tiles(engine, log, tiles)


class PathNodes:
    """`Nodes` that the path of one leaf needs, read in two questions however high the tree is."""

    def __init__(self, engine: Engine, log: Log, index: int, size: int, leaves: Sequence[tuple[int, bytes]] | None = None) -> None:
        """For leaf `index` of the tree over the first `size` leaves. `leaves` are those of `leaf_spans`, where they were read."""
        self._stored = StoredNodes(engine, log)
        self._found: dict[tuple[int, int], bytes] = {}
        higher = [_needed(index, size, level) for level in range(1, _levels(size))]
        for n, leaf in self._stored.leaves_of(leaf_spans(index, size)) if leaves is None else leaves:
            self._found[0, n] = leaf
        if higher:
            ranges = [(level, low, end) for level, spans in enumerate(higher, 1) for low, end in spans]
            where = " OR ".join(f"(level = {level} AND n >= {low} AND n < {end})" for level, low, end in ranges)
            for level, n, found in engine.frame(_PATH_TILES.format(where=where), log=log.name).iter_rows():
                self._found[level, n] = found

    def hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        """See `Nodes`. What was not read along, or is not stored yet, is asked for."""
        found = [self._found.get((level, n)) for n in range(first, first + count)]
        known = [item for item in found if item is not None]
        return known if len(known) == count else self._stored.hashes(level, first, count)


def leaf_spans(index: int, size: int) -> Sequence[tuple[int, int]]:
    """The leaves that a path needs, as ranges [from, to) of indexes: those of its tile, and the last ones of the tree."""
    return _needed(index, size, 0)


def _levels(size: int) -> int:
    """How many levels of tiles a tree has, from the leaves up."""
    return max(1, -(-(size - 1).bit_length() // TILE_HEIGHT))


def _needed(index: int, size: int, level: int) -> Sequence[tuple[int, int]]:
    """Which hashes of a level lie beside the path, as [from, to): the tile it passes through, and the last one of the level."""
    complete = size >> TILE_HEIGHT * level
    tile = (index >> TILE_HEIGHT * (level + 1)) * TILE_WIDTH
    last = complete // TILE_WIDTH * TILE_WIDTH
    spans = {(tile, min(tile + TILE_WIDTH, complete)), (last, complete)}
    return [(low, end) for low, end in sorted(spans) if low < end]


class CachedNodes:
    """`Nodes` that remembers what it read, for many proofs from one log: at most `limit` tiles of 8 KiB, and the right edge."""

    def __init__(self, nodes: StoredNodes, limit: int = 4_096) -> None:
        self._nodes = nodes
        self._limit = limit
        self._tiles: dict[tuple[int, int], Sequence[bytes]] = {}
        self._edge: dict[tuple[int, int, int], Sequence[bytes]] = {}

    def hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        """See `Nodes`. A range that lies in one complete tile is answered from it."""
        if (level, first, count) in self._edge:
            return self._edge[level, first, count]
        tile, offset = divmod(first, TILE_WIDTH)
        if (level, tile) not in self._tiles:
            try:
                whole = self._nodes.hashes(level, tile * TILE_WIDTH, TILE_WIDTH)
            except LookupError:
                # The last tile is not complete: the log is append-only, so what is read of it stays true.
                self._edge[level, first, count] = self._nodes.hashes(level, first, count)
                return self._edge[level, first, count]
            if len(self._tiles) >= self._limit:
                self._tiles.pop(next(iter(self._tiles)))
            self._tiles[level, tile] = whole
        return self._tiles[level, tile][offset : offset + count]
