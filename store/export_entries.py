"""The entries of one log that an export gives, and those of its subject that it does not: read in portions, hashed by the engine.

Salt, private digest and body are computed where the rows are (docs/log-format.md section 2); nothing is asked per entry.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from domain.index_tree import Dimension, index_key, tag
from domain.merkle import TILE_HEIGHT, TILE_WIDTH
from store.engine import Engine
from store.events import EventFilter, condition
from store.export_logs import ExportLog, Subject
from store.logs import LogRecord
from store.tree import StoredNodes

_PLACE = "epoch = {epoch:UInt32} AND writer = {writer:String} AND seq >= {first:UInt64} AND seq <= {last:UInt64}"

_SALT_BYTES = "substring(HMAC('sha256', concat(writer, '\\n', toString(seq)), unhex({secret:String})), 1, 16)"

_SALT = f"lower(hex({_SALT_BYTES}))"

_DIGEST = f"if(private_digest != '', private_digest, lower(hex(SHA256(concat({_SALT_BYTES}, private)))))"

_BODY = f"""replaceOne(header, '"private_digest":""', concat('"private_digest":"', {_DIGEST}, '"'))"""

_SIZES = f"""
SELECT seq, toUInt64(length(header) + 2 * length(private)) AS size FROM events
WHERE {_PLACE} AND %s ORDER BY seq LIMIT {{limit:UInt32}}
"""

# The rows are found inside, so that no name that is made here can be taken for a column there.
_ROWS = f"""
SELECT seq, lower(hex(leaf)) AS leaf, {_BODY} AS body, toBool(private_digest != '') AS is_redacted, private, {_SALT} AS salt,
    concat(replaceOne(toString(moment), ' ', 'T'), 'Z') AS time, concat(replaceOne(toString(receipt), ' ', 'T'), 'Z') AS received,
    moment, toString(source) AS source, toString(source_system) AS source_system, event_id, toString(action) AS action,
    toString(outcome) AS outcome, actor_id, toString(actor_kind) AS actor_kind, patient_id, device_id,
    toString(device_kind) AS device_kind, ip, details, toString(format) AS format
FROM
(
    SELECT writer, seq, leaf, header, private, private_digest, time AS moment, received AS receipt, source, source_system, event_id,
        action, outcome, actor_id, actor_kind, patient_id, device_id, device_kind, ip, details, format
    FROM events WHERE {_PLACE} AND %s
)
ORDER BY seq
"""

_OUTSIDE = f"""
SELECT seq, {_BODY} AS body FROM events WHERE {_PLACE} AND %s ORDER BY seq LIMIT {{limit:UInt32}}
"""

_LEAVES = """
SELECT seq, leaf FROM events WHERE epoch = {epoch:UInt32} AND writer = {writer:String}
    AND seq IN (SELECT arrayJoin({seqs:Array(UInt64)})) ORDER BY seq
"""

# The leaves of whole subtrees, and the leaf in front of each.
_TILES = f"""
SELECT seq, leaf FROM events WHERE {_PLACE} AND (
    bitShiftRight(seq - {{start:UInt64}}, {TILE_HEIGHT}) IN (SELECT arrayJoin({{tiles:Array(UInt64)}}))
    OR bitShiftRight(seq + 1 - {{start:UInt64}}, {TILE_HEIGHT}) IN (SELECT arrayJoin({{tiles:Array(UInt64)}})))
