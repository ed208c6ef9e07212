"""Which file holds which stream: a log keeps its identity when it is renamed, copied and cut to nothing, or compressed.

A stream is known by what was read of it, not by its name: a hash over its first bytes and one over the last bytes before the place
where reading stopped. A file that has both is that stream, whatever it is called now; one that has neither is another, also under
the old name and on the old inode. Among several that have both (a copy that is being made), the inode decides.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from domain.errors import InvalidInput
from ingest.compression import coding_of, unpacked
from ingest.pull.contract import PullFailed

SAMPLE = 1_024
"""Bytes of the two samples by which a stream is known again."""

_CHUNK = 256 * 1024
Mark = tuple[int, int, int, int]
"""Inode, size, and the nanoseconds at which content and inode were last changed; the last cannot be set by anybody."""

SUFFIXES = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """
    What is known of a stream. `offset` is in bytes of its content (unpacked): all before it is stored.

    `head` and `tail` are SHA-256 (hex) over its first `min(SAMPLE, offset)` bytes and over as many before the offset. `file` is the
    name it had last, `inode` of which file; `size` how long the file was when last read; `changed` and `altered` are its times
    then, in nanoseconds. `is_done` says that this very file, as it was then, is read to its end. `seen` is the day (ordinal) on
    which it was last there, and `is_gone` that it is there no more.
    """

    number: int
    file: str
    inode: int
    offset: int
    head: str
    tail: str
    size: int
    changed: int
    altered: int
    is_done: bool
    seen: int
    is_gone: bool = False

    @property
    def mark(self) -> "Mark":
        """That of the file as it was when it was last read."""
        return self.inode, self.size, self.changed, self.altered

    @property
    def sample(self) -> int:
        """How many bytes the samples have."""
        return min(SAMPLE, self.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file as a scan finds it. `size` and `changed` are the file's, before unpacking."""

    path: Path
    name: str
    inode: int
    size: int
    changed: int
    altered: int
    coding: str | None

    @property
    def mark(self) -> "Mark":
        """What changes whenever the file does, or another gets its inode."""
        return self.inode, self.size, self.changed, self.altered


def scan(directory: Path, patterns: Sequence[str], *, recursive: bool = False) -> list[Found]:
    """The regular files whose names match, the one changed longest ago first. A file that vanishes meanwhile is left out.

    Raises PullFailed where the directory cannot be listed.
    """
    found = []
    for path in _listed(directory, recursive=recursive):
        if not any(path.match(pattern) for pattern in patterns) or (path.name.startswith(".") and "*" in patterns):
            continue
        try:
            status = path.lstat()
        except OSError:
            continue
        if not os.path.isfile(path) or path.is_symlink():  # noqa: PTH113 - one look less than Path's
            continue
        name = path.relative_to(directory).as_posix()
        coding = SUFFIXES.get(path.suffix.lower())
        found.append(
            Found(
                path=path,
                name=name,
                inode=status.st_ino,
                size=status.st_size,
                changed=status.st_mtime_ns,
                altered=status.st_ctime_ns,
                coding=coding,
            )
        )
    return sorted(found, key=lambda file: (file.changed, file.name))


def _listed(directory: Path, *, recursive: bool) -> list[Path]:
    try:
        if not recursive:
            return list(directory.iterdir())
        return [Path(folder) / name for folder, _, names in os.walk(directory, onerror=_raise) for name in names]
    except OSError as error:
        raise PullFailed(f"the directory cannot be listed ({error.strerror}): check that it exists and may be read") from None


def _raise(error: OSError) -> None:
    raise error


def content(file: Found, start: int = 0, *, until: int | None = None) -> Iterator[bytes]:
    """The content of a file from an offset on, unpacked, at most up to another.

    Raises OSError, and InvalidInput where compressed data are damaged or end early (after everything readable was handed out).
    """
    with file.path.open("rb") as opened:
        if os.fstat(opened.fileno()).st_ino != file.inode:
            raise FileNotFoundError(2, "another file has the name now")
        if file.coding is None:
            opened.seek(start)
            pieces, skip = _pieces(opened), 0
        else:
            pieces, skip = unpacked(_pieces(opened), file.coding), start
        at = start - skip
        for piece in pieces:
            chunk = piece
            if skip:
                dropped = min(skip, len(chunk))
                skip -= dropped
                at += dropped
                chunk = chunk[dropped:]
            if until is not None and at + len(chunk) > until:
                chunk = chunk[: until - at]
            if chunk:
                yield chunk
            at += len(chunk)
            if until is not None and at >= until:
                return


def _pieces(opened: BinaryIO) -> Iterator[bytes]:
    while chunk := opened.read(_CHUNK):
        yield chunk


def with_head(file: Found, streams: Mapping[tuple[int, str], Sequence[Stream]]) -> list[Stream]:
    """Those of the streams (by the length of their sample and their head) that begin as a file does."""
    first = b""
    with suppress(OSError, InvalidInput):
        for chunk in content(file, until=SAMPLE):
            first += chunk
    found: list[Stream] = []
    for size in {size for size, _ in streams}:
        if len(first) >= size:
            found += streams.get((size, digest(first[:size])), ())
    return [stream for stream in found if file.coding is not None or file.size >= stream.offset]


def holds(file: Found, streams: Sequence[Stream]) -> list[Stream]:
    """Those of the streams that begin alike which a file also holds to the end of what was read."""
    if not streams:
        return []
    try:
        if file.coding is None:
            return [each for each in streams if _tail(file, each) == each.tail]
        return _unpacked_holds(file, streams)
    except (OSError, InvalidInput):
        return []


def _tail(file: Found, stream: Stream) -> str:
    return digest(b"".join(content(file, stream.offset - stream.sample, until=stream.offset)))


def _unpacked_holds(file: Found, streams: Iterable[Stream]) -> list[Stream]:
    """One pass over a compressed file for all streams, since it cannot be read from the middle."""
    waiting = sorted(streams, key=lambda stream: stream.offset)
    found = []
    recent, at = b"", 0
    with suppress(InvalidInput):  # what could be unpacked before the damage counts
        for chunk in content(file, until=waiting[-1].offset):
            recent += chunk
            at += len(chunk)
            while waiting and waiting[0].offset <= at:
                stream = waiting.pop(0)
                end = len(recent) - (at - stream.offset)
                if digest(recent[end - stream.sample : end]) == stream.tail:
                    found.append(stream)
            recent = recent[-SAMPLE:]
    return found


def digest(data: bytes) -> str:
    """SHA-256, the first half, in hex."""
    return hashlib.sha256(data).hexdigest()[:32]


def coding_by_content(file: Found) -> Found:
    """The file with its coding by what it begins with, where the name does not say: `mail.log.2` may be gzip."""
    if file.coding is not None:
        return file
    try:
        with file.path.open("rb") as opened:
            return replace(file, coding=coding_of(opened.read(4)))
    except OSError:
        return file
