"""What an archived month is, and reading one back: every leaf and root computed again, the first misfit named.

A reader needs the file and nothing else: the footer holds the genesis and the secret of each log. What it computes is compared with
the tombstone and the `redact` entries, which the spine has signed. Files of the former format, without the columns that say how an
entry was redacted, are read as well.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from domain.errors import IntegrityError
from retention.archived_redactions import ArchivedRedaction, RedactedRows
from retention.recompute import LogSum
from store.redaction import RedactEntry
from store.retention import Tombstone

FORMAT = "phitrail-archive-2"
_FORMER = "phitrail-archive-1"
_ROWS_AT_ONCE = 16_384
_TEXTS = (
    "event_id", "source_system", "source", "action", "actor_id", "actor_kind", "patient_id", "outcome", "device_id", "device_kind",
    "ip", "format",
)  # fmt: skip
_COLUMNS: Mapping[str, pa.DataType] = {
    "epoch": pa.uint32(),
    "writer": pa.string(),
    "seq": pa.uint64(),
    "leaf": pa.binary(32),
    "header": pa.string(),
    "private": pa.string(),
    "private_digest": pa.string(),
    "time": pa.timestamp("us", tz="UTC"),
    "received": pa.timestamp("us", tz="UTC"),
    **dict.fromkeys(_TEXTS, pa.string()),
}
_REDACTED: Mapping[str, pa.DataType] = {"patient_tag": pa.string(), "actor_tag": pa.string(), "redacted_by": pa.int64()}
SCHEMA = pa.schema({**_COLUMNS, **_REDACTED})
_SCHEMAS = {FORMAT: SCHEMA, _FORMER: pa.schema(_COLUMNS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedLog:
    """One writer's part of an archive, as computed again from the file. Hashes are hex."""

    writer: str
    origin: str
    first_seq: int
    last_seq: int
    count: int
    genesis: str
    last_leaf: str
    root: str
    redactions: Sequence[ArchivedRedaction]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedMonth:
    """A whole archive file that was read and found sound."""

    epoch: int
    path: Path
    sha256: str
    logs: Sequence[ArchivedLog]

    def log(self, writer: str) -> ArchivedLog:
        """One writer's part. Raises IntegrityError where there is none."""
        for log in self.logs:
            if log.writer == writer:
                return log
        raise IntegrityError(f"{self.path.name} holds no log of writer {writer}")


def read_archive(path: Path, epoch: int) -> ArchivedMonth:
    """Read a file whole and recompute it. Memory is bounded by one row group.

    Raises IntegrityError where it is damaged, is not what its name says, or any entry is not what was chained.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            metadata = file.schema_arrow.metadata or {}
            written_as = FORMAT if FORMAT.encode() in metadata else _FORMER
            if file.schema_arrow.remove_metadata() != _SCHEMAS[written_as]:
                raise IntegrityError(f"{path.name} does not have the columns of {written_as}")
            footer = orjson.loads(metadata.get(written_as.encode(), b"null"))
            if not isinstance(footer, dict) or footer.get("epoch") != epoch:
                raise IntegrityError(f"{path.name} is not the archive of month {epoch}")
            sums = {entry["writer"]: LogSum.begin(entry) for entry in footer["logs"]}
            redacted = {writer: RedactedRows(log.origin) for writer, log in sums.items()}
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    _take(sums, epoch, row)
                    if written_as == FORMAT:
                        redacted[row["writer"]].add(row)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{path.name} cannot be read as an archive: it is damaged") from error
    logs = [
        ArchivedLog(
            writer=one.writer,
            origin=one.origin,
            first_seq=one.first_seq,
            last_seq=one.first_seq + one.count - 1,
            count=one.count,
            genesis=one.genesis.hex(),
            last_leaf=one.leaf.hex(),
            root=one.root().hex(),
            redactions=redacted[one.writer].found(),
        )
        for one in sums.values()
    ]
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return ArchivedMonth(epoch=epoch, path=path, sha256=digest, logs=logs)


def check_tombstones(month: ArchivedMonth, tombstones: Sequence[Tombstone]) -> None:
    """Whether a file is the one that the tombstones of its month speak of. Raises IntegrityError where it is not."""
    if not tombstones:
        raise IntegrityError(f"the ledger has no tombstone of month {month.epoch}: it was never disposed of")
    for tombstone in tombstones:
        log = month.log(tombstone.writer)
        said = (tombstone.first_seq, tombstone.last_seq, tombstone.count, tombstone.last_leaf, tombstone.root)
        if said != (log.first_seq, log.last_seq, log.count, log.last_leaf, log.root) or tombstone.archive_sha256 != month.sha256:
            raise IntegrityError(f"{month.path.name} is not the file that the tombstone of {log.origin} was signed for")
    if len(tombstones) != len(month.logs):
        raise IntegrityError(f"{month.path.name} holds logs that have no tombstone")


def check_redactions(month: ArchivedMonth, entries: Sequence[RedactEntry]) -> None:
    """Whether a month is redacted exactly as the spine says. Raises IntegrityError where it is less, or more."""
    signed = {entry.spine_seq: entry for entry in entries if entry.epoch == month.epoch}
    for log in month.logs:
        for redaction in log.redactions:
            entry = signed.pop(redaction.spine_seq, None)
            said = entry and (entry.writer, entry.origin, entry.count, entry.root)
            if said != (log.writer, log.origin, redaction.count, redaction.root):
                what = f"entries of {log.origin} redacted by spine entry {redaction.spine_seq}, which does not say so"
                raise IntegrityError(f"{month.path.name} has {what}")
    if signed:
        what = f"still has what was redacted by spine entry {min(signed)}: it was written before that, and is not the one to keep"
        raise IntegrityError(f"{month.path.name} {what}")


def _take(sums: Mapping[str, LogSum], epoch: int, row: Mapping[str, object]) -> None:
    log = sums.get(str(row["writer"]))
    if row["epoch"] != epoch or log is None:
        raise IntegrityError(f"the archive of month {epoch} holds an entry that belongs elsewhere")
    log.add(row)
