"""TLSA records of an SMTP server (RFC 6698, RFC 7672 section 3.1): which of them bind a sender."""

from collections.abc import Iterable
from dataclasses import dataclass

_DIGEST_BYTES = {1: 32, 2: 64}
_SMALLEST_DER = 32
"""Bytes of the smallest thing that could be a key or certificate (an Ed25519 SubjectPublicKeyInfo has 44)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tlsa:
    """The four fields of a record."""

    usage: int
    selector: int
    matching: int
    data: bytes


def is_usable(record: Tlsa) -> bool:
    """Whether a sender must hold the server to it: DANE-TA(2) or DANE-EE(3) only (RFC 7672 section 3.1.3), and well formed."""
    if record.usage not in (2, 3) or record.selector not in (0, 1):
        return False
    if record.matching == 0:
        return len(record.data) >= _SMALLEST_DER
    return len(record.data) == _DIGEST_BYTES.get(record.matching, -1)


def binds(records: Iterable[Tlsa]) -> bool:
    """Whether at least one is usable. Records that are all unusable ask for TLS without a check (RFC 7672 section 2.2.3)."""
    return any(is_usable(record) for record in records)
