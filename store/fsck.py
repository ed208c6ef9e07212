"""The independent checker: recomputes the ledger from its raw rows in SQL and says what does not fit.

It shares no code with the writer (an import contract keeps it so); the specification is docs/log-format.md. Steps:

    (1) the spine: sequence without gaps, every leaf recomputed and chained
    (2) every signed checkpoint the caller trusts (newest stored, anchor, copies): signature, size, root over the spine
    (3) the register of logs: each log follows the one before it
    (4) each log's rows: sequence, leaf = SHA256(0x00 || previous || body), columns equal to the body, receipt in order
    (5) each log's root at the size that the spine's newest commitment to it states; every log that it commits to is there
    (6) a log whose rows are gone has a tombstone in the spine; one that the spine says was disposed of has no rows
    (7) what the anchor says was acknowledged is there

Integrity is one verdict; completeness (did every source deliver?) is another and lives in `store/completeness.py`.
"""

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from store.engine import Engine
from store.fsck_sql import (
    COMMITMENTS,
    COMMITTED_ORIGINS,
    DISPOSED,
    ENTRY_PROBLEMS,
    LOG_EXTENT,
    LOG_LEAVES,
    LOG_TAIL,
    LOGS,
    NEWEST_NOTE,
    SEQUENCE_PROBLEMS,
    SPINE_PROBLEMS,
    SPINE_ROWS,
    TILE_ROOTS,
    TOMBSTONES,
    UNREGISTERED,
)

_WORKERS = os.cpu_count() or 1
_SMALLEST_RANGE, _LARGEST_RANGE = 20_000, 250_000
"""Rows of one range: enough to be worth a query, few enough to bound memory."""


class Integrity(StrEnum):
    """INTACT: all that was recomputed fits what was signed. TAMPERED: something does not. UNKNOWN: nothing is signed yet."""

    INTACT = "intact"
    TAMPERED = "tampered"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that does not fit: in which log, at which sequence number (None: the log as a whole), and what."""

    log: str
    seq: int | None
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The integrity verdict, the first problems (at most 100 a log), and what was covered."""

    integrity: Integrity
    problems: Sequence[Problem]
    entries: int
    spine_entries: int
    signed_size: int
    disposed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """What the checker holds against the store: the key (name, 32 bytes), signed notes, and acknowledged (writer → (seq, leaf))."""

    key_name: str
    public_key: bytes
    notes: Sequence[str] = ()
    acknowledged: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)


