"""The rows of logs against themselves: numbers, leaves, columns, order of receipt; and the trees over them.

A log is examined in ranges that begin at a tile of 256, side by side on all cores. A range says which entries do not fit, and gives
the hash over each of its complete tiles, from leaves that were themselves recomputed from the entries.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from store.engine import Engine
from store.fsck_report import Problem
from store.fsck_sql import (
    ENTRY_PROBLEMS,
    ENTRY_PROBLEMS_OF,
    ENTRY_TILES,
    LOG_LEAVES,
    LOG_TAIL,
    LOGS,
    STORED_DIGESTS,
    STORED_TILES,
    TILE_ROOTS,
)
from store.fsck_tree import WIDTH, root, root_of_levels

WORKERS = os.cpu_count() or 1
SMALLEST_RANGE, LARGEST_RANGE = 80 * WIDTH, 4_000 * WIDTH
"""Rows of one range: enough to be worth a query, few enough to bound memory (some 10 bytes a row stay until the range is done)."""

SHOWN = 100
"""Problems of one log that are told."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_SINGLY = 5_000
"""Entries of a range that are looked at one by one; beyond that the range is read again as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A registered log: its place, the leaf before its first entry (32 bytes), and the epoch secret (32 bytes)."""

    writer: str
    epoch: int
    origin: str
    first: int
    previous: bytes
    secret: bytes

    @property
    def place(self) -> Mapping[str, object]:
        """Where its rows are."""
        return {"writer": self.writer, "epoch": self.epoch}

    @property
    def tree(self) -> str:
        """The name of its tree in `tiles`."""
        return f"{self.writer}/{self.epoch}"


@dataclass(frozen=True, slots=True)
class Tail:
    """The last row of a log: its number (first − 1 where there is none) and its leaf (then the one before the log)."""

    last: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Range:
    """Rows [low, high) of a log."""

    log: Log
    low: int
    high: int


@dataclass(slots=True)
class Examined:
    """What ranges of one log gave: problems, the hash of each complete tile by its number, and whether numbers are wrong: no tree
    then.
    """

    problems: list[Problem] = field(default_factory=list)
    tiles: dict[int, bytes] = field(default_factory=dict)
    has_jumps: bool = False


def registered(engine: Engine) -> Sequence[Log]:
    """Every log of the register, by month and writer."""
    return [
        Log(writer=row[0], epoch=row[1], origin=row[2], first=row[3], previous=row[4], secret=row[5])
        for row in engine.frame(LOGS).iter_rows()
    ]


def tail(engine: Engine, log: Log) -> Tail:
    """The last row of a log as stored."""
    frame = engine.frame(LOG_TAIL, **log.place)
    return Tail(log.first - 1, log.previous) if frame.is_empty() else Tail(frame["seq"][0], frame["leaf"][0])


