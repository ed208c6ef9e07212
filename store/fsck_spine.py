"""The spine against itself, and what it says: seals, tombstones, disposals, redactions, rotations of the key, the newest heads.

The chain of seals is what nothing can be hidden from: every entry counts the seals before it and names the newest
(docs/log-format.md section 4), a log stands in every `heads` entry from its first to its seal, and in none after.
"""

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from store.engine import Engine
from store.fsck_entries import LARGEST_RANGE, StoredTree, side_by_side
from store.fsck_report import Problem
from store.fsck_spine_sql import (
    COMMITMENTS,
    ENTRIES,
    HEADS_BEFORE,
    HEADS_CHANGES,
    NEWEST_HEADS,
    RECORD,
    SPINE_COUNT,
    SPINE_LAST,
    SPINE_LEAVES,
    SPINE_PROBLEMS,
    SPINE_TILE_ROOTS,
)
from store.fsck_tree import WIDTH

SPINE_TREE = "spine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An entry of the spine that is no `heads` entry: its number, kind, fields, and the head lines beside it."""

    seq: int
    kind: str
    time: str
    fields: Mapping[str, object]
    lines: Sequence[str]

    def text(self, name: str) -> str:
        """A field that is a string; '' where it is none."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        """A field that is an integer; -1 where it is none."""
        value = self.fields.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else -1

    @property
    def log(self) -> tuple[str, int]:
        """Writer and month that it is about."""
        return self.text("writer"), self.number("epoch")


@dataclass(slots=True, kw_only=True)
class Record:
    """What the first `size` entries say. Of two seals or tombstones for one log, the later stands here."""

    origin: str
    size: int
    entries: Sequence[Said] = ()
    seals: dict[str, Said] = field(default_factory=dict)
    tombstones: dict[tuple[str, int], Said] = field(default_factory=dict)
    disposed: dict[int, Said] = field(default_factory=dict)
    newest: Said | None = None

    def of(self, kind: str) -> Sequence[Said]:
        """The entries of a kind, oldest first."""
        return [said for said in self.entries if said.kind == kind]

    def gave_up(self, size: int, *, signed_size: int) -> bool:
        """Whether a person accepted a store that was shorter than this, under a signed checkpoint: it had entries up to there."""
        return any(
            said.seq < min(size, signed_size) and size <= said.number("abandoned_size")
            for said in self.of("policy")
            if "abandoned_size" in said.fields
        )

    def heads(self) -> Mapping[str, tuple[int, str]]:
        """The newest commitment to each log that is open or sealed: size and root in hex, by origin."""
        found = dict[str, tuple[int, str]]()
        for said in [*([self.newest] if self.newest else []), *self.of("seal")]:
            for line in said.lines:
                origin, size, root = head(line)
                found[origin] = size, root
        return found


def head(line: str) -> tuple[str, int, str]:
    """Origin, size and root in hex of a head line; an empty root and −1 where it is none."""
    parts = line.split(" ")
    if len(parts) != 3 or not parts[1].isdigit():
        return parts[0], -1, ""
    return parts[0], int(parts[1]), parts[2]


def read_record(engine: Engine, origin: str, problems: list[Problem]) -> Record:
    """What the spine says as of now, in as many entries as there are now."""
    record = Record(origin=origin, size=extent(engine))
    rows = [_said(*row) for row in engine.rows(RECORD, size=record.size)]
    record.entries = [said for said in rows if isinstance(said, Said)]
    problems += [Problem(log=origin, seq=said, what="spine: the entry is not readable") for said in rows if isinstance(said, int)]
    for said in record.entries:
        if said.kind == "seal":
            record.seals[said.text("origin")] = said
        elif said.kind == "tombstone":
            record.tombstones[said.log] = said
        elif said.kind == "disposed":
            record.disposed[said.number("epoch")] = said
    for row in engine.rows(NEWEST_HEADS, size=record.size):
        newest = _said(*row)
        if isinstance(newest, Said):
            record.newest = newest
        else:
            problems.append(Problem(log=origin, seq=newest, what="spine: the entry is not readable"))
    return record


def _said(seq: object, kind: object, body: object, heads: object) -> Said | int:
    number = int(str(seq))
    try:
        said = json.loads(str(body))
        lines = str(heads).split("\n") if heads else []
        return Said(seq=number, kind=str(kind), time=str(said["time"]), fields=dict(said["fields"]), lines=lines)
    except (ValueError, KeyError, TypeError):
        return number


def check_entries(engine: Engine, record: Record, low: int, high: int) -> Sequence[Problem]:
    """Entries [low, high): numbers, leaves, columns, heads, the count of seals, and which logs come and go."""
    problems = [
        problem for part in side_by_side(lambda at: _check_range(engine, record, *at), _parts(low, high)) for problem in part
    ]
    return sorted([*problems, *_changes(engine, record, low, high)], key=lambda problem: -1 if problem.seq is None else problem.seq)


def _parts(low: int, high: int) -> Sequence[tuple[int, int]]:
    return [(start, min(start + LARGEST_RANGE, high)) for start in range(low, high, LARGEST_RANGE)]


def _check_range(engine: Engine, record: Record, low: int, high: int) -> Sequence[Problem]:
    sealed = [said.seq for said in record.of("seal")]
    before = bisect_left(sealed, low)
    genesis = hashlib.sha256(record.origin.encode()).hexdigest()
    last_seal = sealed[before - 1] + 1 if before else 0
    rows = engine.rows(SPINE_PROBLEMS, genesis=genesis, low=low, high=high, seals=before, last_seal=last_seal)
    return [Problem(log=record.origin, seq=int(str(seq)), what=f"spine: {what}") for seq, what in rows]


def _changes(engine: Engine, record: Record, low: int, high: int) -> Iterator[Problem]:
    """A log that leaves the `heads` entries was sealed just then; one that joins was not sealed before."""
    before = engine.rows(HEADS_BEFORE, low=low)
    for seq, since, gone, come in engine.rows(HEADS_CHANGES, low=before[0][0] if before else low, high=high):
        place, last = int(str(seq)), int(str(since))
        assert isinstance(gone, list | tuple)
        assert isinstance(come, list | tuple)
        for origin in gone:
            seal = record.seals.get(origin)
            if seal is None or not last < seal.seq < place:
                what = f"spine: {origin} is no longer among the heads, and was not sealed"
                yield Problem(log=record.origin, seq=place, what=what)
        for origin in come:
            seal = record.seals.get(origin)
            if seal is not None and seal.seq < place:
                what = f"spine: {origin} is among the heads although it was sealed before"
                yield Problem(log=record.origin, seq=place, what=what)


def extent(engine: Engine) -> int:
    """How many entries there are, going by the last one."""
    last = engine.frame(SPINE_LAST)
    return 0 if last.is_empty() else int(last["seq"][0]) + 1


def check_extent(engine: Engine, record: Record) -> Iterator[Problem]:
    """Without reading the entries: there are as many as the last number says."""
    before, size, after = _count(engine), extent(engine), _count(engine)
    if not before <= size <= after:
        what = "an entry is missing" if after < size else "an entry was inserted or repeated"
        yield Problem(log=record.origin, seq=None, what=f"spine: {what} ({after} entries, the last is {size - 1})")


def _count(engine: Engine) -> int:
    return int(str(engine.rows(SPINE_COUNT)[0][0]))


def leaves(engine: Engine, low: int, high: int) -> Sequence[bytes]:
    """The leaves [low, high) as stored."""
    found: list[bytes] = engine.frame(SPINE_LEAVES, first=low, end=high)["leaf"].to_list()
    return found


def tree(engine: Engine) -> StoredTree:
    """The stored tree of the spine."""
    return StoredTree(engine, SPINE_TREE, leaves=lambda low, high: leaves(engine, low, high))


def tiles(engine: Engine, low: int, high: int) -> Mapping[int, bytes]:
    """The hashes of the complete tiles of [low, high), from the leaves; `low` is at a tile."""
    found = dict[int, bytes]()
    for start, end in _parts(low, high // WIDTH * WIDTH):
        frame = engine.frame(SPINE_TILE_ROOTS, first=start, end=end)
        found |= {start // WIDTH + n: hash_ for n, hash_ in frame.iter_rows()}
    return found


def said_at(engine: Engine, numbers: Sequence[int]) -> Sequence[Said]:
    """Single entries that can be read."""
    rows = [_said(*row) for row in engine.rows(ENTRIES, numbers=numbers)] if numbers else []
    return [said for said in rows if isinstance(said, Said)]


def commitments(engine: Engine, record: Record, origin: str) -> Sequence[tuple[int, bytes]]:
    """Every size of a log that an entry commits to, with the root, smallest first."""
    return list(engine.frame(COMMITMENTS, origin=f"{origin} ", size=record.size).iter_rows())


def instant(text: str) -> datetime | None:
    """A moment as the spine writes it; None where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
