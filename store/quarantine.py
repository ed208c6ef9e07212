"""What could not be taken into the ledger, kept byte for byte with the reason: nothing that reached us is thrown away.

A record's id is derived from its source system, format and bytes. The same bytes sent again are quarantined again, so that the
sum accepted + duplicate + quarantined = read holds for every feed; the list shows them once and says how many times they came.
Append-only: a record that a later version understands gets an outcome row, its quarantine rows stay.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from domain.clock import Clock
from domain.errors import InvalidInput, NotFound
from domain.record import Receipt, Rejected, Status
from store.engine import Engine

_PAGE = """
SELECT id, received, source_system, format, reason, size, whole FROM quarantine
WHERE (received, id) < ({before:DateTime64(6, 'UTC')}, {before_id:String})
AND id NOT IN (SELECT id FROM quarantine WHERE (received, id) >= ({before:DateTime64(6, 'UTC')}, {before_id:String}))
ORDER BY received DESC, id DESC LIMIT 1 BY id LIMIT {limit:UInt32}
"""

_TIMES = """
SELECT id, count() AS times, min(kept.received) AS first_received, max(kept.received) AS received,
       argMax(kept.source_system, kept.received) AS source_system, argMax(kept.format, kept.received) AS format,
       argMax(kept.reason, kept.received) AS reason, any(kept.size) AS size, max(kept.whole) AS whole
FROM quarantine AS kept WHERE id IN {ids:Array(String)} GROUP BY id
"""

_OUTCOMES = """
SELECT id, at, status, writer, seq FROM quarantine_outcomes WHERE id IN {ids:Array(String)} ORDER BY id, at DESC LIMIT 1 BY id
"""

# Bytes travel as base64: a result column of text must be UTF-8, and these records are often here because they are not.
_RAW = "SELECT id, base64Encode(raw) AS raw FROM quarantine WHERE id IN {ids:Array(String)} LIMIT 1 BY id"

_SETTLED = "(SELECT id, max(at) AS settled FROM quarantine_outcomes GROUP BY id)"

_PENDING = f"""
SELECT id FROM (SELECT id, max(received) AS last FROM quarantine WHERE whole GROUP BY id) AS records
LEFT JOIN {_SETTLED} AS outcomes USING (id)
WHERE last > settled AND (last, id) > ({{after:DateTime64(6, 'UTC')}}, {{after_id:String}})
ORDER BY last, id LIMIT {{limit:UInt32}}
"""

_COUNT_PENDING = f"""
SELECT uniqExact(id) FROM quarantine LEFT JOIN {_SETTLED} AS outcomes USING (id) WHERE whole AND received > settled
"""

_START = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(2299, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment(Rejected):
    """A part of a record: its end never came, or it was too long to keep. It is evidence, and is never replayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a quarantined record when it was read again; `writer` and `seq` place it in the ledger where known."""

    at: datetime
    status: Status
    writer: str | None
    seq: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A quarantined record without its content. `size` is in bytes; not `whole` means that `raw` is only its beginning."""

    quarantine_id: str
    source_system: str
    format: str
    reason: str
    size: int
    whole: bool
    times: int
    first_received: datetime
    received: datetime
    outcome: Outcome | None

    @property
    def is_pending(self) -> bool:
        """True while the record waits for a version that understands it."""
        return self.whole and (self.outcome is None or self.outcome.at < self.received)

    @property
    def cursor(self) -> str:
        """Pass to `newest` or `pending` to go on after this record."""
        return f"{self.received.isoformat()}~{self.quarantine_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedRecord:
    """A quarantined record with its bytes as received. They may hold PHI."""

    entry: Quarantined
    raw: bytes


