"""The cipher suites of TLS under one name, the IANA one, whoever logged them: OpenSSL, GnuTLS, LibreSSL, Schannel or IANA itself.

A suite before TLS 1.3 is a key exchange and a cipher with its MAC, and so are its spellings: what IANA calls
`TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` is `ECDHE-RSA-AES128-GCM-SHA256` in OpenSSL and `TLS_ECDHE_RSA_AES_128_GCM_SHA256` in
GnuTLS. The table below says which of them exist (RFC 5246, 5288, 5289, 8422, 6655, 7251, 7905, 8446; the old and the regional
ones: RFC 4162, 5469, 5932, 6209, 6367) and how many bits the cipher's key has; of 3DES the effective number (SP 800-57 part 1).
What is not in the table keeps its own name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suite:
    """`name` as IANA writes it, `bits` of the symmetric key (0: none). `is_whole` is False for a cipher named without its suite."""

    name: str
    bits: int
    is_whole: bool = True


# Key exchange as IANA names it, and how OpenSSL begins the names of its suites.
_OPENSSL: Mapping[str, tuple[str, ...]] = {
    "RSA": ("",),
    "DHE_RSA": ("DHE-RSA-", "EDH-RSA-"),
    "DHE_DSS": ("DHE-DSS-", "EDH-DSS-"),
    "DH_RSA": ("DH-RSA-",),
    "DH_DSS": ("DH-DSS-",),
    "DH_anon": ("ADH-",),
    "ECDHE_RSA": ("ECDHE-RSA-",),
    "ECDHE_ECDSA": ("ECDHE-ECDSA-",),
    "ECDH_RSA": ("ECDH-RSA-",),
    "ECDH_ECDSA": ("ECDH-ECDSA-",),
    "ECDH_anon": ("AECDH-",),
}
_FINITE = "DHE_RSA DHE_DSS DH_RSA DH_DSS DH_anon"
_CURVES = "ECDHE_RSA ECDHE_ECDSA ECDH_RSA ECDH_ECDSA"

# Cipher and MAC as IANA and as OpenSSL name them, key bits, and the key exchanges they are defined with.
_CIPHERS = (
    ("AES_128_GCM_SHA256", "AES128-GCM-SHA256", 128, f"RSA {_FINITE} {_CURVES}"),
    ("AES_256_GCM_SHA384", "AES256-GCM-SHA384", 256, f"RSA {_FINITE} {_CURVES}"),
    ("AES_128_CBC_SHA256", "AES128-SHA256", 128, f"RSA {_FINITE} {_CURVES}"),
    ("AES_256_CBC_SHA256", "AES256-SHA256", 256, f"RSA {_FINITE}"),
    ("AES_256_CBC_SHA384", "AES256-SHA384", 256, _CURVES),
    ("AES_128_CBC_SHA", "AES128-SHA", 128, f"RSA {_FINITE} {_CURVES} ECDH_anon"),
    ("AES_256_CBC_SHA", "AES256-SHA", 256, f"RSA {_FINITE} {_CURVES} ECDH_anon"),
    ("AES_128_CCM", "AES128-CCM", 128, "RSA DHE_RSA ECDHE_ECDSA"),
    ("AES_256_CCM", "AES256-CCM", 256, "RSA DHE_RSA ECDHE_ECDSA"),
    ("AES_128_CCM_8", "AES128-CCM8", 128, "RSA DHE_RSA ECDHE_ECDSA"),
    ("AES_256_CCM_8", "AES256-CCM8", 256, "RSA DHE_RSA ECDHE_ECDSA"),
    ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", 256, "DHE_RSA ECDHE_RSA ECDHE_ECDSA"),
    ("CAMELLIA_128_CBC_SHA", "CAMELLIA128-SHA", 128, f"RSA {_FINITE}"),
    ("CAMELLIA_256_CBC_SHA", "CAMELLIA256-SHA", 256, f"RSA {_FINITE}"),
    ("CAMELLIA_128_CBC_SHA256", "CAMELLIA128-SHA256", 128, f"RSA {_FINITE} {_CURVES}"),
    ("CAMELLIA_256_CBC_SHA256", "CAMELLIA256-SHA256", 256, f"RSA {_FINITE}"),
    ("CAMELLIA_256_CBC_SHA384", "CAMELLIA256-SHA384", 256, _CURVES),
    ("CAMELLIA_128_GCM_SHA256", "CAMELLIA128-GCM-SHA256", 128, f"RSA {_FINITE} {_CURVES}"),
    ("CAMELLIA_256_GCM_SHA384", "CAMELLIA256-GCM-SHA384", 256, f"RSA {_FINITE} {_CURVES}"),
    ("ARIA_128_GCM_SHA256", "ARIA128-GCM-SHA256", 128, f"RSA {_FINITE} {_CURVES}"),
    ("ARIA_256_GCM_SHA384", "ARIA256-GCM-SHA384", 256, f"RSA {_FINITE} {_CURVES}"),
    ("SEED_CBC_SHA", "SEED-SHA", 128, f"RSA {_FINITE}"),
    ("IDEA_CBC_SHA", "IDEA-CBC-SHA", 128, "RSA"),
    ("3DES_EDE_CBC_SHA", "DES-CBC3-SHA", 112, f"RSA {_FINITE} {_CURVES} ECDH_anon"),
    ("DES_CBC_SHA", "DES-CBC-SHA", 56, f"RSA {_FINITE}"),
    ("RC4_128_SHA", "RC4-SHA", 128, f"RSA {_CURVES} ECDH_anon"),
    ("RC4_128_MD5", "RC4-MD5", 128, "RSA DH_anon"),
    ("NULL_SHA256", "NULL-SHA256", 0, "RSA"),
    ("NULL_SHA", "NULL-SHA", 0, f"RSA {_CURVES} ECDH_anon"),
    ("NULL_MD5", "NULL-MD5", 0, "RSA"),
)

# Suites that are no pair: TLS 1.3 (with LibreSSL's spelling), export (RFC 2246), and names that break OpenSSL's own rule.
_SINGLE = (
    ("TLS_AES_128_GCM_SHA256", "AEAD-AES128-GCM-SHA256", 128),
    ("TLS_AES_256_GCM_SHA384", "AEAD-AES256-GCM-SHA384", 256),
    ("TLS_CHACHA20_POLY1305_SHA256", "AEAD-CHACHA20-POLY1305-SHA256", 256),
    ("TLS_AES_128_CCM_SHA256", "AEAD-AES128-CCM-SHA256", 128),
    ("TLS_AES_128_CCM_8_SHA256", "AEAD-AES128-CCM-8-SHA256", 128),
    ("TLS_RSA_EXPORT_WITH_RC4_40_MD5", "EXP-RC4-MD5", 40),
    ("TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5", "EXP-RC2-CBC-MD5", 40),
    ("TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", "EXP-DES-CBC-SHA", 40),
    ("TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA", "EXP-EDH-RSA-DES-CBC-SHA", 40),
    ("TLS_DHE_DSS_EXPORT_WITH_DES40_CBC_SHA", "EXP-EDH-DSS-DES-CBC-SHA", 40),
    ("TLS_DH_anon_EXPORT_WITH_RC4_40_MD5", "EXP-ADH-RC4-MD5", 40),
    ("TLS_DH_anon_EXPORT_WITH_DES40_CBC_SHA", "EXP-ADH-DES-CBC-SHA", 40),
    ("TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256", "ECDHE-ARIA128-GCM-SHA256", 128),
    ("TLS_ECDHE_RSA_WITH_ARIA_256_GCM_SHA384", "ECDHE-ARIA256-GCM-SHA384", 256),
)

# Schannel names the bulk cipher alone, by the ALG_ID of wincrypt.h: Exchange writes `CALG_AES_256`, others the number.
_ALGORITHMS: Mapping[int, tuple[str, int]] = {
    0x6601: ("DES", 56),
    0x6602: ("RC2", 0),
    0x6603: ("3DES", 112),
    0x6609: ("3DES_112", 80),
    0x660E: ("AES_128", 128),
    0x660F: ("AES_192", 192),
    0x6610: ("AES_256", 256),
    0x6801: ("RC4", 128),
}
_LONGEST_KEY = 4096
_CURVE_OF_SCHANNEL = re.compile(r"_P(?:256|384|521)$")
_SIZE_AFTER_NAME = re.compile(
    r"(?:\(\s*(?P<used>[0-9]{1,9})\s*(?:/\s*[0-9]+\s*)?(?:bits?)?\s*\)| with strength (?P<strength>[0-9]{1,9}) bits)\s*$",
    re.IGNORECASE,
)
_SIZE_IN_NAME = re.compile(r"(?:AES|CAMELLIA|ARIA|SEED|RC4|RC2)[-_]?([0-9]{2,3})(?![0-9])")
_MAC_OF_AEAD: Mapping[str, str] = {"128_GCM": "_SHA256", "256_GCM": "_SHA384", "POLY1305": "_SHA256"}


def normalise_cipher(text: str, version: str = "") -> str:
    """The one name of a suite, without the key size some programs write behind it; a name that is not known, in capitals.

    `version` is normalised; it decides where a GnuTLS description names only the parts (`ECDHE_X25519__RSA_SHA256__AES_256_GCM`).
    """
    found = suite(text, version)
    return found.name if found else _SIZE_AFTER_NAME.sub("", text.strip()).strip().upper()


def suite(text: str, version: str = "") -> Suite | None:
    """The suite that a source calls `text`, or None where the table does not have it."""
    name = _plain(_SIZE_AFTER_NAME.sub("", text.strip()).strip())
    if found := _BY_SPELLING.get(name) or _BY_SPELLING.get(_CURVE_OF_SCHANNEL.sub("", name)):
        return found
    return _algorithm(name) or _described(name, version)


def key_bits(text: str, logged: int | None = None, version: str = "") -> int:
    """Bits of the symmetric key: the lowest of what the suite has, what stands in or behind its name, and what was `logged`.

    0 is not known.
    """
    known = suite(text, version)
    sizes = [known.bits if known else 0, logged or 0]
    if behind := _SIZE_AFTER_NAME.search(text.strip()):
        sizes.append(int(behind["used"] or behind["strength"]))
    if known is None and (inside := _SIZE_IN_NAME.search(text.upper())):
        sizes.append(int(inside[1]))
    return min((size for size in sizes if 0 < size <= _LONGEST_KEY), default=0)


def suites() -> Mapping[str, Suite]:
    """Every whole suite of the table by its IANA name."""
    return {found.name: found for found in _BY_SPELLING.values()}


def spellings() -> Mapping[str, Suite]:
    """Every spelling of the table, in capitals and with `_` for `-`."""
    return _BY_SPELLING


def _plain(name: str) -> str:
    """Capitals and `_`; the trademark that GnuTLS writes around is taken back."""
    return name.upper().replace("-", "_").replace("ARCFOUR_128", "RC4_128").replace("ARCFOUR_", "RC4_128_")


def _algorithm(name: str) -> Suite | None:
    for number, (algorithm, bits) in _ALGORITHMS.items():
        if name in (f"CALG_{algorithm}", f"0X{number:X}", f"0X{number:08X}", str(number)):
            return Suite(algorithm, bits, is_whole=False)
    return None


def _described(name: str, version: str) -> Suite | None:
    """GnuTLS's description of a session (gnutls_session_get_desc), as Exim writes it: its parts joined by `__`."""
    exchange, *rest = name.split("__")
    if not rest or not version:
        return None
    mac = f"_{rest.pop()}".replace("_SHA1", "_SHA") if rest[-1].startswith("SHA") else ""
    cipher = rest.pop() if rest else ""
    mac = mac or next((mac for end, mac in _MAC_OF_AEAD.items() if cipher.endswith(end)), "")
    if version == "TLSv1.3":
        return _BY_SPELLING.get(f"TLS_{cipher}{mac}")
    signer = rest[0].split("_")[0] if rest else ""
    family = exchange.split("_")[0]
    return _BY_SPELLING.get(f"TLS_{family}_{signer}_WITH_{cipher}{mac}" if signer else f"TLS_{family}_WITH_{cipher}{mac}")


def _table() -> Mapping[str, Suite]:
    table: dict[str, Suite] = {}
    for cipher, openssl, bits, exchanges in _CIPHERS:
        for exchange in exchanges.split():
            found = Suite(f"TLS_{exchange}_WITH_{cipher}", bits)
            gnutls = f"{exchange}_{cipher}" + ("1" if cipher.endswith("_SHA") else "")
            names = (found.name, f"TLS_{exchange}_{cipher}", f"TLS_{gnutls}", gnutls, f"{exchange}_WITH_{cipher}")
            for name in (*names, found.name.replace("TLS_", "SSL_", 1), *(f"{start}{openssl}" for start in _OPENSSL[exchange])):
                table[_plain(name)] = found
    for name, other, bits in _SINGLE:
        found = Suite(name, bits)
        for spelling in (name, name.removeprefix("TLS_"), other):
            table[_plain(spelling)] = found
    return table


_BY_SPELLING = _table()
