"""The Protocol Buffers wire format, as far as OTLP logs need it: reading bounded and without recursion, writing small answers.

Read are varints, fixed numbers and length-delimited fields (Protocol Buffers, "Encoding"). Groups, which OTLP does not have, are
refused. Only fields that are known are looked into, so that nesting costs nothing where nobody asks for it.
"""

import struct
from collections.abc import Iterator

from domain.errors import InvalidInput

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FREE_FIELDS, _BYTES_A_FIELD = 20_000, 64
"""A message may have so many fields, and one more for so many bytes: a log record takes more bytes than that."""

_FIXED = {FIXED64: 8, FIXED32: 4}
_BROKEN = "the protobuf message is cut off or damaged"

Value = int | bytes
"""A varint or fixed number as the unsigned integer on the wire, or the bytes of a string or message."""


def fields(message: bytes) -> Iterator[tuple[int, int, Value]]:
    """
    The fields of a message in their order: number, wire type, value.

    Raises InvalidInput where the bytes are no message; what came before has been handed out then.
    """
    at, end, count = 0, len(message), 0
    most = _FREE_FIELDS + end // _BYTES_A_FIELD
    while at < end:
        count += 1
        if count > most:
            raise InvalidInput(f"the protobuf message has more than {most} fields, too many for its size")
        key, at = varint(message, at)
        number, kind = key >> 3, key & 7
        if number == 0 or number > 0x1FFFFFFF:
            raise InvalidInput(_BROKEN)
        if kind == BYTES:
            size, at = varint(message, at)
            if size > end - at:
                raise InvalidInput(_BROKEN)
            yield number, kind, message[at : at + size]
            at += size
        elif kind == VARINT:
            value, at = varint(message, at)
            yield number, kind, value
        elif kind in _FIXED:
            size = _FIXED[kind]
            if size > end - at:
                raise InvalidInput(_BROKEN)
            yield number, kind, int.from_bytes(message[at : at + size], "little")
            at += size
        else:
            raise InvalidInput("the protobuf message has a field of a kind that OTLP does not use")


def varint(message: bytes, at: int) -> tuple[int, int]:
    """A base-128 number of at most ten bytes, and where it ends. Raises InvalidInput."""
    value = shift = 0
    for place in range(at, min(at + 10, len(message))):
        byte = message[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place + 1
        shift += 7
    raise InvalidInput(_BROKEN)


def signed(value: int) -> int:
    """An int64, which is on the wire as its two's complement."""
    return value - (1 << 64) if value >= 1 << 63 else value


def double(value: int) -> float:
    """A double, from the bits of a fixed64."""
    found: float = struct.unpack("<d", value.to_bytes(8, "little"))[0]
    return found


def text(value: bytes) -> str:
    """A string. Senders that put other bytes there break the rule that it is UTF-8; what can be read is kept."""
    return value.decode("utf-8", "replace")


def message(number: int, content: bytes) -> bytes:
    """A length-delimited field: a string, bytes or a message."""
    return _number(number << 3 | BYTES) + _number(len(content)) + content


def count(number: int, value: int) -> bytes:
    """A field with a number that is not negative; nothing for 0, as proto3 has it."""
    return _number(number << 3 | VARINT) + _number(value) if value else b""


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
