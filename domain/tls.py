"""What a mail event proves about the encryption of one delivery: one verdict over all mail sources, on which leg, how sure.

No schema in use has a field for this (OCSF and ECS know version and cipher, neither knows whether the peer was verified), so the
verdict is our own enum. Three rules hold everywhere: what the source did not say is never shown as good; where several readings are
consistent with the source, the lowest is taken and the evidence says so; and a record about another hop than the one to the
recipient's server says nothing about the delivery, however good that hop was.

What is weak says `domain/tls_policy.py`, how suites are called `domain/tls_suites.py`, which hop it was `domain/tls_leg.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from domain.json import Json
from domain.tls_leg import HOPS, Leg, leg_of
from domain.tls_policy import POLICY_VERSION, Standing, is_weak, standing
from domain.tls_suites import key_bits, normalise_cipher, suite

__all__ = [
    "ASSUMED",
    "POLICY_VERSION",
    "Confidence",
    "Leg",
    "Standing",
    "TlsJudgement",
    "TlsVerdict",
    "is_weak",
    "judge",
    "judge_session",
    "normalise_cipher",
    "normalise_version",
]

ASSUMED = "whether the peer was verified is not reported"
"""Part of the evidence where a verdict is the lowest consistent one and not something the source said."""


class Confidence(StrEnum):
    """`stated` by the source; `inferred`: the lowest reading consistent with it, or concluded from what is missing."""

    STATED = "stated"
    INFERRED = "inferred"
    UNKNOWN = "unknown"


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
    """The verdict on one delivery. `version` and `cipher` are normalised, '' where not known; `evidence` is a clause for people.

    `bits` of the symmetric key, 0 where not known. `leg` is the hop that the source speaks of: where it is not the delivery, the
    verdict is unknown and only the evidence tells what was said. `weak` is the same as `standing` refused.
    """

    verdict: TlsVerdict
    version: str
    cipher: str
    weak: bool
    evidence: str
    bits: int = 0
    leg: Leg = Leg.UNKNOWN
    confidence: Confidence = Confidence.UNKNOWN
    standing: Standing = Standing.NOT_SAID


_PLAIN = frozenset({"", "none", "plain", "plaintext", "cleartext"})

_VERSION = re.compile(
    r"^(?:sp_prot_)?(?P<family>ssl|tls)?[ _-]*v?[ _-]*(?P<major>[0-9])(?:[._]?(?P<minor>[0-9]))?(?:\.0)?(?:_(?:client|server))?$"
)
_LONGEST_FIELD = 120
_HUGE = 1_000_000_000
_NOTHING_SAID = "the source does not say whether TLS was used"


def judge(details: Mapping[str, Json], action: str = "deliver") -> TlsJudgement:
    """Judge the delivery from the `details` of a mail event (the outward form, `--format phitrail`: key `tls`).

    `tls` absent is unknown; null, or with `version` null, is plain text. A level that the mail server itself logged (Postfix:
    anonymous, untrusted, trusted, verified) wins over `verified`. Encrypted with neither is taken as anonymous, the lowest
    reading, and the evidence says that it was not reported. A session on another leg leaves the delivery unknown.
    """
    found = judge_session(details, action)
    if found.leg is Leg.DELIVERY or (found.leg is Leg.UNKNOWN and found.verdict is TlsVerdict.UNKNOWN):
        return found
    clause = f"the record speaks of {HOPS[found.leg]} and not of the delivery ({found.evidence})"
    return _judgement(TlsVerdict.UNKNOWN, clause, leg=found.leg)


def judge_session(details: Mapping[str, Json], action: str = "deliver") -> TlsJudgement:
    """Judge the session that a mail event speaks of, on whichever leg it was: no statement about the delivery."""
    name = "tls" if "tls" in details or "submission_tls" not in details else "submission_tls"
    leg = leg_of(details, action)
    if name not in details:
        return _judgement(TlsVerdict.UNKNOWN, _NOTHING_SAID, leg=leg if leg in (Leg.INBOUND, Leg.INTERNAL) else Leg.UNKNOWN)
    session = details[name]
    if session is None or session is False:
        found = _judgement(TlsVerdict.NONE, "the source says that no TLS was used")
    elif session is True:
        found = _judgement(
            TlsVerdict.ANONYMOUS,
            f"the source says that TLS was used; version and cipher are not known; {ASSUMED}",
            Confidence.INFERRED,
        )
    elif isinstance(session, Mapping):
        found = _judge_session(session)
    else:
        found = _judgement(TlsVerdict.UNKNOWN, "what the source says about TLS is not understood")
    if found.verdict is TlsVerdict.UNKNOWN:
        return replace(found, leg=leg)
    found = _as_sure_as(found, details.get("tls_confidence"))
    return replace(found, leg=leg, evidence=found.evidence + _where(details, session))


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


def _judge_session(session: Mapping[str, Json]) -> TlsJudgement:
    as_logged = _text(session.get("version"))
    if "version" in session and as_logged.lower() in _PLAIN:
        return _judgement(TlsVerdict.NONE, "the source says that no TLS was used")
    if not as_logged and session.get("starttls_offered") is False:
        return _judgement(TlsVerdict.NONE, "the receiving server did not offer STARTTLS")

    verdict, clause, confidence = _peer(session)
    if verdict is TlsVerdict.NONE:
        return _judgement(TlsVerdict.NONE, clause)
    cipher = _text(session.get("cipher"))
    if verdict is None:
        if not as_logged and not cipher and session.get("established") is not True:
            return _judgement(TlsVerdict.UNKNOWN, _NOTHING_SAID)
        verdict, clause, confidence = TlsVerdict.ANONYMOUS, ASSUMED, Confidence.INFERRED
    version, logged = normalise_version(as_logged), _number(session.get("bits"))
    name = normalise_cipher(cipher, version)
    known = [part for part in (version or as_logged[:40], name[:80]) if part]
    found = standing(version, cipher, logged)
    if as_logged and not version:
        clause += "; the version is none that this program knows"
    return TlsJudgement(
        verdict=verdict,
        version=version,
        cipher=name,
        weak=found is Standing.REFUSED,
        evidence=f"{' with '.join(known) or 'TLS'}; {clause}{_of_policy(found, cipher, version)}",
        bits=key_bits(cipher, logged, version),
        confidence=confidence,
        standing=found,
    )


def _of_policy(found: Standing, cipher: str, version: str) -> str:
    """What the policy says, as a clause. Silent where it allows the session or not enough is known to ask it."""
    if found is Standing.REFUSED:
        return "; NIST SP 800-52r2 does not allow this version or cipher"
    if found is not Standing.UNLISTED:
        return ""
    named = suite(cipher, version)
    if named is None:
        return "; the suite is not known: neither allowed nor called weak"
    if not named.is_whole:
        return "; only the cipher is named and not the suite: neither allowed nor called weak"
    return "; the suite is in no list of NIST SP 800-52r2: neither allowed nor called weak"


def _peer(session: Mapping[str, Json]) -> tuple[TlsVerdict | None, str, Confidence]:
    """What is known of the other end: the verdict, or None, and the clause that says from where."""
    level, policy = _text(session.get("level")).lower(), _text(session.get("policy")).lower()
    if level in ("none", "plaintext"):
        return TlsVerdict.NONE, "the mail server logged the delivery as not encrypted", Confidence.STATED
    if level in ("anonymous", "untrusted", "trusted"):
        return TlsVerdict(level), f"the mail server logged the peer as {level}", Confidence.STATED
    if level == "verified" or session.get("verified") is True:
        if policy.startswith("dane") or session.get("dane") is True:
            return TlsVerdict.VERIFIED_DANE, "the peer's certificate was verified by DANE", Confidence.STATED
        return TlsVerdict.VERIFIED_WEBPKI, "the peer's certificate was verified", Confidence.STATED
    if session.get("verified") is False:
        # A policy that asks for no verified peer (Postfix: `may`) leaves open what a check would have found.
        confidence = Confidence.INFERRED if policy else Confidence.STATED
        return TlsVerdict.UNTRUSTED, "the peer's certificate was not verified", confidence
    return None, "", Confidence.UNKNOWN


def _as_sure_as(found: TlsJudgement, said: Json) -> TlsJudgement:
    """`tls_confidence` of the parser can only lower it: plain text concluded from a line that is not there was not stated."""
    if said != Confidence.INFERRED or found.confidence is not Confidence.STATED:
        return found
    evidence = "no TLS is logged where the server logs it" if found.verdict is TlsVerdict.NONE else found.evidence
    return replace(found, confidence=Confidence.INFERRED, evidence=evidence)


def _where(details: Mapping[str, Json], session: Json) -> str:
    """Which field, of which record, said so; '' where the source was not read field by field (the outward form)."""
    field = _text(details.get("tls_field"))[:_LONGEST_FIELD]
    if not field:
        return ""
    other = isinstance(session, Mapping) and bool(session.get("evidence"))
    return f"; from {field}{' in another record' if other else ''}"


def _judgement(verdict: TlsVerdict, evidence: str, confidence: Confidence | None = None, leg: Leg = Leg.UNKNOWN) -> TlsJudgement:
    sure = Confidence.UNKNOWN if verdict is TlsVerdict.UNKNOWN else Confidence.STATED
    return TlsJudgement(
        verdict=verdict, version="", cipher="", weak=False, evidence=evidence, leg=leg, confidence=confidence or sure
    )


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _HUGE else ""


def _number(value: Json) -> int | None:
    text = _text(value)
    return int(text) if len(text) <= len(str(_HUGE)) and text.isascii() and text.isdigit() else None
