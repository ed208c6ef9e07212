"""One file of the spool as it is known in memory, and how a file is understood again after a stop."""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from ingest.spool.disk import Disk
from ingest.spool.frames import SEGMENT_HEADER, Damage, Frame, Torn, frames, read_segment_header

SUFFIX = ".segment"
DRAFT = ".new"


@dataclass(slots=True)
class Segment:
    """Places are offsets in bytes. Read up to `durable`, written up to `written`, drained up to `cursor`.

    A segment that `is_closed` takes nothing more. `oldest` is when its first frame that is not drained was written, or a little
    earlier. `unsynced` holds (end, records) of what was written and is not durable yet.
    """

    number: int
    path: Path
    file: int
    written: int
    durable: int
    cursor: int = SEGMENT_HEADER
    oldest: int | None = None
    is_closed: bool = False
    is_syncing: bool = False
    has_failed: bool = False
    unsynced: deque[tuple[int, int]] = field(default_factory=deque)

    @property
    def is_drained(self) -> bool:
        """Nothing in it is left, and nothing in it is on its way."""
        return self.cursor >= self.written and self.durable == self.written and not self.is_syncing

    def note_durable(self, end: int) -> int:
        """All up to `end` is on the disk; answers how many records that makes durable."""
        self.durable = max(self.durable, end)
        records = 0
        while self.unsynced and self.unsynced[0][0] <= self.durable:
            records += self.unsynced.popleft()[1]
        return records


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A segment as it was left behind, and what is wrong with it."""

    segment: Segment
    records: int
    damaged: int
    torn_bytes: int
    missing_bytes: int


def path_of(directory: Path, number: int) -> Path:
    """The name of a segment."""
    return directory / f"{number:016}{SUFFIX}"


def previous_length(disk: Disk, path: Path) -> int | None:
    """How long the segment before this one was, by the header of this one; None where that cannot be read. Raises OSError."""
    file = disk.open(path)
    try:
        header = read_segment_header(disk.read(file, 0, SEGMENT_HEADER))
    finally:
        disk.close(file)
    return None if header is None else header[1]


def recover(disk: Disk, path: Path, *, acknowledged: int | None, is_last: bool) -> Found:
    """
    Open a segment that an earlier process left; nothing in it is changed.

    `acknowledged` is its length by the segment after it, where that can be read: what lies behind was promised to nobody, and what
    is missing before was. Only the end of the last one may be torn. Raises OSError.
    """
    file = disk.open(path)
    size = disk.size(file)
    end = size if acknowledged is None else min(size, acknowledged)
    data = disk.read(file, 0, end)
    # A header that is damaged is itself read as frames, and so comes out as damage with what it holds.
    start = 0 if read_segment_header(data[:SEGMENT_HEADER]) is None else SEGMENT_HEADER
    records, damaged, oldest = 0, 0, None
    for item in frames(data[start:], offset=start, is_last=is_last):
        match item:
            case Frame():
                records += 1
                oldest = item.at if oldest is None else oldest
            case Damage():
                damaged += 1
            case Torn():
                end = item.start
    segment = Segment(
        number=int(path.stem),
        path=path,
        file=file,
        written=end,
        durable=end,
        cursor=min(start, end),
        oldest=oldest,
        is_closed=True,
    )
    missing = 0 if acknowledged is None else acknowledged - end
    return Found(segment=segment, records=records, damaged=damaged, torn_bytes=size - end, missing_bytes=missing)
