"""A queue of records on disk: written ahead of the store, durable before anybody is told, read back in the order written.

    append    frames into the newest segment → fsync, one for all who wait → answered
    peek      the oldest records, up to a batch
    advance   the batch is in the ledger: a segment of which nothing is left is removed

A step that fails has one of these ends. A write: the segment is cut back and takes nothing more, the caller is refused, the next
caller gets a new segment. An fsync: the same, for all who waited; it is not tried again, because the kernel may have dropped the
pages and would call the second try a success. A rename or a header: there is no new segment, the caller is refused. An unlink: the
segment stays on disk and is tried again; after a restart it is handed in once more and makes duplicates. Removing is not synced:
a file that comes back after a loss of power makes duplicates too.

What an earlier process left is understood at the start. A frame that was begun and never finished, at the very end, was promised to
nobody: it is cut off and counted. Anything else that is not as written is damage: it is handed out among the records, byte for byte
as a Fragment with its place, so that it ends in quarantine.
"""

import fcntl
import logging
import os
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path

from domain.clock import Clock, microseconds
from domain.errors import Backpressure, Conflict
from domain.record import Parsed
from ingest.spool.contents import decode, encode
from ingest.spool.disk import Disk
from ingest.spool.frames import SEGMENT_HEADER, Damage, Frame, frame, frames, segment_header
from ingest.spool.segment import DRAFT, SUFFIX, Segment, path_of, previous_length, recover
from store.quarantine import Fragment

