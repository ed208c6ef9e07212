"""A report as JSON: the rows for machines with everything that is said around them."""

from collections.abc import Iterator
from itertools import islice

import orjson

from dashboards.reports.document import Document
from domain.clock import rfc3339

_ROWS_A_CHUNK = 2_000
_NO_ROWS = b'"rows": []'


def json_chunks(document: Document) -> Iterator[bytes]:
    """One object, indented; `rows` are objects by field name, some at a time, `ledger` ties the report to the record."""
    value = {
        "report": document.name,
        "title": document.title,
        "organisation": document.organisation,
        "asked": dict(document.asked),
        "generated_at": rfc3339(document.generated_at),
        "zone": document.zone,
        "summary": list(document.summary),
        "figures": {figure.label: figure.value for figure in document.figures},
        "rows": [],
        "notes": list(document.notes),
        "ledger": {
            "heads": [{"origin": origin, "size": size, "root": root} for origin, size, root in document.ledger.heads],
            "checkpoint": document.ledger.note or None,
        },
    }
    around = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    rows = iter(document.data.rows)
    # Only a key of the outermost object is indented by two: no text can hold a bare line break.
    before, _, after = around.partition(b"\n  " + _NO_ROWS)
    yield before + b'\n  "rows": ['
    separator = b"\n    "
    while some := list(islice(rows, _ROWS_A_CHUNK)):
        for row in some:
            whole = orjson.dumps(dict(zip(document.data.fields, row, strict=True)), option=orjson.OPT_INDENT_2)
            yield separator + whole.replace(b"\n", b"\n    ")
            separator = b",\n    "
    yield (b"\n  ]" if separator.startswith(b",") else b"]") + after
