"""Records in a stream of JSON: one object, an array of them, JSON Lines, or any of these one after the other.

The bounds are found by counting brackets outside strings, never by parsing: a record with a mistake inside it still ends where
it ends. Where brackets do not balance, the start of the next line that opens an object where JSON allows none is the next record.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto

import orjson

from ingest.parsers.records import BLANK, KEPT, Feed, Oversize

_OPENS_ARRAY = ord("[")
_OPENS_OBJECT = ord("{")
_DEEPEST = 1024
_LOOK_BACK = 256
_MARK = re.compile(rb'["{}]|\[++|\]++')
_STRING_REST = re.compile(rb'(?:[^"\\\n]++|\\.)*+', re.DOTALL)
_SCALAR_END = re.compile(rb"[,\]\n]")
_GOES_ON = re.compile(rb"[ \t\r]*(?=[\[{])")


def _passed_over(levels: int) -> bytes:
    """The pattern of one thing that holds at most `levels` of arrays and objects one in the other."""
    inner = rb'[^"{}\[\]]++|"(?:[^"\\\n]++|\\.)*+"'
    for _ in range(levels):
        inner = rb'[^"{}\[\]]++|"(?:[^"\\\n]++|\\.)*+"|\[(?:' + inner + rb")*+\]|(?<=[^ \t\r\n])\{(?:" + inner + rb")*+\}"
    return inner


_WHOLE = re.compile(rb"(?:" + _passed_over(3) + rb")*+", re.DOTALL)
"""What is passed over at once inside a value: whole strings, and the innermost arrays and objects.

