"""What a witness remembers: the logs it knows, the newest checkpoint of each that it cosigned, and what it refused.

The memory is what a witness is worth (c2sp.org/tlog-witness): it never goes back. Checking what is held and replacing it is one
transaction, on disk (WAL, synchronous FULL) before anything is answered, so two submissions cannot both follow the same checkpoint,
and after a stop between storing and answering the log asks again, for the same size or from there on.

The file is made once. A witness whose memory is lost must not start anew under its old key: it would sign what it refused before.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Self

from domain.checkpoint import Head
from domain.clock import rfc3339
from domain.errors import ConfigError, Conflict, IntegrityError, InvalidInput
from domain.keyring import KeyRing
from domain.merkle import EMPTY_ROOT
from domain.note import Verifier, open_note

MOST_UNPROVEN = 1_000
"""Refusals for want of a proof that are kept for one log: whoever has a signed checkpoint of it can cause them."""

_FILE = "witness.sqlite"
_LONGEST_ORIGIN = 255

_SCHEMA = """
CREATE TABLE known_logs (origin TEXT PRIMARY KEY, origin_hash TEXT NOT NULL UNIQUE, keys TEXT NOT NULL);
CREATE TABLE heads
    (origin TEXT PRIMARY KEY REFERENCES known_logs (origin), size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL,
     timestamp INTEGER NOT NULL);
CREATE TABLE evidence
    (number INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, origin TEXT NOT NULL, size INTEGER NOT NULL,
     root BLOB NOT NULL, note TEXT NOT NULL, held_note TEXT NOT NULL, UNIQUE (origin, kind, size, root));
