"""A report as CSV (RFC 4180, UTF-8): the rows for machines, safe to open in a spreadsheet.

A spreadsheet runs a cell that begins with `= + - @`, a tab or a line break as a formula (CWE-1236). Such text gets an apostrophe in
front; numbers and truth values are written by this program and stay what they are.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from dashboards.reports.document import Document
from domain.json import Json, canonical

_FORMULA_START = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


_ROWS_A_CHUNK = 2_000


def csv_chunks(document: Document) -> Iterator[bytes]:
    """The data of a report, one header row first, some rows at a time."""
    rows = chain((document.data.fields,), document.data.rows)
    while some := list(islice(rows, _ROWS_A_CHUNK)):
        yield csv_lines(some)


def csv_lines(rows: Iterable[Sequence[Json]]) -> bytes:
    """Rows as CSV bytes."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([_safe_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _safe_cell(value: Json) -> str:
    """One cell: absent is empty, a list is joined by ` | `, an object is JSON, text never starts a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return canonical(value).decode()
    text = value if isinstance(value, str) else " | ".join(_safe_cell(item) for item in value)
    text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return f"'{text}" if text.startswith(_FORMULA_START) else text
