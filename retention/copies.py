"""Copies of checkpoints where this node cannot take them back: a directory (of somebody else's), a bucket with object lock.

A copy is some 300 bytes. It contradicts whoever later shows another history of the same size, or a shorter one: in the hands of the
person who keeps it, and in this node's own verification, which is held against the newest copy of each place. A place that is away,
full or set up wrongly costs a copy and nothing else: it is a `CopyTrouble`, counted.
"""

import logging
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from domain.checkpoint import Head
from domain.clock import Clock
from domain.errors import IntegrityError, PhitrailError

_log = logging.getLogger(__name__)

MOST_BYTES = 65_536
"""Of a note. With sixteen ML-DSA-44 cosignatures it would have 53 KB."""

_NAME = re.compile(r"(\d{20})\.checkpoint")


class CopyTrouble(StrEnum):
    """Why there is no copy. CONTRADICTED: the place holds another checkpoint of this size."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    NOT_LOCKED = "not_locked"
    CONTRADICTED = "contradicted"


class NotCopied(PhitrailError):
    """A place did not take, or did not give, a copy; `trouble` says in which way."""

    def __init__(self, trouble: CopyTrouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


class CheckpointCopy(Protocol):
    """
    A place that keeps checkpoints, one object for each origin and size.

    `put` is durable when it returns. The same note again is no error: after a stop it is how one finds out. Another note of the
    same size raises IntegrityError, and the one that is there stays. Anything else that goes wrong raises NotCopied.
    """

    @property
    def name(self) -> str:
        """What logs and metrics call it."""
        ...

    def put(self, origin: str, size: int, note: str, retain_until: datetime) -> None:
        """Keep the note, which is the checkpoint of `size`, until then at least; whether that is enforced is the place's affair."""
        ...

    def newest(self, origin: str) -> str | None:
        """The note of the largest size that is there, unverified; None where there is none."""
        ...


def copy_name(origin: str, size: int) -> str:
    """`<origin with / as _>/<size, 20 digits>.checkpoint`: in order of name is in order of size."""
    return f"{copy_folder(origin)}/{size:020d}.checkpoint"


def copy_folder(origin: str) -> str:
    """The folder of an origin."""
    return origin.replace("/", "_")


def copied_size(name: str) -> int | None:
    """The size in the last part of such a name; None where it is no copy."""
    found = _NAME.fullmatch(name)
    return None if found is None else int(found[1])


def contradiction(size: int) -> IntegrityError:
    """What `put` raises where another note is there."""
    return IntegrityError(
        f"another checkpoint of size {size} was copied before than is signed now: the store was rolled back, or two nodes sign. "
        "Keep both and run phitrail verify"
    )


class DirectoryCopies:
    """`CheckpointCopy` in a directory on storage of its own. It must be there, because an unmounted one must not be made.

    One file a checkpoint, mode 0444, never replaced. The order of writes, and what a stop before the next one leaves:

        (1) a temporary file, synced       a stray `.writing` file, which may be deleted
        (2) a link to it under its name    the copy is there; the next `put` of it completes
        (3) the temporary name removed     the same
        (4) the folders, synced            the same
    """

    name = "directory"

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, origin: str, size: int, note: str, retain_until: datetime) -> None:
        """See `CheckpointCopy`. How long a file stays is up to the storage: a directory enforces nothing."""
        del retain_until
        final, data = self._path / copy_name(origin, size), note.encode()
        try:
            self._look()
            final.parent.mkdir(exist_ok=True)
            if not final.exists():
                _place(final, data)
            if _read(final) != data:
                raise contradiction(size)
            # (4)
            _sync(final.parent)
            _sync(self._path)
        except OSError as error:
            raise _failed(error) from None

    def newest(self, origin: str) -> str | None:
        """See `CheckpointCopy`."""
        folder = self._path / copy_folder(origin)
        try:
            self._look()
            names = [entry.name for entry in os.scandir(folder)] if folder.exists() else []
            sizes = [size for size in map(copied_size, names) if size is not None]
            return _read(self._path / copy_name(origin, max(sizes))).decode(errors="replace") if sizes else None
        except OSError as error:
            raise _failed(error) from None

    def _look(self) -> None:
        if not self._path.is_dir():
            raise NotCopied(CopyTrouble.UNREACHABLE, "the directory for copies of checkpoints is not there: make it, or mount it")


