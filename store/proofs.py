"""Inclusion proofs of events against the newest checkpoint, read from tile hashes: a few hundred hashes, however long the log."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.checkpoint import Head, heads_leaves
from domain.entry import body_bytes, genesis, private_digest, salt
from domain.errors import NotFound
from domain.merkle import Leaves, inclusion_proof
from domain.proof import EventProof
from store.engine import Engine
from store.logs import LogRecord, registered_logs
from store.tree import CachedNodes, Log, StoredNodes

_CHECKPOINT = "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1"

_COMMITMENT = """
SELECT seq, body, heads FROM spine
WHERE seq < {size:UInt64} AND position(heads, {origin:String}) > 0 ORDER BY seq DESC LIMIT 1
"""

_SPINE_LEAF = "SELECT leaf FROM spine WHERE seq = {seq:UInt64}"

_ENTRIES = """
SELECT seq, leaf, header, private, private_digest FROM events
WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND seq >= {first:UInt64} AND seq < {end:UInt64} ORDER BY seq
"""


@dataclass(slots=True)
class _Commitment:
    """A log as the newest checkpoint vouches for it, with everything that all its proofs share."""

    record: LogRecord
    head: Head
    heads_index: int
    heads_count: int
    heads_path: Sequence[bytes]
    spine_body: bytes
    spine_previous: bytes
    spine_index: int
    spine_path: Sequence[bytes]
    checkpoint: str
    nodes: CachedNodes
    rows: dict[int, tuple[bytes, bytes, bytes, str]] = field(default_factory=dict)


class Proofs:
    """Makes proofs against the newest checkpoint at the time of construction. Not thread-safe; make one per request."""

    def __init__(self, engine: Engine, spine_origin: str) -> None:
        """Raises NotFound before the first checkpoint."""
        self._engine = engine
        self._spine = Log(origin=spine_origin)
        self._records = registered_logs(engine)
        self._commitments: dict[str, _Commitment] = {}
        checkpoint = engine.rows(_CHECKPOINT)
        if not checkpoint:
            raise NotFound("nothing is signed yet: the first checkpoint follows within seconds of the first start")
        self._size, self._note = int(str(checkpoint[0][0])), str(checkpoint[0][1])

    def event(self, writer: str, seq: int) -> EventProof:
        """The proof of one entry. Raises NotFound where there is no such entry, or no checkpoint covers it yet."""
        record = self._log_of(writer, seq)
        commitment = self._commitments.get(record.origin) or self._commit(record)
        index = seq - record.first_seq
        if index >= commitment.head.size:
            raise NotFound(f"entry {seq} is stored, but no checkpoint covers it yet: ask again in a few seconds")
        rows = self._rows(commitment, seq)
        _, header, private, stored_digest = rows[seq]
        digest = bytes.fromhex(stored_digest) or private_digest(private, salt(record.secret, writer, seq))
        return EventProof(
            writer=writer,
            seq=seq,
            body=body_bytes(header, digest),
            previous=record.previous if index == 0 else rows[seq - 1][0],
            index=index,
            head=commitment.head,
            path=inclusion_proof(commitment.nodes, index, commitment.head.size),
            heads_index=commitment.heads_index,
            heads_count=commitment.heads_count,
            heads_path=commitment.heads_path,
            spine_body=commitment.spine_body,
            spine_previous=commitment.spine_previous,
            spine_index=commitment.spine_index,
            spine_path=commitment.spine_path,
            checkpoint=commitment.checkpoint,
        )

    def _log_of(self, writer: str, seq: int) -> LogRecord:
        logs = [record for record in self._records if record.writer == writer and record.first_seq <= seq]
        if not logs:
            raise NotFound(f"there is no entry {seq} of writer {writer}")
        return logs[-1]

    def _commit(self, record: LogRecord) -> _Commitment:
        rows = self._engine.rows(_COMMITMENT, size=self._size, origin=f"{record.origin} ")
        if not rows:
            raise NotFound("no checkpoint covers this log yet: ask again in a few seconds")
        spine_index, body, lines = int(str(rows[0][0])), str(rows[0][1]), str(rows[0][2])
        heads = [Head.parse(line) for line in lines.split("\n")]
        position = next(i for i, head in enumerate(heads) if head.origin == record.origin)
        previous = genesis(self._spine.origin, b"")
        if spine_index:
            previous = self._engine.frame(_SPINE_LEAF, seq=spine_index - 1)["leaf"][0]
        commitment = _Commitment(
            record=record,
            head=heads[position],
            heads_index=position,
            heads_count=len(heads),
            heads_path=inclusion_proof(Leaves(heads_leaves(heads)), position, len(heads)),
            spine_body=body.encode(),
            spine_previous=previous,
            spine_index=spine_index,
            spine_path=inclusion_proof(StoredNodes(self._engine, self._spine), spine_index, self._size),
            checkpoint=self._note,
            nodes=CachedNodes(StoredNodes(self._engine, record.log)),
        )
        self._commitments[record.origin] = commitment
        return commitment

    def _rows(self, commitment: _Commitment, seq: int) -> dict[int, tuple[bytes, bytes, bytes, str]]:
        """The entry and its predecessor; neighbours are read along, because exports ask for them next."""
        record = commitment.record
        if seq not in commitment.rows or (seq > record.first_seq and seq - 1 not in commitment.rows):
            first = max(record.first_seq, seq - 1)
            frame = self._engine.frame(_ENTRIES, epoch=record.epoch, writer=record.writer, first=first, end=seq + 256)
            commitment.rows = {row[0]: (row[1], row[2].encode(), row[3].encode(), row[4]) for row in frame.iter_rows()}
        if seq not in commitment.rows:
            raise NotFound(f"there is no entry {seq} of writer {record.writer}: its month may have been disposed of")
        return commitment.rows