MAX_BYTES = 2 * 1024 * 1024 * 1024
SEGMENT_BYTES = 8 * 1024 * 1024
RETRY_AFTER = 5

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The oldest records. `damaged` of the items stand for bytes that are no record any more. `end` is for `advance`."""

    items: Sequence[Parsed]
    damaged: int
    segment: int
    end: int
    newest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolState:
    """What waits now, and what has happened since the start.

    `oldest` is when the record that waits longest was taken, or a little earlier. `torn_bytes` were cut off because they were never
    finished; `missing_bytes` and `missing_segments` were acknowledged by an earlier process and are gone; `damaged` counts places
    that were handed out as damage.
    """

    bytes: int
    max_bytes: int
    records: int
    oldest: datetime | None
    drained: int
    refused: int
    failures: int
    torn_bytes: int
    missing_bytes: int
    missing_segments: int
    damaged: int


class Spool:
    """Records on disk, first in first out. Thread-safe; one thread peeks and advances. Close it when done."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        max_bytes: int = MAX_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        retry_after: int = RETRY_AFTER,
        disk: Disk | None = None,
    ) -> None:
        """
        `max_bytes` bounds the files together; a new file is begun when one has `segment_bytes`. Who is refused is told to come
        again after `retry_after` seconds.

        Raises Conflict where another process has the directory, OSError where it cannot be read.
        """
        self._directory = directory
        self._clock = clock
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._retry_after = retry_after
        self._disk = disk or Disk()
        self._changed = threading.Condition()
        self._segments: deque[Segment] = deque()
        self._spent: deque[Segment] = deque()
        self._records = self._drained = self._refused = self._failures = 0
        self._torn_bytes = self._missing_bytes = self._missing_segments = self._damaged = 0
        self._is_closed = False
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)
        self._lock = _take(directory)
        try:
            self._recover()
        except OSError:
            self.close()
            raise
        self._next = self._segments[-1].number + 1 if self._segments else 1

    @property
    def is_empty(self) -> bool:
        """Nothing waits and nothing is being written."""
        with self._changed:
            return all(segment.is_drained for segment in self._segments)

    def state(self) -> SpoolState:
        """The numbers of this moment."""
        with self._changed:
            waiting = [
                segment.oldest for segment in self._segments if segment.cursor < segment.durable and segment.oldest is not None
            ]
            return SpoolState(
                bytes=self._size(),
                max_bytes=self._max_bytes,
                records=self._records,
                oldest=_EPOCH + timedelta(microseconds=waiting[0]) if waiting else None,
                drained=self._drained,
                refused=self._refused,
                failures=self._failures,
                torn_bytes=self._torn_bytes,
                missing_bytes=self._missing_bytes,
                missing_segments=self._missing_segments,
                damaged=self._damaged,
            )

    def append(self, items: Sequence[Parsed]) -> None:
        """Keep records behind all others; returns once they are on disk. Raises Backpressure: then none of them was accepted."""
        at = microseconds(self._clock())
        data = b"".join(frame(*encode(item), at) for item in items)
        with self._changed:
            if self._is_closed:
                raise Backpressure("the spool is closed; nothing was accepted", retry_after=self._retry_after)
            if self._size() + len(data) + SEGMENT_HEADER > self._max_bytes:
                self._refused += 1
                raise Backpressure("the store is away and the spool is full; nothing was accepted", retry_after=self._retry_after)
            try:
                segment = self._writable()
                self._write(segment, data)
            except OSError as error:
                self._failures += 1
                raise self._refusal(error) from error
            end = segment.written
            segment.oldest = at if segment.oldest is None else segment.oldest
            segment.unsynced.append((end, len(items)))
        self._make_durable(segment, end)

    def peek(self, *, max_records: int, max_bytes: int) -> Batch | None:
        """The oldest records that are durable, at least one; None where there is none. Raises OSError."""
        while True:
            with self._changed:
                self._retire()
                segment = next((one for one in self._segments if one.cursor < one.durable), None)
                if segment is None:
                    return None
                start, end = segment.cursor, segment.durable
            items: list[Parsed] = []
            size, damaged, newest, last = 0, 0, 0, end
            for found in frames(self._disk.read(segment.file, start, end), offset=start, is_last=False):
                match found:
                    case Frame(kind, newest, content, last):
                        items.append(decode(kind, content))
                    case Damage(_, last, content):
                        damaged += 1
                        items.append(_fragment(segment.number, found))
                    case _:
                        continue
                size += len(content)
                if len(items) >= max_records or size >= max_bytes:
                    break
            if items:
                return Batch(items=items, damaged=damaged, segment=segment.number, end=last, newest=newest)
            with self._changed:  # the file is shorter than what was acknowledged, which was named at the start
                segment.cursor = end

    def advance(self, batch: Batch) -> None:
        """The records of the batch that was peeked last are durable elsewhere."""
        with self._changed:
            segment = next(one for one in self._segments if one.number == batch.segment)
            segment.cursor = batch.end
            segment.oldest = batch.newest or segment.oldest
            self._records -= len(batch.items) - batch.damaged
            self._drained += len(batch.items) - batch.damaged
            self._damaged += batch.damaged
            self._retire()

    def close(self) -> None:
        """Let the files go; what waits stays on disk."""
        with self._changed:
            if self._is_closed:
                return
            self._is_closed = True
            self._changed.wait_for(lambda: not any(segment.is_syncing for segment in self._segments))
            for segment in (*self._segments, *self._spent):
                self._disk.close(segment.file)
            self._segments.clear()
            self._spent.clear()
            os.close(self._lock)

    def _refusal(self, error: OSError) -> Backpressure:
        return Backpressure(f"the spool cannot be written ({error.strerror}); nothing was accepted", retry_after=self._retry_after)

    def _size(self) -> int:
        return sum(segment.written for segment in (*self._spent, *self._segments))

    def _writable(self) -> Segment:
        """The segment that takes the next frames, made where there is none. Raises OSError."""
        while True:
            newest = self._segments[-1] if self._segments else None
            if newest is None or newest.is_closed:
                return self._create(0 if newest is None else newest.written)
            if newest.written < self._segment_bytes:
                return newest
            # The header of the next one says how much of this one was acknowledged, so this has to be settled first.
            if newest.is_syncing:
                self._changed.wait()
            elif newest.durable < newest.written:
                self._sync_all(newest)
            else:
                newest.is_closed = True

    def _create(self, previous: int) -> Segment:
        """A new segment; its name appears once its header is on disk. Raises OSError; the number is used again then."""
        path, draft, header = path_of(self._directory, self._next), self._directory / f"{self._next:016}{DRAFT}", SEGMENT_HEADER
        file = self._disk.create(draft)
        try:
            self._disk.write(file, segment_header(self._next, previous))
            self._disk.sync(file)
            self._disk.rename(draft, path)
            self._disk.sync_directory(self._directory)
        except OSError:
            self._disk.close(file)
            raise
        segment = Segment(number=self._next, path=path, file=file, written=header, durable=header)
        self._next += 1
        self._segments.append(segment)
        return segment

    def _write(self, segment: Segment, data: bytes) -> None:
        try:
            self._disk.write(segment.file, data)
        except OSError:
            segment.is_closed = True
            with suppress(OSError):  # the header of the next one says where this one ends, too
                self._disk.truncate(segment.file, segment.written)
            raise
        segment.written += len(data)

    def _make_durable(self, segment: Segment, end: int) -> None:
        """Wait until all up to `end` is on disk; whoever finds nobody at it does it for all. Raises Backpressure."""
        with self._changed:
            self._changed.wait_for(lambda: segment.durable >= end or segment.has_failed or not segment.is_syncing)
            if segment.durable >= end:
                return
            if segment.has_failed:
                raise Backpressure("the spool could not be made durable; nothing was accepted", retry_after=self._retry_after)
            segment.is_syncing = True
            target = segment.written
        is_durable = False
        try:
            self._disk.sync(segment.file)
            is_durable = True
        except OSError as error:
            raise self._refusal(error) from error
        finally:
            with self._changed:
                segment.is_syncing = False
                self._note_sync(segment, target, is_durable=is_durable)
                self._changed.notify_all()

    def _sync_all(self, segment: Segment) -> None:
        """The same with the guard held, before the next segment is begun. What fails is told to those who wait for it."""
        try:
            self._disk.sync(segment.file)
            is_durable = True
        except OSError:
            is_durable = False
        self._note_sync(segment, segment.written, is_durable=is_durable)
        self._changed.notify_all()

    def _note_sync(self, segment: Segment, target: int, *, is_durable: bool) -> None:
        if is_durable:
            self._records += segment.note_durable(target)
            return
        _LOG.error(
            "segment %d of the spool could not be synced: it takes nothing more, and nothing of the rest is acknowledged",
            segment.number,
        )
        self._failures += 1
        segment.is_closed = segment.has_failed = True
        segment.written = segment.durable
        segment.unsynced.clear()
        with suppress(OSError):
            self._disk.truncate(segment.file, segment.durable)

    def _retire(self) -> None:
        """Remove what is drained, in order, so that a number that is missing later was not removed by us."""
        while self._segments and self._segments[0].is_drained:
            self._spent.append(self._segments.popleft())
        while self._spent:
            segment = self._spent[0]
            try:
                self._disk.unlink(segment.path)
            except OSError as error:
                self._failures += 1
                _LOG.error("segment %d of the spool is drained and cannot be removed (%s)", segment.number, error.strerror)
                return
            self._disk.close(segment.file)
            self._spent.popleft()

    def _recover(self) -> None:
        for draft in self._directory.glob(f"*{DRAFT}"):
            self._disk.unlink(draft)
        paths = sorted(self._directory.glob(f"*{SUFFIX}"))
        for path, following in zip_longest(paths, paths[1:]):
            number = int(path.stem)
            follows = following is not None and int(following.stem) == number + 1
            acknowledged = previous_length(self._disk, following) if follows and following is not None else None
            found = recover(self._disk, path, acknowledged=acknowledged, is_last=following is None)
            self._segments.append(found.segment)
            self._records += found.records
            self._torn_bytes += found.torn_bytes
            self._missing_bytes += found.missing_bytes
            if found.torn_bytes:
                _LOG.warning("segment %d of the spool: %d bytes that were never finished are cut off", number, found.torn_bytes)
                with suppress(OSError):
                    self._disk.truncate(found.segment.file, found.segment.written)
            if found.damaged:
                _LOG.error("segment %d of the spool is damaged in %d places: they go to quarantine", number, found.damaged)
            if found.missing_bytes:
                _LOG.error("segment %d of the spool has lost %d bytes that were acknowledged", number, found.missing_bytes)
            if following is not None and not follows:
                self._missing_segments += int(following.stem) - number - 1
                _LOG.error("segments %d to %d of the spool are missing", number + 1, int(following.stem) - 1)


def _take(directory: Path) -> int:
    """Hold the directory for this process; the system lets it go when the process ends. Raises Conflict."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise Conflict(f"another process uses the spool in {directory}: give each node a spool directory of its own") from None
    return lock


def _fragment(number: int, damage: Damage) -> Fragment:
    reason = f"damaged on disk while it waited in the spool (segment {number}, bytes {damage.start} to {damage.end})"
    return Fragment(source_system="spool", format="spool", reason=reason, raw=damage.content)