def _place(final: Path, data: bytes) -> None:
    """The file, whole and under its name, unless somebody was faster. Its temporary name is nobody else's."""
    descriptor, temporary = tempfile.mkstemp(suffix=".writing", dir=final.parent)
    try:
        # (1)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            os.fchmod(descriptor, 0o444)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        # (2) A link, because a rename would replace what is there.
        with suppress(FileExistsError):
            os.link(temporary, final)
    finally:
        # (3)
        Path(temporary).unlink()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(error: OSError) -> NotCopied:
    refused = isinstance(error, PermissionError)
    return NotCopied(
        CopyTrouble.REFUSED if refused else CopyTrouble.UNREACHABLE,
        f"the directory for copies of checkpoints does not take or give them ({error.strerror})",
    )


class Copying:
    """Copies the newest checkpoint to every place once an interval. Run it more often than that: it knows what is due."""

    def __init__(
        self,
        copies: Sequence[CheckpointCopy],
        *,
        newest: Callable[[], str | None],
        open_checkpoint: Callable[[str], Head],
        clock: Clock,
        interval: timedelta = timedelta(minutes=15),
        retain_years: int = 6,
    ) -> None:
        """`newest` gives the newest signed checkpoint, None before the first; `open_checkpoint` checks its signatures."""
        self._copies = copies
        self._newest = newest
        self._open_checkpoint = open_checkpoint
        self._clock = clock
        self._interval = interval
        self._retain_years = retain_years
        self._done: dict[str, datetime] = {}
        self._failures: Counter[tuple[str, CopyTrouble]] = Counter()

    @property
    def failures(self) -> Mapping[tuple[str, CopyTrouble], int]:
        """How often each trouble was met with each place (by name) since the start."""
        return dict(self._failures)

    def run(self) -> Mapping[str, int | CopyTrouble]:
        """Copy to the places that are due: name to the size copied, or to what went wrong. What failed is due at the next run.

        A contradiction does not stop anything here: it is found again by `phitrail verify`, which is held against `held()`.
        Raises only IntegrityError, where the newest checkpoint itself is not signed.
        """
        now, note = self._clock(), self._newest()
        due = [copy for copy in self._copies if self._is_due(copy.name, now)]
        if note is None or not due:
            return {}
        head = self._open_checkpoint(note)
        results: dict[str, int | CopyTrouble] = {}
        for copy in due:
            try:
                copy.put(head.origin, head.size, note, years_after(now, self._retain_years))
            except (NotCopied, IntegrityError) as error:
                results[copy.name] = self._failed(copy.name, error)
            else:
                self._done[copy.name] = now
                results[copy.name] = head.size
        return results

    def held(self, origin: str) -> list[str]:
        """The newest note of each place that answers: what a verification is to be held against, as it is held against the anchor.

        They are unverified: one that this ledger's key did not sign is itself a finding.
        """
        notes = []
        for copy in self._copies:
            try:
                note = copy.newest(origin)
            except NotCopied as error:
                self._failed(copy.name, error)
                continue
            if note is not None:
                notes.append(note)
        return notes

    def _is_due(self, name: str, now: datetime) -> bool:
        """Also when the clock was put back: a last time in the future says nothing."""
        last = self._done.get(name)
        return last is None or not timedelta(0) <= now - last < self._interval

    def _failed(self, name: str, error: NotCopied | IntegrityError) -> CopyTrouble:
        trouble = error.trouble if isinstance(error, NotCopied) else CopyTrouble.CONTRADICTED
        self._failures[name, trouble] += 1
        level = logging.CRITICAL if trouble is CopyTrouble.CONTRADICTED else logging.WARNING
        _log.log(level, "copies of checkpoints, %s (%s): %s", name, trouble, error)
        return trouble


def years_after(moment: datetime, years: int) -> datetime:
    """The anniversary; of 29 February in a common year it is 1 March."""
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:
        return moment.replace(year=moment.year + years, month=3, day=1)
