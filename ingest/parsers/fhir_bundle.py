"""The entries of a FHIR Bundle, each as the exact bytes in which it came.

The ledger keeps every record as received. A Bundle is cut at its entries without writing any of them anew, so that a signature or
a digest over a resource still holds.
"""

import re
from collections.abc import Iterator
from json import JSONDecoder

import orjson

from ingest.parsers.records import Oversize

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = JSONDecoder()


def unbundled(records: Iterator[bytes | Oversize]) -> Iterator[bytes | Oversize]:
    """The records, with each Bundle that has entries replaced by them (R4 §Bundle: batch, transaction, collection, searchset)."""
    for record in records:
        if isinstance(record, Oversize):
            yield record
        else:
            yield from bundle_entries(record) or (record,)


def bundle_entries(record: bytes) -> list[bytes]:
    """
    The resource of each entry, or the whole entry where it has none; empty where the record is no Bundle with entries.

    Empty too where it is nested deeper than the standard library follows: the parser refuses it whole.
    """
    if b'"Bundle"' not in record:
        return []
    try:
        bundle = orjson.loads(record)
        text = record.decode()
    except (orjson.JSONDecodeError, UnicodeDecodeError):
        return []
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle" or not isinstance(bundle.get("entry"), list):
        return []
    entries: list[bytes] = []
    try:
        for name, start, _ in _members(text, _skip(text, 0)):
            if name == "entry" and text[start] == "[":
                entries += [text[begin:stop].encode() for begin, stop in _resources(text, start)]
    except RecursionError:
        return []
    return entries


def _resources(text: str, at: int) -> Iterator[tuple[int, int]]:
    for first, last in _items(text, at):
        inner = [(begin, stop) for key, begin, stop in _members(text, first) if key == "resource"] if text[first] == "{" else []
        yield inner[-1] if inner else (first, last)


def _members(text: str, at: int) -> Iterator[tuple[str, int, int]]:
    """Key, start and end of each value of the object at `at`; the text is known to be valid JSON."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        yield key, start, end
        at = _next(text, end)


def _items(text: str, at: int) -> Iterator[tuple[int, int]]:
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
