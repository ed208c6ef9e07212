"""The independent checker: recomputes the ledger from its raw rows in SQL and says what does not fit.

It shares no code with the writer (an import contract keeps it so); the specification is docs/log-format.md. Steps:

    (1)  every signed checkpoint the caller trusts (newest stored, anchor, copies): signed by the keys in charge of its size, no
    fork
    (2)  the spine: sequence without gaps, every leaf recomputed and chained, heads and seals as committed to; its root at each
         signed size; rotations of the key as the key list has them
    (3)  the register of logs: each follows the one before it, is sealed once and ends there, is committed to or sealed
    (4)  a log whose rows are gone has a signed tombstone in the spine; one that the spine says was disposed of has no rows
    (5)  each log's rows: sequence, leaf = SHA256(0x00 || previous || body), columns equal to the body, receipt in order
    (6)  each log's root at the size that the spine's newest commitment to it states, and the hashes stored for its tree
    (7)  redactions: no digest without a `redact` entry, what is kept is what was signed
    (8)  the index trees of each seal, built anew
    (9)  what the anchor says was acknowledged is there

Integrity is one verdict; completeness (did every source deliver?) is another and lives in `store/completeness.py`. What a scheduled
verification does instead of everything is in `store/fsck_progress.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from store import fsck_spine
from store.engine import Engine
from store.fsck_entries import Examined, Range, examine, log_root, log_tree, registered, tail, tiles_of
from store.fsck_index import check_index
from store.fsck_logs import Place, check_counts, check_ends, check_structure, places, unregistered
from store.fsck_notes import Signed, Trusted, TrustedKey, check_rotations, open_notes
from store.fsck_redactions import Redactions, check_redactions
from store.fsck_report import Integrity, Problem, Verification, verdict
from store.fsck_spine import Record, read_record
from store.fsck_spine_sql import NEWEST_NOTE, RIVAL_NOTES
from store.fsck_sql import LEAF_OF
from store.fsck_tree import WIDTH

__all__ = ["Integrity", "Problem", "Trusted", "TrustedKey", "Verification", "check"]


def check(engine: Engine, trusted: Trusted, *, since: int = 0, with_index_trees: bool = True) -> Verification:
    """Run steps (1) to (9). `since` skips the rows of logs before that sequence number (their hashes still enter the roots).

    What leaves the store or is redacted meanwhile would look like tampering: where the spine went on about such things, look again.
    """
    return check_all(engine, trusted, since=since, with_index_trees=with_index_trees)[0]


def check_all(engine: Engine, trusted: Trusted, *, since: int = 0, with_index_trees: bool = True) -> "tuple[Verification, Ground]":
    """What `check` gives, and the ground it stood on."""
    found, ground = _check(engine, trusted, since=since, with_index_trees=with_index_trees)
    if found.problems and ground.began != moment(engine, trusted):
        return _check(engine, trusted, since=since, with_index_trees=with_index_trees)
    return found, ground


def moment(engine: Engine, trusted: Trusted) -> object:
    """What a check began with and may have changed under it: what the spine tells, and which buried logs have rows."""
    record = read_record(engine, trusted.key_name, [])
    buried = [log for log in registered(engine) if (log.writer, log.epoch) in record.tombstones]
    return [said.seq for said in record.entries], [(log.origin, tail(engine, log).last) for log in buried]


@dataclass(slots=True, kw_only=True)
class Ground:
    """What every verification begins with: signed checkpoints, what the spine says, the logs and their ends, and first problems."""

    problems: list[Problem] = field(default_factory=list)
    signed: Sequence[Signed] = ()
    record: Record
    logs: Sequence[Place] = ()
    began: object = None

    @property
    def signed_size(self) -> int:
        """The largest signed size that the spine has."""
        return max((signed.size for signed in self.signed if signed.size <= self.record.size), default=0)

    @property
    def entries(self) -> int:
        """Entries of all logs, going by their last ones."""
        return sum(place.size for place in self.logs if not place.is_gone)


def lay_ground(engine: Engine, trusted: Trusted, *, since_size: int = 0) -> Ground:
    """Step (1), and what steps (2) to (4) need. `since_size` is the spine size from which stored checkpoints are compared.

    Notes are read before the spine, the spine before the logs: what is appended meanwhile makes each longer than what it must fit.
    """
    problems: list[Problem] = []
    stored = [str(note) for (note,) in engine.rows(NEWEST_NOTE)]
    rivals = [str(note) for (note,) in engine.rows(RIVAL_NOTES, low=since_size)]
    signed = open_notes([*trusted.notes, *stored, *rivals], trusted, problems)
    record = read_record(engine, trusted.key_name, problems)
    found = places(engine, registered(engine), record)
    ground = Ground(problems=problems, signed=signed, record=record, logs=found)
    ground.began = (
        [said.seq for said in record.entries],
        [(place.log.origin, place.tail.last) for place in sorted(found, key=_register_order) if place.tombstone is not None],
    )
    return ground


def check_signed(ground: Ground, trusted: Trusted, root_at: Mapping[int, bytes | None]) -> Iterator[Problem]:
    """The spine against each signed checkpoint; `root_at` gives its root at each signed size that it has."""
    size = ground.record.size
    for signed in ground.signed:
        if signed.size > size:
            what = f"the store is older than a signed checkpoint: {signed.size} spine entries were signed, {size} are stored"
            yield Problem(log=trusted.key_name, seq=size, what=f"{what} (cut, or rolled back)")
        elif root_at[signed.size] != signed.root:
            what = f"the first {signed.size} spine entries are not what was signed"
            yield Problem(log=trusted.key_name, seq=None, what=what)


def check_head(place: Place, committed: tuple[int, str] | None, root: bytes | None) -> Iterator[Problem]:
    """A log against the newest commitment to it (size, root in hex). `root` is the log's at that size; None where it has no
    tree."""
    log = place.log
    if committed is None:
        return
    size, expected = committed
    if size > place.size:
        last = place.tail.last if place.size else "none"
        what = f"the log ends at entry {last}, but the signed spine commits to entry {log.first + size - 1}"
        yield Problem(log=log.origin, seq=place.tail.last + 1, what=f"{what} (the tail was cut)")
    elif root is not None and root.hex() != expected:
        yield Problem(log=log.origin, seq=None, what=f"the root over its first {size} entries is not the signed one")


def check_acknowledged(engine: Engine, trusted: Trusted, record: Record) -> Iterator[Problem]:
    """(9)"""
    for writer, (seq, leaf) in trusted.acknowledged.items():
        frame = engine.frame(LEAF_OF, writer=writer, seq=seq)
        if frame.is_empty():
            ends = [
                (said.number("first_seq"), said.number("last_seq")) for (of, _), said in record.tombstones.items() if of == writer
            ]
            if not any(first <= seq <= last for first, last in ends):
                what = "an acknowledged entry is missing (cut, or the store was rolled back)"
                yield Problem(log=writer, seq=seq, what=what)
        elif leaf not in frame["leaf"].to_list():
            yield Problem(log=writer, seq=seq, what="an acknowledged entry is not what was acknowledged")


def _check(engine: Engine, trusted: Trusted, *, since: int, with_index_trees: bool) -> tuple[Verification, Ground]:
    # (1)
    ground = lay_ground(engine, trusted)
    record, problems = ground.record, ground.problems
    # (2)
    problems += fsck_spine.check_entries(engine, record, 0, record.size)
    tiles = fsck_spine.tiles(engine, 0, record.size)
    problems += fsck_spine.tree(engine).problems(record.origin, tiles)
    roots = {at.size: fsck_spine.spine_root(engine, at.size, tiles) for at in ground.signed if at.size <= record.size}
    problems += check_signed(ground, trusted, roots)
    rotations = [(said.seq, said.text("key"), said.text("previous")) for said in record.of("key-rotate")]
    check_rotations(rotations, trusted, size=record.size, problems=problems)
    # (3) and (4)
    problems += check_structure(engine, ground.logs, record, signed_size=ground.signed_size)
    # (5)
    there = [place for place in ground.logs if not place.is_gone]
    spans = [Range(place.log, max(since, place.log.first), place.tail.last + 1) for place in there]
    examined = examine(engine, [span for span in spans if span.low < span.high])
    heads = record.heads()
    for place in there:
        # (5) and (6)
        problems += _check_log(engine, place, heads.get(place.log.origin), examined.get(place.log.origin, Examined()), since)
    problems += check_counts(engine, ground.logs)
    problems += unregistered(engine)
    # (7)
    redactions = check_redactions(engine, record, [place.log for place in ground.logs], spans)
    problems += redactions.problems
    # (8)
    trees, gone = 0, 0
    for place in ground.logs:
        if place.seal is not None and with_index_trees:
            gone += place.is_gone
            trees += not place.is_gone
            problems += () if place.is_gone else check_index(engine, place.log, place.seal)
    # (9)
    problems += check_acknowledged(engine, trusted, record)
    unique = list(dict.fromkeys(problems))
    return report(ground, unique, redactions, index_trees=3 * trees, index_trees_gone=gone), ground


def report(ground: Ground, problems: Sequence[Problem], redactions: Redactions, **covered: Any) -> Verification:
    """The outcome, with whatever else a verification says about what it covered."""
    return Verification(
        integrity=verdict(problems, signed_size=ground.signed_size),
        problems=problems,
        entries=ground.entries,
        spine_entries=ground.record.size,
        signed_size=ground.signed_size,
        disposed=sum(place.is_gone for place in ground.logs),
        redacted=redactions.redacted,
        pending_redactions=redactions.pending,
        **covered,
    )


def _check_log(engine: Engine, place: Place, committed: tuple[int, str] | None, found: Examined, since: int) -> Iterator[Problem]:
    log = place.log
    yield from found.problems
    tiles = dict(found.tiles)
    if since > log.first:
        # What was skipped still enters the root: whole tiles, up to the one that the first range began in.
        end = min(since, place.tail.last + 1)
        tiles |= tiles_of(engine, log, log.first, log.first + -(-(end - log.first) // WIDTH) * WIDTH)
    numbered = not any(_is_about_numbers(problem) for problem in found.problems)
    size = committed[0] if committed else 0
    root = log_root(engine, log, size, tiles) if numbered and 0 <= size <= place.size else None
    yield from check_head(place, committed, root)
    if numbered:
        yield from log_tree(engine, log).problems(log.origin, tiles, first=log.first)
    yield from check_ends(engine, place)


def _is_about_numbers(problem: Problem) -> bool:
    return "is missing (" in problem.what or "stands twice" in problem.what


def _register_order(place: Place) -> tuple[int, str]:
    return place.log.epoch, place.log.writer