class Quarantine:
    """The quarantine of one store. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def add(self, records: Sequence[Rejected]) -> list[str]:
        """Keep records; answers their ids in order, once durable (one insert, one part). Raises Backpressure."""
        if not records:
            return []
        ids = [quarantine_id(record) for record in records]
        frame = pl.DataFrame(
            {
                "id": ids,
                "received": pl.Series([self._clock()] * len(records), dtype=pl.Datetime("us", "UTC")),
                "source_system": [_storable(record.source_system) for record in records],
                "format": [_storable(record.format) for record in records],
                "reason": [_storable(record.reason) for record in records],
                "size": pl.Series([len(record.raw) for record in records], dtype=pl.UInt64),
                "whole": pl.Series([not isinstance(record, Fragment) for record in records], dtype=pl.UInt8),
                "raw": pl.Series([record.raw for record in records], dtype=pl.Binary),
            }
        )
        self._engine.insert("quarantine", frame)
        return ids

    def newest(self, *, limit: int = 100, after: str | None = None) -> list[Quarantined]:
        """Distinct records, last received first. `after` is the cursor of the last one shown; raises InvalidInput for a bad one."""
        before, before_id = (_END, "") if after is None else _cursor(after)
        frame = self._engine.frame(_PAGE, before=before, before_id=before_id, limit=limit)
        return self._entries(frame["id"].to_list())

    def show(self, quarantine_id: str) -> QuarantinedRecord:
        """One record with its bytes. Raises NotFound."""
        records = self.read(self._entries([quarantine_id]))
        if not records:
            raise NotFound("there is no quarantined record with this id; `phitrail quarantine list` shows those there are")
        return records[0]

    def pending(self, *, after: str | None = None, limit: int = 5_000) -> list[Quarantined]:
        """Whole records that are not settled, last received last. `after` is the cursor of the last one seen."""
        start, start_id = (_START, "") if after is None else _cursor(after)
        frame = self._engine.frame(_PENDING, after=start, after_id=start_id, limit=limit)
        return self._entries(frame["id"].to_list())

    def read(self, entries: Sequence[Quarantined]) -> list[QuarantinedRecord]:
        """The records with their bytes, in the order given. The caller bounds the sum of `size`."""
        if not entries:
            return []
        frame = self._engine.frame(_RAW, ids=[entry.quarantine_id for entry in entries])
        raw = {name: base64.b64decode(text) for name, text in frame.iter_rows()}
        return [QuarantinedRecord(entry=entry, raw=raw[entry.quarantine_id]) for entry in entries]

    def settle(self, outcomes: Sequence[tuple[str, Receipt]]) -> None:
        """Write down that records are in the ledger now: (quarantine id, receipt of the first event). Durable when it returns."""
        if not outcomes:
            return
        frame = pl.DataFrame(
            {
                "id": [record_id for record_id, _ in outcomes],
                "at": pl.Series([self._clock()] * len(outcomes), dtype=pl.Datetime("us", "UTC")),
                "status": [receipt.status.value for _, receipt in outcomes],
                "writer": [receipt.writer or "" for _, receipt in outcomes],
                "seq": pl.Series([-1 if receipt.seq is None else receipt.seq for _, receipt in outcomes], dtype=pl.Int64),
            }
        )
        self._engine.insert("quarantine_outcomes", frame)

    def count_pending(self) -> int:
        """Distinct whole records that wait for a version that understands them."""
        return int(str(self._engine.rows(_COUNT_PENDING)[0][0]))

    def _entries(self, ids: Sequence[str]) -> list[Quarantined]:
        """The records with these ids, in this order."""
        if not ids:
            return []
        outcomes = {
            row["id"]: Outcome(
                at=row["at"],
                status=Status(row["status"]),
                writer=row["writer"] or None,
                seq=None if row["seq"] < 0 else row["seq"],
            )
            for row in self._engine.frame(_OUTCOMES, ids=list(ids)).iter_rows(named=True)
        }
        found = {
            row["id"]: Quarantined(
                quarantine_id=row["id"],
                source_system=row["source_system"],
                format=row["format"],
                reason=row["reason"],
                size=row["size"],
                whole=bool(row["whole"]),
                times=row["times"],
                first_received=row["first_received"],
                received=row["received"],
                outcome=outcomes.get(row["id"]),
            )
            for row in self._engine.frame(_TIMES, ids=list(ids)).iter_rows(named=True)
        }
        return [found[record_id] for record_id in ids if record_id in found]


def quarantine_id(record: Rejected) -> str:
    """128 bits of SHA-256 over source system, format and bytes, in hex."""
    digest = hashlib.sha256()
    for part in (record.source_system.encode("utf-8", "replace"), record.format.encode("utf-8", "replace"), record.raw):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:32]


def _storable(text: str) -> str:
    """Text without lone surrogates, which no column takes: the quarantine never refuses."""
    return text.encode("utf-8", "replace").decode()


def _cursor(text: str) -> tuple[datetime, str]:
    moment, separator, record_id = text.partition("~")
    try:
        received = datetime.fromisoformat(moment)
    except ValueError:
        separator = ""
        received = _START
    if not separator or received.tzinfo is None:
        raise InvalidInput("this is no cursor of the quarantine list: pass the one that came with the last page, unchanged")
    return received, record_id
