"""What became weaker at a domain becomes a finding. Pure. The same change seen again on the same UTC day is the same finding.

Both looks are named with their moments: what was seen before, and what is seen now. A value that could not be learnt is no change.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

import orjson

from domain.clock import rfc3339
from domain.finding import Finding, Severity
from domain.json import Json
from store.domain_posture import NOTHING, Posture, PostureChange

RULE_VERSION = "1.0"

_MODES = {"enforce": 2, "testing": 1, "none": 0}
_POLICIES = {"reject": 3, "quarantine": 2, "none": 1, "absent": 0, "invalid": 0}

_THEIRS = (
    "1. Look whether the mail servers and the policy of the domain fit each other again; this is looked at every day.\n"
    "2. Ask the postmaster of the domain whether the change is meant. Do not use an address from a message that came meanwhile.\n"
    "3. Until then require verified TLS towards the domain, or hold mail with PHI back.\n"
    "4. Look at the deliveries since the last good look (Domains) for mail that left in the clear or to a stranger."
)
_OURS = (
    "1. Ask who changed the DNS zone or the policy host, and whether it was meant.\n"
    "2. Put the record back; the page of the domain has it as it was.\n"
    "3. Look whether mail in our name was sent by others meanwhile (DMARC and TLS reports).\n"
    "4. If nobody changed it, treat the DNS account as taken over."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    kind: str
    title: str
    score: float
    severity: Severity
    says: str
    exculpatory: str


_REMOVED = _Said(
    kind="mta_sts_removed",
    title="A domain took back its MTA-STS policy",
    score=0.55,
    severity=Severity.MEDIUM,
    says="The MTA-STS policy of {domain} was published as {before} and is not published any more.",
    exculpatory="A domain that moves to another mail provider often takes its policy back for some days.",
)
_WEAKENED = _Said(
    kind="mta_sts_weakened",
    title="A domain no longer enforces its MTA-STS policy",
    score=0.5,
    severity=Severity.MEDIUM,
    says="The MTA-STS policy of {domain} went from {before} to {after}.",
    exculpatory="A policy is put into testing before servers are moved (RFC 8461 section 8).",
)
_LAPSED = _Said(
    kind="mta_sts_lapsed",
    title="The MTA-STS policy of a domain ran out",
    score=0.5,
    severity=Severity.MEDIUM,
    says="The MTA-STS policy of {domain} could not be fetched until its max_age was over; it protects nobody now.",
    exculpatory="The policy host may be out of order, or not be reached from here.",
)
_OUTSIDE = _Said(
    kind="mx_outside_policy",
    title="A domain has mail servers that its policy does not name",
    score=0.6,
    severity=Severity.MEDIUM,
    says="{domain} names mail servers that its MTA-STS policy does not: {after}.",
    exculpatory="A new mail server is often published before the policy names it.",
)
_DANE = _Said(
    kind="dane_removed",
    title="A domain no longer has DANE",
    score=0.5,
    severity=Severity.MEDIUM,
    says="Every mail server of {domain} had authenticated TLSA records, and not every one has now.",
    exculpatory="TLSA records are missing for a while when a domain moves, or its zone is signed anew.",
)
_DMARC = _Said(
    kind="dmarc_weakened",
    title="DMARC of an own domain was weakened",
    score=0.7,
    severity=Severity.HIGH,
    says="DMARC of {domain}, {word}, went from {before} to {after}.",
    exculpatory="A policy is loosened on purpose while a new sender is brought in.",
)

_DMARC_WORDS = {
    "dmarc_policy": "the policy (p)",
    "dmarc_subdomain": "the policy for subdomains (sp)",
    "dmarc_percent": "the share of mail it holds for (pct)",
}

RAISED = tuple(said.kind for said in (_REMOVED, _WEAKENED, _LAPSED, _OUTSIDE, _DANE, _DMARC))
"""The kinds that changes of domains can raise."""


def posture_findings(changes: Iterable[PostureChange]) -> list[Finding]:
    """A finding for each change to the worse."""
    return [_finding(change, said) for change in changes if (said := _worse(change)) is not None]


def _worse(change: PostureChange) -> _Said | None:
    what, before, after = change.what, change.before, change.after
    if what == "mta_sts" and _MODES.get(after, 0) < _MODES.get(before, 0):
        return _REMOVED if after == "none" and not change.now.mta_sts_id else _WEAKENED
    if what == "mta_sts_lapsed" and after == "yes":
        return _LAPSED
    if what == "mx_outside" and after != NOTHING:
        return _OUTSIDE
    if what == "dane" and after == "no":
        return _DANE
    if what in ("dmarc_policy", "dmarc_subdomain") and _POLICIES.get(after, 0) < _POLICIES.get(before, 0):
        return _DMARC
    if what == "dmarc_percent" and int(after) < int(before):
        return _DMARC
    return None


def _finding(change: PostureChange, said: _Said) -> Finding:
    now, was, domain = change.now, change.was, change.domain
    rule = f"phitrail.{said.kind}"
    is_own = now.is_own
    sentence = said.says.format(
        domain=domain, before=change.before, after=change.after, word=_DMARC_WORDS.get(change.what, change.what)
    )
    explanation = [sentence]
    if was is not None:
        explanation.append(f"Last seen otherwise on {rfc3339(was.observed_at)}; first seen so on {rfc3339(now.observed_at)}.")
    else:
        explanation.append(f"Seen on {rfc3339(now.observed_at)}, at the first look at the domain.")
    held = now.mta_sts_expires
    if said is _REMOVED and now.mta_sts_mode in ("enforce", "testing") and held is not None:
        explanation.append(f"The policy taken earlier ({now.mta_sts_mode}) stays in force until {rfc3339(held)}.")
    if said is _OUTSIDE and now.mta_sts_mode == "testing":
        explanation.append("The policy is in testing, so that mail is still delivered.")
    inputs: dict[str, Json] = {
        "to_domain": domain,
        "what": change.what,
        "before": None if was is None else _seen(change.before, was),
        "after": _seen(change.after, now),
    }
    return Finding(
        finding_id=_id(rule, domain, change.what, change.after, now.observed_at.astimezone(UTC).date().isoformat()),
        kind=said.kind,
        title=said.title,
        time=now.observed_at,
        score=min(1.0, said.score + (0.2 if is_own else 0.0)),
        severity=Severity.HIGH if is_own else said.severity,
        rule_id=rule,
        rule_version=RULE_VERSION,
        group_key=domain,
        actor_id=None,
        patient_id=None,
        evidence=(),
        explanation=tuple(explanation),
        exculpatory=(said.exculpatory,),
        controls=("164.312(e)(1)", "164.308(a)(1)(ii)(D)") if said is _DMARC else ("164.312(e)(1)", "164.312(e)(2)(ii)"),
        runbook=_OURS if is_own else _THEIRS,
        inputs=inputs,
    )


def _seen(value: str, posture: Posture) -> dict[str, Json]:
    return {"observed_at": rfc3339(posture.observed_at), "value": value, "mta_sts_id": posture.mta_sts_id or None}


def _id(*parts: str) -> str:
    digest = hashlib.sha256(orjson.dumps(list(parts))).digest()
    return base64.b32encode(digest[:15]).decode().lower()