def check(engine: Engine, trusted: Trusted, *, since: int = 0) -> Verification:
    """Run steps (1) to (7). `since` skips the rows of logs before that sequence number (their hashes still enter the roots)."""
    problems: list[Problem] = []
    spine = list(_spine(engine, trusted.key_name, problems))
    signed = _check_notes(engine, trusted, spine, problems)
    entries, disposed = 0, 0
    tombstones = {(str(row[0]), int(str(row[1]))): str(row[2]) for row in engine.rows(TOMBSTONES)}
    gone = {int(str(epoch)) for (epoch,) in engine.rows(DISPOSED)}
    last_leaf: dict[str, bytes] = {}
    for writer, epoch, origin, first, previous, secret in engine.frame(LOGS).iter_rows():
        # (3)
        before = last_leaf.get(writer, b"")
        if hashlib.sha256(origin.encode() + before).digest() != previous:
            problems.append(Problem(log=origin, seq=first, what="the log does not follow the writer's log before it"))
        tombstone = tombstones.get((writer, epoch))
        count, last, tail = engine.frame(LOG_EXTENT, writer=writer, epoch=epoch).row(0)
        if count == 0 and tombstone is not None:
            last_leaf[writer], disposed = bytes.fromhex(json.loads(tombstone)["last_leaf"]), disposed + 1
            continue
        if tombstone is not None and epoch in gone:
            problems.append(Problem(log=origin, seq=first, what="the log was disposed of, but rows of it are back"))
        rows = _Log(writer=writer, epoch=epoch, origin=origin, first=first, previous=previous, secret=secret)
        problems += _check_rows(engine, rows, since, last) if count else []
        problems += _check_roots(engine, rows, count, last)
        last_leaf[writer], entries = tail if count else previous, entries + count
    registered = {str(row[0]) for row in engine.frame(LOGS).select("origin").iter_rows()}
    for (origin,) in engine.rows(COMMITTED_ORIGINS):
        if origin not in registered:
            problems.append(
                Problem(log=str(origin), seq=None, what="the spine commits to this log, but it is not registered (removed)")
            )
    for writer, epoch, first in engine.rows(UNREGISTERED):
        what = f"entries of month {epoch} belong to no registered log (inserted, or moved from another month)"
        problems.append(Problem(log=str(writer), seq=int(str(first)), what=what))
    problems += _check_acknowledged(engine, trusted)
    verdict = Integrity.TAMPERED if problems else Integrity.INTACT if signed else Integrity.UNKNOWN
    if not problems and not spine and not entries:
        verdict = Integrity.UNKNOWN
    return Verification(
        integrity=verdict,
        problems=problems,
        entries=entries,
        spine_entries=len(spine),
        signed_size=signed,
        disposed=disposed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    writer: str
    epoch: int
    origin: str
    first: int
    previous: bytes
    secret: bytes


def _spine(engine: Engine, origin: str, problems: list[Problem]) -> Iterator[bytes]:
    """(1) The spine's leaves, after recomputing each in SQL."""
    first = hashlib.sha256(origin.encode()).hexdigest()
    for seq, what in engine.rows(SPINE_PROBLEMS, genesis=first):
        problems.append(Problem(log=origin, seq=int(str(seq)), what=f"spine: {what}"))
    for (leaf,) in engine.frame(SPINE_ROWS).iter_rows():
        yield leaf


def _check_notes(engine: Engine, trusted: Trusted, spine: Sequence[bytes], problems: list[Problem]) -> int:
    """(2) Returns the largest signed size that fits."""
    stored = [str(note) for (note,) in engine.rows(NEWEST_NOTE)]
    best = 0
    for note in dict.fromkeys([*trusted.notes, *stored]):
        opened = _open(note, trusted)
        if opened is None:
            problems.append(Problem(log=trusted.key_name, seq=None, what="a checkpoint is not signed by this ledger's key"))
            continue
        size, expected = opened
        if size > len(spine):
            what = f"the store is older than a signed checkpoint: {size} spine entries were signed, {len(spine)} are stored"
            problems.append(Problem(log=trusted.key_name, seq=len(spine), what=f"{what} (cut, or rolled back)"))
        elif _root(spine[:size]) != expected:
            problems.append(Problem(log=trusted.key_name, seq=None, what=f"the first {size} spine entries are not what was signed"))
        else:
            best = max(best, size)
    return best


def _check_rows(engine: Engine, log: _Log, since: int, last: int) -> list[Problem]:
    """(4) The numbers in one pass; every entry against its own bytes and its neighbour in ranges, side by side."""
    place = {"writer": log.writer, "epoch": log.epoch}
    low, end = max(since, log.first), last + 1
    step = max(_SMALLEST_RANGE, min(_LARGEST_RANGE, -(-(end - low) // _WORKERS)))

    def entries(start: int) -> list[tuple[object, ...]]:
        return engine.rows(
            ENTRY_PROBLEMS,
            low=start,
            high=min(start + step, end),
            genesis=log.previous.hex(),
            secret=log.secret.hex(),
            **place,
        )

    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="fsck") as pool:
        found = [row for rows in pool.map(entries, range(low, end, step)) for row in rows]
    found += engine.rows(SEQUENCE_PROBLEMS, first=log.first, **place)
    # What is wrong with the numbers explains what is wrong with the entry there, so it comes first.
    ordered = sorted(((int(str(seq)), str(what)) for seq, what in found), key=lambda item: (item[0], "entry is not" in item[1]))
    return [Problem(log=log.origin, seq=seq, what=what) for seq, what in ordered[:100]]


def _check_roots(engine: Engine, log: _Log, count: int, last: int) -> Iterator[Problem]:
    """(5) The newest commitment of the spine to this log, against a root recomputed from the stored leaves."""
    for (lines,) in engine.rows(COMMITMENTS, origin=f"{log.origin} "):
        line = next(line for line in str(lines).split("\n") if line.startswith(f"{log.origin} "))
        _, text, expected = line.split(" ")
        size = int(text)
        if size > count:
            missing = log.first + size - 1
            what = f"the log ends at entry {last if count else 'none'}, but the signed spine commits to entry {missing}"
            yield Problem(log=log.origin, seq=last + 1 if count else log.first, what=f"{what} (the tail was cut)")
        elif _log_root(engine, log, size).hex() != expected:
            yield Problem(log=log.origin, seq=None, what=f"the root over its first {size} entries is not the signed one")


def _check_acknowledged(engine: Engine, trusted: Trusted) -> Iterator[Problem]:
    """(7)"""
    for writer, (seq, leaf) in trusted.acknowledged.items():
        frame = engine.frame(LOG_TAIL, writer=writer, seq=seq)
        if frame.is_empty():
            if _gone(engine, writer, seq):
                continue
            yield Problem(log=writer, seq=seq, what="an acknowledged entry is missing (cut, or the store was rolled back)")
        elif frame["leaf"][0] != leaf:
            yield Problem(log=writer, seq=seq, what="an acknowledged entry is not what was acknowledged")


def _gone(engine: Engine, writer: str, seq: int) -> bool:
    for name, _, fields in engine.rows(TOMBSTONES):
        tombstone = json.loads(str(fields))
        if name == writer and tombstone["first_seq"] <= seq <= tombstone["last_seq"]:
            return True
    return False


def _log_root(engine: Engine, log: _Log, size: int) -> bytes:
    """The RFC 6962 root of the first `size` leaves: subtrees of 256 in SQL, the rest here."""
    place = {"writer": log.writer, "epoch": log.epoch}
    middle, end = log.first + size // 256 * 256, log.first + size
    roots = engine.frame(TILE_ROOTS, first=log.first, end=middle, **place)["root"].to_list()
    rest = engine.frame(LOG_LEAVES, first=middle, end=end, **place)["leaf"].to_list()
    if not rest:
        return _root(roots)
    return _root_of(roots, rest, size)


def _root_of(roots: Sequence[bytes], rest: Sequence[bytes], size: int) -> bytes:
    """MTH over `roots` (complete subtrees of 256 leaves) followed by `rest` leaves, `size` leaves in all."""
    if not roots:
        return _root(rest)
    left = 1 << (size - 1).bit_length() - 1
    if left < 256:
        return _root(rest)
    return _node(_root(roots[: left // 256]), _root_of(roots[left // 256 :], rest, size - left))


def _root(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1, as it is written there."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    level = list(hashes)
    while len(level) > 1:
        paired = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) & ~1 :]
    return level[0]


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _open(note: str, trusted: Trusted) -> tuple[int, bytes] | None:
    """Size and root of a checkpoint signed by the trusted key; None where it is not."""
    text, _, signatures = note.rpartition("\n\n")
    key_id = hashlib.sha256(trusted.key_name.encode() + b"\n\x01" + trusted.public_key).digest()[:4]
    for line in signatures.splitlines():
        mark, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if mark != "—" or name != trusted.key_name:
            continue
        try:
            payload = base64.b64decode(encoded, validate=True)
            if payload[:4] != key_id:
                continue
            Ed25519PublicKey.from_public_bytes(trusted.public_key).verify(payload[4:], f"{text}\n".encode())
            origin, size, digest = text.split("\n")[:3]
            return (int(size), base64.b64decode(digest, validate=True)) if origin == trusted.key_name else None
        except (ValueError, InvalidSignature):
            return None
    return None
