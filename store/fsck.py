"""The independent checker: recomputes the ledger from its raw rows in SQL and says what does not fit.

It shares no code with the writer (an import contract keeps it so); the specification is docs/log-format.md. Steps:

    (1)  signed checkpoints, those that the caller trusts and the newest stored: signed by the keys in charge of their size, no fork
    (2)  the spine: sequence without gaps, every leaf recomputed and chained, heads and seals as committed to; its root at each
         signed size; rotations of the key as the key list has them
    (3)  each log's rows: sequence, leaf = SHA256(0x00 || previous || body), columns equal to the body, receipt in order
    (4)  each log's root at the size that the spine's newest commitment to it states, and the hashes stored for its tree
    (5)  the register of logs: each follows the one before it, is committed to, is sealed once and ends there
    (6)  a log whose rows are gone has a signed tombstone, and the spine says that it was disposed of; then it has no rows
    (7)  redactions: no digest without a `redact` entry, what is kept is what was signed
    (8)  the index trees of each seal, and of the newest `index` entry of each open log, built anew
    (9)  what the anchor says was acknowledged is there

Problems come in this order: the spine, then log by log, each from its first bad entry on. Integrity is one verdict; completeness
(did every source deliver?) is another and lives in `store/completeness.py`. What a scheduled verification does instead of
everything is in `store/fsck_progress.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from store import fsck_spine
from store.engine import Engine
from store.fsck_entries import Examined, Log, Range, examine, log_tree, registered, rest_of, tail, tiles_of
from store.fsck_index import check_index
from store.fsck_logs import (
    Place,
    check_commitments,
    check_counts,
    check_end,
    check_ends,
    check_known,
    check_succession,
    places,
    unregistered,
)
from store.fsck_notes import Signed, Trusted, TrustedKey, check_rotations, forks, open_notes
from store.fsck_redactions import Redactions, check_redactions
from store.fsck_report import Integrity, Problem, Verification, verdict
from store.fsck_spine import Record, read_record
from store.fsck_spine_sql import INDEX_ENTRIES, NEWEST_INDEX, NEWEST_NOTES, RIVAL_NOTES
from store.fsck_sql import LEAF_OF
from store.fsck_tree import WIDTH, Tiles

__all__ = ["Integrity", "Problem", "Trusted", "TrustedKey", "Verification", "check"]

NOTES = 100
"""Stored checkpoints whose signatures a full verification looks at."""


def check(engine: Engine, trusted: Trusted, *, since: int = 0, every_index: bool = False) -> Verification:
    """Run steps (1) to (9). `since` skips the rows of logs before that sequence number (their hashes still enter the roots).

    `every_index` builds the trees of every `index` entry, of which an export makes one. What leaves the store or is redacted
    meanwhile would look like tampering: where the spine went on about such things, the check looks again.
    """
    return check_all(engine, trusted, since=since, every_index=every_index)[0]


def check_all(engine: Engine, trusted: Trusted, *, since: int = 0, every_index: bool = False) -> "tuple[Verification, Ground]":
    """What `check` gives, and the ground it stood on."""
    found, ground = _check(engine, trusted, since=since, every_index=every_index)
    if found.problems and ground.began != moment(engine, trusted):
        return _check(engine, trusted, since=since, every_index=every_index)
    return found, ground


def moment(engine: Engine, trusted: Trusted) -> object:
    """What a check begins with and may change under it: what the spine tells, and which buried logs have rows."""
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
    def there(self) -> Sequence[Place]:
        """The logs that were not disposed of."""
        return [place for place in self.logs if not place.is_gone]

    @property
    def signed_size(self) -> int:
        """The largest signed size that the spine has."""
        return max((signed.size for signed in self.signed if signed.size <= self.record.size), default=0)

    @property
    def signed_sizes(self) -> Sequence[int]:
        """Every signed size that the spine has."""
        return sorted({signed.size for signed in self.signed if signed.size <= self.record.size})


def lay_ground(engine: Engine, trusted: Trusted, *, since_size: int = 0, notes: int = NOTES) -> Ground:
    """Step (1), and what the others need. Stored checkpoints are compared with each other from spine size `since_size` on.

    Notes are read before the spine, the spine before the logs: what is appended meanwhile makes each longer than what it must fit.
    """
    problems: list[Problem] = []
    stored = [str(note) for (note,) in engine.rows(NEWEST_NOTES, most=notes)]
    rivals = [str(note) for (note,) in engine.rows(RIVAL_NOTES, low=since_size)]
    signed = open_notes([*trusted.notes, *stored, *rivals], trusted, problems)
    copied = open_notes(trusted.copies, trusted, problems)
    record = read_record(engine, trusted.key_name, problems)
    ground = Ground(problems=problems, signed=signed, record=record)
    kept = [one for one in copied if not record.gave_up(one.size, signed_size=ground.signed_size)]
    ground.signed = sorted({*signed, *kept}, key=lambda one: one.size)
    ground.logs = places(engine, registered(engine), record, signed_size=ground.signed_size)
    buried = [(place.log.origin, place.tail.last) for place in ground.logs if place.tombstone is not None]
    ground.began = [said.seq for said in record.entries], buried
    return ground


def check_signed(ground: Ground, trusted: Trusted, root_at: Mapping[int, bytes | None]) -> Iterator[Problem]:
    """The spine against each signed checkpoint; `root_at` gives its root at each signed size that it has.

    What differs lies after the largest checkpoint that fits.
    """
    size, fits = ground.record.size, 0
    for signed in ground.signed:
        if signed.size > size:
            what = f"the store is older than a signed checkpoint: {signed.size} spine entries were signed, {size} are stored"
            yield Problem(log=trusted.key_name, seq=size, what=f"{what} (cut, or rolled back)")
        elif root_at[signed.size] == signed.root:
            fits = signed.size
        else:
            what = f"the first {signed.size} spine entries are not what was signed"
            yield Problem(log=trusted.key_name, seq=min(fits, max(signed.size - 1, 0)), what=what)
    yield from forks(ground.signed, trusted)
    rotations = [(said.seq, said.text("key"), said.text("previous")) for said in ground.record.of("key-rotate")]
    yield from check_rotations(rotations, trusted, size=size)


def check_size(place: Place, committed: tuple[int, str] | None, trusted: Trusted) -> Iterator[Problem]:
    """Whether a log is as long as the spine commits to, and as was acknowledged."""
    log, last = place.log, place.tail.last
    end = log.first + committed[0] - 1 if committed else -1
    stated = f"the log ends at entry {last if place.size else 'none'}, but"
    if end > last:
        what = f"{stated} the signed spine commits to entry {end} (the tail was cut)"
        yield Problem(log=log.origin, seq=last + 1, what=what)
    elif place.is_open and (seq := trusted.acknowledged.get(log.writer, (-1, b""))[0]) > last:
        what = f"{stated} entry {seq} was acknowledged (the tail was cut)"
        yield Problem(log=log.origin, seq=last + 1, what=what)


def wrong_root(place: Place, size: int, fits: int | None = None) -> Problem:
    """What is said of a log whose root at a size is not the signed one; `fits` is the largest size at which it is."""
    what = f"the root over its first {size} entries is not the signed one"
    if fits is None:
        return Problem(log=place.log.origin, seq=None, what=what)
    what += "; an entry from here on was changed, and chained anew"
    return Problem(log=place.log.origin, seq=place.log.first + fits, what=what)


def check_acknowledged(engine: Engine, trusted: Trusted, record: Record) -> Iterator[Problem]:
    """(9)"""
    for writer, (seq, leaf) in trusted.acknowledged.items():
        frame = engine.frame(LEAF_OF, writer=writer, seq=seq)
        if frame.is_empty():
            buried = [said for (of, _), said in record.tombstones.items() if of == writer]
            if not any(said.number("first_seq") <= seq <= said.number("last_seq") for said in buried):
                what = "an acknowledged entry is missing (cut, or the store was rolled back)"
                yield Problem(log=writer, seq=seq, what=what)
        elif leaf not in frame["leaf"].to_list():
            yield Problem(log=writer, seq=seq, what="an acknowledged entry is not what was acknowledged")


def report(ground: Ground, problems: Sequence[Problem], redactions: Redactions, **covered: Any) -> Verification:
    """The outcome, with whatever else a verification says about what it covered."""
    return Verification(
        integrity=verdict(problems, signed_size=ground.signed_size),
        problems=problems,
        entries=sum(place.size for place in ground.there),
        spine_entries=ground.record.size,
        signed_size=ground.signed_size,
        disposed=sum(place.is_gone for place in ground.logs),
        accepted=[said.seq for said in ground.record.of("policy") if "abandoned_size" in said.fields],
        redacted=redactions.redacted,
        pending_redactions=redactions.pending,
        **covered,
    )


def _check(engine: Engine, trusted: Trusted, *, since: int, every_index: bool) -> tuple[Verification, Ground]:
    # (1)
    ground = lay_ground(engine, trusted)
    record, problems = ground.record, ground.problems
    # (2)
    problems += fsck_spine.check_entries(engine, record, 0, record.size)
    tiles = fsck_spine.tiles(engine, 0, record.size)
    tree = Tiles(tiles)
    rest = {size: fsck_spine.leaves(engine, size // WIDTH * WIDTH, size) for size in ground.signed_sizes}
    problems += check_signed(ground, trusted, {size: tree.root(size, leaves) for size, leaves in rest.items()})
    problems += fsck_spine.tree(engine).problems(record.origin, tiles)
    problems += check_commitments(ground.logs, record)
    # (3)
    spans = [Range(place.log, max(since, place.log.first), place.tail.last + 1) for place in ground.there]
    spans = [span for span in spans if span.low < span.high]
    examined = examine(engine, spans)
    succession = check_succession(ground.logs, record)
    bad = set[str]()
    for place in ground.logs:
        # (3), (4), (5) and (6): what is wrong with its beginning or an entry explains what is wrong with its end.
        rows = examined.get(place.log.origin, Examined())
        tiled = () if place.is_gone else _check_tree(engine, ground, trusted, place, rows, since)
        end = check_end(place, record, signed_size=ground.signed_size)
        found = [*succession[place.log.origin], *rows.problems, *tiled, *end]
        problems += found
        bad |= {place.log.origin} if found else set()
    problems += check_known(engine, ground.logs, record)
    problems += [problem for problem in (*check_counts(engine, ground.logs), *unregistered(engine)) if problem not in problems]
    # (7)
    redactions = check_redactions(engine, record, [place.log for place in ground.logs], spans, signed_size=ground.signed_size)
    problems += redactions.problems
    # (8) Where entries are not what they were, their index is not either.
    whole = {place.log.origin: place.log for place in ground.there if place.log.origin not in bad}
    trees = [said for said in _indexed(engine, ground, every_index=every_index) if said.text("origin") in whole]
    for said in trees:
        problems += check_index(engine, record.origin, whole[said.text("origin")], said)
    gone = sum(place.is_gone and place.seal is not None for place in ground.logs)
    # (9)
    problems += check_acknowledged(engine, trusted, record)
    return report(ground, problems, redactions, index_trees=3 * len(trees), index_trees_gone=gone), ground


def _check_tree(engine: Engine, ground: Ground, trusted: Trusted, place: Place, found: Examined, since: int) -> Iterator[Problem]:
    """(4), the log's length, and the moments that its seal states."""
    log, tiles = place.log, dict(found.tiles)
    if since > log.first:
        # What was skipped still enters the root: whole tiles, up to the one that the first range began in.
        end = min(since, place.tail.last + 1)
        tiles |= tiles_of(engine, log, log.first, log.first + -(-(end - log.first) // WIDTH) * WIDTH)
    committed = ground.record.heads().get(log.origin)
    short = list(check_size(place, committed, trusted))
    if not found.has_jumps and committed:
        # Of a log that is too short, too, what is there may be other entries than the spine commits to.
        tree, size = Tiles(tiles), committed[0]
        if size > place.size or _root(engine, log, tree, size) != committed[1]:
            yield from _since_when(engine, ground.record, place, tree)
    yield from short
    if not found.has_jumps:
        yield from log_tree(engine, log).problems(log.origin, tiles, first=log.first)
    yield from check_ends(engine, place)


def _since_when(engine: Engine, record: Record, place: Place, tree: Tiles) -> Iterator[Problem]:
    """Where a log leaves what the spine commits to: after the largest size at which it fits, if it does not fit later."""
    known = [(size, root) for size, root in fsck_spine.commitments(engine, record, place.log.origin) if size <= place.size]
    low, high, fits = 0, len(known), 0
    while low < high:
        middle = (low + high) // 2
        size, root = known[middle]
        if _root(engine, place.log, tree, size) == root.hex():
            fits, low = size, middle + 1
        else:
            high = middle
    if low < len(known):
        yield wrong_root(place, known[low][0], fits)


def _root(engine: Engine, log: Log, tree: Tiles, size: int) -> str:
    """The root over the first `size` entries, in hex; '' where they are not all there."""
    found = tree.root(size, rest_of(engine, log, size))
    return "" if found is None else found.hex()


def _indexed(engine: Engine, ground: Ground, *, every_index: bool) -> Sequence[fsck_spine.Said]:
    """The entries whose index trees are built anew: every seal, and `index` entries (of open logs the newest only)."""
    question = INDEX_ENTRIES if every_index else NEWEST_INDEX
    numbers = sorted(int(str(seq)) for (seq,) in engine.rows(question, size=ground.record.size))
    said = fsck_spine.said_at(engine, numbers)
    others = [one for one in said if every_index or one.text("origin") not in ground.record.seals]
    return [*ground.record.of("seal"), *others]
