"""Canonical JSON: the one sequence of bytes that a value has.

The profile is the part of RFC 8785 in which encoders agree byte for byte: ASCII keys, sorted; integers within ±(2^53−1); strings
as given; no floating point. `normalise` brings any decoded JSON value into the profile once, at the door; `canonical` encodes.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import orjson

Json = str | int | bool | None | Sequence["Json"] | Mapping[str, "Json"]
"""A JSON value inside the profile: no float anywhere."""

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 32


def normalise(value: object, depth: int = 0) -> Json:
    """Bring a decoded JSON value into the profile.

    A float that is a whole number becomes that integer, any other becomes its shortest decimal as a string; an integer beyond
    ±(2^53−1) becomes its decimal string; a key that is not ASCII is percent-encoded; lone surrogates become U+FFFD.
    Raises ValueError where nesting exceeds 32 levels or a value is no JSON.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -MAX_INTEGER <= value <= MAX_INTEGER else str(value)
    if isinstance(value, float):
        if value.is_integer() and abs(value) <= MAX_INTEGER:
            return int(value)
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {_key(key): normalise(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [normalise(item, depth + 1) for item in value]
    raise ValueError(f"a {type(value).__name__} is no JSON value")


def canonical(value: Mapping[str, Json]) -> bytes:
    """Encode a value that is already inside the profile: UTF-8, keys sorted, no white space."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError("object keys are strings")  # noqa: TRY004 - one error type for the caller
    return key if key.isascii() else quote(_text(key), safe=" !#$&'()*+,/:;=?@[]~")


def _text(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
