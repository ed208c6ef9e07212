"""What the scheduled verification finds wrong with the record itself becomes the gravest finding there is. Pure."""

import base64
import hashlib
from datetime import datetime

import orjson

from domain.clock import rfc3339
from domain.finding import Finding, Severity
from store.fsck import Integrity, Verification

RULE_ID = "record-tampered"
RULE_VERSION = "1.0"

_SHOWN = 5


def tampering(verification: Verification, at: datetime) -> list[Finding]:
    """One finding when the record does not verify, named after its first problem: seeing the same again adds nothing."""
    if verification.integrity is not Integrity.TAMPERED:
        return []
    first = verification.problems[0]
    digest = hashlib.sha256(orjson.dumps([RULE_ID, first.log, first.seq, first.what])).digest()
    sentences = [
        f"{problem.log}{'' if problem.seq is None else f', entry {problem.seq}'}: {problem.what}."
        for problem in verification.problems[:_SHOWN]
    ]
    if len(verification.problems) > _SHOWN:
        sentences.append(f"{len(verification.problems) - _SHOWN} more problems are listed by phitrail verify.")
    return [
        Finding(
            finding_id=base64.b32encode(digest[:15]).decode().lower(),
            kind="record_tampered",
            title="The record does not verify",
            time=at,
            score=1.0,
            severity=Severity.CRITICAL,
            rule_id=RULE_ID,
            rule_version=RULE_VERSION,
            group_key=first.log,
            actor_id=None,
            patient_id=None,
            evidence=(),
            explanation=(f"The verification of {rfc3339(at)} found what was stored to differ from what was signed.", *sentences),
            exculpatory=(),
            controls=("164.312(b)", "164.312(c)(1)"),
            runbook=(
                "1. Do not restart, repair or compact anything: copy the data directory and the state directory first.\n"
                "2. Run phitrail verify --json on the copy and keep its output.\n"
                "3. Compare with the newest checkpoint that is kept elsewhere.\n"
                "4. Find out who could write to the files or the database since the last verification that passed.\n"
                "5. Treat it as a security incident (45 CFR 164.308(a)(6)(ii))."
            ),
            inputs={"source_system": "phitrail", "log": first.log, "seq": first.seq, "problems": len(verification.problems)},
        )
    ]
