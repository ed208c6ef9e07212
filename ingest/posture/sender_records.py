"""TXT records about who may send as a domain: SPF (RFC 7208), DKIM keys (RFC 6376) and DMARC (RFC 7489)."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ingest.posture.reading import MOST_TEXT, Read, shown, tags

MOST_LOOKUPS = 10
"""Terms of one SPF record that make the receiver ask DNS (RFC 7208 section 4.6.4); those of included records count too."""

SHORTEST_RSA = 1_024
"""Bits below which a DKIM key is not accepted (RFC 8301 section 3.2)."""

_QUALIFIERS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_ASKING = frozenset({"include", "a", "mx", "ptr", "exists"})
_TERM = re.compile(r"(?P<qualifier>[+?~-]?)(?P<name>[A-Za-z][A-Za-z0-9]*)(?P<rest>[:/].*)?")
_MODIFIER = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9._-]*)=(?P<value>.*)")
_POLICIES = frozenset({"reject", "quarantine", "none"})
_PERCENT = re.compile(r"[0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class Spf:
    """`record` as published, '' where there is none; `all_`: fail, softfail, neutral, pass, redirect, absent or invalid."""

    record: str
    all_: str


@dataclass(frozen=True, slots=True)
class Dmarc:
    """`record` as published; policies are reject, quarantine, none, absent or invalid; `percent` None where there is no policy."""

    record: str
    policy: str
    subdomain: str
    percent: int | None


NO_DMARC = Dmarc("", "absent", "absent", None)


def spf(records: Sequence[str]) -> Read[Spf]:
    """What the record says of all other senders. A record that receivers must refuse to apply is invalid."""
    ours = [record for record in records if re.match(r"v=spf1(?:[ ]|\Z)", record, re.IGNORECASE)]
    if not ours:
        return Read(Spf("", "absent"))
    if len(ours) > 1:
        return Read(Spf(shown(ours[0]), "invalid"), f"there are {len(ours)} SPF records, so that receivers apply none")
    record, text = shown(ours[0]), ours[0]
    if len(text) > MOST_TEXT:
        return Read(Spf(record, "invalid"), "the SPF record is too long")
    found, redirect, asking = "", False, 0
    for term in text.split()[1:]:
        modifier = _MODIFIER.fullmatch(term)
        if modifier is not None:
            redirect = redirect or modifier["name"].lower() == "redirect"
            continue
        mechanism = _TERM.fullmatch(term)
        name = mechanism["name"].lower() if mechanism else ""
        if mechanism is None or (name not in _ASKING and name not in {"all", "ip4", "ip6"}):
            return Read(Spf(record, "invalid"), "the SPF record has a mechanism that does not exist, so that receivers apply none")
        asking += name in _ASKING
        if name == "all" and not found:
            found = _QUALIFIERS[mechanism["qualifier"] or "+"]
    if asking + (redirect and not found) > MOST_LOOKUPS:
        return Read(
            Spf(record, "invalid"), f"the SPF record asks for more than {MOST_LOOKUPS} look-ups, so that receivers apply none"
        )
    if found == "pass":
        return Read(Spf(record, "pass"), "the SPF record lets everybody send (+all)")
    if not found and not redirect:
        return Read(Spf(record, "neutral"), "the SPF record does not say what holds for all others (no all, no redirect)")
    return Read(Spf(record, found or "redirect"))


def dmarc(records: Sequence[str]) -> Read[Dmarc]:
    """The policy at a name; absent where there is no record (RFC 7489 sections 6.3 and 6.6.3)."""
    ours = [record for record in records if re.match(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)", record)]
    if not ours:
        return Read(NO_DMARC)
    record = shown(ours[0])
    wrong = Dmarc(record, "invalid", "invalid", None)
    if len(ours) > 1:
        return Read(wrong, f"there are {len(ours)} DMARC records, so that receivers apply none")
    if len(ours[0]) > MOST_TEXT:
        return Read(wrong, "the DMARC record is too long")
    said: dict[str, str] = {}
    for name, value in tags(ours[0]):
        if name in said:
            return Read(wrong, f"the DMARC record says {shown(name, 20)} twice")
        if name:
            said[name] = value
    policy = said.get("p", "").lower()
    if policy not in _POLICIES:
        return Read(wrong, "the DMARC record has no policy (p) that is known")
    subdomain = said.get("sp", policy).lower()
    if subdomain not in _POLICIES:
        return Read(wrong, "the DMARC record has a policy for subdomains (sp) that is not known")
    percent = said.get("pct", "100")
    if not _PERCENT.fullmatch(percent) or int(percent) > 100:
        return Read(wrong, "the DMARC record has a pct that is no percentage")
    return Read(Dmarc(record, policy, subdomain, int(percent)))


def dkim(records: Sequence[str]) -> Read[str]:
    """The state of a key: valid, revoked, absent or invalid (RFC 6376 section 3.6.1)."""
    ours = [record for record in records if any(name == "p" for name, _ in tags(record))]
    if not ours:
        return Read("invalid", "the record holds no key") if records else Read("absent")
    if len(ours) > 1:
        return Read("invalid", f"there are {len(ours)} keys")
    said = dict(reversed(tags(ours[0])))
    if said.get("v", "DKIM1") != "DKIM1" or len(ours[0]) > MOST_TEXT:
        return Read("invalid", "the record is no DKIM1 key")
    if not said["p"]:
        return Read("revoked")
    problem = _key_problem(said.get("k", "rsa").lower(), re.sub(r"\s", "", said["p"]))
    if problem:
        return Read("invalid", problem)
    if "y" in said.get("t", "").split(":"):
        return Read("invalid", "the key is marked as a test (t=y): receivers treat such mail as unsigned")
    return Read("valid")


def _key_problem(kind: str, text: str) -> str:
    try:
        der = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return "the key is no base64"
    if kind == "ed25519":  # RFC 8463 section 4.2: the 32 bytes themselves
        return "" if len(der) == 32 else "the key is no Ed25519 key"
    if kind != "rsa":
        return "the key is of a kind that is not known"
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return "the key cannot be read"
    if not isinstance(key, RSAPublicKey):
        return "the key is no RSA key"
    return "" if key.key_size >= SHORTEST_RSA else f"the key has {key.key_size} bits, fewer than {SHORTEST_RSA}"
