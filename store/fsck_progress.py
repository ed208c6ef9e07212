"""The scheduled verification: it costs what is new, and a slice of what is old.

A run examines

    (a)  spine entries and rows that came since the last run, and everything that follows from the spine without reading entries
    (b)  one slice of a pass over the whole store, spine first, then the logs by month and writer, from where the last run ended
    (c)  the roots of the spine and of every log, from the stored tile hashes; the slice compares those of its range to the entries

So what is changed among the new entries is found at once, and anything else within one pass. A root over stored tile hashes says
that the last entries of a log are the signed ones, and by the chain those before them; that each row still is what it was is said
by (b).

Progress may cost time, never trust. It is kept in the database under a MAC whose key is not there: a row without it is no progress,
and the run verifies everything. An old row brought back makes it look at more than it must. Neither position moves past a problem,
so what was found is found again until it is mended.
"""

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

import polars as pl

from domain.clock import Clock, parse_rfc3339, rfc3339
from store import fsck_spine
from store.engine import Engine
from store.fsck import (
    Ground,
    check_acknowledged,
    check_all,
    check_signed,
    check_size,
    lay_ground,
    moment,
    report,
    wrong_root,
)
from store.fsck_entries import Range, examine, log_tree
from store.fsck_index import check_index
from store.fsck_logs import (
    Place,
    check_commitments,
    check_counts,
    check_end,
    check_ends,
    check_known,
    check_succession,
)
from store.fsck_notes import Trusted
from store.fsck_redactions import check_redactions
from store.fsck_report import Integrity, Problem, Verification
from store.fsck_sql import LEAF_OF
from store.fsck_tree import WIDTH

_NEWEST = "SELECT progress, mac FROM verification_progress WHERE origin = {origin:String} ORDER BY at DESC LIMIT 10"

_PURPOSE = b"phitrail verification progress\n"

_START = (0, "", 0)
"""The beginning of a pass: month 0 stands for the spine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """`spine` and `logs` (by origin, those not sealed): how many entries are verified as new ones, or the next number, and the leaf
    before it in hex. `roll` is where the pass goes on: month, writer, number. `began` is when it began, `full` when the newest
    complete pass did.
    """

    spine: tuple[int, str]
    logs: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    roll: tuple[int, str, int] = _START
    began: datetime
    full: datetime | None = None

    @property
    def text(self) -> str:
        """As JSON."""
        full = rfc3339(self.full) if self.full else None
        said = {"spine": self.spine, "logs": self.logs, "roll": self.roll, "began": rfc3339(self.began), "full": full}
        return json.dumps(said, sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `text` back."""
        said = json.loads(text)
        size, leaf = said["spine"]
        month, writer, number = said["roll"]
        return cls(
            spine=(size, leaf),
            logs={origin: (seq, hash_) for origin, (seq, hash_) in said["logs"].items()},
            roll=(month, writer, number),
            began=parse_rfc3339(said["began"]),
            full=parse_rfc3339(said["full"]) if said["full"] else None,
        )


@dataclass(slots=True)
class _Slice:
    """What one run looked at of the pass: problems, the ranges of logs, how many entries, and where the next run goes on."""

    problems: list[Problem] = field(default_factory=list)
    spans: list[Range] = field(default_factory=list)
    entries: int = 0
    position: tuple[int, str, int] = _START
    is_done: bool = False


