"""The little ASN.1 (X.690, DER) that a time-stamp query and token need beyond what `rfc3161_client` does.

Signatures and chains are the library's. Here is: a query with a nonce of ours, the token apart from the response it came in, its
time with the fraction of a second (the library drops it), and a response around a token that the library reads whatever the order
of its certificates. DER wants the members of a SET OF sorted; authorities that send their chain often do not sort it, and the
signature does not cover it (RFC 5652 section 5.1).

Every function raises ValueError where bytes are not what they should be.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_INTEGER, _OCTETS, _SEQUENCE = 0x02, 0x04, 0x30
_GENERALIZED_TIME, _FIRST_TAGGED = 0x18, 0xA0

_SHA256 = bytes.fromhex("300d06096086480165030402010500")
"""AlgorithmIdentifier of SHA-256 with NULL parameters (RFC 5754 section 2)."""

_TRUE = bytes.fromhex("0101ff")
_GRANTED = bytes.fromhex("3003020100")
"""PKIStatusInfo: granted (RFC 3161 section 2.4.2)."""

_DEEPEST_FRACTION = 6


@dataclass(frozen=True, slots=True)
class _Element:
    """A tag and where its element lies: `start` of the tag, `content`, `end`."""

    tag: int
    start: int
    content: int
    end: int


def encode_query(digest: bytes, nonce: int) -> bytes:
    """TimeStampReq (RFC 3161 section 2.4.1): version 1, the SHA-256 digest, the nonce, certReq true."""
    if nonce <= 0:
        raise ValueError("a nonce is a positive number")
    imprint = _element(_SEQUENCE, _SHA256 + _element(_OCTETS, digest))
    return _element(_SEQUENCE, _integer(1) + imprint + _integer(nonce) + _TRUE)


def open_response(answer: bytes) -> tuple[int, bytes]:
    """PKIStatus and TimeStampToken (empty: none) of a TimeStampResp (RFC 3161 section 2.4.2)."""
    (outer,) = _exactly(answer, 0, len(answer), 1)
    status_info, *rest = _children(answer, _expect(outer, _SEQUENCE))
    status = next(_children(answer, _expect(status_info, _SEQUENCE)))
    number = int.from_bytes(answer[_expect(status, _INTEGER).content : status.end], signed=True)
    if len(rest) > 1:
        raise ValueError("the response has more than a token")
    return number, answer[rest[0].start : rest[0].end] if rest else b""


def granted_response(token: bytes) -> bytes:
    """A TimeStampResp around a token, its certificates in the order that DER demands. Lengths stay, nothing else is touched."""
    for part in list(_signed_data(token))[3:]:
        if part.tag == _FIRST_TAGGED:
            certificates = sorted(token[each.start : each.end] for each in _children(token, part))
            token = token[: part.content] + b"".join(certificates) + token[part.end :]
    return _element(_SEQUENCE, _GRANTED + token)


def token_time(token: bytes) -> datetime:
    """genTime of a token's TSTInfo (RFC 3161 section 2.4.2), to the microsecond."""
    _, _, encapsulated, *_ = _signed_data(token)
    _, content = _exactly(token, _expect(encapsulated, _SEQUENCE).content, encapsulated.end, 2)
    (octets,) = _exactly(token, _expect(content, _FIRST_TAGGED).content, content.end, 1)
    (info,) = _exactly(token, _expect(octets, _OCTETS).content, octets.end, 1)
    _, _, _, _, time, *_ = _children(token, _expect(info, _SEQUENCE))
    return _generalized_time(token[_expect(time, _GENERALIZED_TIME).content : time.end])


def _signed_data(token: bytes) -> Iterator[_Element]:
    """The parts of the SignedData in a ContentInfo (RFC 5652 sections 3 and 5.1)."""
    (outer,) = _exactly(token, 0, len(token), 1)
    _, explicit = _exactly(token, _expect(outer, _SEQUENCE).content, outer.end, 2)
    (signed,) = _exactly(token, _expect(explicit, _FIRST_TAGGED).content, explicit.end, 1)
    return _children(token, _expect(signed, _SEQUENCE))


def _generalized_time(text: bytes) -> datetime:
    """`YYYYMMDDhhmmss[.f…]Z`; digits beyond the microsecond are cut off."""
    whole, point, fraction = text.removesuffix(b"Z").partition(b".")
    digits = fraction or b"0"
    if not text.endswith(b"Z") or len(whole) != 14 or not (whole + digits).isdigit() or (point and not fraction):
        raise ValueError("the time is not in the form that RFC 3161 demands")
    numbers = [int(whole[:4]), *(int(whole[place : place + 2]) for place in range(4, 14, 2))]
    moment = datetime(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], tzinfo=UTC)
    return moment + timedelta(microseconds=int(digits[:_DEEPEST_FRACTION].ljust(_DEEPEST_FRACTION, b"0")))


def _children(data: bytes, parent: _Element) -> Iterator[_Element]:
    return _elements(data, parent.content, parent.end)


def _exactly(data: bytes, start: int, end: int, count: int) -> list[_Element]:
    found = list(_elements(data, start, end))
    if len(found) != count:
        raise ValueError("an element has not as many parts as it should")
    return found


def _elements(data: bytes, start: int, end: int) -> Iterator[_Element]:
    while start < end:
        element = _read(data, start, end)
        yield element
        start = element.end


def _read(data: bytes, start: int, end: int) -> _Element:
    """One element of definite length and low tag number; DER has no others that concern us."""
    header = data[start : min(start + 2, end)]
    if len(header) < 2 or header[0] & 0x1F == 0x1F or header[1] == 0x80:
        raise ValueError("the bytes are no DER")
    content, length = start + 2, header[1]
    if length > 0x80:
        content += length - 0x80
        length = int.from_bytes(data[start + 2 : content])
    if content + length > end:
        raise ValueError("an element is longer than what holds it")
    return _Element(header[0], start, content, content + length)


def _expect(element: _Element, tag: int) -> _Element:
    if element.tag != tag:
        raise ValueError("an element is not of the type that it should be")
    return element


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 + len(length)]) + length + content


def _integer(number: int) -> bytes:
    return _element(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1))
