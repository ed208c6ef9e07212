"""The anchor: what this node last wrote and signed, kept outside the database.

A store that was rolled back, truncated or replaced contradicts its anchor at the next start, and the writer refuses to go on. Two
copies: SQLite in the state directory (compare-and-swap, fsynced before anything is acknowledged), and the newest signed
checkpoint as a file in a second directory, so that restoring a whole data directory from yesterday does not restore its anchor.
"""

import hashlib
import os
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from domain.checkpoint import Head
from domain.errors import IntegrityError
from domain.keyring import KeyRing

_SCHEMA = """
CREATE TABLE IF NOT EXISTS writer_head (writer TEXT PRIMARY KEY, seq INTEGER NOT NULL, leaf BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS writer_intent (writer TEXT PRIMARY KEY, seq INTEGER NOT NULL, leaf BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS spine_head
    (only INTEGER PRIMARY KEY CHECK (only = 1), size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS spine_intent (only INTEGER PRIMARY KEY CHECK (only = 1), leaf BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS decisions (at TEXT NOT NULL, decision TEXT NOT NULL, salt BLOB NOT NULL, reason TEXT NOT NULL);
"""


class AnchorStore(Protocol):
    """What must be compare-and-swap. Every call is durable when it returns; a lost swap raises IntegrityError."""

    def begin_writer(self, writer: str) -> None:
        """Note that this node writes this log, before its first entry: rows without such a note are a stranger's."""

    def begin_spine(self) -> None:
        """Note that this node writes the spine, before its first entry."""

    def writer_head(self, writer: str) -> tuple[int, bytes] | None:
        """The last (seq, leaf) acknowledged by this writer, (−1, empty) before the first; None where it never began."""

    def intend_writer(self, writer: str, *, seq: int, leaf: bytes) -> None:
        """Note where the entries end that are about to be written: after a stop, only those are ours beyond the head."""

    def intended_writer(self, writer: str) -> tuple[int, bytes] | None:
        """The (seq, leaf) last noted."""

    def advance_writer(self, writer: str, *, old: int, seq: int, leaf: bytes) -> None:
        """Move the head from seq `old` (−1: none) to `seq`."""

    def spine_note(self) -> tuple[int, str] | None:
        """Size and note of the last checkpoint signed, (0, empty) before the first; None where it never began."""

    def intend_spine(self, leaf: bytes) -> None:
        """Note the leaf of the entry that is about to be written: after a stop it is the only unsigned one that is ours."""

    def intended_spine(self) -> bytes | None:
        """The leaf last noted."""

    def advance_spine(self, *, old: int, head: Head, note: str) -> None:
        """Move the signed spine from size `old` (0: none) to `head`."""