class RollingCheck:
    """Verifies a store run by run. One at a time; a new one goes on where the last one ended."""

    def __init__(self, engine: Engine, clock: Clock, secret: bytes) -> None:
        """`secret` is known to whoever may verify and not to the database: what the progress is authenticated with."""
        self._engine = engine
        self._clock = clock
        self._secret = secret
        self._progress: _Progress | None = None

    def run(self, trusted: Trusted, slice_rows: int) -> Verification:
        """Examine what is new and about `slice_rows` old entries; everything, where no progress is known or it contradicts the
        store.

        What leaves the store or is redacted meanwhile would look like tampering: where the spine went on about such things, look
        again.
        """
        progress = self._progress or self._load(trusted.key_name)
        ground = lay_ground(self._engine, trusted, since_size=progress.spine[0] if progress else 0, notes=1)
        if progress is None or self._contradicts(progress, ground):
            return self._run_all(trusted)
        found, after = self._run_on(ground, trusted, progress, slice_rows)
        if found.problems and ground.began != moment(self._engine, trusted):
            again = lay_ground(self._engine, trusted, since_size=progress.spine[0], notes=1)
            found, after = self._run_on(again, trusted, progress, slice_rows)
        self._keep(trusted.key_name, after)
        return found

    def _run_all(self, trusted: Trusted) -> Verification:
        began = self._clock()
        found, ground = check_all(self._engine, trusted)
        if found.integrity is Integrity.INTACT:
            self._keep(trusted.key_name, replace(self._verified(ground, began), full=began))
            found = replace(found, full_pass_at=began, full_pass_age=self._clock() - began)
        else:
            self._progress = None
        return replace(found, is_full_pass_done=True, new_entries=found.entries + found.spine_entries)

    def _contradicts(self, progress: _Progress, ground: Ground) -> bool:
        """Whether spine and logs no longer go on from where they were verified to: cut, rolled back, or put back by a person."""
        size, leaf = progress.spine
        if ground.record.size < size or (size and [one.hex() for one in fsck_spine.leaves(self._engine, size - 1, size)] != [leaf]):
            return True
        for place in ground.logs:
            known = progress.logs.get(place.log.origin)
            if known is None or place.is_gone or known[0] <= place.log.first:
                continue
            if place.size < known[0] - place.log.first or _leaves_at(self._engine, place, known[0] - 1) != [known[1]]:
                return True
        return False

    def _run_on(self, ground: Ground, trusted: Trusted, progress: _Progress, slice_rows: int) -> tuple[Verification, _Progress]:
        engine, now, record = self._engine, self._clock(), ground.record
        there = ground.there
        problems = [*ground.problems]
        # (a)
        spans = list(_new(there, progress))
        problems += fsck_spine.check_extent(engine, record)
        problems += fsck_spine.check_entries(engine, record, progress.spine[0], record.size)
        problems += check_commitments(ground.logs, record)
        problems += self._examined(spans)
        sealed = [place for place in there if place.seal is not None and place.seal.seq >= progress.spine[0]]
        for place in sealed:
            if place.seal is not None:
                problems += [*check_ends(engine, place), *check_index(engine, record.origin, place.log, place.seal)]
        # (b)
        rolled = self._roll(ground, there, progress, slice_rows)
        redactions = check_redactions(
            engine, record, [place.log for place in ground.logs], [*spans, *rolled.spans], signed_size=ground.signed_size
        )
        for problem in redactions.problems:
            (rolled.problems if _is_in(problem, rolled.spans) else problems).append(problem)
        # (c)
        tree, heads = fsck_spine.tree(engine), record.heads()
        problems += check_signed(ground, trusted, {size: tree.root(size) for size in ground.signed_sizes})
        succession = check_succession(ground.logs, record)
        for place in ground.logs:
            problems += succession[place.log.origin]
            problems += () if place.is_gone else _check_root(engine, trusted, place, heads.get(place.log.origin))
            problems += check_end(place, record, signed_size=ground.signed_size)
        problems += check_known(engine, ground.logs, record)
        problems += check_counts(engine, ground.logs)
        problems += check_acknowledged(engine, trusted, record)
        # Neither position moves past a problem.
        after = progress if problems else self._advanced(progress, ground)
        is_done = rolled.is_done and not rolled.problems
        if is_done:
            after = replace(after, roll=_START, began=now, full=progress.began)
        elif not rolled.problems:
            after = replace(after, roll=rolled.position)
        outcome = report(
            ground,
            list(dict.fromkeys([*problems, *rolled.problems])),
            redactions,
            is_full=False,
            is_full_pass_done=is_done,
            new_entries=record.size - progress.spine[0] + sum(span.high - span.low for span in spans),
            rolled_entries=rolled.entries,
            full_pass_at=after.full,
            full_pass_age=now - after.full if after.full else None,
            pass_progress=_share(ground, there, after.roll),
            index_trees=3 * len(sealed),
        )
        return outcome, after

    def _examined(self, spans: Sequence[Range]) -> Iterator[Problem]:
        """Problems of the entries of some spans, and of the stored tile hashes over them."""
        logs = {span.log.origin: span.log for span in spans}
        for origin, found in examine(self._engine, spans).items():
            yield from found.problems
            yield from log_tree(self._engine, logs[origin]).problems(origin, found.tiles, first=logs[origin].first)

    def _roll(self, ground: Ground, there: Sequence[Place], progress: _Progress, rows: int) -> _Slice:
        """(b)"""
        engine, record, found = self._engine, ground.record, _Slice()
        month, writer, number = progress.roll
        left = max(rows, WIDTH)
        if not month:
            low = min(number, record.size)
            high = min(low + -(-left // WIDTH) * WIDTH, record.size)
            found.problems += fsck_spine.check_entries(engine, record, low, high)
            found.problems += fsck_spine.tree(engine).problems(record.origin, fsck_spine.tiles(engine, low, high))
            found.entries, left = high - low, left - (high - low)
            if high < record.size:
                found.position = (0, "", high)
                return found
        for place in there:
            log, end = place.log, place.tail.last + 1
            if place.order < (month, writer):
                continue
            low = max(number, log.first) if place.order == (month, writer) else log.first
            if left <= 0:
                found.position = (*place.order, low)
                break
            high = min(log.first + -(-(low + left - log.first) // WIDTH) * WIDTH, end)
            if low < high:
                found.spans.append(Range(log, low, high))
                left -= high - low
            if high < end:
                found.position = (*place.order, high)
                break
        else:
            found.is_done = True
        found.problems += self._examined(found.spans)
        found.entries += sum(span.high - span.low for span in found.spans)
        return found

    def _verified(self, ground: Ground, began: datetime) -> _Progress:
        """Everything up to the ends of spine and logs is verified; a pass begins."""
        size = ground.record.size
        leaf = fsck_spine.leaves(self._engine, size - 1, size)[0].hex() if size else ""
        logs = {
            place.log.origin: (place.tail.last + 1, place.tail.leaf.hex())
            for place in ground.logs
            if place.seal is None and not place.is_gone
        }
        return _Progress(spine=(size, leaf), logs=logs, began=began)

    def _advanced(self, progress: _Progress, ground: Ground) -> _Progress:
        verified = self._verified(ground, progress.began)
        return replace(progress, spine=verified.spine, logs=verified.logs)

    def _load(self, origin: str) -> _Progress | None:
        for text, mac in self._engine.rows(_NEWEST, origin=origin):
            if hmac.compare_digest(self._mac(origin, str(text)).encode(), str(mac).encode()):
                return _Progress.parse(str(text))
        return None

    def _keep(self, origin: str, progress: _Progress) -> None:
        self._progress = progress
        text = progress.text
        at = pl.Series([self._clock()], dtype=pl.Datetime("us", "UTC"))
        row = {"origin": [origin], "at": at, "progress": [text], "mac": [self._mac(origin, text)]}
        self._engine.insert("verification_progress", pl.DataFrame(row))

    def _mac(self, origin: str, text: str) -> str:
        return hmac.digest(self._secret, _PURPOSE + f"{origin}\n{text}".encode(), "sha256").hex()


def _new(there: Sequence[Place], progress: _Progress) -> Iterator[Range]:
    """Rows since the last run; a log that was sealed before it was verified to its end."""
    for place in there:
        log, known = place.log, progress.logs.get(place.log.origin)
        if known is None and place.seal is not None and place.seal.seq < progress.spine[0]:
            continue
        start = known[0] if known else log.first
        if start <= place.tail.last:
            yield Range(log, start, place.tail.last + 1)


def _check_root(engine: Engine, trusted: Trusted, place: Place, committed: tuple[int, str] | None) -> Iterator[Problem]:
    """(c) A log against the newest commitment to it, by its stored tile hashes and the leaves after them."""
    size, expected = committed or (0, "")
    if 0 < size <= place.size:
        root = log_tree(engine, place.log).root(size)
        if root is None:
            what = f"of its first {size} entries, to which the spine commits, some are missing"
            yield Problem(log=place.log.origin, seq=None, what=what)
        elif root.hex() != expected:
            yield wrong_root(place, size)
    yield from check_size(place, committed, trusted)


def _leaves_at(engine: Engine, place: Place, seq: int) -> Sequence[str]:
    return [leaf.hex() for leaf in engine.frame(LEAF_OF, writer=place.log.writer, seq=seq)["leaf"].to_list()]


def _is_in(problem: Problem, spans: Sequence[Range]) -> bool:
    """Whether a problem is about an entry of some spans."""
    return any(problem.log == span.log.origin and problem.seq is not None and span.low <= problem.seq < span.high for span in spans)


def _share(ground: Ground, there: Sequence[Place], position: tuple[int, str, int]) -> float:
    """How much of the store lies before a position of the pass, 0 to 1."""
    month, writer, number = position
    done, total = (ground.record.size if month else number), ground.record.size
    for place in there:
        total += place.size
        if place.order < (month, writer):
            done += place.size
        elif place.order == (month, writer):
            done += min(max(number - place.log.first, 0), place.size)
    return done / total if total else 0.0
