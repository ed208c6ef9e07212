"""The steps in which the spool touches the disk, one call each, so that tests can make any of them fail."""

import os
from contextlib import suppress
from pathlib import Path

_READ_AT_ONCE = 1 << 20


class Disk:
    """Files of one directory. Every step raises OSError."""

    def create(self, path: Path) -> int:
        """A new file for reading and writing, readable by its owner only; an old one of this name is emptied."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def open(self, path: Path) -> int:
        """A file that exists."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def write(self, file: int, data: bytes) -> None:
        """Write all of it at the end of what was written."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]

    def read(self, file: int, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`, fewer where the file ends before it."""
        pieces: list[bytes] = []
        while start < end and (piece := os.pread(file, min(_READ_AT_ONCE, end - start), start)):
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def size(self, file: int) -> int:
        """How long the file is."""
        return os.fstat(file).st_size

    def sync(self, file: int) -> None:
        """Return once what was written is on the disk."""
        os.fsync(file)

    def truncate(self, file: int, size: int) -> None:
        """Cut the file."""
        os.ftruncate(file, size)

    def rename(self, old: Path, new: Path) -> None:
        """Give the file its name."""
        old.rename(new)

    def unlink(self, path: Path) -> None:
        """Remove the file; one that is gone is no error."""
        path.unlink(missing_ok=True)

    def sync_directory(self, path: Path) -> None:
        """Return once the names in the directory are on the disk."""
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def close(self, file: int) -> None:
        """Close it. What a late error here could say was said by `sync`."""
        with suppress(OSError):
            os.close(file)
