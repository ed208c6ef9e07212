"""Reading JSON that somebody sent us: each field has the type and form it should have, or an IntegrityError says which has not."""

from collections.abc import Mapping

import orjson

from domain.errors import IntegrityError
from domain.json import canonical

_HEX = frozenset("0123456789abcdef")
_LONGEST_PATH = 64


def read_object(text: bytes, what: str, *, is_canonical: bool = False) -> Mapping[str, object]:
    """A JSON object; canonical means: exactly the bytes our encoder gives, so that nothing hides in a second reading."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise IntegrityError(f"{what} is not JSON") from None
    if not isinstance(value, dict):
        raise IntegrityError(f"{what} is no JSON object")
    if is_canonical and canonical(value) != text:
        raise IntegrityError(f"{what} is not in canonical form")
    return value


def read_text(fields: Mapping[str, object], name: str) -> str:
    """A text."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise IntegrityError(f"{name} is missing or is no text")
    return value


def read_number(fields: Mapping[str, object], name: str) -> int:
    """An integer."""
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise IntegrityError(f"{name} is missing or is no number")
    return value


def read_hex(fields: Mapping[str, object], name: str, size: int = 32) -> bytes:
    """`size` bytes in lower-case hex."""
    value = fields.get(name)
    if not _is_hex(value, size):
        raise IntegrityError(f"{name} is missing or is not {size} bytes in hex")
    return bytes.fromhex(str(value))


def read_path(fields: Mapping[str, object], name: str) -> list[bytes]:
    """A list of hashes, as an inclusion proof is one."""
    value = fields.get(name)
    if not isinstance(value, list) or len(value) > _LONGEST_PATH or not all(_is_hex(item, 32) for item in value):
        raise IntegrityError(f"{name} is missing or is no list of hashes")
    return [bytes.fromhex(item) for item in value]


def _is_hex(value: object, size: int) -> bool:
    return isinstance(value, str) and len(value) == 2 * size and _HEX.issuperset(value)
