"""Rows of a BigQuery table in the JSON spellings they travel in, all made into one nested object.

`{"f": [{"v": …}]}` with its schema (the REST API; values are texts, whatever their type), an object per row (`bq extract`,
`bq query --format=json`), and a flat object whose keys hold the path (`message_info.source.address`, as tables become from CSV).
"""

import re
from collections.abc import Mapping, Sequence

from domain.errors import InvalidInput
from ingest.parsers.shapes import mapping, sequence

MOST_ROWS = 10_000
_DEEPEST = 16
_PATH = re.compile(r"[A-Za-z_]\w*(?:(?:\.|__)[A-Za-z0-9_]+|\[\d{1,4}\])+", re.ASCII)
_STEPS = re.compile(r"\.|__|\[|\]")


def rows_of(record: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    """
    The rows of a record, each nested: of an answer with `rows` and `schema`, of one `row` with its `schema`, or the record itself.

    Raises InvalidInput for rows without a schema, whose values nobody can name.
    """
    columns = sequence(mapping(record.get("schema")).get("fields"))
    rows = sequence(record.get("rows")) if isinstance(record.get("rows"), list) else ()
    if not rows and "f" in mapping(record.get("row")):
        rows = (record["row"],)
    if not rows and isinstance(record.get("f"), list):
        rows = (record,)
    if not rows:
        return [nested(mapping(record.get("row")) or record)]
    if len(rows) > MOST_ROWS:
        raise InvalidInput(f"the answer has {len(rows)} rows, more than {MOST_ROWS}; export rows one a line")
    cells = [mapping(row).get("f") for row in rows]
    if not columns and any(isinstance(one, list) for one in cells):
        raise InvalidInput("the rows come without their schema; export them as JSON objects")
    return [
        _named(one, columns, 0) if isinstance(one, list) else nested(mapping(row)) for one, row in zip(cells, rows, strict=True)
    ]


def _named(cells: Sequence[object], columns: Sequence[object], depth: int) -> dict[str, object]:
    if depth > _DEEPEST:
        raise InvalidInput(f"the row is nested more than {_DEEPEST} levels deep")
    row: dict[str, object] = {}
    for column, cell in zip(map(mapping, columns), cells, strict=False):
        name, value = column.get("name"), mapping(cell).get("v")
        if not isinstance(name, str):
            continue
        inner = sequence(column.get("fields"))
        if column.get("mode") == "REPEATED":
            row[name] = [_value(mapping(one).get("v"), inner, depth) for one in sequence(value)]
        else:
            row[name] = _value(value, inner, depth)
    return row


def _value(value: object, columns: Sequence[object], depth: int) -> object:
    if not columns:
        return value
    cells = mapping(value).get("f")
    return _named(cells, columns, depth + 1) if isinstance(cells, list) else None


def nested(row: Mapping[str, object]) -> Mapping[str, object]:
    """The row with each key that holds a path taken apart; a number in it is a place in a list."""
    if not any(_PATH.fullmatch(name) for name in row if len(name) < 256):
        return row
    whole: dict[str, object] = {}
    for name, value in row.items():
        steps = [step for step in _STEPS.split(name) if step] if len(name) < 256 and _PATH.fullmatch(name) else [name]
        place = whole
        for step in steps[:-1]:
            inner = place.get(step)
            if not isinstance(inner, dict):
                inner = place[step] = {}
            place = inner
        place[steps[-1]] = value
    return {name: _lists(value, 0) for name, value in whole.items()}


def _lists(value: object, depth: int) -> object:
    """Objects whose keys are all numbers are lists."""
    if not isinstance(value, dict) or not value or depth > _DEEPEST:
        return value
    if all(isinstance(name, str) and name.isdecimal() for name in value):
        return [_lists(value[name], depth + 1) for name in sorted(value, key=int)]
    return {name: _lists(inner, depth + 1) for name, inner in value.items()}


def integer(value: object) -> int | None:
    """A whole number, also as the text that BigQuery writes; None for null and for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if re.fullmatch(r"-?\d{1,19}(?:\.0)?", text, re.ASCII) and "." not in text else None


def truth(value: object) -> bool | None:
    """A boolean, also as text; None where it is null, which means that it is not known."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None
