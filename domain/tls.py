"""What a mail event proves about the encryption of one delivery: one verdict over all mail sources, and whether it was weak.

No schema in use has a field for this (OCSF and ECS know version and cipher, neither knows whether the peer was verified), so the
verdict is our own enum. Two rules hold everywhere: what the source did not say is never shown as good, and where several
readings are consistent with the source, the lowest is taken and the evidence says so.

Weakness is NIST SP 800-52r2: below TLS 1.2 (RFC 8996; RFC 8997 for mail), or NULL, export, anonymous, RC2, RC4, DES, 3DES, IDEA
or MD5 suites, or keys shorter than 128 bits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.json import Json

POLICY_VERSION = "sp800-52r2.1"
"""Stored with every judged delivery, so that a changed table is not mistaken for a changed world."""

ASSUMED = "whether the peer was verified is not reported"
"""Part of the evidence where a verdict is the lowest consistent one and not something the source said."""


class TlsVerdict(StrEnum):
    """From in the clear to authenticated; `unknown` is outside the order and never good."""

    NONE = "none"
    ANONYMOUS = "anonymous"
    UNTRUSTED = "untrusted"
    TRUSTED = "trusted"
    VERIFIED_WEBPKI = "verified_webpki"
    VERIFIED_DANE = "verified_dane"
    UNKNOWN = "unknown"

    @property
    def is_encrypted(self) -> bool:
        """True where the source says that the session was encrypted, with whomever."""
        return self not in (TlsVerdict.NONE, TlsVerdict.UNKNOWN)

    @property
    def is_verified(self) -> bool:
        """True where the peer proved to be the one the mail was meant for."""
        return self in (TlsVerdict.VERIFIED_WEBPKI, TlsVerdict.VERIFIED_DANE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsJudgement:
    """The verdict on one delivery. `version` and `cipher` are normalised, '' where not known; `evidence` is a clause for people."""

    verdict: TlsVerdict
    version: str
    cipher: str
    weak: bool
    evidence: str


_PLAIN = frozenset({"", "none", "plain", "plaintext", "cleartext"})

_VERSION = re.compile(
    r"^(?:sp_prot_)?(?P<family>ssl|tls)?[ _-]*v?[ _-]*(?P<major>[0-9])(?:[._]?(?P<minor>[0-9]))?(?:\.0)?(?:_(?:client|server))?$"
)

# Words of a suite name, in OpenSSL's, IANA's, GnuTLS's and Schannel's spellings, that SP 800-52r2 leaves no room for.
_WEAK_WORDS = frozenset(
    {"NULL", "ENULL", "ANULL", "ANON", "ADH", "AECDH", "MD5"}
    | {"EXP", "EXPORT", "EXPORT40", "EXPORT56", "EXP1024", "EXPORT1024"}
    | {"RC2", "RC4", "ARCFOUR", "ARCFOUR128", "DES", "DES40", "3DES", "CBC3", "IDEA"}
)
_BITS_AFTER_NAME = re.compile(r"\(\s*(?P<used>[0-9]+)\s*(?:/\s*[0-9]+\s*)?(?:bits?)?\s*\)\s*$", re.IGNORECASE)
_BITS_IN_NAME = re.compile(r"(?:AES|CAMELLIA|ARIA|SEED|RC4|RC2)[-_]?(?P<bits>[0-9]{2,3})(?![0-9])")
_SHORTEST_KEY = 128


def judge(details: Mapping[str, Json]) -> TlsJudgement:
    """Judge the `details` of a mail event (the outward form, `--format phitrail`: key `tls`).

    `tls` absent is unknown; null, or with `version` null, is plain text. A level that the mail server itself logged (Postfix:
    anonymous, untrusted, trusted, verified) wins over `verified`. Encrypted with neither is taken as anonymous, the lowest
    reading, and the evidence says that it was not reported.
    """
    if "tls" not in details:
        return _judgement(TlsVerdict.UNKNOWN, "the source does not say whether TLS was used")
    session = details["tls"]
    if session is None or session is False:
        return _judgement(TlsVerdict.NONE, "the source says that no TLS was used")
    if session is True:
        return _judgement(TlsVerdict.ANONYMOUS, f"the source says that TLS was used; version and cipher are not known; {ASSUMED}")
    if not isinstance(session, Mapping):
        return _judgement(TlsVerdict.UNKNOWN, "what the source says about TLS is not understood")
    return _judge_session(session)


def normalise_version(text: str) -> str:
    """One spelling per protocol version: `TLSv1.0` to `TLSv1.3`, `SSLv2`, `SSLv3`; '' for what is none of them.

    Reads `TLSv1`, `TLS1_2`, `TLS 1.2`, `1.2`, `TLSv12`, `SP_PROT_TLS1_2_CLIENT` and their like.
    """
    found = _VERSION.match(text.strip().lower())
    if found is None:
        return ""
    family, major, minor = found["family"], found["major"], found["minor"] or "0"
    if major == "1" and family != "ssl" and minor in "0123":
        return f"TLSv1.{minor}"
    if major in "23" and family == "ssl" and minor == "0":
        return f"SSLv{major}"
    return ""


def normalise_cipher(text: str) -> str:
    """The suite's name in capitals, without the key sizes some programs write behind it: `AES128-SHA (128/128 bits)`."""
    return _BITS_AFTER_NAME.sub("", text.strip()).strip().upper()


