"""The records inside an answer in JSON, in the very bytes that were sent.

An envelope around records (`{"value": […], "@odata.nextLink": …}`) is opened by walking it, not by writing its content anew: what
goes into the ledger is what the source said, down to its white space.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]

_DECODER = json.JSONDecoder()
_WHITE = re.compile(r"[ \t\r\n]*")


class NotJson(ValueError):
    """The answer is no JSON, or not of the shape that the source documents."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """An answer: the records of its list, each in its own bytes, and its other members."""

    records: Sequence[bytes]
    members: Mapping[str, object]


def array_records(body: bytes) -> list[bytes]:
    """The elements of a JSON array, in their own bytes. Raises NotJson."""
    text = _text(body)
    try:
        records, end = _elements(text, _skip(text, 0))
    except (ValueError, IndexError, RecursionError):
        raise NotJson("the answer is no JSON array") from None
    if _skip(text, end) != len(text):
        raise NotJson("there is something after the JSON array of the answer")
    return records


def enveloped(body: bytes, name: str) -> Envelope:
    """An object whose member `name` is the list of records. A missing list is an empty one. Raises NotJson."""
    text = _text(body)
    members: dict[str, object] = {}
    records: list[bytes] = []
    try:
        at = _expect(text, _skip(text, 0), "{")
        if text[at] != "}":
            while True:
                at = _expect(text, at, '"')
                key, at = scanstring(text, at, True)
                at = _expect(text, _skip(text, at), ":")
                if key == name and text[at] == "[":
                    found, at = _elements(text, at)
                    records += found
                else:
                    members[key], at = _DECODER.raw_decode(text, at)
                at = _skip(text, at)
                if text[at] == "}":
                    break
                at = _skip(text, _expect(text, at, ","))
        at += 1
    except (ValueError, IndexError, RecursionError):
        raise NotJson("the answer is no JSON object") from None
    if _skip(text, at) != len(text):
        raise NotJson("there is something after the JSON object of the answer")
    if members.get(name) is not None:
        raise NotJson("the list of the answer is no list")
    return Envelope(records, members)


def _elements(text: str, at: int) -> tuple[list[bytes], int]:
    """The elements of the array that begins at `at`, and where it has ended."""
    records: list[bytes] = []
    at = _expect(text, at, "[")
    if text[at] == "]":
        return records, at + 1
    while True:
        _, end = _DECODER.raw_decode(text, at)
        records.append(text[at:end].encode("utf-8", "surrogatepass"))
        at = _skip(text, end)
        if text[at] == "]":
            return records, at + 1
        at = _expect(text, at, ",")


def _expect(text: str, at: int, mark: str) -> int:
    """Past the mark and the white space after it (none of which is skipped inside a string)."""
    if text[at] != mark:
        raise ValueError(mark)
    return at + 1 if mark == '"' else _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _WHITE.match(text, at)
    assert found is not None
    return found.end()


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotJson("the answer is no UTF-8") from None
