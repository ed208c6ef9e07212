"""Reading decoded JSON whose shape nobody promised: every accessor answers for every value."""

from collections.abc import Mapping, Sequence

import orjson

from domain.errors import InvalidInput

_MARK = b"\xef\xbb\xbf"


def decode_json(record: bytes) -> object:
    """The value of a JSON text. Raises InvalidInput with the cause and the place, never the content (RFC 8259)."""
    text = record.removeprefix(_MARK)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(_cause(text, error)) from None


def _cause(text: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        text.decode()
    except UnicodeDecodeError as invalid:
        return f"the record is not valid UTF-8 (byte {invalid.start})"
    message = str(error)
    if "depth" in message or "recursion" in message.lower():
        return "the record is nested too deep"
    if "infinity" in message or _names_no_number(text, error.pos):
        return "the record holds a number that is not finite (NaN or Infinity), which JSON does not have"
    if "surrogate" in message:
        return f"the record holds half a surrogate pair (character {error.pos})"
    if not text.strip():
        return "the record is empty"
    return f"the record is not valid JSON (character {error.pos})"


def _names_no_number(text: bytes, at: int) -> bool:
    around = text.decode()[max(0, at - 2) : at + 9]
    return "NaN" in around or "Infinity" in around


def mapping(value: object) -> Mapping[str, object]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> Sequence[object]:
    """The value where it is an array; a single value alone; nothing for null (FHIR senders leave out the array of one)."""
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def text_of(value: object) -> str | None:
    """The value where it is a string with something in it, else None."""
    return value if isinstance(value, str) and value.strip() else None


def kind_of(value: object) -> str:
    """What JSON calls the type of a value; for reasons, which name types and never values."""
    names = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "an array", dict: "an object"}
    return "null" if value is None else names.get(type(value), "no JSON value")
