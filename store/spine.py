"""The spine: the small log that is never pruned, commits to every writer's head, and is the only thing signed.

An entry's body is canonical JSON: version, seq, time, kind, heads_root, and the fields of its kind (docs/log-format.md section 4).
Its leaf chains like an event's. The order of writes, and what a crash between them leaves:

    (1) the entry's row           → adopted and signed at the next start, if it is the one that the anchor says was intended
    (2) the anchor, by swap       → the note is in the anchor; a second process that lost the swap stops
    (3) the checkpoint's row      → published again from the anchor at the next start
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
import polars as pl

from domain.checkpoint import Head, heads_root
from domain.clock import Clock, rfc3339
from domain.entry import chain, genesis
from domain.errors import IntegrityError, InvalidInput
from domain.json import Json, canonical
from domain.keyring import KeyRing
from domain.merkle import Frontier
from domain.note import Signer, Verifier
from store.anchor import Anchor
from store.engine import Engine
from store.tree import Log, restore_frontier, store_tiles

_TAIL = "SELECT count(), max(seq) FROM spine"
_ROW = "SELECT seq, body, leaf FROM spine WHERE seq >= {first:UInt64} ORDER BY seq"
_NEWEST = "SELECT size, note, time FROM checkpoints ORDER BY size DESC LIMIT 1"

MAX_ENTRY = (1 << 16) - 1
"""Bytes of an entry (leaf before it and body) that a tile bundle can hold (c2sp.org/tlog-tiles)."""


@dataclass(frozen=True, slots=True)
class SpineEntry:
    """A committed entry and the signed checkpoint that covers it."""

    seq: int
    kind: str
    time: datetime
    checkpoint: str


class Spine:
    """The writer of the spine. One per deployment; thread-safe. Raises IntegrityError when the store contradicts the anchor."""

    def __init__(self, engine: Engine, anchor: Anchor, signer: Signer, clock: Clock, keys: KeyRing | None = None) -> None:
        """`keys` are those that signed until now, the signer's own last; by default it is the only one there ever was."""
        self._engine = engine
        self._anchor = anchor
        self._signer = signer
        self._keys = keys or KeyRing.of(signer.verifier)
        if self._keys.newest != signer.verifier:
            raise IntegrityError("the signing key is not the last of the key list: put the right state directory back")
        self._clock = clock
        self._guard = threading.Lock()
        self._log = Log(origin=signer.name)
        self._uncertain = False
        self._anchored = 0
        self._last, self._frontier = self._recover()

    @property
    def origin(self) -> str:
        """The origin line of this log, which is also the name of its keys."""
        return self._log.origin

    @property
    def keys(self) -> KeyRing:
        """The keys that sign, each for its sizes."""
        return self._keys

    @property
    def size(self) -> int:
        """Number of entries."""
        return self._frontier.size

    def append(self, kind: str, fields: Mapping[str, Json], heads: Sequence[Head] = ()) -> SpineEntry:
        """Commit a typed entry and sign the log with it. Durable when this returns.

        Raises InvalidInput where the entry would be too long for a tile bundle; nothing was written then.
        """
        with self._guard:
            return self._append(kind, fields, heads, [self._signer])

    def rotate(self, successor: Signer) -> SpineEntry:
        """Commit to the next key: both sign the checkpoint with that entry, and the successor alone every later one.

        A rotation that a stop cut short is completed when it is asked for again: an entry that names this key as the last one
        is not repeated. Raises IntegrityError where the successor's name is another log's.
        """
        with self._guard:
            if successor.name != self._signer.name:
                raise IntegrityError("the next key belongs to another log")
            both = [self._signer, successor]
            if self._uncertain:
                self._last, self._frontier = self._recover()
            if self.ends_with_rotation_to(successor.verifier):
                now = self._clock()
                entry = SpineEntry(self._frontier.size - 1, "key-rotate", now, self._sign(self._frontier, now, both))
            else:
                entry = self._append("key-rotate", self._rotation(successor.verifier), (), both)
            self._keys = self._keys.rotated(entry.seq, successor.verifier)
            self._signer = successor
            return entry

    def ends_with_rotation_to(self, successor: Verifier) -> bool:
        """Whether the last entry names this key as the next one: a rotation that a stop may have cut short."""
        if not self._frontier.size:
            return False
        said = orjson.loads(self._engine.frame(_ROW, first=self._frontier.size - 1)["body"][0])
        return bool(said["kind"] == "key-rotate" and said["fields"] == self._rotation(successor))

    def checkpoint(self) -> tuple[str, datetime] | None:
        """The newest signed checkpoint and its time; None before the first."""
        rows = self._engine.rows(_NEWEST)
        if not rows:
            return None
        _, note, time = rows[0]
        assert isinstance(note, str)
        assert isinstance(time, datetime)
        return note, time.replace(tzinfo=UTC)

    def _append(self, kind: str, fields: Mapping[str, Json], heads: Sequence[Head], signers: Sequence[Signer]) -> SpineEntry:
        if self._uncertain:
            self._last, self._frontier = self._recover()
        seq, now = self._frontier.size, self._clock()
        body = canonical(
            {"v": 1, "seq": seq, "time": rfc3339(now), "kind": kind, "heads_root": heads_root(heads).hex(), "fields": fields}
        )
        if len(self._last) + len(body) > MAX_ENTRY:
            raise InvalidInput(f"a {kind} entry of {len(body)} bytes is too long for the spine: split it")
        self._uncertain = True
        leaf = chain(self._last, body)
        # (1) The entry, after a note of what it will be.
        self._anchor.intend_spine(leaf)
        self._engine.insert("spine", _row(seq, now, kind, body, heads, leaf), token=leaf.hex())
        tiles = self._frontier.append(leaf)
        self._last = leaf
        store_tiles(self._engine, self._log, tiles)
        note = self._sign(self._frontier, now, signers)
        self._uncertain = False
        return SpineEntry(seq, kind, now, note)

    def _sign(self, frontier: Frontier, now: datetime, signers: Sequence[Signer]) -> str:
        head = Head(self.origin, frontier.size, frontier.root())
        note = signers[0].sign(head.checkpoint)
        for other in signers[1:]:
            note += other.sign(head.checkpoint).removeprefix(f"{head.checkpoint}\n")
        # (2) From here on this is the newest checkpoint, whatever happens to the database.
        self._anchor.advance_spine(old=self._anchored, head=head, note=note)
        self._anchored = head.size
        # (3) Published.
        self._publish(head.size, now, note)
        return note

    def _rotation(self, successor: Verifier) -> dict[str, Json]:
        return {"key": successor.text, "previous": self._signer.verifier.text}

    def _publish(self, size: int, time: datetime, note: str) -> None:
        self._engine.insert(
            "checkpoints",
            pl.DataFrame({"size": pl.Series([size], dtype=pl.UInt64), "time": [time], "note": [note]}),
        )

    def _recover(self) -> tuple[bytes, Frontier]:
        count, last = self._engine.rows(_TAIL)[0]
        assert isinstance(count, int)
        if count and last != count - 1:
            raise IntegrityError("the spine has gaps or repeats: it was changed from outside; run phitrail verify")
        check_anchored(self._anchor, self._keys, self._engine, size=count)
        self._anchor.begin_spine()
        anchored = self._anchor.spine_note()
        start = self._anchored = 0 if anchored is None else anchored[0]
        if count > start + 1:
            raise IntegrityError(
                f"the spine has {count} entries, of which {start} were signed here; a stop leaves at most one: run phitrail verify"
            )
        previous = genesis(self.origin, b"")
        if start:
            previous = self._engine.frame(_ROW, first=start - 1)["leaf"][0]
        is_rotation = False
        for seq, body, leaf in self._engine.frame(_ROW, first=start).iter_rows():
            is_rotation = orjson.loads(body)["kind"] == "key-rotate"
            if chain(previous, body.encode()) != leaf:
                raise IntegrityError(f"spine entry {seq} does not follow the one before it; run phitrail verify")
            previous = leaf
        if count > start and previous != self._anchor.intended_spine():
            raise IntegrityError(f"spine entry {start} was not written by this node: it is not signed; run phitrail verify")
        frontier = restore_frontier(self._engine, self._log, count)
        if count > start and not is_rotation:
            # Signed now, so that there is never more than one to take over. A rotation is for both keys to sign: `rotate` does.
            self._sign(frontier, self._clock(), [self._signer])
        elif count == start and anchored is not None and start:
            newest = self._engine.rows(_NEWEST)
            if not newest or newest[0][0] != start:
                self._publish(start, self._clock(), anchored[1])
        return previous, frontier


