"""Access logs in JSON, as nginx (`escape=json` or not) and Apache write them, under the names of `web_log_fields`."""

import re
from collections.abc import Iterator, Mapping

import orjson

from domain.errors import InvalidInput
from ingest.parsers.shapes import decode_json, kind_of
from ingest.parsers.web_log_fields import field_name

_HEX = re.compile(rb"\\x([0-9A-Fa-f]{2})")
_LINES = ("log", "message", "msg", "line", "MESSAGE", "textPayload", "short_message", "_raw", "event")
_MOST_FIELDS = 200


def json_fields(record: bytes) -> dict[str, str] | str:
    """
    The fields of an object, those in objects inside it by their path; or the line that it only wraps (containers, shippers).

    Raises InvalidInput where it is no JSON. `\\x22`, which the servers write and JSON does not have, is understood.
    """
    try:
        value = decode_json(record)
    except InvalidInput:
        try:
            value = orjson.loads(_HEX.sub(rb"\\u00\1", record))
        except orjson.JSONDecodeError:
            value = None
        if value is None:
            raise
    if not isinstance(value, dict):
        raise InvalidInput(f"the record is {kind_of(value)}, not an object")
    fields: dict[str, str] = {}
    for name, text in _leaves(value, "", 0):
        if len(fields) >= _MOST_FIELDS:
            break
        fields.setdefault(field_name(name), text)
    if not {"request", "request_uri", "status"} & fields.keys():
        for name in _LINES:
            line = value.get(name)
            if isinstance(line, str) and line.strip() and not _has_level(fields):
                return line.strip("\r\n")
    return fields


def _has_level(fields: Mapping[str, str]) -> bool:
    return "level" in fields


def _leaves(value: Mapping[str, object], path: str, depth: int) -> Iterator[tuple[str, str]]:
    """Scalars as text with their dotted path; of a list its scalars, joined by commas."""
    for key, inner in value.items():
        name = f"{path}.{key}" if path else key
        if isinstance(inner, dict):
            if depth < 4:
                yield from _leaves(inner, name, depth + 1)
        elif isinstance(inner, list):
            texts = [str(one) for one in inner[:20] if isinstance(one, str | int | float) and not isinstance(one, bool)]
            if texts:
                yield name, ", ".join(texts)
        elif isinstance(inner, str):
            yield name, inner
        elif inner is not None and not isinstance(inner, bool):
            yield name, str(inner)
