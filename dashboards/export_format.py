"""The audit export as a format: its files, their order, and the lines in them (docs/export-format.md section 3)."""

from collections.abc import Mapping, Sequence

from domain.json import Json, canonical
from store.export_logs import ExportLog
from store.export_spine import SpineQuote

FORMAT = "phitrail-export-2"

README = "README.txt"
MANIFEST = "manifest.json"
RECEIPT = "receipt.json"
REPORT_HTML = "report.html"
REPORT_PDF = "report.pdf"
EVENTS_CSV = "events.csv"
EVENTS = "events.jsonl"
PROOFS = "proofs.jsonl"
SCOPE = "scope.jsonl"
HISTORY = "history.jsonl"
TIMESTAMPS = "timestamps.jsonl"
COMPLETENESS = "completeness.json"
CHECKPOINT = "checkpoint"
POLICY = "policy.tlog-policy"
KEYS = "keys/ledger.keys"
VERIFY = "verify.py"

LISTED = (
    README, REPORT_HTML, REPORT_PDF, EVENTS_CSV, EVENTS, PROOFS, SCOPE, HISTORY, TIMESTAMPS, COMPLETENESS, CHECKPOINT, POLICY,
    KEYS, VERIFY,
)  # fmt: skip
"""The files whose hashes are in the manifest. The manifest's own hash is in the receipt, which the ledger has signed."""

ORDER = (README, MANIFEST, RECEIPT, *LISTED[1:])

Line = Mapping[str, Json]


def encoded(line: Line) -> bytes:
    """A line of a `.jsonl` file."""
    return canonical(line) + b"\n"


def hexes(hashes: Sequence[bytes]) -> list[str]:
    """Hashes as they stand in a line."""
    return [one.hex() for one in hashes]


def spine_fields(quote: SpineQuote) -> Line:
    """The four fields by which a spine entry is given, wherever one is."""
    return {
        "spine_index": quote.index,
        "spine_body": quote.body,
        "spine_previous": quote.previous.hex(),
        "spine_path": hexes(quote.path),
    }


def log_line(log: ExportLog, writer: str) -> Line:
    """What all entries of a log share: its head, and the proof that the checkpoint commits to it."""
    return {
        "log": log.head.origin,
        "writer": writer,
        "size": log.head.size,
        "root": log.head.root.hex(),
        "heads_index": log.heads_index,
        "heads_count": log.heads_count,
        "heads_path": hexes(log.heads_path),
        **spine_fields(log.quote),
    }


def tile_line(tile: int, root: bytes, path: Sequence[bytes]) -> bytes:
    """A subtree of 256 entries under the root of its log."""
    return encoded({"tile": tile, "root": root.hex(), "path": hexes(path)})


def path_line(seq: int, index: int, previous: bytes, path: Sequence[bytes]) -> bytes:
    """The place of one entry in its subtree: `encoded`, written out, because there is one for every event."""
    hashes = '","'.join([one.hex() for one in path])
    listed = f'["{hashes}"]' if path else "[]"
    return f'{{"index":{index},"path":{listed},"previous":"{previous.hex()}","seq":{seq}}}\n'.encode()