def check_anchored(anchor: Anchor, keys: KeyRing, engine: Engine, *, size: int) -> None:
    """Refuse a spine that is shorter than, or different from, what either copy of the anchor holds. Raises IntegrityError."""
    stored = anchor.spine_note()
    notes = [note for note in (stored and stored[1], anchor.copied_note(keys)) if note]
    if size and stored is None:
        raise IntegrityError("the store has a ledger, but this node has no anchor for it: is the state directory the right one?")
    for note in notes:
        head = keys.open(note)
        if head.size > size:
            raise IntegrityError(
                f"the store is older than its anchor: the spine has {size} entries, but {head.size} were signed here. It was "
                "rolled back or truncated. Put the newer store back, or accept this one with `phitrail anchor accept`"
            )
        if restore_frontier(engine, Log(origin=keys.origin), head.size).root() != head.root:
            raise IntegrityError(f"the first {head.size} spine entries are not what was signed here; run phitrail verify")


def _row(seq: int, time: datetime, kind: str, body: bytes, heads: Sequence[Head], leaf: bytes) -> pl.DataFrame:
    lines = "\n".join(head.line for head in sorted(heads, key=lambda head: head.origin))
    return pl.DataFrame(
        {
            "seq": pl.Series([seq], dtype=pl.UInt64),
            "time": [time],
            "kind": [kind],
            "body": [body.decode()],
            "heads": [lines],
            "leaf": pl.Series([leaf], dtype=pl.Binary),
        }
    )
