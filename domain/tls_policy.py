"""What NIST SP 800-52r2 allows: TLS 1.2 and 1.3 with the suites it lists by name, and keys of 128 bits or more.

RFC 8996 takes TLS 1.0 and 1.1 out of use, RFC 8997 for mail. What the publication forbids is refused, and what stands in no list is
neither: it is not allowed because nobody objects to it, and not called weak because nobody listed it.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from domain.tls_suites import key_bits, normalise_cipher

POLICY_VERSION = "sp800-52r2.2"
"""Stored with every judged delivery, so that a changed table is not mistaken for a changed world."""

SHORTEST_KEY = 128

_EXCHANGES_OF_1_2 = ("ECDHE_ECDSA", "ECDHE_RSA", "DHE_RSA", "DHE_DSS", "DH_DSS", "DH_RSA", "ECDH_ECDSA", "ECDH_RSA")

ALLOWED: Mapping[str, frozenset[str]] = {
    # Section 3.3.1.1, tables by the kind of the server's certificate: ECDSA, RSA, DSA, DH, ECDH.
    "TLSv1.2": frozenset(
        f"TLS_{exchange}_WITH_{cipher}"
        for exchange in _EXCHANGES_OF_1_2
        for cipher in (
            *("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "AES_128_CBC_SHA256", "AES_128_CBC_SHA", "AES_256_CBC_SHA"),
            "AES_256_CBC_SHA384" if exchange.startswith("EC") else "AES_256_CBC_SHA256",
            *(("AES_128_CCM", "AES_256_CCM", "AES_128_CCM_8", "AES_256_CCM_8") if exchange in ("ECDHE_ECDSA", "DHE_RSA") else ()),
        )
    ),
    # Section 3.3.1.2.
    "TLSv1.3": frozenset(
        {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"}
    ),
}
"""The suites of the publication by protocol version. RSA key transport (appendix D, for a transition) is not among them."""

# Words of a suite name, in whosever spelling, that the publication leaves no room for.
_REFUSED_WORDS = frozenset(
    {"NULL", "ENULL", "ANULL", "ANON", "ADH", "AECDH", "MD5"}
    | {"EXP", "EXPORT", "EXPORT40", "EXPORT56", "EXP1024", "EXPORT1024"}
    | {"RC2", "RC4", "ARCFOUR", "ARCFOUR128", "DES", "DES40", "3DES", "CBC3", "IDEA"}
)


class Standing(StrEnum):
    """What the publication says of a session. `unlisted`: everything is known, and it is in no list."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    UNLISTED = "unlisted"
    NOT_SAID = "not_said"


def standing(version: str, cipher: str, bits: int | None = None) -> Standing:
    """Judge a session: `version` normalised, `cipher` as logged, `bits` the key size if it is logged apart."""
    if version and version not in ALLOWED:
        return Standing.REFUSED
    name = normalise_cipher(cipher, version)
    words = re.split(r"[^A-Z0-9]+", f"{cipher} {name}".upper())
    if not _REFUSED_WORDS.isdisjoint(words) or 0 < key_bits(cipher, bits, version) < SHORTEST_KEY:
        return Standing.REFUSED
    if not version or not name:
        return Standing.NOT_SAID
    return Standing.ALLOWED if name in ALLOWED[version] else Standing.UNLISTED


def is_weak(version: str, cipher: str, bits: int | None = None) -> bool:
    """Whether SP 800-52r2 would refuse this session. What is not known does not count as weak; it counts as good nowhere."""
    return standing(version, cipher, bits) is Standing.REFUSED