"""


class Refusal(StrEnum):
    """Why a checkpoint that the log signed was not cosigned."""

    FORK = "fork"
    """Same size, other root: with the note that was held, proof that the log signed two histories."""
    UNPROVEN = "unproven"
    """The consistency proof does not fit. Not proof of anything by itself: the proof came with the request, unsigned."""


@dataclass(frozen=True, slots=True)
class Held:
    """The newest checkpoint of a log that was cosigned: its head, the note with our lines, and when (POSIX seconds).

    Size 0, the empty root, no note and no time where none was.
    """

    head: Head
    note: str = ""
    timestamp: int = 0


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A note with the witness's lines, these lines alone, and the time that they state (POSIX seconds)."""

    note: str
    lines: Sequence[str]
    timestamp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A checkpoint that was refused although the log signed it, and the note that it stood against ("" for none)."""

    at: str
    refusal: Refusal
    head: Head
    note: str
    held_note: str


class Superseded(Conflict):
    """Another checkpoint is held than the one that was to be followed; carries the size held."""

    def __init__(self, size: int) -> None:
        super().__init__(f"this witness holds a checkpoint of size {size}: prove consistency from there")
        self.size = size


class WitnessState:
    """The memory of one witness, in its state directory. Thread-safe; several processes may share it. Close it when done."""

    def __init__(self, directory: Path) -> None:
        """Open what `create` made. Raises ConfigError where there is none."""
        path = directory / _FILE
        if not path.is_file():
            raise ConfigError(
                f"{directory} holds no memory of a witness. Where there was one, do not begin anew under its key: bring it back "
                "from a backup, or retire the key and make a new witness with `phitrail witness init`"
            )
        self._guard = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")

    @classmethod
    def create(cls, directory: Path) -> Self:
        """Make an empty memory and open it. Raises Conflict where there is one: it is never overwritten."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = directory / _FILE
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            raise Conflict(f"{directory} holds the memory of a witness already; nothing was changed") from None
        state = cls(directory)
        state._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        return state

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database file."""
        self._db.close()

    def add_log(self, ring: KeyRing) -> None:
        """Know a log by its keys from now on; for a known log, take over the keys that it was rotated to.

        Raises Conflict where a known key would be dropped or get another beginning, or the checkpoint held would not be signed any
        more by the key in charge: nobody replaces a log under its name. InvalidInput where the name is too long to be cosigned.
        """
        if len(ring.origin.encode()) > _LONGEST_ORIGIN:
            raise InvalidInput(f"the name of a log is at most {_LONGEST_ORIGIN} bytes long (c2sp.org/tlog-cosignature)")
        with self._transaction():
            known = self._keys(ring.origin)
            if known is not None:
                before = [(key.verifier, key.from_size) for key in known.keys]
                after = [(key.verifier, key.from_size) for key in ring.keys]
                if after[: len(before)] != before:
                    raise Conflict(f"{ring.origin} is known by other keys: a key list may only be continued")
                self._check_held(ring)
            origin_hash = sha256(ring.origin.encode()).hexdigest()
            self._db.execute("INSERT OR REPLACE INTO known_logs VALUES (?, ?, ?)", (ring.origin, origin_hash, ring.text))

    def logs(self) -> list[KeyRing]:
        """The known logs, by origin."""
        with self._guard:
            rows = self._db.execute("SELECT keys FROM known_logs ORDER BY origin").fetchall()
        return [KeyRing.parse(text) for (text,) in rows]

    def keys_of(self, origin: str) -> KeyRing | None:
        """The keys of a log; None where it is not known."""
        with self._guard:
            return self._keys(origin)

    def held(self, origin: str) -> Held:
        """The newest checkpoint of a log that was cosigned."""
        with self._guard:
            return self._held(origin)

    def note_of(self, origin_hash: str) -> str | None:
        """The note held of the log whose origin has this SHA-256 (lower-case hex); None where it is not known or has none."""
        with self._guard:
            row = self._db.execute(
                "SELECT note FROM heads JOIN known_logs USING (origin) WHERE origin_hash = ?", (origin_hash,)
            ).fetchone()
        return None if row is None else str(row[0])

    def check_and_store(self, old: Head, new: Head, cosign: Callable[[int], Cosigned]) -> Cosigned:
        """Replace `old` by `new`, which the caller has proven to be consistent with it. Durable when this returns.

        `cosign` is given the time of the last cosignature, and states one that is not earlier: it is called inside the transaction,
        because a cosignature says that nothing larger has been seen at its time. Raises Superseded where something else than `old`
        is held by now, ValueError where `new` is smaller, or is another tree of the same size.
        """
        if new.size < old.size or (new.size == old.size and new.root != old.root) or new.origin != old.origin:
            raise ValueError("a witness goes forward only")
        with self._transaction():
            held = self._held(new.origin)
            if (held.head.size, held.head.root) != (old.size, old.root):
                raise Superseded(held.head.size)
            made = cosign(held.timestamp)
            self._db.execute(
                "INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?)", (new.origin, new.size, new.root, made.note, made.timestamp)
            )
        return made

    def add_evidence(self, refusal: Refusal, head: Head, note: str, *, held_note: str, at: datetime) -> None:
        """Keep a refused checkpoint beside what it was held against; the same once. Durable when this returns."""
        with self._transaction():
            if refusal is Refusal.UNPROVEN:
                (count,) = self._db.execute(
                    "SELECT count(*) FROM evidence WHERE origin = ? AND kind = ?", (head.origin, refusal.value)
                ).fetchone()
                if count >= MOST_UNPROVEN:
                    return
            self._db.execute(
                "INSERT OR IGNORE INTO evidence (at, kind, origin, size, root, note, held_note) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (rfc3339(at), refusal.value, head.origin, head.size, head.root, note, held_note),
            )

    def evidence(self) -> list[Evidence]:
        """Everything that was refused, oldest first."""
        with self._guard:
            rows = self._db.execute("SELECT at, kind, origin, size, root, note, held_note FROM evidence ORDER BY number").fetchall()
        return [
            Evidence(at=at, refusal=Refusal(kind), head=Head(origin, size, root), note=note, held_note=held_note)
            for at, kind, origin, size, root, note, held_note in rows
        ]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guard:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _keys(self, origin: str) -> KeyRing | None:
        row = self._db.execute("SELECT keys FROM known_logs WHERE origin = ?", (origin,)).fetchone()
        return None if row is None else KeyRing.parse(row[0])

    def _held(self, origin: str) -> Held:
        row = self._db.execute("SELECT size, root, note, timestamp FROM heads WHERE origin = ?", (origin,)).fetchone()
        if row is None:
            return Held(Head(origin, 0, EMPTY_ROOT))
        size, root, note, timestamp = row
        return Held(Head(origin, size, root), note, timestamp)

    def _check_held(self, ring: KeyRing) -> None:
        held = self._held(ring.origin)
        if not held.note:
            return
        # One key in charge of the size is enough: of a rotation's two signatures only the old one was known when it was cosigned.
        for key in ring.keys:
            if key.covers(held.head.size) and _is_signed(held.note, key.verifier):
                return
        raise Conflict(
            f"this witness holds a checkpoint of size {held.head.size} that these keys do not sign: ask the log's operator"
        )


def _is_signed(note: str, verifier: Verifier) -> bool:
    try:
        open_note(note, [verifier])
    except IntegrityError:
        return False
    return True
