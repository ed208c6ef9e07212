"""Where the records are in what a mail provider posts: an array, an object around an array, lines, or a form.

Each event keeps the exact bytes in which it came; nothing is written anew.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from json import JSONDecoder

import orjson

from ingest.parsers.json_records import json_records
from ingest.parsers.records import KEPT, Feed, Oversize

Splitter = Callable[[Feed, int], Iterator[bytes | Oversize]]

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = JSONDecoder()
_DASH = ord("-")


def wrapped_records(name: str) -> Splitter:
    """JSON records; an object whose `name` holds an array of objects is replaced by them."""

    def records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
        for record in json_records(feed, limit):
            if isinstance(record, Oversize):
                yield record
            else:
                yield from _inside(record, name) or (record,)

    return records


def mailgun_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """Mailgun: JSON or URL-encoded forms, a line each, or one form in parts, which is the whole stream."""
    if feed.peek() != _DASH:
        yield from wrapped_records("items")(feed, limit)
        return
    while len(feed.held) <= limit and feed.more():
        pass
    if len(feed.held) <= limit:
        yield feed.take(len(feed.held))
        return
    head = feed.take(KEPT)
    feed.held.clear()
    while feed.more():
        feed.held.clear()
    yield Oversize(head=head, limit=limit)


WEBHOOK_SPLITTERS: Mapping[str, Splitter] = {
    "sendgrid": json_records,
    "mailgun": mailgun_records,
    "ses": wrapped_records("Records"),
    "postmark": json_records,
    "brevo": wrapped_records("items"),
    "mailjet": json_records,
    "mailersend": json_records,
    "resend": json_records,
    "mailtrap": wrapped_records("events"),
}
"""For every provider, where one record ends."""


def _inside(record: bytes, name: str) -> list[bytes]:
    """The objects in the array `name` of a record; empty where there is no such array, or something else is in it."""
    if f'"{name}"'.encode() not in record:
        return []
    try:
        value = orjson.loads(record)
        text = record.decode()
        items = value.get(name) if isinstance(value, dict) else None
        if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
            return []
        found: list[bytes] = []
        for key, start in _members(text):
            if key == name:  # of a name that comes twice the last counts, as for everybody who reads JSON
                found = [text[begin:end].encode() for begin, end in _items(text, start)] if text[start] == "[" else []
    except (orjson.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return []
    return found


def _members(text: str) -> Iterator[tuple[str, int]]:
    """Key and start of each value of the object that the text is; it is known to be valid JSON."""
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        yield key, start
        at = _next(text, _DECODER.raw_decode(text, start)[1])


def _items(text: str, at: int) -> Iterator[tuple[int, int]]:
    at = _skip(text, at + 1)
    while text[at] != "]":
        end = _DECODER.raw_decode(text, at)[1]
        yield at, end
        at = _next(text, end)


def _next(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None  # it may match nothing
    return found.end()