def ranges(spans: Iterable[Range]) -> Sequence[Range]:
    """Spans cut into ranges that begin at tiles and keep all cores busy."""
    wanted = list(spans)
    rows = sum(span.high - span.low for span in wanted)
    step = max(SMALLEST_RANGE, min(LARGEST_RANGE, -(-rows // (WORKERS * WIDTH)) * WIDTH))
    found = []
    for span in wanted:
        low = span.low
        while low < span.high:
            first = span.log.first
            border = first + ((low - first) // WIDTH * WIDTH) + step
            found.append(Range(span.log, low, min(border, span.high)))
            low = border
    return found


def examine(engine: Engine, spans: Iterable[Range]) -> Mapping[str, Examined]:
    """Every entry of some spans, by origin. A span may begin anywhere; a tile that it does not hold whole has no hash."""
    found: dict[str, Examined] = {}

    def one(part: Range) -> Examined:
        return _examine_range(engine, part)

    parts = ranges(spans)
    for part, result in zip(parts, side_by_side(one, parts), strict=True):
        log = found.setdefault(part.log.origin, Examined())
        log.problems += result.problems
        log.tiles |= result.tiles
        log.has_jumps |= result.has_jumps
    for log in found.values():
        del log.problems[SHOWN:]
    return found


def side_by_side(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> Iterator[_Result]:
    """Results in order, computed on all cores."""
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="fsck") as pool:
        yield from pool.map(work, items)


def jump(log: str, number: int, before: int) -> Problem:
    """What is wrong where `number` follows `before`."""
    what = "the entry is missing (deleted)" if number > before + 1 else "this sequence number stands twice (an entry was inserted)"
    return Problem(log=log, seq=min(number, before + 1), what=what)


def tiles_of(engine: Engine, log: Log, first: int, end: int) -> Mapping[int, bytes]:
    """The hashes of complete tiles of [first, end), from the leaves as stored; `first` is at a tile."""
    frame = engine.frame(TILE_ROOTS, first=first, end=end, **log.place)
    offset = (first - log.first) // WIDTH
    return {offset + n: hash_ for n, hash_ in frame.iter_rows()}


def rest_of(engine: Engine, log: Log, size: int) -> Sequence[bytes]:
    """The leaves after the last complete tile of the first `size` entries."""
    return _leaves(engine, log, size // WIDTH * WIDTH, size)


def _leaves(engine: Engine, log: Log, low: int, high: int) -> Sequence[bytes]:
    leaves: list[bytes] = engine.frame(LOG_LEAVES, first=log.first + low, end=log.first + high, **log.place)["leaf"].to_list()
    return leaves


class StoredTree:
    """The tile hashes stored for a log, made where there are none yet. They are hints: a root shows what they are worth."""

    def __init__(self, engine: Engine, name: str, *, leaves: Callable[[int, int], Sequence[bytes]]) -> None:
        """`leaves` reads leaves [low, high) of the log by index."""
        self._engine = engine
        self._name = name
        self._leaves = leaves

    def root(self, size: int) -> bytes | None:
        """The root over the first `size` entries; None where they are not all there."""
        levels, count, level = list[Sequence[bytes]](), size, 0
        while count or not levels:
            above = count // WIDTH
            hashes = self.hashes(level, above * WIDTH, count)
            if hashes is None:
                return None
            levels.append(hashes)
            count, level = above, level + 1
        return root_of_levels(levels)

    def hashes(self, level: int, start: int, end: int) -> Sequence[bytes] | None:
        """Hashes [start, end) of a level; None where entries beneath are missing."""
        if start == end:
            return []
        if level == 0:
            leaves = self._leaves(start, end)
            return leaves if len(leaves) == end - start else None
        known = {n: hashes[0] for n, hashes in self.stored(level, start, end)}
        missing = [n for n in range(start, end) if n not in known]
        # The writer stores tile hashes some batches late, so what is missing is mostly one run at the end.
        for at in range(0, len(missing), WIDTH):
            run = missing[at : at + WIDTH]
            below = self.hashes(level - 1, run[0] * WIDTH, (run[-1] + 1) * WIDTH)
            if below is None:
                return None
            for n in run:
                place = (n - run[0]) * WIDTH
                known[n] = root(below[place : place + WIDTH])
        return [known[n] for n in range(start, end)]

    def stored(self, level: int, start: int, end: int) -> Iterator[tuple[int, Sequence[bytes]]]:
        """(number, every hash stored for it) of a level, where there is any."""
        frame = self._engine.frame(STORED_TILES, log=self._name, level=level, first=start, end=end)
        for n, hashes in frame.iter_rows():
            yield n, sorted(hashes)

    def problems(self, origin: str, tiles: Mapping[int, bytes], *, first: int = 0) -> Iterator[Problem]:
        """Stored hashes that are not those of `tiles` (level 1, computed from the entries), or of the stored ones beneath them.

        A level above the first is looked at where its range ends among `tiles`. `first` is the number of the log's first entry.
        """
        if not tiles:
            return
        low, high = min(tiles), max(tiles) + 1
        for n, hashes in self.stored(1, low, high):
            if n in tiles and hashes != [tiles[n]]:
                yield _wrong_tile(origin, 1, n, first)
        level = 1
        while high // WIDTH > low // WIDTH:
            level, low, high = level + 1, low // WIDTH, high // WIDTH
            for n, hashes in self.stored(level, low, high):
                below = self.hashes(level - 1, n * WIDTH, (n + 1) * WIDTH)
                if below is not None and hashes != [root(below)]:
                    yield _wrong_tile(origin, level, n, first)


def log_tree(engine: Engine, log: Log) -> StoredTree:
    """The stored tree of a log."""
    return StoredTree(engine, log.tree, leaves=lambda low, high: _leaves(engine, log, low, high))


def _wrong_tile(origin: str, level: int, n: int, first: int) -> Problem:
    what = f"a stored hash of the tree (level {level}, number {n}) is not that of the entries from here on"
    return Problem(log=origin, seq=first + n * WIDTH**level, what=what)


def _examine_range(engine: Engine, part: Range) -> Examined:
    log = part.log
    question = {"low": part.low, "high": part.high, "genesis": log.previous.hex(), **_pads(log), **log.place}
    misfits, jumps, count, tiles = list[int](), list[Problem](), 0, dict[int, bytes]()
    last = part.low - 1
    for tile, entries, some, places, hashes in engine.frame(ENTRY_TILES, first=log.first, **question).iter_rows():
        misfits += some
        jumps += [jump(log.origin, place["1"], place["2"]) for place in places]
        count += entries
        last += entries + sum(place["1"] - place["2"] - 1 for place in places)
        if entries == WIDTH and len(hashes) == 8:
            tiles[tile] = root(hashes)
    if last != part.high - 1 and len(jumps) < SHOWN:
        jumps.append(jump(log.origin, part.high, last))
    misfits += [int(str(seq)) for (seq,) in engine.rows(STORED_DIGESTS, low=part.low, high=part.high, **log.place)]
    wanted = sorted(set(misfits))
    if len(wanted) > _SINGLY:
        rows = engine.rows(ENTRY_PROBLEMS, **question)
    else:
        rows = engine.rows(ENTRY_PROBLEMS_OF, wanted=wanted, **question) if wanted else []
    found = jumps + [Problem(log=log.origin, seq=int(str(seq)), what=str(what)) for seq, what in rows]
    # What is wrong with the numbers explains what is wrong with the entry there, so it comes first (sorting is stable).
    found.sort(key=lambda problem: -1 if problem.seq is None else problem.seq)
    return Examined(found[:SHOWN], tiles, bool(jumps))


def _pads(log: Log) -> Mapping[str, str]:
    """The padded keys of HMAC-SHA256 (RFC 2104) for the log's salts, in hex; the inner one with what every message begins with."""
    key = log.secret.ljust(64, b"\0")
    inner = bytes(byte ^ 0x36 for byte in key) + log.writer.encode() + b"\n"
    return {"inner": inner.hex(), "outer": bytes(byte ^ 0x5C for byte in key).hex()}
