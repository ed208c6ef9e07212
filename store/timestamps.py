"""The time-stamps that were received over checkpoints of the spine, and which of them bracket a place in it.

A row is written again for each stage it reaches (migration 0012); the one furthest on counts.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from domain.errors import IntegrityError
from store.engine import Engine

_SELECT = "SELECT size, token, note, note_sha256, gen_time, received, authority, spine_seq, stage FROM timestamps FINAL"

_NEWEST = f"{_SELECT} ORDER BY received DESC, size DESC LIMIT 1"

_UNFINISHED = f"{_SELECT} WHERE stage < 2 ORDER BY received, size"

_COVERING = f"{_SELECT} WHERE size >= {{size:UInt64}} ORDER BY gen_time, size LIMIT 1"

_BEFORE = f"{_SELECT} WHERE spine_seq >= 0 AND spine_seq < {{size:Int64}} ORDER BY gen_time DESC, spine_seq DESC LIMIT 1"

# The entry over a checkpoint of a size stands at that size or later, so the primary key leaves little to read.
_ENTRY = """
SELECT min(seq), count() FROM spine
WHERE seq >= {size:UInt64} AND kind = 'tsa' AND JSONExtractString(body, 'fields', 'token_sha256') = {token:String}
"""

_STORED, _IN_SPINE, _IN_LEDGER = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp:
    """A token over a checkpoint: `size` entries of the spine existed no later than `gen_time`, says `authority`.

    `note` is the checkpoint as it was signed, `note_sha256` (hex) is over its text and is the token's imprint. `spine_seq` is the
    place of its `tsa` entry in the spine, None before it has one; `in_ledger`: its `time_anchor` event is stored.
    """

    size: int
    token: bytes
    note: str
    note_sha256: str
    gen_time: datetime
    received: datetime
    authority: str
    spine_seq: int | None = None
    in_ledger: bool = False

    @property
    def token_sha256(self) -> str:
        """Hex, over the token's bytes: its identity."""
        return hashlib.sha256(self.token).hexdigest()


class Timestamps:
    """The table of time-stamps. Thread-safe, as its engine is. Raises IntegrityError where a stored token cannot be read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, stamp: Timestamp) -> None:
        """Store a time-stamp, or how far it has come; durable on return. An earlier stage than known changes nothing."""
        stage = _IN_LEDGER if stamp.in_ledger else _STORED if stamp.spine_seq is None else _IN_SPINE
        columns = {
            "size": pl.Series([stamp.size], dtype=pl.UInt64),
            "token_sha256": [stamp.token_sha256],
            "note_sha256": [stamp.note_sha256],
            "gen_time": [stamp.gen_time],
            "received": [stamp.received],
            "authority": [stamp.authority],
            "token": [base64.b64encode(stamp.token).decode()],
            "note": [stamp.note],
            "spine_seq": pl.Series([-1 if stamp.spine_seq is None else stamp.spine_seq], dtype=pl.Int64),
            "stage": pl.Series([stage], dtype=pl.UInt8),
        }
        self._engine.insert("timestamps", pl.DataFrame(columns))

    def newest(self) -> Timestamp | None:
        """The one received last."""
        return self._one(_NEWEST)

    def unfinished(self) -> list[Timestamp]:
        """Those that are not in the spine or not in the ledger yet, oldest first."""
        return [_timestamp(row) for row in self._engine.rows(_UNFINISHED)]

    def covering(self, size: int) -> Timestamp | None:
        """The oldest whose checkpoint covers the first `size` entries of the spine: they existed no later than its time."""
        return self._one(_COVERING, size=size)

    def before(self, size: int) -> Timestamp | None:
        """The newest whose `tsa` entry is among the first `size` entries of the spine: what follows is not earlier than its time.

        That a token's checkpoint is smaller is not enough for this: entries made while the authority was being asked stand
        between the checkpoint and the `tsa` entry.
        """
        return self._one(_BEFORE, size=size)

    def spine_entry(self, stamp: Timestamp) -> int | None:
        """The place of the `tsa` entry of this token in the spine, looked up there."""
        seq, count = self._engine.rows(_ENTRY, size=stamp.size, token=stamp.token_sha256)[0]
        return int(str(seq)) if count else None

    def _one(self, sql: str, **parameters: object) -> Timestamp | None:
        rows = self._engine.rows(sql, **parameters)
        return _timestamp(rows[0]) if rows else None


def _timestamp(row: tuple[object, ...]) -> Timestamp:
    size, token, note, note_sha256, gen_time, received, authority, spine_seq, stage = row
    assert isinstance(size, int)
    assert isinstance(spine_seq, int)
    try:
        der = base64.b64decode(str(token), validate=True)
    except (binascii.Error, ValueError):
        raise IntegrityError(f"the time-stamp over the checkpoint of size {size} was changed: it is no base64") from None
    return Timestamp(
        size=size,
        token=der,
        note=str(note),
        note_sha256=str(note_sha256),
        gen_time=_aware(gen_time),
        received=_aware(received),
        authority=str(authority),
        spine_seq=None if spine_seq < 0 else spine_seq,
        in_ledger=stage == _IN_LEDGER,
    )


def _aware(moment: object) -> datetime:
    assert isinstance(moment, datetime)
    return moment.replace(tzinfo=UTC)
