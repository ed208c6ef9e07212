"""What came in a request body, unpacked, in bounded memory.

Three bounds: the body as sent (middleware), what one body may unpack to, and what all bodies being worked on may hold together.
Over the last, a sender is asked to come back.
"""

import re
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager

from fastapi import Request

from api.auth import Principal
from api.problems import TooLarge
from domain.errors import Backpressure, InvalidInput
from ingest.compression import unpacked

MAX_UNPACKED = 64 * 1024 * 1024
MAX_TOGETHER = 512 * 1024 * 1024
_MAX_WINDOW = 8 * 1024 * 1024

SOURCE_HEADER = "X-Source-System"
_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}")
_RESERVED = "phitrail"
"""The source system of this system's own events: nobody else may speak as it."""

_CODINGS = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd", "": "", "identity": ""}


class UnsupportedMedia(InvalidInput):
    """The body is in a form that this route does not read; answered 415 (RFC 9110 §15.5.16)."""


class Bodies:
    """How many bytes of request bodies are held at the moment. Thread-safe."""

    def __init__(self, limit: int = MAX_TOGETHER) -> None:
        self._limit = limit
        self._held = 0
        self._guard = threading.Lock()

    @contextmanager
    def holding(self) -> Iterator["Held"]:
        """An account for one request; what it holds is given back at the end."""
        held = Held(self)
        try:
            yield held
        finally:
            with self._guard:
                self._held -= held.size

    def add(self, size: int) -> None:
        """Raises Backpressure when it would be too much together; a body alone is always let in."""
        with self._guard:
            if self._held and self._held + size > self._limit:
                raise Backpressure("too many requests are being worked on; nothing was accepted", retry_after=2)
            self._held += size


class Held:
    """What one request holds."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.size = 0

    def add(self, size: int) -> None:
        """Count `size` bytes more. Raises Backpressure."""
        self._bodies.add(size)
        self.size += size


async def read_body(stream: AsyncIterator[bytes], held: Held) -> list[bytes]:
    """The body as sent, in the pieces it came in. Raises Backpressure, and TooLarge where the middleware stops it."""
    pieces: list[bytes] = []
    try:
        async for piece in stream:
            if piece:
                held.add(len(piece))
                pieces.append(piece)
    except TooLarge:
        raise TooLarge("The body is larger than this address takes; send less at a time. Nothing was stored.") from None
    return pieces


def unpack(pieces: Iterable[bytes], coding: str, held: Held, *, limit: int = MAX_UNPACKED) -> Iterator[bytes]:
    """The body unpacked from `gzip`, `zstd` or nothing. Raises InvalidInput for damaged data, TooLarge, Backpressure."""
    if not coding:
        yield from pieces
        return
    total = 0
    for piece in unpacked(pieces, coding, max_window=_MAX_WINDOW):
        total += len(piece)
        if total > limit:
            raise TooLarge(f"A body may unpack to {limit // 1024:,} KiB; send less at a time. Nothing was stored.")
        held.add(len(piece))
        yield piece


def coding_of_body(request: Request) -> str:
    """`gzip`, `zstd` or nothing. Raises UnsupportedMedia for any other Content-Encoding."""
    coding = _CODINGS.get(request.headers.get("content-encoding", "").strip().lower())
    if coding is None:
        raise UnsupportedMedia("Content-Encoding may be gzip, zstd or absent.")
    return coding


def check_media_type(request: Request, accepted: Iterable[str]) -> None:
    """Raises UnsupportedMedia for a Content-Type other than these; a missing one is let pass."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and media_type not in accepted:
        raise UnsupportedMedia(f"Content-Type may be {', '.join(accepted)}.")


def source_system_of(request: Request, principal: Principal) -> str:
    """The source system that records belong to: the header `X-Source-System`, or the name of the key. Raises InvalidInput.

    Whoever may send is trusted to name the source: a gateway sends for many.
    """
    name = request.headers.get(SOURCE_HEADER)
    if name is None:
        return principal.name
    if _SOURCE.fullmatch(name) is None or name == _RESERVED:
        raise InvalidInput(
            f"{SOURCE_HEADER} holds 1 to 128 letters, digits and . _ : @ / - and begins with a letter or digit; "
            f"{_RESERVED} itself is taken."
        )
    return name
