"""Start of a writer: what the store holds, checked against what the anchor says was acknowledged.

A store behind its anchor was rolled back: refused. Rows beyond the anchor that end where the anchor says that a commit was about to
end are that commit, cut short after its insert: each is recomputed from its own bytes, its link checked, its key written again, and
the anchor moved to it. Any others were written by somebody else, well made or not: refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.entry import Draft, body_bytes, chain, draft, private_digest, salt
from domain.errors import IntegrityError
from store.anchor import Anchor
from store.engine import Engine
from store.entry_rows import COLUMNS, stored_event
from store.keys import store_keys
from store.logs import LogRecord, registered_logs

_HEAD = "SELECT count() AS entries, max(seq) AS last, max(received) AS received FROM events WHERE writer = {writer:String}"
_ENTRIES = f"""
SELECT {COLUMNS}, header, epoch FROM events
WHERE writer = {{writer:String}} AND seq >= {{first:UInt64}} AND seq < {{end:UInt64}} ORDER BY seq
"""

_TOMBSTONES = """
SELECT JSONExtractUInt(body, 'fields', 'last_seq'), JSONExtractString(body, 'fields', 'last_leaf') FROM spine
WHERE kind = 'tombstone' AND JSONExtractString(body, 'fields', 'writer') = {writer:String}
"""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """Where a writer goes on: its open log (None before the first), last seq (−1: none), last leaf and time of receipt."""

    record: LogRecord | None
    seq: int
    leaf: bytes
    received: datetime


def adopt(engine: Engine, anchor: Anchor, writer: str) -> Adopted:
    """Check this writer's stored log against its anchor and take over what a stop left unfinished. Raises IntegrityError."""
    records = registered_logs(engine, writer)
    entries, last, received = engine.frame(_HEAD, writer=writer).row(0)
    stored = last if entries else -1
    anchored = anchor.writer_head(writer)
    acknowledged, leaf = (-1, b"") if anchored is None else anchored
    if stored < acknowledged and not _disposed(engine, writer, acknowledged, leaf):
        raise IntegrityError(
            f"the store is older than its anchor: writer {writer} ends at entry {stored}, but entry {acknowledged} was "
            "acknowledged here. It was rolled back or truncated. Put the newer store back, or accept this one with "
            "`phitrail anchor accept`"
        )
    if anchored is None and stored >= 0:
        raise IntegrityError(
            f"the store has entries of writer {writer}, but this node has no anchor for them: is the state directory the right one?"
        )
    anchor.begin_writer(writer)
    if not records:
        return Adopted(record=None, seq=-1, leaf=b"", received=BEGINNING)
    if 0 <= acknowledged <= stored and _leaf(engine, writer, acknowledged) not in (None, leaf):
        raise IntegrityError(f"entry {acknowledged} of writer {writer} is not what was acknowledged here; run phitrail verify")
    if stored > acknowledged and anchor.intended_writer(writer) != (stored, _leaf(engine, writer, stored)):
        raise IntegrityError(
            f"entries {acknowledged + 1} to {stored} of writer {writer} are in the store, but this node neither acknowledged them "
            "nor was about to write them: somebody else did. Keep the store as it is for whoever looks into it, and go on with a "
            "copy from before"
        )
    for first in range(acknowledged + 1, stored + 1, _CHUNK):
        leaf = _take_over(engine, anchor, records, writer, first=first, end=min(first + _CHUNK, stored + 1), previous=leaf)
    record, seq = records[-1], max(stored, acknowledged)
    if record.first_seq > seq:
        leaf = record.previous
    return Adopted(record=record, seq=seq, leaf=leaf, received=received if entries else BEGINNING)


def _disposed(engine: Engine, writer: str, acknowledged: int, leaf: bytes) -> bool:
    """Whether what was acknowledged last is gone with its month: a tombstone in the spine ends with it."""
    tombstones = engine.rows(_TOMBSTONES, writer=writer)
    return any((last_seq, last_leaf) == (acknowledged, leaf.hex()) for last_seq, last_leaf in tombstones)


def _leaf(engine: Engine, writer: str, seq: int) -> bytes | None:
    frame = engine.frame(_ENTRIES, writer=writer, first=seq, end=seq + 1)
    return None if frame.is_empty() else frame["leaf"][0]


def _take_over(
    engine: Engine, anchor: Anchor, records: Sequence[LogRecord], writer: str, *, first: int, end: int, previous: bytes
) -> bytes:
    by_epoch = {record.epoch: record for record in records}
    drafts: dict[int, list[Draft]] = {}
    expected = first
    for row in engine.frame(_ENTRIES, writer=writer, first=first, end=end).iter_rows(named=True):
        record, seq = by_epoch.get(row["epoch"]), row["seq"]
        if record is None or seq != expected:
            raise IntegrityError(f"entry {expected} of writer {writer} is missing, or its log is; run phitrail verify")
        if seq == record.first_seq:
            previous = record.previous
        digest = private_digest(row["private"].encode(), salt(record.secret, writer, seq))
        if chain(previous, body_bytes(row["header"].encode(), digest)) != row["leaf"]:
            raise IntegrityError(f"entry {seq} of writer {writer} does not follow the one before it; run phitrail verify")
        previous, expected = row["leaf"], seq + 1
        drafts.setdefault(record.epoch, []).append(draft(stored_event(row).event))
    start = first
    for epoch, drafted in drafts.items():
        store_keys(engine, writer, epoch, start, [one.key for one in drafted], [one.content for one in drafted])
        start += len(drafted)
    anchor.advance_writer(writer, old=first - 1, seq=end - 1, leaf=previous)
    return previous