An object at the start of a line is left to `_Bounds`, which asks whether it is out of place. The quantifiers are possessive: a part
is tried once for each level and never again, so the time is linear in the bytes whatever they are.
"""

_ELEMENTS = re.compile(rb"(?:" + _passed_over(3) + rb"|(?<=,\n)\{(?:" + _passed_over(2) + rb")*+\})*+", re.DOTALL)
"""The same directly inside an array, where an object that begins the line behind a comma is in its place."""


def json_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """Every value at the top of the stream or directly inside an array at the top, as its exact bytes."""
    feed.skip_mark()
    while (first := feed.peek()) is not None:
        if first == _OPENS_ARRAY:
            feed.take(1)
            yield from _elements(feed, limit)
        elif first == _OPENS_OBJECT:
            yield from _top_object(feed, limit)
        else:
            line = feed.line(limit)
            assert line is not None  # there is at least the byte that was looked at
            yield line if isinstance(line, Oversize) else line.rstrip(BLANK)


def _top_object(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    searched = 0
    while (end := feed.held.find(b"\n", searched)) < 0 and len(feed.held) <= limit:
        searched = len(feed.held)
        if not feed.more():
            end = searched
            break
    if 0 <= end <= limit:
        line = bytes(feed.held[:end]).rstrip(BLANK)
        if _is_object(line):  # the common case: one object, one line
            feed.take(end)
            yield line
            return
    yield from _value(feed, limit)
    while found := _GOES_ON.match(feed.held):  # more on the line that was looked at whole: to do that for each would be quadratic
        del feed.held[: found.end()]
        if feed.held[0] == _OPENS_ARRAY:
            feed.take(1)
            yield from _elements(feed, limit)
        else:
            yield from _value(feed, limit)


def _elements(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    while (first := feed.peek()) is not None:
        if first == ord("]"):
            feed.take(1)
            return
        if first == ord(","):
            feed.take(1)
        elif first in (_OPENS_OBJECT, _OPENS_ARRAY):
            yield from _value(feed, limit)
        else:
            yield _scalar(feed, limit)


def _scalar(feed: Feed, limit: int) -> bytes | Oversize:
    """Anything in an array that is no container: it will be refused, but it must not take its neighbours with it."""
    searched = 0
    head = b""
    while (found := _SCALAR_END.search(feed.held, searched)) is None:
        if len(feed.held) > limit:
            head = head or bytes(feed.held[:KEPT])
            feed.held.clear()
        searched = len(feed.held)
        if not feed.more():
            break
    scalar = feed.take(found.start() if found else len(feed.held))
    return Oversize(head=head, limit=limit) if head else scalar.rstrip(BLANK)


class _End(Enum):
    OPEN = auto()
    DONE = auto()
    BROKEN = auto()
    TOO_DEEP = auto()


class _Bounds:
    """Follows one value through the pieces of the stream until its brackets balance."""

    __slots__ = ("_in_string", "_opened", "before")

    def __init__(self) -> None:
        self._opened = bytearray()
        self._in_string = False
        self.before = b""  # what stood before the piece at hand, where the value is no longer held whole

    def follow(self, held: bytearray, at: int) -> tuple[_End, int]:
        """Go on from offset `at`; the verdict and the offset up to which it holds."""
        while True:
            if self._in_string:
                at = _end_of(_STRING_REST, held, at)
                if at == len(held) or held[at] == ord("\\"):  # not whole yet, or the escaped byte is not here yet
                    return _End.OPEN, at
                if held[at] == ord("\n"):  # JSON strings hold no raw line end: this record is broken, the next line is not
                    return _End.BROKEN, at
                self._in_string = False
                at += 1
            if self._opened:
                at = _end_of(_ELEMENTS if self._opened[-1] == _OPENS_ARRAY else _WHOLE, held, at)
            found = _MARK.search(held, at)
            if found is None:
                return _End.OPEN, len(held)
            mark, at = held[found.start()], found.end()
            if mark == ord('"'):
                self._in_string = True
            elif mark in (_OPENS_OBJECT, _OPENS_ARRAY):
                if mark == _OPENS_OBJECT and self._out_of_place(held, found.start()):
                    return _End.BROKEN, found.start()
                self._opened += found[0]
                if len(self._opened) > _DEEPEST:
                    return _End.TOO_DEEP, at
            else:
                closed = min(at - found.start(), len(self._opened))
                del self._opened[-closed:]
                if not self._opened:
                    return _End.DONE, found.start() + closed

    def _out_of_place(self, held: bytearray, at: int) -> bool:
        """True where a line begins with an object that the value it would be inside of cannot hold there."""
        if not self._opened or (at and held[at - 1] not in BLANK):
            return False
        text = bytes(held[max(0, at - _LOOK_BACK) : at])
        if at < _LOOK_BACK:
            text = self.before + text
        rest = text.rstrip(BLANK)
        if not rest or text.find(b"\n", len(rest)) < 0:
            return False
        return not rest.endswith((b":",) if self._opened[-1] == _OPENS_OBJECT else (b",", b"["))


def _end_of(pattern: re.Pattern[bytes], held: bytearray, at: int) -> int:
    found = pattern.match(held, at)
    assert found is not None  # it may match nothing
    return found.end()


def _value(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    bounds = _Bounds()
    at, head = 0, b""
    while True:
        end, at = bounds.follow(feed.held, at)
        if end is not _End.OPEN:
            break
        if len(feed.held) > limit:
            head = head or bytes(feed.held[:KEPT])
            bounds.before = bytes(feed.held[max(0, at - _LOOK_BACK) : at])
            del feed.held[:at]
            at = 0
        if not feed.more():
            at = len(feed.held)
            break
    text = feed.take(at)
    if end is _End.TOO_DEEP:  # nobody reads it: the rest of its line is part of it, and the next line is not
        rest = feed.line(limit) or b""
        if isinstance(rest, Oversize):
            head = head or (text + rest.head)[:KEPT]
        else:
            text += rest
    if head or len(text) > limit:
        yield Oversize(head=head or text[:KEPT], limit=limit)
    elif end is _End.BROKEN:
        yield from _salvage(text)
    else:
        yield text.rstrip(BLANK)


def _salvage(text: bytes) -> Iterator[bytes]:
    """Whole objects that a broken one had swallowed, each its own record, and what is left around them."""
    left = bytearray()
    for line in text.splitlines(keepends=True):
        inner = line.strip(BLANK + b",")
        if not left or not _is_object(inner):
            left += line
            continue
        yield bytes(left).rstrip(BLANK)
        left.clear()
        yield inner
    if left.strip(BLANK):
        yield bytes(left).rstrip(BLANK)


def _is_object(text: bytes) -> bool:
    if not text.endswith(b"}"):
        return False
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
