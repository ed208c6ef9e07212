"""The records inside the answers of list APIs: `{"items": […]}`, `{"entries": […]}`, each as the exact bytes in which it came.

The ledger keeps every record as received, so nothing is written anew: the answer is cut at its records.
"""

import re
from collections.abc import Collection, Iterator
from json import JSONDecoder

import orjson

from ingest.parsers.json_records import json_records
from ingest.parsers.records import Feed, Oversize

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = JSONDecoder()

_ENVELOPES = frozenset({"items", "entries"})


def google_reports_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """Activities of the Reports API and entries of Cloud Logging, out of their lists or one by one."""
    return unwrapped(json_records(feed, limit), _ENVELOPES)


def unwrapped(records: Iterator[bytes | Oversize], names: Collection[str]) -> Iterator[bytes | Oversize]:
    """
    The records, with each object that holds a list of objects under one of `names` replaced by what is in the list.

    An empty list stays as it is: an answer without records is said to be one, by who reads it.
    """
    marks = [f'"{name}"'.encode() for name in names]
    for record in records:
        if isinstance(record, Oversize) or not any(mark in record for mark in marks):
            yield record
        else:
            yield from inner_records(record, names) or (record,)


def inner_records(record: bytes, names: Collection[str]) -> list[bytes]:
    """The objects of the list that an answer holds under one of `names`; empty where it holds none."""
    try:
        answer = orjson.loads(record)
        text = record.decode()
    except (orjson.JSONDecodeError, UnicodeDecodeError):
        return []
    if not isinstance(answer, dict) or not any(_is_list_of_objects(answer.get(name)) for name in names):
        return []
    found: list[bytes] = []
    try:
        for name, start in _members(text, _skip(text, 0)):
            if name in names and _is_list_of_objects(answer.get(name)) and text[start] == "[":
                found = [text[first:last].encode() for first, last in _elements(text, start)]
    except RecursionError:  # nested deeper than the standard library follows: the reader will say so
        return []
    return found


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """Key and start of each value of the object at `at`; the text is known to be valid JSON."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        yield key, start
        at = _next(text, _DECODER.raw_decode(text, start)[1])


def _elements(text: str, at: int) -> Iterator[tuple[int, int]]:
    at = _skip(text, at + 1)
    while text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        yield at, end
        at = _next(text, end)


def _next(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()
