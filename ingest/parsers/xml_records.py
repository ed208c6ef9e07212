"""Records in a stream of XML audit messages: one document per file, one per line, with or without a syslog header before it.

A record runs from the first line that holds XML to the end tag of the root; a line without XML between two is its own record.
"""

import re
from collections.abc import Iterator

from ingest.parsers.records import BLANK, KEPT, Feed, Oversize

_XML = re.compile(rb"<[?!A-Za-z]")
_ELEMENT = re.compile(rb"<[A-Za-z]")
_DECLARATION = re.compile(rb"\s*<\?xml\b")
_ROOT = re.compile(rb"<(?:\w+:)?AuditMessage\b")
_ROOT_END = re.compile(rb"</(?:\w+:)?AuditMessage\s*>|<(?:\w+:)?AuditMessage\b[^<>]*/>")
_HEADER = re.compile(rb"\s*<\d{1,3}>")
_TEXT_LINES = re.compile(rb"(?:[^<\n]*+\n)++")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def xml_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """Every audit message as its exact bytes, syslog header included."""
    while len(feed.held) < 2 and feed.more():
        pass
    if feed.held.startswith(_UTF16_MARKS):  # line ends are two bytes wide there: one document per file
        yield _whole(feed, limit)
        return
    feed.skip_mark()
    document = _Document(limit)
    while (line := feed.line(limit)) is not None:
        if isinstance(line, Oversize):
            yield from document.close()
            yield line
            continue
        yield from document.add(line)
        if not document.is_open:
            feed.skip_blank_lines()
        elif len(feed.held) <= limit and (found := _TEXT_LINES.match(feed.held)):
            yield from document.add(feed.take(found.end()))  # lines without a tag end nothing and begin nothing
    yield from document.close()


class _Document:
    """The message being gathered, line by line."""

    __slots__ = ("_cut", "_has_element", "_held", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()
        self._has_element = False
        self._cut = b""

    @property
    def is_open(self) -> bool:
        """True inside a message."""
        return bool(self._held)

    def add(self, line: bytes) -> Iterator[bytes | Oversize]:
        if self._held and not line.strip(BLANK):
            self._gather(line)
        while line.strip(BLANK):
            if self._starts_anew(line):
                yield from self.close()
            if not self._held and _XML.search(line) is None and not _HEADER.match(line):
                yield line.rstrip(BLANK)
                return
            end = _ROOT_END.search(line)
            self._gather(line[: end.end()] if end else line)
            if end is None:
                return
            yield from self.close()
            line = line[end.end() :].lstrip(BLANK)

    def close(self) -> Iterator[bytes | Oversize]:
        """Hand out what is held, complete or not."""
        if self._cut:
            yield Oversize(head=self._cut, limit=self._limit)
        elif self._held.strip(BLANK):
            yield bytes(self._held).rstrip(BLANK)
        self._held.clear()
        self._has_element, self._cut = False, b""

    def _starts_anew(self, line: bytes) -> bool:
        """A syslog header, a declaration, or the root after another element: what stands before never ended, or is no message."""
        if not self._held:
            return False
        if _HEADER.match(line) or _DECLARATION.match(line):
            return True
        return self._has_element and _ROOT.search(line) is not None

    def _gather(self, piece: bytes) -> None:
        self._has_element = self._has_element or _ELEMENT.search(piece) is not None
        self._held += piece
        if len(self._held) > self._limit:
            self._cut = self._cut or bytes(self._held[:KEPT])
            self._held[:] = piece


def _whole(feed: Feed, limit: int) -> bytes | Oversize:
    while len(feed.held) <= limit and feed.more():
        pass
    if len(feed.held) <= limit:
        return feed.take(len(feed.held))
    head = bytes(feed.held[:KEPT])
    feed.held.clear()
    while feed.more():
        feed.held.clear()
    return Oversize(head=head, limit=limit)
