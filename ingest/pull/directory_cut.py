"""How much of a file may be taken now: up to where its last whole record ends.

A log that is being written may end in the middle of a record. Where a record is a line, everything up to the last line end is
whole; where an entry may go on over further lines, the last entry is held back until the next begins; and a file that only makes
sense as a whole (a table with a head, an array, XML) is taken once nobody has written to it for a while.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

import orjson

from ingest.parsers import Oversize
from ingest.parsers.records import KEPT, MAX_RECORD

Split = Callable[[Iterable[bytes]], Iterator[bytes | Oversize]]
"""Cuts a stream of bytes into records, as `ingest.parsers.split_records` does for a format."""


class Tail(StrEnum):
    """How files of a directory are read."""

    LINES = "lines"
    """A record a line: read while they grow."""
    ENTRIES = "entries"
    """Entries that may go on over further lines: read while they grow, but for the last entry."""
    WHOLE = "whole"
    """Taken from start to end once they no longer change; again, if they do change later."""
    JSON = "json"
    """LINES where the first line is a JSON object, otherwise WHOLE."""
    LOG = "log"
    """LINES where the first line is text or a JSON object, otherwise WHOLE."""


_ENTRIES = frozenset({"exim", "zimbra", "nginx", "exchange-tracking"})
_WHOLE = frozenset({"csv", "openemr", "atna", "tlsrpt"})
_LINES = frozenset({"postfix", "sendmail", "dovecot", "cef", "leef", "apache"})
_LOGS = frozenset({"keycloak", "authentik", "authelia", "otlp-logs"})

_BINARY = re.compile(rb"[\x00-\x08\x0b-\x1a\x1c-\x1f]")


def tail_of(format: str) -> Tail:  # noqa: A002 (the field's name everywhere)
    """How a format's files are read unless set otherwise."""
    for formats, tail in ((_ENTRIES, Tail.ENTRIES), (_WHOLE, Tail.WHOLE), (_LINES, Tail.LINES), (_LOGS, Tail.LOG)):
        if format in formats:
            return tail
    return Tail.JSON


def is_lines(head: bytes, tail: Tail) -> bool:
    """Whether a file that begins so is LINES for JSON or LOG: by its first line, which must have ended."""
    line, newline, _ = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").partition(b"\n")
    if not newline:
        return False
    if not line.startswith((b"{", b"[")):
        return tail is Tail.LOG and _BINARY.search(line) is None
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def whole_lines(data: bytes, split: Split, *, is_end: bool, holds_last: bool) -> tuple[list[bytes | Oversize], int]:
    """
    The records at the start of `data`, and how many bytes they take with everything between them.

    `is_end` says that nothing will follow: then the rest is a record, too. `holds_last` leaves the last one for the next time,
    since the line after it may belong to it.
    """
    cut = len(data) if is_end else data.rfind(b"\n") + 1
    if not cut:
        return [], 0
    records = list(split([data[:cut]]))
    if not records:
        return [], cut if is_end else 0  # what is above the first record (the head of a log) goes with it
    if not holds_last or is_end:
        return records, cut
    last = records.pop()
    if isinstance(last, Oversize):
        return [*records, last], cut
    place = data.rfind(last, 0, cut)
    # An entry that a splitter does not give in its own bytes cannot be found again: then all of it waits.
    return (records, place) if place >= 0 else ([], 0)


def cut_short(data: bytes) -> Oversize | None:
    """What is kept of a line that is longer than a record may be."""
    return Oversize(head=data[:KEPT], limit=MAX_RECORD) if len(data) > MAX_RECORD else None