class Anchor:
    """`AnchorStore` in SQLite, with a copy of the newest checkpoint in another directory. Thread-safe."""

    def __init__(self, state: Path, copies: Path | None) -> None:
        """`state` is the node's state directory; `copies` a directory that is not restored together with the data."""
        state.mkdir(parents=True, exist_ok=True)
        self._copies = copies
        self._guard = threading.Lock()
        self._db = sqlite3.connect(state / "anchor.sqlite", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database file."""
        self._db.close()

    def begin_writer(self, writer: str) -> None:
        """See `AnchorStore`."""
        with self._guard:
            self._db.execute("INSERT OR IGNORE INTO writer_head VALUES (?, -1, x'')", (writer,))

    def begin_spine(self) -> None:
        """See `AnchorStore`."""
        with self._guard:
            self._db.execute("INSERT OR IGNORE INTO spine_head VALUES (1, 0, x'', '')")

    def writer_head(self, writer: str) -> tuple[int, bytes] | None:
        """See `AnchorStore`."""
        with self._guard:
            row = self._db.execute("SELECT seq, leaf FROM writer_head WHERE writer = ?", (writer,)).fetchone()
        return None if row is None else (row[0], row[1])

    def intend_writer(self, writer: str, *, seq: int, leaf: bytes) -> None:
        """See `AnchorStore`."""
        with self._guard:
            self._db.execute("INSERT OR REPLACE INTO writer_intent VALUES (?, ?, ?)", (writer, seq, leaf))

    def intended_writer(self, writer: str) -> tuple[int, bytes] | None:
        """See `AnchorStore`."""
        with self._guard:
            row = self._db.execute("SELECT seq, leaf FROM writer_intent WHERE writer = ?", (writer,)).fetchone()
        return None if row is None else (row[0], row[1])

    def advance_writer(self, writer: str, *, old: int, seq: int, leaf: bytes) -> None:
        """See `AnchorStore`."""
        with self._guard:
            done = self._db.execute(
                "UPDATE writer_head SET seq = ?, leaf = ? WHERE writer = ? AND seq = ?", (seq, leaf, writer, old)
            ).rowcount
        if done != 1:
            raise IntegrityError(f"another process moved the head of writer {writer}: this one stops, so that the log cannot fork")

    def spine_note(self) -> tuple[int, str] | None:
        """See `AnchorStore`."""
        with self._guard:
            row = self._db.execute("SELECT size, note FROM spine_head").fetchone()
        return None if row is None else (row[0], row[1])

    def intend_spine(self, leaf: bytes) -> None:
        """See `AnchorStore`."""
        with self._guard:
            self._db.execute("INSERT OR REPLACE INTO spine_intent VALUES (1, ?)", (leaf,))

    def intended_spine(self) -> bytes | None:
        """See `AnchorStore`."""
        with self._guard:
            row = self._db.execute("SELECT leaf FROM spine_intent").fetchone()
        return None if row is None else row[0]

    def advance_spine(self, *, old: int, head: Head, note: str) -> None:
        """See `AnchorStore`. The copy is written last: without it the anchor is older, never wrong."""
        with self._guard:
            done = self._db.execute(
                "UPDATE spine_head SET size = ?, root = ?, note = ? WHERE size = ?", (head.size, head.root, note, old)
            ).rowcount
        if done != 1:
            raise IntegrityError("another process moved the head of the spine: this one stops, so that the log cannot fork")
        if self._copies is not None:
            _replace(self._copies / _file_name(head.origin), note)

    def copied_note(self, keys: KeyRing) -> str | None:
        """The checkpoint in the second directory, if there is one. Raises IntegrityError where our keys did not sign it."""
        if self._copies is None:
            return None
        path = self._copies / _file_name(keys.origin)
        if not path.exists():
            return None
        note = path.read_text(encoding="utf-8")
        keys.open(note)
        return note

    def record_decision(self, *, at: str, decision: str, salt: bytes, reason: str) -> bytes:
        """Keep a person's reason in their own words. Returns SHA256(salt || reason): what the spine may say of it."""
        with self._guard:
            self._db.execute("INSERT INTO decisions VALUES (?, ?, ?, ?)", (at, decision, salt, reason))
        return hashlib.sha256(salt + reason.encode()).digest()

    def decisions(self) -> Sequence[tuple[str, str, str]]:
        """(moment, decision, reason), oldest first."""
        with self._guard:
            return self._db.execute("SELECT at, decision, reason FROM decisions ORDER BY rowid").fetchall()

    def accept(self, *, writer: str, seq: int, leaf: bytes, spine: Head, note: str) -> None:
        """A person decided that the store as it is now goes on (after a restore): take it as the new anchor."""
        with self._guard:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT OR REPLACE INTO writer_head VALUES (?, ?, ?)", (writer, seq, leaf))
            self._db.execute("INSERT OR REPLACE INTO spine_head VALUES (1, ?, ?, ?)", (spine.size, spine.root, note))
            self._db.execute("COMMIT")
        if self._copies is not None:
            _replace(self._copies / _file_name(spine.origin), note)


def _file_name(origin: str) -> str:
    return origin.replace("/", "_") + ".checkpoint"


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
