"""A month on its way out: one Parquet file that proves itself.

`events-YYYYMM.parquet` holds every column of every entry, ordered by writer and seq, and in its footer the genesis and secret of
each log, so that the leaves can be computed again from the file alone (docs/retention.md). A redacted entry has the digest of what
it lost, its tags, and the number of its `redact` entry. The same rows give the same bytes. A file is written beside its name,
synced, and renamed: under its name it is always whole.
"""

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import orjson
import polars as pl
import pyarrow.parquet as pq

from domain.errors import Conflict, IntegrityError, NotFound
from domain.record import StoredEvent
from retention.readback import FORMAT, SCHEMA, ArchivedLog, ArchivedMonth, check_redactions, read_archive
from store.entry_rows import stored_event
from store.logs import LogRecord
from store.redaction import RedactionStore
from store.retention import MonthLog, RetentionStore

_KEPT = pl.Schema(
    {"writer": pl.String(), "seq": pl.UInt64(), "patient_tag": pl.String(), "actor_tag": pl.String(), "redacted_by": pl.Int64()}
)


class Archive:
    """A directory of archived months. It belongs on storage of its own: it outlives the store."""

    def __init__(self, directory: Path, redactions: RedactionStore | None = None) -> None:
        """Without `redactions` a month that has redacted entries is neither written nor held against the spine."""
        self.directory = directory
        self._redactions = redactions

    def path(self, epoch: int) -> Path:
        """Where the month (YYYYMM) is, or would be."""
        return self.directory / f"events-{epoch}.parquet"

    def write(self, store: RetentionStore, epoch: int, logs: Sequence[MonthLog]) -> str:
        """Write the file of a month, in place of one that was there. Returns the SHA-256 (hex) of the bytes as handed over.

        Memory is bounded by one frame of rows. Raises IntegrityError where entries belong to no registered log or were redacted by
        nobody, Conflict where a redaction in the month is not finished: its entries would be archived with what they are to lose.
        """
        records = {record.writer: record for record in store.registered(epoch)}
        ordered = sorted(logs, key=lambda log: log.writer)
        missing = [log.writer for log in ordered if log.writer not in records]
        if missing:
            raise IntegrityError(
                f"month {epoch} has entries of writer {missing[0]}, but no log of it is registered; run phitrail verify"
            )
        kept = self._kept(epoch)
        self.directory.mkdir(parents=True, exist_ok=True)
        schema = SCHEMA.with_metadata({FORMAT: _footer(epoch, [records[log.writer] for log in ordered])})
        temporary = self.path(epoch).with_suffix(".writing")
        with _PrivateFile(temporary) as file:
            with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
                for log in ordered:
                    for frame in store.rows(log):
                        whole = _with_redactions(frame, kept.filter(writer=log.writer).drop("writer"))
                        writer.write_table(whole.to_arrow().select(schema.names).cast(schema))
            file.flush()
            os.fsync(file.fileno())
        _take_place(temporary, self.path(epoch))
        return file.digest.hexdigest()

    def describe(self, month: ArchivedMonth) -> None:
        """Write `events-YYYYMM.json` beside the file: what is in it, for people and other tools. It repeats, it proves nothing."""
        logs = [{name: getattr(log, name) for name in ArchivedLog.__slots__} for log in month.logs]
        content = {"format": FORMAT, "file": month.path.name, "sha256": month.sha256, "epoch": month.epoch, "logs": logs}
        temporary = month.path.with_suffix(".json.writing")
        with _PrivateFile(temporary) as file:
            file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
            file.flush()
            os.fsync(file.fileno())
        _take_place(temporary, month.path.with_suffix(".json"))

    def read_back(self, epoch: int) -> ArchivedMonth:
        """Compute every leaf and root of a month again from its file. Raises NotFound, or IntegrityError at the first misfit."""
        path = self.path(epoch)
        if not path.exists():
            raise NotFound(f"there is no archive of month {epoch} in {self.directory}")
        month = read_archive(path, epoch)
        if self._redactions is not None:
            check_redactions(month, self._redactions.committed())
        return month

    def _kept(self, epoch: int) -> pl.DataFrame:
        """What is kept of the redacted entries of a month: writer, seq, patient_tag, actor_tag, redacted_by."""
        if self._redactions is None:
            return pl.DataFrame(schema=_KEPT)
        if not self._redactions.is_settled(epoch):
            raise Conflict(f"a redaction in month {epoch} is not finished: start the node once, which finishes it, and ask again")
        return self._redactions.of_month(epoch).rename({"spine_seq": "redacted_by"}).cast(_KEPT)

    def events(self, epoch: int) -> Iterator[StoredEvent]:
        """The entries of an archived month as events, in log order: how its content is read once it is no longer in the store."""
        with pq.ParquetFile(self.path(epoch), page_checksum_verification=True) as file:
            for batch in file.iter_batches():
                frame = cast("pl.DataFrame", pl.from_arrow(batch))
                yield from map(stored_event, frame.iter_rows(named=True))


def _with_redactions(frame: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """Rows of a log with how they were redacted. Raises IntegrityError where one is, and nothing is kept of it."""
    whole = frame.join(kept, on="seq", how="left", maintain_order="left").with_columns(
        pl.col("patient_tag", "actor_tag").fill_null("")
    )
    if (unknown := whole.filter((pl.col("private_digest") != "") & pl.col("redacted_by").is_null())).height:
        seq, writer = unknown.row(0, named=True)["seq"], unknown.row(0, named=True)["writer"]
        raise IntegrityError(f"entry {seq} of writer {writer} lost its private part without a redaction; run phitrail verify")
    return whole


def _footer(epoch: int, records: Sequence[LogRecord]) -> bytes:
    logs = [
        {
            "writer": record.writer,
            "origin": record.origin,
            "first_seq": record.first_seq,
            "genesis": record.previous.hex(),
            "secret": record.secret.hex(),
        }
        for record in records
    ]
    return orjson.dumps({"format": FORMAT, "epoch": epoch, "logs": logs}, option=orjson.OPT_SORT_KEYS)


class _PrivateFile(io.BufferedWriter):
    """A new file that only its owner can read, because it holds PHI, and the SHA-256 of what was written to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"))
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:  # type: ignore[override]  # only bytes are written here
        """Write, and remember."""
        self.digest.update(data)
        return super().write(data)


def _take_place(temporary: Path, final: Path) -> None:
    temporary.replace(final)
    directory = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
