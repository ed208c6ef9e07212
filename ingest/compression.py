"""gzip and Zstandard streams, unpacked piece by piece.

A few bytes can stand for gigabytes, so what goes in at once is small enough that what comes out is bounded: a piece of gzip grows
at most about a thousandfold (RFC 1951 §3.2.5), one of Zstandard 4 bytes to 128 KiB (RFC 8878 §3.1.1.2.2).
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

import zstandard

from domain.errors import InvalidInput

CODINGS = ("gzip", "zstd")
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}

_PIECE = {"gzip": 4096, "zstd": 512}
_NAMES = {"gzip": "gzip", "zstd": "Zstandard"}
_DAMAGED = {
    "gzip": "the gzip data are damaged; what follows could not be read",
    "zstd": "the Zstandard data are damaged, or want a larger window than is granted; what follows could not be read",
}


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def coding_of(head: bytes) -> str | None:
    """`gzip` or `zstd` when the first four bytes say so, else None."""
    return next((coding for magic, coding in MAGIC.items() if head.startswith(magic)), None)


def unpacked(chunks: Iterable[bytes], coding: str, *, max_window: int = 128 * 1024 * 1024) -> Iterator[bytes]:
    """The content of a `gzip` or `zstd` stream of one or more members, at most about 16 MiB at a time.

    `max_window` bounds the memory, in bytes, that a Zstandard sender may ask for (RFC 8878 §3.1.1.1.2: 8 MiB should be granted).
    Raises InvalidInput, after everything readable was handed out, when the stream is cut off or damaged.
    """
    name = _NAMES[coding]
    unpacker = _unpacker(coding, max_window)
    begun = False
    for piece in _pieces(chunks, _PIECE[coding]):
        rest = piece
        while rest:
            if unpacker.eof:
                if coding == "gzip":
                    rest = rest.lstrip(b"\0")  # padding between and after members, as from tapes
                if not rest:
                    break
                unpacker, begun = _unpacker(coding, max_window), False
            try:
                content = unpacker.decompress(rest)
            except (zlib.error, zstandard.ZstdError):
                raise InvalidInput(_DAMAGED[coding]) from None
            begun = True
            if content:
                yield content
            rest = unpacker.unused_data if unpacker.eof else b""
    if begun and not unpacker.eof:
        raise InvalidInput(f"the {name} data end before their end; what was missing could not be read")
    if not begun:
        raise InvalidInput(f"there are no {name} data")


def _unpacker(coding: str, max_window: int) -> _Unpacker:
    if coding == "gzip":
        return zlib.decompressobj(wbits=31)
    return zstandard.ZstdDecompressor(max_window_size=max_window).decompressobj()


def _pieces(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), size):
            yield chunk[start : start + size]
