"""The audit export as a format: its files, their order, and the lines in them (docs/export-format.md).

A line of `events.jsonl` is one entry; a line of `proofs.jsonl` is a log (with everything its entries share) or the path of one
entry in the log named last. Both list entries in the same order: by writer, then by sequence number.
"""

from collections.abc import Mapping, Sequence

from domain.json import Json
from domain.proof import EventProof
from store.exports import ExportedEntry, SpineReceipt

FORMAT = "phitrail-export-1"

README = "README.txt"
MANIFEST = "manifest.json"
RECEIPT = "receipt.json"
REPORT_HTML = "report.html"
REPORT_PDF = "report.pdf"
EVENTS_CSV = "events.csv"
EVENTS = "events.jsonl"
PROOFS = "proofs.jsonl"
COMPLETENESS = "completeness.json"
CHECKPOINT = "checkpoint"
KEY = "keys/ledger.vkey"
VERIFY = "verify.py"

LISTED = (README, REPORT_HTML, REPORT_PDF, EVENTS_CSV, EVENTS, PROOFS, COMPLETENESS, CHECKPOINT, KEY, VERIFY)
"""The files whose hashes are in the manifest. The manifest's own hash is in the receipt, which the ledger has signed."""

ORDER = (README, MANIFEST, RECEIPT, *LISTED[1:])

CSV_FIELDS = (
    "writer", "seq", "time", "received", "source", "source_system", "event_id", "action", "outcome", "actor_id", "actor_kind",
    "patient_id", "device_id", "device_kind", "ip", "details", "format", "leaf",
)  # fmt: skip


def event_line(entry: ExportedEntry, *, with_private: bool) -> Mapping[str, Json]:
    """One entry. `private` and `salt` are null where the private part is withheld, or was redacted before."""
    shown = with_private and entry.salt is not None
    return {
        "writer": entry.writer,
        "seq": entry.seq,
        "leaf": entry.leaf.hex(),
        "body": entry.body.decode(),
        "private": entry.private.decode() if shown else None,
        "salt": entry.salt.hex() if shown and entry.salt is not None else None,
        "private_is": "given" if shown else "redacted" if entry.salt is None else "withheld",
    }


def log_line(proof: EventProof) -> Mapping[str, Json]:
    """What all entries of a log share: its head, and the proof that the signed checkpoint commits to it."""
    return {
        "log": proof.head.origin,
        "writer": proof.writer,
        "size": proof.head.size,
        "root": proof.head.root.hex(),
        "heads_index": proof.heads_index,
        "heads_count": proof.heads_count,
        "heads_path": _hex(proof.heads_path),
        "spine_body": proof.spine_body.decode(),
        "spine_previous": proof.spine_previous.hex(),
        "spine_index": proof.spine_index,
        "spine_path": _hex(proof.spine_path),
    }


def path_line(proof: EventProof) -> Mapping[str, Json]:
    """The place of one entry in its log."""
    return {"seq": proof.seq, "index": proof.index, "previous": proof.previous.hex(), "path": _hex(proof.path)}


def receipt_fields(receipt: SpineReceipt) -> Mapping[str, Json]:
    """The spine entry by which the ledger signed the manifest."""
    return {
        "spine_index": receipt.index,
        "spine_body": receipt.body,
        "spine_previous": receipt.previous.hex(),
        "spine_path": _hex(receipt.path),
        "checkpoint": receipt.checkpoint,
    }


def _hex(hashes: Sequence[bytes]) -> list[str]:
    return [one.hex() for one in hashes]
