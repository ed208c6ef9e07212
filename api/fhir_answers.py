"""FHIR's way of saying what became of an AuditEvent: OperationOutcome, and one response for each entry of a Bundle (R4 §3.1.0.11).

A repository never refuses an AuditEvent (IHE ITI-20): what does not conform is in quarantine, and the answer 202 says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.json import Json
from domain.record import Receipt, Status
from ingest.pipeline import status_of

MEDIA_TYPE = "application/fhir+json"

_STATUS = {Status.ACCEPTED: 201, Status.DUPLICATE: 200, Status.QUARANTINED: 202}
_PHRASE = {200: "200 OK", 201: "201 Created", 202: "202 Accepted"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one AuditEvent is answered with. `location` is relative to the FHIR base, where there is one."""

    status: int
    location: str | None
    outcome: Mapping[str, Json]


def answer_to(receipts: Sequence[Receipt]) -> Answer:
    """The answer to a resource by the receipts of its events (one a patient)."""
    became = status_of(receipts)
    shown = next(receipt for receipt in receipts if receipt.status is became)
    location = None
    if became is not Status.QUARANTINED and shown.writer is not None and shown.seq is not None:
        location = f"AuditEvent/{shown.writer}-{shown.seq}"
    return Answer(_STATUS[became], location, _outcome(became, shown, len(receipts)))


def bundle_response(kind: object, answers: Sequence[Answer]) -> Mapping[str, Json]:
    """The answer to a Bundle of type `kind`, entry by entry in its order."""
    entries: list[Json] = []
    for answer in answers:
        response: dict[str, Json] = {"status": _PHRASE[answer.status], "outcome": answer.outcome}
        if answer.location is not None:
            response["location"] = answer.location
        entries.append({"response": response})
    response_type = "transaction-response" if kind == "transaction" else "batch-response"
    bundle: dict[str, Json] = {"resourceType": "Bundle", "type": response_type}
    return {**bundle, "entry": entries} if entries else bundle  # FHIR has no empty arrays


def _outcome(became: Status, receipt: Receipt, events: int) -> Mapping[str, Json]:
    match became:
        case Status.ACCEPTED:
            severity, code, text = "information", "informational", f"stored as {events} {'entry' if events == 1 else 'entries'}"
        case Status.DUPLICATE:
            severity, code, text = "information", "duplicate", "was stored before; nothing new was stored"
        case Status.QUARANTINED:
            severity, code = "warning", "invalid"
            text = f"kept in quarantine as {receipt.quarantine_id}: {receipt.reason}"
    issue: dict[str, Json] = {"severity": severity, "code": code, "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
