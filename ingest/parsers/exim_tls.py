"""What an Exim log proves about the encryption of one leg.

`X=` is in the line of the delivery itself (log_selector `tls_cipher`, on by default), so nothing has to be joined. A line without
it is a delivery in the clear only where the same host is seen to write `X=`, or where Exim says that it falls back to plain text.
"""

import re
from collections.abc import Mapping

from domain.json import Json
from domain.tls import normalise_version

_SUITE = re.compile(r"(?P<version>[^:\s]+):(?P<cipher>[^\s*]+?)(?::(?P<bits>\d{1,4}))?(?P<resumed>\*)?")
_PROTOCOL = re.compile(r"(?:utf8)?(?:e|a)?smtp(?P<tls>s)?a?|lmtp(?P<lmtp>s)?a?")
_BYTES_AT_MOST = 32


def session(values: Mapping[str, str], *, reused: bool) -> dict[str, Json] | None:
    """
    `details.tls` from the fields `X`, `CV`, `DN` and `SNI` of a line, or None without `X`.

    `CV=yes` is a chain that ends at a known authority and, for deliveries, the right name (tls_verify_cert_hostnames covers every
    host by default); `CV=dane` a DNS trust anchor. Where a connection carried a mail before (`reused`), `CV=no` may only mean that
    it is not known any more (specification, “Logging deliveries”), and is left out.
    """
    suite = _SUITE.fullmatch(values.get("X", ""))
    if suite is None:
        return None
    facts: dict[str, Json] = {
        "version": normalise_version(suite["version"]) or suite["version"],
        "cipher": suite["cipher"],
    }
    if suite["bits"]:
        bits = int(suite["bits"])
        # Exim with GnuTLS before 4.73 wrote the key size in bytes: no cipher in use has a key of 32 bits or fewer.
        facts["bits"] = bits * 8 if 0 < bits <= _BYTES_AT_MOST else bits
    verified = values.get("CV")
    if verified in ("yes", "dane"):
        facts["verified"] = True
        if verified == "dane":
            facts["dane"] = True
    elif verified == "no" and not reused:
        facts["verified"] = False
    if reused or suite["resumed"]:
        facts["session"] = "reused" if reused else "resumed"
    for name, field in (("DN", "peer_dn"), ("SNI", "server_name")):
        if value := values.get(name):
            facts[field] = value
    return facts


def protocol_uses_tls(protocol: str | None) -> bool | None:
    """Whether `P=` of an arrival says TLS (RFC 3848: the `s` of esmtps); None for local protocols and others."""
    found = _PROTOCOL.fullmatch(protocol or "")
    return bool(found["tls"] or found["lmtp"]) if found else None
