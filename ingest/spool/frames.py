"""The bytes of a segment: a header, then frames, one a record. Each says where it ends and carries the SHA-256 of what is in it.

    segment  "phitrail spool 1\\n" ‖ number (8) ‖ length of the segment before (8) ‖ CRC-32 of these (4)
    frame    mark (4) ‖ kind (1) ‖ microseconds since 1970 (8) ‖ length (4) ‖ CRC-32 of these (4) ‖ SHA-256 (32) ‖ content

All numbers are big-endian. The length of a frame has a checksum of its own (CRC-32 of ISO 3309, as in `zlib`): were a flipped bit
in it to pass, everything behind would look like a tail that was never finished. The SHA-256 is over the first 17 bytes and the
content. Where a header is damaged the next is found by its mark. The length of the segment before says how much of it had been
acknowledged when this one was begun.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_MAGIC: Final = b"phitrail spool 1\n"
_SEGMENT = struct.Struct(">QQ")
_CHECK = struct.Struct(">I")
_MARK: Final = b"\xf5\x9cSP"
_FRAME = struct.Struct(">4sBqI")
_DIGEST_BYTES = 32

SEGMENT_HEADER: Final = len(_MAGIC) + _SEGMENT.size + _CHECK.size
FRAME_HEADER: Final = _FRAME.size + _CHECK.size + _DIGEST_BYTES
LONGEST: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame. `at` is when it was written, in microseconds since 1970; `end` is where the next begins in the segment."""

    kind: int
    at: int
    content: bytes
    end: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no frame although they lie among what was acknowledged."""

    start: int
    end: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Torn:
    """The beginning of a frame that was never finished, at the very end of a segment: nobody was told that it is kept."""

    start: int
    end: int


def segment_header(number: int, previous: int) -> bytes:
    """The first bytes of a segment; `previous` is the length of the segment before it in bytes (0: none)."""
    fields = _MAGIC + _SEGMENT.pack(number, previous)
    return fields + _CHECK.pack(zlib.crc32(fields))


def read_segment_header(data: bytes) -> tuple[int, int] | None:
    """(number, length of the segment before), or None where the header is damaged."""
    fields = data[: len(_MAGIC) + _SEGMENT.size]
    if len(data) < SEGMENT_HEADER or not fields.startswith(_MAGIC):
        return None
    if _CHECK.unpack_from(data, len(fields))[0] != zlib.crc32(fields):
        return None
    number, previous = _SEGMENT.unpack_from(fields, len(_MAGIC))
    return number, previous


def frame(kind: int, content: bytes, at: int) -> bytes:
    """A frame, as it is written."""
    fields = _FRAME.pack(_MARK, kind, at, len(content))
    digest = hashlib.sha256(fields)
    digest.update(content)
    return b"".join((fields, _CHECK.pack(zlib.crc32(fields)), digest.digest(), content))


def frames(data: bytes, *, offset: int, is_last: bool) -> Iterator[Frame | Damage | Torn]:
    """What lies in `data`, which begins at `offset` of its segment and ends where the segment does.

    `is_last` says that writing may have been cut off at the end. Bytes that are not understood are Damage wherever they may have
    been acknowledged: an end is Torn only where a frame was begun and the file ends before it does.
    """
    at = 0
    while at < len(data):
        found = _whole(data, at, offset)
        if found is None:
            if is_last and _is_unfinished(data, at):
                yield Torn(offset + at, offset + len(data))
                return
            header = _header(data, at)
            nearest = _next_whole(data, at + 1) if header is None else min(at + FRAME_HEADER + header[2], len(data))
            if nearest == len(data) and is_last and not data[at:].strip(b"\0"):
                # A file that was made longer before its bytes were on disk ends in zeros after a loss of power.
                yield Torn(offset + at, offset + len(data))
                return
            yield Damage(offset + at, offset + nearest, data[at:nearest])
            at = nearest
            continue
        yield found
        at = found.end - offset


def _header(data: bytes, at: int) -> tuple[int, int, int] | None:
    """(kind, moment, length) of the frame at a place, where its header is what was written."""
    if len(data) - at < FRAME_HEADER:
        return None
    mark, kind, moment, length = _FRAME.unpack_from(data, at)
    if mark != _MARK or _CHECK.unpack_from(data, at + _FRAME.size)[0] != zlib.crc32(data[at : at + _FRAME.size]):
        return None
    return kind, moment, length


def _whole(data: bytes, at: int, offset: int) -> Frame | None:
    header = _header(data, at)
    if header is None:
        return None
    kind, moment, length = header
    start = at + FRAME_HEADER
    content = data[start : start + length]
    digest = hashlib.sha256(data[at : at + _FRAME.size])
    digest.update(content)
    if len(content) < length or digest.digest() != data[start - _DIGEST_BYTES : start]:
        return None
    return Frame(kind, moment, content, offset + start + length)


def _is_unfinished(data: bytes, at: int) -> bool:
    """Whether the file ends within the frame that begins here."""
    header = _header(data, at)
    if header is not None:
        return len(data) - at - FRAME_HEADER < header[2]
    return len(data) - at < FRAME_HEADER and data[at : at + len(_MARK)] == _MARK[: len(data) - at]


def _next_whole(data: bytes, at: int) -> int:
    """Where the next frame begins whose header is whole; the end of the data where there is none."""
    while (at := data.find(_MARK, at)) >= 0:
        if _header(data, at) is not None:
            return at
        at += 1
    return len(data)
