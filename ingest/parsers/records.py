"""Where one record ends and the next begins, in bounded memory.

Nothing here understands a record; it only finds its bounds, so that one broken or endless record costs itself and no other.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from domain.record import Rejected

MAX_RECORD = 8 * 1024 * 1024
"""Bytes: above what a hospital's largest search audit needs, far below what a collector can hold for every connection."""

KEPT = 64 * 1024
"""Bytes kept of a record that was cut off: enough for a person to see what it was."""

BLANK = b" \t\r\n"
_NOT_BLANK = re.compile(rb"[^ \t\r\n]")
_BLANK_LINES = re.compile(rb"(?:[ \t\r]*+\n)++")
"""A run of lines with nothing in them, passed over at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversize:
    """A record longer than `limit` bytes: its first 64 KiB. The rest was read to its end and not held."""

    head: bytes
    limit: int

    def rejected(self, *, source_system: str, format: str) -> Rejected:  # noqa: A002 (the field's name everywhere)
        """The quarantine entry for it."""
        reason = f"record longer than {self.limit} bytes; only its first {len(self.head)} bytes are kept"
        return Rejected(source_system=source_system, format=format, reason=reason, raw=self.head)


class Feed:
    """A stream of bytes read piece by piece, of which only what is not yet taken is held in `held`."""

    __slots__ = ("_chunks", "held")

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self.held = bytearray()

    def more(self) -> bool:
        """Read one more piece. False at the end of the stream."""
        for chunk in self._chunks:
            if chunk:
                self.held += chunk
                return True
        return False

    def take(self, size: int) -> bytes:
        """Hand out the first `size` bytes and let them go."""
        taken = bytes(self.held[:size])
        del self.held[:size]
        return taken

    def peek(self) -> int | None:
        """Skip white space; the next byte, which stays, or None at the end."""
        while (found := _NOT_BLANK.search(self.held)) is None:
            self.held.clear()
            if not self.more():
                return None
        del self.held[: found.start()]
        return self.held[0]

    def skip_mark(self) -> None:
        """Drop a UTF-8 byte order mark at the very start."""
        while len(self.held) < 3 and self.more():
            pass
        if self.held.startswith(b"\xef\xbb\xbf"):
            del self.held[:3]

    def skip_blank_lines(self) -> None:
        """Drop the blank lines that are held next, all at once: a loop over a million of them takes seconds."""
        if found := _BLANK_LINES.match(self.held):
            del self.held[: found.end()]

    def line(self, limit: int) -> bytes | Oversize | None:
        """The next line with its line end; None at the end of the stream."""
        searched = 0
        while (end := self.held.find(b"\n", searched)) < 0:
            if len(self.held) > limit:
                return self._cut_line(limit)
            searched = len(self.held)
            if not self.more():
                return self.take(searched) if searched else None
        return self._cut_line(limit) if end > limit else self.take(end + 1)

    def _cut_line(self, limit: int) -> Oversize:
        head = bytes(self.held[:KEPT])
        while (end := self.held.find(b"\n")) < 0:
            self.held.clear()
            if not self.more():
                return Oversize(head=head, limit=limit)
        del self.held[: end + 1]
        return Oversize(head=head, limit=limit)


def lines(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """Every line that is not blank, without its line end."""
    feed.skip_mark()
    while (line := feed.line(limit)) is not None:
        if isinstance(line, Oversize):
            yield line
        elif line.strip(BLANK):
            yield line.rstrip(b"\r\n")
        else:
            feed.skip_blank_lines()
