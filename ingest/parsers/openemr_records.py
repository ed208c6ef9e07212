"""Where the rows of an OpenEMR export begin and end: CSV or TSV with a header, JSON Lines, an array, or phpMyAdmin's JSON.

phpMyAdmin writes one array of a header, a database and tables, and the rows inside `data` of each table. Its frame is taken off, so
that a table of any length is read row by row.
"""

import re
from collections.abc import Iterator

from ingest.parsers.delimited import delimited_records
from ingest.parsers.json_records import json_records
from ingest.parsers.records import Feed, Oversize

_FIRST_OBJECT = 64
"""Bytes in which phpMyAdmin's first object shows what it is."""

_NEAR = 64 * 1024
_HEADER = re.compile(rb'\[\s*\{\s*"type"\s*:\s*"header"')
_TABLE = re.compile(rb'\{\s*"type"\s*:\s*"table"[^{}\[\]]{0,1024}"data"\s*:\s*(?=\[)')
_FRAME = re.compile(rb'[\]},\s]*(?:\{\s*"type"\s*:\s*"(?:header|database|table)"[^{}\[\]]*\}?[\]},\s]*)?')


def openemr_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """The rows, as `delimited_records` or `json_records` hand them out."""
    feed.skip_mark()
    first = feed.peek()
    if first not in (ord("{"), ord("[")):
        yield from delimited_records(feed, limit)
        return
    while len(feed.held) < _FIRST_OBJECT and feed.more():
        pass
    if not _HEADER.match(feed.held):
        yield from json_records(feed, limit)
    elif _to_rows(feed):
        for record in json_records(feed, limit):
            if isinstance(record, Oversize) or not _FRAME.fullmatch(record):
                yield record
    else:
        yield from json_records(feed, limit)


def _to_rows(feed: Feed) -> bool:
    """Drop what stands before the rows of the first table. False where none comes near the beginning, and nothing is dropped."""
    while (found := _TABLE.search(feed.held)) is None:
        if len(feed.held) > _NEAR or not feed.more():
            return False
    feed.take(found.end())
    return True
