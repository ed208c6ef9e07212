"""What the witnesses say, or do not say, about the record becomes a finding. Pure.

Without a quorum the record still verifies here, but nobody outside could tell it from one that was rebuilt. A witness that
contradicts it is graver: either it is wrong, or our key has signed two histories.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import orjson

from domain.clock import rfc3339
from domain.finding import Finding, Severity
from domain.json import Json
from store.cosignatures import WitnessRound

PATIENCE = timedelta(minutes=15)
"""How long a quorum may be missing: a restart, an update, a short outage of a witness."""

RULE_VERSION = "1.0"

_QUORUM = "witness-quorum-missing"
_REFUSED = "witness-refused"

_QUORUM_RUNBOOK = (
    "1. Look at what each witness answered; it is asked again in each round.\n"
    "2. Check the way from here to them: address in the policy file, network, certificate.\n"
    "3. Ask the operator of a witness that does not know this log, or its key, to add it.\n"
    "4. Keep recording: nothing is lost. What is recorded meanwhile is witnessed with the next quorum.\n"
    "5. If a witness is gone for good, change the policy file, and tell whoever trusts it."
)

_REFUSED_RUNBOOK = (
    "1. Do not restart, repair or restore anything: copy the data directory and the state directory first.\n"
    "2. Fetch the witness's own copy, <address>/<hex SHA-256 of the log's name>/checkpoint. Where our key has signed it and the "
    "record here has another root at its size, or never had that size, there are two histories; otherwise the witness is wrong.\n"
    "3. Run phitrail verify --json on the copy and keep its output.\n"
    "4. Find out whether the store or the machine was rolled back, and who could use the signing key.\n"
    "5. Treat it as a security incident (45 CFR 164.308(a)(6)(ii)) until it is explained."
)


def witnessing(latest: WitnessRound, *, patience: timedelta = PATIENCE) -> list[Finding]:
    """What the newest round says, with what it remembers of those before it. The same trouble is the same finding each time."""
    found = [_refused(name, since, latest) for name, since in sorted(latest.refused.items())]
    if latest.missing_since is not None and latest.at - latest.missing_since > patience:
        found.append(_missing(latest, latest.missing_since, patience))
    return found


def _missing(latest: WitnessRound, since: datetime, patience: timedelta) -> Finding:
    signed = ", ".join(latest.signed) or "none"
    return Finding(
        finding_id=_id(_QUORUM, rfc3339(since)),
        kind="witness_quorum_missing",
        title="The record is not witnessed",
        time=since + patience,
        score=0.8,
        severity=Severity.HIGH,
        rule_id=_QUORUM,
        rule_version=RULE_VERSION,
        group_key="witnesses",
        actor_id=None,
        patient_id=None,
        evidence=(),
        explanation=(
            f"Since {rfc3339(since)} the quorum of the witness policy has not been met.",
            f"The checkpoint of {latest.size} entries was cosigned by: {signed}.",
            *_sentences(latest),
        ),
        exculpatory=("A witness that cannot be reached says nothing against the record.",) if not latest.refused else (),
        controls=("164.312(b)", "164.312(c)(1)"),
        runbook=_QUORUM_RUNBOOK,
        inputs={"source_system": "phitrail", "missing_since": rfc3339(since), "patience_seconds": int(patience.total_seconds())},
    )


def _refused(name: str, since: datetime, latest: WitnessRound) -> Finding:
    inputs: dict[str, Json] = {"source_system": "phitrail", "witness": name, "size": latest.size, "since": rfc3339(since)}
    return Finding(
        finding_id=_id(_REFUSED, name, rfc3339(since)),
        kind="witness_refused",
        title="A witness contradicts the record",
        time=since,
        score=1.0,
        severity=Severity.CRITICAL,
        rule_id=_REFUSED,
        rule_version=RULE_VERSION,
        group_key=f"witness {name}",
        actor_id=None,
        patient_id=None,
        evidence=(),
        explanation=(
            f"Since {rfc3339(since)} witness {name} refuses to cosign: {latest.failed[name]}.",
            "Somebody forked or rolled back the record, signed another one with its key, or the witness is wrong.",
        ),
        exculpatory=("What the witness says is its word alone until its copy of the checkpoint is compared.",),
        controls=("164.312(b)", "164.312(c)(1)"),
        runbook=_REFUSED_RUNBOOK,
        inputs=inputs,
    )


def _sentences(latest: WitnessRound) -> Sequence[str]:
    return [f"Witness {name} gave no cosignature: {why}." for name, why in sorted(latest.failed.items())]


def _id(*parts: str) -> str:
    digest = hashlib.sha256(orjson.dumps(list(parts))).digest()
    return base64.b32encode(digest[:15]).decode().lower()
