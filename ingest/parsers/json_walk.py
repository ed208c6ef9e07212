"""Walking JSON text without writing any of it anew: where the members of an object and the elements of an array begin and end.

The ledger keeps every record as received. An answer that holds records is cut at them, so that a signature or a digest over one
still holds. The text must be known to be valid JSON. The decoder of the standard library follows nesting by recursion:
RecursionError where it is deeper than that.
"""

import re
from collections.abc import Collection, Iterator
from json import JSONDecoder

import orjson

from ingest.parsers.records import Oversize

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = JSONDecoder()


def skip_blank(text: str, at: int) -> int:
    """Where the white space that begins at `at` ends."""
    found = _BLANK.match(text, at)
    assert found is not None  # it may match nothing
    return found.end()


def end_of_value(text: str, at: int) -> int:
    """Where the value that begins at `at` ends. Raises JSONDecodeError where there is none."""
    return _DECODER.raw_decode(text, at)[1]


def members(text: str, at: int) -> Iterator[tuple[str, int, int]]:
    """Key, start and end of each value of the object at `at`."""
    at = skip_blank(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        start = skip_blank(text, skip_blank(text, at) + 1)
        end = end_of_value(text, start)
        yield key, start, end
        at = _next(text, end)


def elements(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Start and end of each value of the array at `at`."""
    at = skip_blank(text, at + 1)
    while text[at] != "]":
        end = end_of_value(text, at)
        yield at, end
        at = _next(text, end)


def unwrapped(records: Iterator[bytes | Oversize], names: Collection[str]) -> Iterator[bytes | Oversize]:
    """
    The records, with each object that holds a list of objects under one of `names` replaced by what is in the list.

    An empty list stays as it is: an answer without records is said to be one, by who reads it.
    """
    for record in records:
        if isinstance(record, Oversize):
            yield record
        else:
            yield from inner_records(record, names) or (record,)


def inner_records(record: bytes, names: Collection[str]) -> list[bytes]:
    """The objects of the list that an object holds under one of `names`; empty where it holds none, or something else is in it.

    Of a name that comes twice the last counts, as for everybody who reads JSON.
    """
    if not any(f'"{name}"'.encode() in record for name in names):
        return []
    try:
        answer = orjson.loads(record)
        text = record.decode()
        if not isinstance(answer, dict) or not any(_is_list_of_objects(answer.get(name)) for name in names):
            return []
        found: list[bytes] = []
        for name, start, _ in members(text, skip_blank(text, 0)):
            if name in names and _is_list_of_objects(answer.get(name)) and text[start] == "[":
                found = [text[first:last].encode() for first, last in elements(text, start)]
    except (orjson.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return []
    return found


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _next(text: str, at: int) -> int:
    at = skip_blank(text, at)
    return skip_blank(text, at + 1) if text[at] == "," else at