def is_weak(version: str, cipher: str, bits: int | None = None) -> bool:
    """Whether SP 800-52r2 would refuse this session. `version` is normalised, `cipher` as logged, `bits` the key size if logged.

    What is not known does not count as weak here; it does not count as good anywhere.
    """
    if version and version not in ("TLSv1.2", "TLSv1.3"):
        return True
    if not _WEAK_WORDS.isdisjoint(re.split(r"[^A-Z0-9]+", normalise_cipher(cipher))):
        return True
    sizes = [bits] if bits is not None else []
    for pattern, name in ((_BITS_AFTER_NAME, cipher.strip()), (_BITS_IN_NAME, normalise_cipher(cipher))):
        if found := pattern.search(name):
            sizes.append(int(found[1]))
    return any(0 < size < _SHORTEST_KEY for size in sizes)


def _judge_session(session: Mapping[str, Json]) -> TlsJudgement:
    said = session.get("version")
    as_logged = str(said).strip() if isinstance(said, str | int) else ""
    if "version" in session and as_logged.lower() in _PLAIN:
        return _judgement(TlsVerdict.NONE, "the source says that no TLS was used")
    if not as_logged and session.get("starttls_offered") is False:
        return _judgement(TlsVerdict.NONE, "the receiving server did not offer STARTTLS")

    verdict, clause = _peer(session)
    if verdict is TlsVerdict.NONE:
        return _judgement(TlsVerdict.NONE, clause)
    if verdict is None:
        if not as_logged and not session.get("cipher") and session.get("established") is not True:
            return _judgement(TlsVerdict.UNKNOWN, "the source does not say whether TLS was used")
        verdict, clause = TlsVerdict.ANONYMOUS, ASSUMED
    version, cipher = normalise_version(as_logged), _text(session.get("cipher"))
    weak = is_weak(version, cipher, _number(session.get("bits")))
    known = [part for part in (version or as_logged[:40], normalise_cipher(cipher)[:80]) if part]
    if as_logged and not version:
        clause += "; the version is none that this program knows"
    if weak:
        clause += "; NIST SP 800-52r2 does not allow this version or cipher"
    return TlsJudgement(
        verdict=verdict,
        version=version,
        cipher=normalise_cipher(cipher),
        weak=weak,
        evidence=f"{' with '.join(known) or 'TLS'}; {clause}",
    )


def _peer(session: Mapping[str, Json]) -> tuple[TlsVerdict | None, str]:
    """What is known of the other end: the verdict, or None, and the clause that says from where."""
    level = _text(session.get("level")).lower()
    if level in ("none", "plaintext"):
        return TlsVerdict.NONE, "the mail server logged the delivery as not encrypted"
    if level in ("anonymous", "untrusted", "trusted"):
        return TlsVerdict(level), f"the mail server logged the peer as {level}"
    if level == "verified" or session.get("verified") is True:
        if _text(session.get("policy")).lower().startswith("dane") or session.get("dane") is True:
            return TlsVerdict.VERIFIED_DANE, "the peer's certificate was verified by DANE"
        return TlsVerdict.VERIFIED_WEBPKI, "the peer's certificate was verified"
    if session.get("verified") is False:
        return TlsVerdict.UNTRUSTED, "the peer's certificate was not verified"
    return None, ""


def _judgement(verdict: TlsVerdict, evidence: str) -> TlsJudgement:
    return TlsJudgement(verdict=verdict, version="", cipher="", weak=False, evidence=evidence)


def _text(value: Json) -> str:
    return value.strip() if isinstance(value, str) else ""


def _number(value: Json) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return int(value) if str(value).isascii() and str(value).isdigit() else None
