"""The entries of a FHIR Bundle, each as the exact bytes in which it came.

The ledger keeps every record as received. A Bundle is cut at its entries without writing any of them anew, so that a signature or
a digest over a resource still holds.
"""

from collections.abc import Iterator

import orjson

from ingest.parsers.json_walk import elements, members, skip_blank
from ingest.parsers.records import Oversize


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
        for name, start, _ in members(text, skip_blank(text, 0)):
            if name == "entry" and text[start] == "[":
                entries += [text[begin:stop].encode() for begin, stop in _resources(text, start)]
    except RecursionError:
        return []
    return entries


def _resources(text: str, at: int) -> Iterator[tuple[int, int]]:
    for first, last in elements(text, at):
        inner = [(begin, stop) for key, begin, stop in members(text, first) if key == "resource"] if text[first] == "{" else []
        yield inner[-1] if inner else (first, last)
