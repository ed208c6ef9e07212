"""Inclusion proofs of events against the newest checkpoint: a handful of questions, however long the log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from domain.checkpoint import Head, heads_leaves
from domain.entry import body_bytes, genesis, private_digest, salt
from domain.errors import NotFound
from domain.merkle import Leaves, inclusion_proof
from domain.proof import EventProof
from store.engine import Engine
from store.logs import LogRecord, registered_logs
from store.tree import Log, PathNodes, leaf_spans

_CHECKPOINT = "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1"

_COMMITMENT = """
SELECT seq, body, heads FROM spine
WHERE seq < {size:UInt64} AND position(heads, {origin:String}) > 0 ORDER BY seq DESC LIMIT 1
"""

_SPINE_LEAF = "SELECT leaf FROM spine WHERE seq = {seq:UInt64}"

# One question for the entry and for the leaves beside it: the planner takes longer than the reading. Ranges are numbers of ours.
_ENTRIES = """
SELECT seq, leaf, if(seq = {{seq:UInt64}}, header, '') AS header, if(seq = {{seq:UInt64}}, private, '') AS private,
    if(seq = {{seq:UInt64}}, private_digest, '') AS private_digest
FROM events WHERE epoch = {{epoch:UInt32}} AND writer = {{writer:String}} AND ({where})
SETTINGS optimize_use_projections = 0
"""


@dataclass(frozen=True, slots=True)
class _Neighbourhood:
    """An entry, and (seq, leaf) of the entries beside it."""

    header: bytes
    private: bytes
    private_digest: str
    leaves: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class _Commitment:
    """A log as the newest checkpoint vouches for it, with everything that all its proofs share."""

    head: Head
    heads_index: int
    heads_count: int
    heads_path: Sequence[bytes]
    spine_body: bytes
    spine_previous: bytes
    spine_index: int
    spine_path: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class _Vouched:
    """A checkpoint, the logs there were, and what it vouches for, as far as somebody asked."""

    size: int
    note: str
    records: Sequence[LogRecord]
    commitments: dict[str, _Commitment] = field(default_factory=dict)


class Proofs:
    """Makes proofs. Keep one: what all proofs under one checkpoint share is read once. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, spine_origin: str) -> None:
        self._engine = engine
        self._spine = Log(origin=spine_origin)
        self._vouched: _Vouched | None = None

    def event(self, writer: str, seq: int) -> EventProof:
        """The proof of one entry against the newest checkpoint.

        Raises NotFound where there is no such entry, no checkpoint covers it yet, or nothing is signed yet.
        """
        vouched = self._newest()
        record = _log_of(vouched.records, writer, seq)
        commitment = vouched.commitments.get(record.origin)
        if commitment is None:
            commitment = vouched.commitments[record.origin] = self._commit(vouched, record)
        index, size = seq - record.first_seq, commitment.head.size
        if index >= size:
            raise NotFound(f"entry {seq} is stored, but no checkpoint covers it yet: ask again in a few seconds")
        near = self._read(record, seq, [(record.first_seq + low, record.first_seq + end) for low, end in leaf_spans(index, size)])
        digest = bytes.fromhex(near.private_digest) or private_digest(near.private, salt(record.secret, writer, seq))
        leaves = [(number - record.first_seq, leaf) for number, leaf in near.leaves.items()]
        return EventProof(
            writer=writer,
            seq=seq,
            body=body_bytes(near.header, digest),
            previous=record.previous if index == 0 else near.leaves[seq - 1],
            index=index,
            head=commitment.head,
            path=inclusion_proof(PathNodes(self._engine, record.log, index, size, leaves), index, size),
            heads_index=commitment.heads_index,
            heads_count=commitment.heads_count,
            heads_path=commitment.heads_path,
            spine_body=commitment.spine_body,
            spine_previous=commitment.spine_previous,
            spine_index=commitment.spine_index,
            spine_path=commitment.spine_path,
            checkpoint=vouched.note,
        )

    def _newest(self) -> _Vouched:
        rows = self._engine.rows(_CHECKPOINT)
        if not rows:
            raise NotFound("nothing is signed yet: the first checkpoint follows within seconds of the first start")
        size, note = int(str(rows[0][0])), str(rows[0][1])
        vouched = self._vouched
        if vouched is None or vouched.note != note:
            vouched = self._vouched = _Vouched(size, note, registered_logs(self._engine))
        return vouched

    def _commit(self, vouched: _Vouched, record: LogRecord) -> _Commitment:
        rows = self._engine.rows(_COMMITMENT, size=vouched.size, origin=f"{record.origin} ")
        if not rows:
            raise NotFound("no checkpoint covers this log yet: ask again in a few seconds")
        spine_index, body, lines = int(str(rows[0][0])), str(rows[0][1]), str(rows[0][2])
        heads = [Head.parse(line) for line in lines.split("\n")]
        position = next(i for i, head in enumerate(heads) if head.origin == record.origin)
        previous = genesis(self._spine.origin, b"")
        if spine_index:
            previous = self._engine.frame(_SPINE_LEAF, seq=spine_index - 1)["leaf"][0]
        nodes = PathNodes(self._engine, self._spine, spine_index, vouched.size)
        return _Commitment(
            head=heads[position],
            heads_index=position,
            heads_count=len(heads),
            heads_path=inclusion_proof(Leaves(heads_leaves(heads)), position, len(heads)),
            spine_body=body.encode(),
            spine_previous=previous,
            spine_index=spine_index,
            spine_path=inclusion_proof(nodes, spine_index, vouched.size),
        )

    def _read(self, record: LogRecord, seq: int, spans: Sequence[tuple[int, int]]) -> _Neighbourhood:
        """The entry, the one before it in its log, and those in ranges [from, to) of seq."""
        before = max(record.first_seq, seq - 1)
        where = " OR ".join(f"(seq >= {low} AND seq < {end})" for low, end in [*spans, (before, seq + 1)])
        frame = self._engine.frame(_ENTRIES.format(where=where), seq=seq, epoch=record.epoch, writer=record.writer)
        leaves = dict(zip(frame["seq"].to_list(), frame["leaf"].to_list(), strict=True))
        if seq not in leaves or before not in leaves:
            raise NotFound(f"there is no entry {seq} of writer {record.writer}: its month may have been disposed of")
        _, _, header, private, digest = frame.row(by_predicate=pl.col("seq") == seq)
        return _Neighbourhood(header.encode(), private.encode(), digest, leaves)


def _log_of(records: Sequence[LogRecord], writer: str, seq: int) -> LogRecord:
    logs = [record for record in records if record.writer == writer and record.first_seq <= seq]
    if not logs:
        raise NotFound(f"there is no entry {seq} of writer {writer}")
    return logs[-1]
