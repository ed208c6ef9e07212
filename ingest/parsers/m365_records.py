"""Records of Microsoft's exports: JSON in any wrapping that an API or a portal gives it, or CSV with a header.

Graph answers `{"value": […]}`, the old reporting service `{"d": {"results": […]}}`, Event Hubs and storage accounts hold
`{"records": […]}`. A wrapping is cut at its elements without writing any of them anew. `Export-Csv` puts a `#TYPE` line before the
header.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from domain.errors import InvalidInput
from domain.event import EARLIEST, LATEST
from ingest.parsers.delimited import Header, cut, decoded, delimited_records, fields_of
from ingest.parsers.json_records import json_records
from ingest.parsers.json_walk import inner_records
from ingest.parsers.records import Feed, Oversize
from ingest.parsers.shapes import decode_json, kind_of
from ingest.parsers.wall_times import from_epoch, moment_of

WRAPPINGS = ("value", "records", "Records", "results")
"""Names of the arrays that hold records."""

_WRAPPED = re.compile(rb'"(?:value|[rR]ecords|results)"\s*:\s*\[\s*\{')
_NEAR = 4096
"""Bytes from the start in which a wrapping shows what it is."""

_RESULTS = re.compile(rb'\s*\{\s*"d"\s*:\s*(?=\{)')
_TYPE_LINE = re.compile(rb"#TYPE [^\r\n]*\r?\n")
_OPENS = (b"{", b"[")
_OWN_WORDS = frozenset({"time", "operation", "creationtime", "createddatetime", "received", "receiveddatetime", "id", "category"})

_ODATA = re.compile(r"/Date\((-?\d{1,17})(?:[+-]\d{4})?\)/", re.ASCII)
_UTC_ZERO = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d{1,2}):(\d\d):(\d\d)(?:[.,](\d+))?( ?[Zz]|[+-]\d\d:?\d\d)?", re.ASCII)
CULTURES = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M:%S")
"""How PowerShell and the portals write times for people: as in the United States first, then as with dots."""


def m365_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """Every record as its exact bytes. Of CSV the header comes with the first row, every other row alone."""
    feed.skip_mark()
    while len(feed.held) < 64 and feed.more():
        pass
    if not is_json(bytes(feed.held[:64])):
        yield from delimited_records(_without_type(feed), limit)
        return
    for record in json_records(feed, limit):
        if isinstance(record, Oversize):
            yield record
        else:
            yield from _elements(record) or (record,)


def objects_of(record: bytes) -> Sequence[Mapping[str, object]]:
    """The objects of a JSON record: itself, or what it wraps. Raises InvalidInput where it is none."""
    value = decode_json(record)
    found = [one for outer in (value if isinstance(value, list) else [value]) for one in _inside(outer)]
    if not found or not all(isinstance(one, dict) for one in found):
        raise InvalidInput(f"the record is {kind_of(value)}, not an object that says anything")
    return [one for one in found if isinstance(one, dict)]


def is_json(record: bytes) -> bool:
    """Whether a record is meant as JSON and not as a row."""
    return record[:64].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:1] in _OPENS


class Rows:
    """Reads rows under a header, as `m365_records` hands them out. One stream, one thread at a time."""

    def __init__(self) -> None:
        self._known: Header | None = None

    @property
    def header(self) -> bytes:
        """The bytes of the header that holds, to stand before a row that has to be read again."""
        return self._known.raw if self._known else b""

    def read(self, record: bytes) -> dict[str, str]:
        """The filled cells of a row by column, under the header that came with it or with an earlier row.

        Raises InvalidInput for a row without a header, and for one of another length.
        """
        header, row = cut(record, self._known)
        text, _ = decoded(row, header.codec)
        cells = fields_of(text.strip("\r\n"), header.delimiter)
        if len(cells) != len(header.columns):
            raise InvalidInput(f"the row has {len(cells)} fields, the header {len(header.columns)}")
        self._known = header
        return {name: cell for name, cell in zip(header.columns, cells, strict=True) if cell.strip()}


def utc_moment(value: object, field: str, *, zone: tzinfo = UTC) -> datetime:
    """
    The instant of a time in any form that Microsoft's exports have. Without an offset it is in `zone`; the APIs promise UTC.

    ISO 8601, also with one digit for the hour; `/Date(milliseconds)/`; numbers since 1970; and as written for people. Raises
    InvalidInput, naming `field`, for anything else.
    """
    if value is None:
        raise InvalidInput(f"{field} is missing")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _kept(from_epoch(value, field), field)
    if not isinstance(value, str):
        raise InvalidInput(f"{field} is {kind_of(value)} and no time")
    text = value.strip()
    if found := _ODATA.fullmatch(text):
        return _kept(datetime(1970, 1, 1, tzinfo=UTC) + _milliseconds(found[1], field), field)
    if found := _UTC_ZERO.fullmatch(text):
        day, hour, minute, second, fraction, offset = found.groups()
        text = f"{day}T{hour.zfill(2)}:{minute}:{second}.{fraction or '0'}{(offset or '').strip()}"
        return _kept(moment_of(text, field, zone=zone), field)
    if "/" in text or text[2:3] == ".":
        return _kept(moment_of(text.replace("\u202f", " "), field, zone=zone, formats=CULTURES), field)
    return _kept(moment_of(text, field, zone=zone), field)


def _milliseconds(text: str, field: str) -> timedelta:
    if abs(int(text)) > 10**14:
        raise InvalidInput(f"{field} lies outside the years that can be kept")
    return timedelta(milliseconds=int(text))


def _kept(moment: datetime, field: str) -> datetime:
    if not EARLIEST <= moment < LATEST:
        raise InvalidInput(f"{field} lies outside {EARLIEST.year} to {LATEST.year}")
    return moment


def _without_type(feed: Feed) -> Feed:
    """The feed behind PowerShell's line of the type, where it has one."""
    while len(feed.held) < 512 and b"\n" not in feed.held and feed.more():
        pass
    if found := _TYPE_LINE.match(feed.held):
        feed.take(found.end())
    return feed


def _inside(value: object) -> Sequence[object]:
    if not isinstance(value, dict):
        return [value]
    inner = value["d"] if isinstance(value.get("d"), dict) else value
    array = next((inner[name] for name in WRAPPINGS if isinstance(inner.get(name), list)), None)
    return array if array is not None and _is_wrapping(inner) else [inner]


def _is_wrapping(value: Mapping[str, object]) -> bool:
    """An object is a wrapping where it says nothing itself: no time, no operation, no id."""
    return not any(str(name).lower() in _OWN_WORDS for name in value)


def _elements(record: bytes) -> list[bytes]:
    """The elements of a wrapping, empty where the record is none."""
    if not _WRAPPED.search(record, 0, _NEAR):
        return []
    if found := _RESULTS.match(record):
        record = record[found.end() : record.rindex(b"}")].rstrip() if b"}" in record else record
    if not _is_wrapping(dict.fromkeys(_first_names(record))):
        return []
    return inner_records(record, WRAPPINGS)


_NAME = re.compile(rb'"([^"\\]{1,64})"\s*:')


def _first_names(record: bytes) -> list[str]:
    """The names that stand before the array of a wrapping: a record that says something itself says it there or behind nothing."""
    found = _WRAPPED.search(record, 0, _NEAR)
    return [name.decode("utf-8", "replace") for name in _NAME.findall(record, 0, found.start() if found else _NEAR)]
