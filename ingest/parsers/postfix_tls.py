"""What a Postfix log proves about the encryption of one delivery.

Two sources. The TLS summary line (smtp_tls_loglevel ≥ 1) has version, cipher and how far the peer was verified, but no queue id:
it belongs to whatever the same process delivers next over the same relay, and to nothing after that, because Postfix writes a
line for each session it opens or reuses. The `tls=` field (3.11 and newer) is part of the status line and says whether TLS was
used, not how. No line is not plaintext: the loglevel may be 0.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from domain.json import Json

_SUMMARY = re.compile(
    r"(?:(?P<level>Anonymous|Untrusted|Trusted|Verified) )?TLS connection (?P<session>established|reused) (?P<way>to|from) "
    r"(?P<peer>\S+?)(?: to (?P<sni>\S+))?: (?P<version>\S+) with cipher (?P<cipher>\S+) "
    r"\((?P<bits>\d{1,6})/\d{1,6} bits\)(?P<more>.*)"
)
_MORE = re.compile(r"(key-exchange|(?:server|client)-(?:signature|digest)) ([^\s()]+)(?: \(([^)]*)\))?")
_FEATURE = re.compile(
    r"(?P<policy>[a-z-]+)(?::(?P<down>[a-z-]+))?(?P<open>\?)?"
    r"(?P<require>/(?P<not>!)?requiretls(?::(?P<violation>[a-z-]+))?(?P<require_open>\?)?)?"
)
_AUTHENTICATED = frozenset({"dane", "dane-only", "fingerprint", "verify", "secure"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSummary:
    """One TLS summary line: `outbound` says who opened the session; `facts` are the fields of `details.tls`."""

    outbound: bool
    peer: str
    facts: Mapping[str, Json]


def tls_summary(text: str) -> TlsSummary | None:
    """Read a summary line (Postfix TLS_README, smtp_tls_loglevel), or None."""
    found = _SUMMARY.match(text)
    if found is None:
        return None
    facts: dict[str, Json] = {
        "version": found["version"],
        "cipher": found["cipher"],
        "bits": int(found["bits"]),
        "session": found["session"],
    }
    if found["level"]:
        facts["level"] = found["level"].lower()
        facts["verified"] = found["level"] == "Verified"
    if found["sni"]:
        facts["server_name"] = found["sni"]
    for name, value, qualifier in _MORE.findall(found["more"]):
        facts[name.replace("-", "_")] = f"{value} ({qualifier})" if qualifier else value
    return TlsSummary(outbound=found["way"] == "to", peer=found["peer"], facts=facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFeature:
    """The `tls=` field: `used` is None where Postfix had not decided when the attempt ended; `facts` go to `details.tls`."""

    used: bool | None
    facts: Mapping[str, Json]


def tls_feature(text: str) -> TlsFeature | None:
    """Read the `tls=` field of a status line (postconf smtp_log_tls_feature_status, Postfix ≥ 3.11), or None."""
    found = _FEATURE.fullmatch(text)
    if found is None:
        return None
    facts: dict[str, Json] = {"policy": found["policy"]}
    if found["down"]:
        facts["downgraded_to"] = found["down"]
    if found["require"]:
        facts["requiretls"] = found["require"].lstrip("/")
    if found["open"]:
        return TlsFeature(used=None, facts=facts)
    reached = found["down"] or found["policy"]
    if reached != "none":
        # Every level above `encrypt` fails the delivery unless the peer is who it must be; a downgraded one does not.
        facts["verified"] = found["down"] is None and found["policy"] in _AUTHENTICATED
    return TlsFeature(used=reached != "none", facts=facts)


def delivery_tls(
    *, feature: TlsFeature | None, session: Mapping[str, Json] | None, attempted: bool, logging_proven: bool
) -> dict[str, Json]:
    """
    `details.tls` with `tls_field`, what said so; without either where nothing is known.

    `session` are the facts of the line that was joined to this delivery; `attempted` says that the mail was handed over on a
    network connection. Plain text is claimed only on proof: the status line says so, a STARTTLS offer was noted as not taken, or
    TLS logging is known to be on and there was no line.
    """
    if feature is not None and feature.used is False:
        return {"tls": None, "tls_field": "tls"}
    if feature is not None and feature.used:
        said = "tls" if session is None else f"tls, {session_field(session)}"
        return {"tls": {**feature.facts, **(session or {})}, "tls_field": said}
    if session is not None:
        return {"tls": session, "tls_field": session_field(session)}
    if logging_proven and attempted and feature is None:
        return {"tls": None, "tls_field": "the missing TLS line", "tls_confidence": "inferred"}
    return {}


def session_field(session: Mapping[str, Json], *, outbound: bool = True) -> str:
    """How the line begins that tells of a session, or that an offer of one was not taken."""
    if session.get("version") is None:
        return "Host offered STARTTLS"
    return f"TLS connection {session.get('session')} {'to' if outbound else 'from'}"
