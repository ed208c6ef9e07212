"""A report as JSON: the rows for machines with everything that is said around them."""

import orjson

from dashboards.reports.document import Document
from domain.clock import rfc3339


def render_json(document: Document) -> bytes:
    """One object, indented; `rows` are objects by field name, `ledger` ties the report to the record."""
    value = {
        "report": document.name,
        "title": document.title,
        "organisation": document.organisation,
        "asked": dict(document.asked),
        "generated_at": rfc3339(document.generated_at),
        "zone": document.zone,
        "summary": list(document.summary),
        "figures": {figure.label: figure.value for figure in document.figures},
        "rows": [dict(zip(document.data.fields, row, strict=True)) for row in document.data.rows],
        "notes": list(document.notes),
        "ledger": {
            "heads": [{"origin": origin, "size": size, "root": root} for origin, size, root in document.ledger.heads],
            "checkpoint": document.ledger.note or None,
        },
    }
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
