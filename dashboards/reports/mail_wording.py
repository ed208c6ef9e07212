"""The words in which the mail reports speak: verdicts, standings and policy words, and shares that never flatter."""

from collections.abc import Mapping

VERDICTS: Mapping[str, str] = {
    "none": "no TLS",
    "anonymous": "the server showed no certificate",
    "untrusted": "the certificate was not trusted",
    "trusted": "trusted certificate, name not compared",
    "verified_webpki": "server verified",
    "verified_dane": "server verified by DANE",
}

ENCRYPTIONS: Mapping[str, str] = {
    "smime": "encrypted (S/MIME)",
    "pgp": "encrypted (PGP)",
    "portal_link": "only a link to the portal",
    "escrow": "held for pick-up (escrow)",
    "none": "in the clear",
}

STANDINGS: Mapping[str, str] = {
    "patient": "the patient's address on file",
    "associate": "a domain with an agreement in force",
    "expired": "a domain whose agreement had run out",
    "no_agreement": "a registered domain without an agreement",
    "not_on_file": "an address that is not the patient's on file",
}
"""Who a recipient was; any other word is not known."""

_REASONS: Mapping[str, str] = {
    "phi_in_clear": "PHI in the clear",
    "phi_over_weak_tls": "PHI over weak TLS",
    "phi_unverified_peer": "PHI to an unverified server",
    "phi_without_baa": "PHI to a domain without an agreement",
    "baa_expired": "PHI after the agreement ran out",
    "phi_not_on_file": "PHI to an address not on file",
    "marketing_without_optin": "marketing without an agreement",
    "marketing_after_optout": "marketing after an opt-out",
    "marketing_with_phi": "marketing with PHI",
    "auto_forward_outside": "forwarded automatically to the outside",
    "forward_rule_outside": "a rule that forwards to the outside",
    "tls_downgrade": "no TLS though the domain has always used it",
    "tls_weakened": "weak TLS though the domain's was sound before",
    "peer_lost": "not verified though the domain's server was before",
    "mta_sts_violated": "against the domain's MTA-STS policy",
    "mail_policy_weakened": "a protecting rule was weakened",
    "phi_not_classified": "whether it is PHI",
    "tls_not_reported": "whether TLS was used",
    "peer_not_reported": "whether the server was verified",
    "tls_version_not_reported": "the TLS version",
    "recipient_not_known": "who received it",
    "marketing_consent_not_known": "whether the recipient had agreed",
    "mta_sts_result_not_known": "whether MTA-STS was satisfied",
    "forwarded_to_whom": "to whom it was forwarded",
    "change_not_understood": "what was changed",
}


def verdict_words(verdict: str) -> str:
    """The verdict in words; whatever is not one of domain/tls.py is not known."""
    return VERDICTS.get(verdict, "protection not known")


def reason_words(reasons: str) -> str:
    """Policy words joined by ', ' as people say them."""
    return ", ".join(_REASONS.get(word, word.replace("_", " ")) for word in reasons.split(", ") if word)


def policy_words(outcome: str, broken: str, unknown: str) -> str:
    """What the mail policy says about a delivery."""
    match outcome:
        case "met":
            return "Met."
        case "broken":
            return f"Broken: {reason_words(broken)}." + (f" Not known: {reason_words(unknown)}." if unknown else "")
        case "unknown":
            return f"Not known: {reason_words(unknown)}."
        case _:
            return "Not judged."


def protocol_words(version: str, cipher: str, evidence: str) -> str:
    """Version and cipher, where the evidence does not name them already."""
    return " ".join(part for part in (version, cipher) if part and part not in evidence)


def phi_words(phi: bool | None) -> str:
    """Whether the sender classified the message as PHI."""
    return "PHI" if phi else "not classified" if phi is None else "no PHI"


def share(part: int, whole: int) -> str:
    """`12 (4 %)`. A part that is there is never 0 %, and one that is not the whole never 100 %."""
    if not part or not whole:
        return f"{part:,}"
    if part == whole:
        return f"{part:,} (100 %)"
    percent = round(100 * part / whole)
    return f"{part:,} ({'<1' if percent == 0 else '>99' if percent == 100 else percent} %)"