ORDER BY seq
"""

_ANCHORS = f"""
SELECT seq, {_BODY} AS body, private, {_SALT} AS salt
FROM events WHERE {_PLACE} AND source_system = 'phitrail' AND action = 'time_anchor' AND private_digest = ''
ORDER BY seq DESC LIMIT {{limit:UInt32}}
"""

_REDACTED = """
SELECT count() FROM redactions WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND %s = {tag:String}
"""

_COLUMNS = {Dimension.PATIENT: "patient_id", Dimension.ACTOR: "actor_id", Dimension.SOURCE_SYSTEM: "source_system"}
_TAGS = {Dimension.PATIENT: "patient_tag", Dimension.ACTOR: "actor_tag"}

SIZES_AT_ONCE = 65_536
ROWS_AT_ONCE = 8_192
BYTES_AT_ONCE = 16 << 20
TILES_AT_ONCE = 512


class LeafWindow:
    """`domain.merkle.Nodes` of a log whose leaves are read for many subtrees at a time."""

    def __init__(self, engine: Engine, log: ExportLog) -> None:
        assert log.record is not None
        self._engine = engine
        self._record = log.record
        self._last = log.record.first_seq + log.head.size - 1
        self._nodes = StoredNodes(engine, log.record.log)
        self._first: dict[int, int] = {}
        self._leaves: list[bytes] = []
        self._seqs: list[int] = []

    def read(self, tiles: Sequence[int]) -> None:
        """Have the leaves of these subtrees, at most `TILES_AT_ONCE` and in order, and forget the ones before."""
        record = self._record
        low, high = tiles[0] * TILE_WIDTH, (tiles[-1] + 1) * TILE_WIDTH
        frame = self._engine.frame(
            _TILES,
            epoch=record.epoch,
            writer=record.writer,
            first=record.first_seq + max(low - 1, 0),
            last=min(record.first_seq + high - 1, self._last),
            start=record.first_seq,
            tiles=list(tiles),
        )
        self._seqs, self._leaves = frame["seq"].to_list(), frame["leaf"].to_list()
        self._first = {seq: at for at, seq in enumerate(self._seqs) if (seq - record.first_seq) % TILE_WIDTH == 0}

    def before(self, tile: int) -> bytes:
        """The leaf in front of the first of a subtree that was read: of the first subtree, the log's genesis."""
        if tile == 0:
            return self._record.previous
        at = self._first[self._record.first_seq + tile * TILE_WIDTH]
        return self._leaves[at - 1]

    def hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        """See `Nodes`. Raises LookupError where leaves are missing in the store."""
        at = self._first.get(self._record.first_seq + first) if level == 0 else None
        if at is None:
            return self._nodes.hashes(level, first, count)
        leaves = self._leaves[at : at + count]
        if len(leaves) != count or self._seqs[at + count - 1] != self._seqs[at] + count - 1:
            raise LookupError(f"the log {self._record.origin} has no {count} entries from {self._seqs[at]}")
        return leaves


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of one log: the WHERE texts of what is given and of what is left outside, and the values to bind."""

    given: str
    outside: str
    parameters: dict[str, object]


class ExportEntries:
    """The entries that a filter finds. What one export reads does not change meanwhile: a log grows beyond it."""

    def __init__(self, engine: Engine, wanted: EventFilter, subject: Subject | None) -> None:
        """`subject` is that of the filter (`store.export_logs.subject_of`)."""
        self._engine = engine
        self._wanted = wanted
        self._subject = subject
        self._questions: dict[str, _Question] = {}

    def portions(self, log: ExportLog) -> Iterator[pl.DataFrame]:
        """The entries to give, in order of seq: at most `ROWS_AT_ONCE`, and about `BYTES_AT_ONCE`, in memory.

        Columns: seq, leaf (hex), body, is_redacted, private, salt (hex), time and received (RFC 3339), moment (instant), and the
        columns of `events` of the same names.
        """
        record, asked = _kept(log), self._question(log)
        place = self._place(log)
        first = record.first_seq
        while True:
            sizes = self._engine.frame(
                _SIZES % asked.given, **{**place, "first": first, "limit": SIZES_AT_ONCE}, **asked.parameters
            )
            for low, high in _cut(sizes):
                yield self._engine.frame(
                    _ROWS % asked.given, **{**place, "first": low, "last": high}, secret=record.secret.hex(), **asked.parameters
                )
            if sizes.height < SIZES_AT_ONCE:
                return
            first = sizes["seq"][-1] + 1

    def outside(self, log: ExportLog) -> Iterator[pl.DataFrame]:
        """The subject's entries that were not asked for, in order of seq: columns seq, body, previous (the leaf before, hex)."""
        record, asked = _kept(log), self._question(log)
        place = self._place(log)
        first = record.first_seq
        while self._subject is not None:
            limited = {**place, "first": first, "limit": ROWS_AT_ONCE}
            frame = self._engine.frame(_OUTSIDE % asked.outside, **limited, secret=record.secret.hex(), **asked.parameters)
            if not frame.is_empty():
                yield frame.with_columns(previous=pl.Series(self.leaves_before(log, frame["seq"].to_list()), dtype=pl.String))
            if frame.height < ROWS_AT_ONCE:
                return
            first = frame["seq"][-1] + 1

    def anchors(self, log: ExportLog, before: int, limit: int) -> Iterator[Mapping[str, object]]:
        """The newest `time_anchor` events in front of entry `before` of a log, newest first: seq, body, private, salt (hex)."""
        record, place = _kept(log), self._place(log)
        if before == record.first_seq:
            return
        frame = self._engine.frame(_ANCHORS, **{**place, "last": before - 1, "limit": limit}, secret=record.secret.hex())
        yield from frame.iter_rows(named=True)

    def leaves_before(self, log: ExportLog, seqs: Sequence[int]) -> list[str]:
        """The leaf in front of each of these entries, in hex."""
        record = _kept(log)
        before = [seq - 1 for seq in seqs if seq > record.first_seq]
        frame = self._engine.frame(_LEAVES, epoch=record.epoch, writer=record.writer, seqs=before)
        leaves = dict(zip(frame["seq"].to_list(), frame["leaf"].to_list(), strict=True))
        return [(leaves[seq - 1] if seq > record.first_seq else record.previous).hex() for seq in seqs]

    def window(self, log: ExportLog) -> LeafWindow:
        """The leaves of a log, to prove its entries with."""
        return LeafWindow(self._engine, log)

    def _place(self, log: ExportLog) -> dict[str, object]:
        record = _kept(log)
        last = record.first_seq + log.head.size - 1
        return {"epoch": record.epoch, "writer": record.writer, "first": record.first_seq, "last": last}

    def _question(self, log: ExportLog) -> _Question:
        if log.head.origin not in self._questions:
            self._questions[log.head.origin] = self._asked_of(log)
        return self._questions[log.head.origin]

    def _asked_of(self, log: ExportLog) -> _Question:
        subject = self._subject
        if subject is None:
            where, parameters = condition(self._wanted)
            return _Question(where, "0", parameters)
        rest, parameters = condition(_without(self._wanted, subject.dimension))
        theirs, more = self._theirs(log, subject)
        return _Question(f"{theirs} AND ({rest})", f"{theirs} AND NOT ({rest})", {**parameters, **more})

    def _theirs(self, log: ExportLog, subject: Subject) -> tuple[str, dict[str, object]]:
        """The subject's entries: by their column, and for those that were redacted by the tag that was kept."""
        record, column = _kept(log), _COLUMNS[subject.dimension]
        parameters: dict[str, object] = {"subject": subject.name}
        plain = f"{column} = {{subject:String}}"
        if subject.dimension not in _TAGS:
            return plain, parameters
        tag_column = _TAGS[subject.dimension]
        kept = tag(index_key(record.secret, subject.dimension), subject.name).hex()
        found = self._engine.rows(_REDACTED % tag_column, epoch=record.epoch, writer=record.writer, tag=kept)
        if found[0][0] == 0:
            return plain, parameters
        redacted = (
            f"private_digest != '' AND seq IN (SELECT seq FROM redactions "
            f"WHERE epoch = {{epoch:UInt32}} AND writer = {{writer:String}} AND {tag_column} = {{tag:String}})"
        )
        return f"({plain} OR ({redacted}))", {**parameters, "tag": kept}


def _without(wanted: EventFilter, dimension: Dimension) -> EventFilter:
    match dimension:
        case Dimension.PATIENT:
            return replace(wanted, patient_id=None)
        case Dimension.ACTOR:
            return replace(wanted, actor_id=None)
        case Dimension.SOURCE_SYSTEM:
            return replace(wanted, source_systems=())


def _cut(sizes: pl.DataFrame) -> Iterator[tuple[int, int]]:
    """First and last seq of each portion: so many rows that neither bound is passed, and at least one."""
    low, rows, room = None, 0, BYTES_AT_ONCE
    last = 0
    for seq, size in sizes.iter_rows():
        if low is not None and (rows >= ROWS_AT_ONCE or size > room):
            yield low, last
            low = None
        if low is None:
            low, rows, room = seq, 0, BYTES_AT_ONCE
        last, rows, room = seq, rows + 1, room - size
    if low is not None:
        yield low, last


def _kept(log: ExportLog) -> LogRecord:
    assert log.record is not None, "a log that was disposed of has no entries"
    return log.record
