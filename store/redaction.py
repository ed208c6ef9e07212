"""What redaction asks of the store and does to it: entries as they stand, what is kept of them, and whatever else repeats them.

`redactions` keeps what an entry is hashed with and filed under once its private part is gone (docs/log-format.md section 10). What
else repeats a private part, what of it leaves and what stays, is told in docs/redaction.md. No statement here has private data in
its text, because ClickHouse keeps the text of mutations.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
import polars as pl

from domain.clock import parse_rfc3339
from domain.entry import body_bytes, chain, private_digest, salt
from domain.event import PERSONAL_KINDS
from domain.index_tree import Dimension, index_key, tag
from domain.merkle import leaf_hash, root
from domain.record import Rejected
from store.engine import Engine
from store.keys import find_keys
from store.logs import LogRecord, registered_logs
from store.quarantine import quarantine_id

_AT_ONCE = 1_000

_PLACES = "(writer, seq) IN (SELECT arrayJoin(arrayZip({writers:Array(String)}, {seqs:Array(UInt64)})))"

_ENTRIES = f"""
SELECT epoch, writer, seq, leaf, header, private, private_digest, actor_id, patient_id, ip, source_system, format FROM events
WHERE {_PLACES} ORDER BY writer, seq
"""

_LEAVES = f"SELECT writer, seq, leaf FROM events WHERE {_PLACES}"

# The second half of `content` is of the record as received (domain/entry.py).
_COPIES = """
SELECT DISTINCT writer, seq FROM event_keys
WHERE substring(content, 9) IN (SELECT unhex(arrayJoin({records:Array(String)}))) ORDER BY writer, seq
"""

_WAITING = """
SELECT DISTINCT id FROM quarantine WHERE id IN {ids:Array(String)} AND whole AND id NOT IN (SELECT id FROM quarantine_outcomes)
"""

_COVERED = """
SELECT arrayFirst(one -> startsWith(one, {origin:String}), splitByChar('\\n', heads)) AS line FROM spine
WHERE seq < (SELECT max(size) FROM checkpoints) AND position(heads, {origin:String}) > 0 AND line != '' ORDER BY seq DESC LIMIT 1
"""

_SIGNED = "SELECT max(size) FROM checkpoints"

_COMMITTED = "SELECT seq, body FROM spine WHERE kind = 'redact' ORDER BY seq"

_BATCH = "epoch = {epoch:UInt32} AND writer = {writer:String} AND root = {root:String}"

_OPEN = "SELECT DISTINCT epoch, toString(writer), root FROM redactions WHERE spine_seq < 0"

_ROWS = f"SELECT seq, private_digest, patient_tag, actor_tag FROM redactions WHERE {_BATCH} ORDER BY seq"

_OF_MONTH = """
SELECT toString(writer) AS writer, seq, patient_tag, actor_tag, spine_seq FROM redactions WHERE epoch = {epoch:UInt32}
ORDER BY writer, seq
"""

_FORGET = f"ALTER TABLE redactions DELETE WHERE {_BATCH} AND spine_seq < 0"

_MARK = f"ALTER TABLE redactions UPDATE spine_seq = {{spine_seq:Int64}} WHERE {_BATCH} AND spine_seq < 0"

_WHOLE = """
SELECT count() FROM events
WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND seq IN {seqs:Array(UInt64)} AND private_digest = ''
"""

_PERSONAL = ", ".join(f"'{kind}'" for kind in sorted(PERSONAL_KINDS))

# The digests are literals: a mutation that had to look them up might find none, and would empty the private part all the same.
_EMPTIED = f"""
    private_digest = transform(seq, {{seqs:Array(UInt64)}}, {{digests:Array(String)}}, private_digest),
    private = '', patient_id = '', ip = '',
    actor_id = if(actor_kind IN ({_PERSONAL}), '', actor_id)
"""

_IN_BATCH = f"(writer, seq) IN (SELECT writer, seq FROM redactions WHERE {_BATCH})"

# A score is of an actor, a patient and a local day, which lies within a day of the one in UTC.
_SCORED = f"""
(actor_id, object_id, day) IN
(
    SELECT actor_id, patient_id, local_day FROM access_facts WHERE {_IN_BATCH} AND patient_id != ''
    UNION ALL
    SELECT actor_id, patient_id, arrayJoin([toDate(time) - 1, toDate(time), toDate(time) + 1]) FROM delivery_facts
    WHERE {_IN_BATCH} AND patient_id != ''
)
"""

_UNDERSTOOD_LATER = (
    f"SELECT id FROM quarantine_outcomes WHERE seq >= 0 AND {_IN_BATCH.replace('(writer, seq)', '(writer, toUInt64(seq))')}"
)

# In this order: what is found by other rows leaves before those.
_REPEATED: Mapping[str, str] = {
    "scores": _SCORED,
    "score_features": _SCORED,
    "late_reasons": _IN_BATCH,
    "access_facts": _IN_BATCH,
    "delivery_facts": _IN_BATCH,
    "quarantine": f"id IN ({_UNDERSTOOD_LATER})",
    "quarantine_outcomes": f"id IN ({_UNDERSTOOD_LATER})",
}

# A mutation writes a part anew and leaves the old one, out of use, to be removed by the engine in its own time.
_OLD_COPIES = """
SELECT table, name FROM system.parts WHERE database = currentDatabase() AND table IN {tables:Array(String)} AND NOT active
"""

_GONE = "(writer, seq) IN (SELECT writer, seq FROM redactions WHERE spine_seq >= 0)"

# What came back, or never left. Analytics may look at a redacted entry again; what it then writes has no private data in it.
_UNFINISHED = f"""
SELECT DISTINCT spine_seq FROM redactions WHERE spine_seq >= 0 AND (writer, seq) IN
(
    SELECT toString(writer), seq FROM events WHERE {_GONE} AND private_digest = ''
    UNION ALL SELECT toString(writer), seq FROM late_reasons WHERE {_GONE}
    UNION ALL SELECT toString(writer), seq FROM access_facts
        WHERE {_GONE} AND (patient_id != '' OR ip != '' OR (actor_id != '' AND actor_kind IN ({_PERSONAL})))
    UNION ALL SELECT toString(writer), seq FROM delivery_facts WHERE {_GONE} AND (patient_id != '' OR to_domain != '')
    UNION ALL SELECT toString(writer), toUInt64(seq) AS seq FROM quarantine_outcomes WHERE seq >= 0 AND {_GONE}
)
"""


_LOGS = "SELECT DISTINCT toString(writer), epoch FROM redactions"


def _citing(table: str, key: str, writers: str, seqs: str) -> str:
    """How many rows of a table, by key, rest on entries of a batch."""
    return f"""
        SELECT uniqExact(key) FROM
            (SELECT {key} AS key, arrayJoin(arrayZip({writers}, {seqs})) AS place FROM {table})
        WHERE place IN (SELECT toString(writer), seq FROM redactions WHERE {_BATCH})"""


_CITING = (
    _citing("findings", "finding_id", "evidence_writers", "evidence_seqs"),
    _citing("alerts", "alert_id", "evidence_writer", "evidence_seq"),
)


@dataclass(frozen=True, slots=True)
class RedactedRow:
    """What is kept of one entry: its number, the digest of its private part, and its tags, in hex ('' for a tree it is not in)."""

    seq: int
    private_digest: str
    patient_tag: str
    actor_tag: str

    @property
    def text(self) -> str:
        """The form in which a `redact` entry commits to it."""
        return f"{self.seq} {self.private_digest} {self.patient_tag} {self.actor_tag}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of one log that are redacted together, in order of seq."""

    record: LogRecord
    rows: Sequence[RedactedRow]

    @property
    def root(self) -> str:
        """The RFC 6962 root over the rows, in hex: the name of the batch."""
        return root([leaf_hash(row.text.encode()) for row in self.rows]).hex()

    @property
    def seqs(self) -> list[int]:
        """The numbers of the entries."""
        return [row.seq for row in self.rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactEntry:
    """A `redact` entry of the spine."""

    spine_seq: int
    time: datetime
    origin: str
    epoch: int
    writer: str
    count: int
    root: str
    reason: str
    run_by: str
    approvers: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """An entry as it stands. `fits`: its bytes are those that were chained, and the private columns say the same.

    `row` is what is kept of it; `record_digest` is SHA-256 of the record as received (empty where there is none); `quarantine_id`
    is the name that record has, or would have, in quarantine.
    """

    log: LogRecord
    row: RedactedRow
    fits: bool
    is_redacted: bool
    record_digest: bytes
    quarantine_id: str

    @property
    def place(self) -> tuple[str, int]:
        """Writer and seq."""
        return self.log.writer, self.row.seq


class RedactionStore:
    """Reads entries and takes private parts away. That one redaction runs at a time is the caller's business."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def entries(self, places: Sequence[tuple[str, int]]) -> Iterator[StoredEntry]:
        """The entries at these places (writer, seq), by writer and seq; places without entry, or of no log, are left out."""
        logs = {(record.writer, record.epoch): record for record in registered_logs(self._engine)}
        ordered = sorted(set(places))
        for start in range(0, len(ordered), _AT_ONCE):
            some = ordered[start : start + _AT_ONCE]
            neighbours = self._engine.frame(_LEAVES, **_at([(writer, seq - 1) for writer, seq in some if seq]))
            leaves = {(writer, seq): leaf for writer, seq, leaf in neighbours.iter_rows()}
            for row in self._engine.frame(_ENTRIES, **_at(some)).iter_rows(named=True):
                log = logs.get((row["writer"], row["epoch"]))
                if log is not None:
                    before = log.previous if row["seq"] == log.first_seq else leaves.get((row["writer"], row["seq"] - 1), b"")
                    yield _stored(log, row, row["leaf"], before)

    def copies(self, entries: Sequence[StoredEntry]) -> list[StoredEntry]:
        """Other entries that hold the same record as one of these, and still have it: one record can be several events."""
        digests = {entry.record_digest for entry in entries} - {b""}
        places = {entry.place for entry in entries}
        if not digests:
            return []
        rows = self._engine.rows(_COPIES, records=[digest[:8].hex() for digest in digests])
        others = [(str(writer), int(str(seq))) for writer, seq in rows if (writer, seq) not in places]
        return [entry for entry in self.entries(others) if not entry.is_redacted and entry.record_digest in digests]

    def waiting(self, entries: Sequence[StoredEntry]) -> list[StoredEntry]:
        """Those of the entries whose record lies in quarantine too, and was not understood there yet."""
        found = {str(name) for (name,) in self._engine.rows(_WAITING, ids=[entry.quarantine_id for entry in entries])}
        return [entry for entry in entries if entry.quarantine_id in found]

    def covered(self, record: LogRecord) -> int:
        """How many entries of a log are under the newest signed checkpoint."""
        rows = self._engine.rows(_COVERED, origin=f"{record.origin} ")
        return int(str(rows[0][0]).split(" ")[1]) if rows else 0

    def signed_size(self) -> int:
        """The size of the newest signed checkpoint of the spine."""
        return int(str(self._engine.rows(_SIGNED)[0][0]))

    def add(self, batch: Batch) -> None:
        """Keep the rows of a batch that the spine knows nothing of yet. Durable when it returns."""
        count = len(batch.rows)
        columns = {name: [getattr(row, name) for row in batch.rows] for name in ("private_digest", "patient_tag", "actor_tag")}
        frame = pl.DataFrame(
            {
                "epoch": pl.Series([batch.record.epoch] * count, dtype=pl.UInt32),
                "writer": [batch.record.writer] * count,
                "seq": pl.Series(batch.seqs, dtype=pl.UInt64),
                **columns,
                "root": [batch.root] * count,
                "spine_seq": pl.Series([-1] * count, dtype=pl.Int64),
            }
        )
        # Neither token nor window: an abandoned batch may be asked for again, and its rows must not be taken for a repeat.
        self._engine.insert("redactions", frame)

    def open_batches(self) -> list[tuple[int, str, str]]:
        """Batches (epoch, writer, root) that are not marked with their spine entry."""
        return [(int(str(epoch)), str(writer), str(name)) for epoch, writer, name in self._engine.rows(_OPEN)]

    def forget(self, epoch: int, writer: str, name: str) -> None:
        """Remove the rows of a batch, by its root, that the spine does not commit to."""
        self._engine.execute(_FORGET, epoch=epoch, writer=writer, root=name)

    def committed(self) -> list[RedactEntry]:
        """The `redact` entries of the spine, oldest first."""
        return [_entry(int(str(seq)), orjson.loads(str(body))) for seq, body in self._engine.rows(_COMMITTED)]

    def rows(self, entry: RedactEntry) -> list[RedactedRow]:
        """The rows that a `redact` entry commits to."""
        return [RedactedRow(*row) for row in self._engine.frame(_ROWS, **_batch(entry)).iter_rows()]

    def of_month(self, epoch: int) -> pl.DataFrame:
        """What is kept of the redacted entries of a month: writer, seq, patient_tag, actor_tag, spine_seq (-1: not marked)."""
        return self._engine.frame(_OF_MONTH, epoch=epoch)

    def months_of(self, dimension: Dimension, subject: str) -> frozenset[int]:
        """The months with redacted entries of a patient or an actor: they are theirs still, and only their tags say so."""
        column = {Dimension.PATIENT: "patient_tag", Dimension.ACTOR: "actor_tag"}[dimension]
        places = {(str(writer), int(str(epoch))) for writer, epoch in self._engine.rows(_LOGS)}
        logs = [record for record in registered_logs(self._engine) if (record.writer, record.epoch) in places]
        tags = [tag(index_key(record.secret, dimension), subject).hex() for record in logs]
        rows = self._engine.rows(f"SELECT DISTINCT epoch FROM redactions WHERE {column} IN {{tags:Array(String)}}", tags=tags)
        return frozenset(int(str(epoch)) for (epoch,) in rows)

    def unfinished(self) -> frozenset[int]:
        """The spine seqs of marked batches of which something private is still, or again, in the store."""
        return frozenset(int(str(seq)) for (seq,) in self._engine.rows(_UNFINISHED))

    def is_settled(self, epoch: int) -> bool:
        """Whether every redaction in a month is done, or was never committed to and left no rows."""
        numbers = set(self.of_month(epoch)["spine_seq"].to_list())
        return -1 not in numbers and not numbers & self.unfinished()

    def recorded(self, keys: Sequence[bytes]) -> frozenset[bytes]:
        """Those of the event keys that are in the ledger."""
        return frozenset(find_keys(self._engine, keys)) if keys else frozenset()

    def mark(self, entry: RedactEntry) -> None:
        """Write down which spine entry a batch belongs to."""
        if (entry.epoch, entry.writer, entry.root) in self.open_batches():
            self._engine.execute(_MARK, spine_seq=entry.spine_seq, **_batch(entry))

    def erase(self, entry: RedactEntry, rows: Sequence[RedactedRow]) -> None:
        """Empty the private parts of a batch, in one mutation; what is empty stays as it is. Durable when it returns."""
        place = {"epoch": entry.epoch, "writer": entry.writer, "seqs": [row.seq for row in rows]}
        if self._engine.rows(_WHOLE, **place)[0][0]:
            where = "writer = {writer:String} AND seq IN {seqs:Array(UInt64)} AND private_digest = ''"
            statement = f"ALTER TABLE events UPDATE {_EMPTIED} IN PARTITION {entry.epoch:06d} WHERE {where}"
            self._engine.execute(statement, digests=[row.private_digest for row in rows], **place)

    def erase_repeats(self, entry: RedactEntry) -> int:
        """Delete what analytics derived from a batch, and its records in quarantine. Returns how many rows there were."""
        deleted = 0
        for table, where in _REPEATED.items():
            found = int(str(self._engine.rows(f"SELECT count() FROM {table} WHERE {where}", **_batch(entry))[0][0]))
            if found:
                self._engine.execute(f"ALTER TABLE {table} DELETE WHERE {where}", **_batch(entry))
            deleted += found
        return deleted

    def old_copies(self) -> frozenset[tuple[str, str]]:
        """Parts (table, name) of the tables that are redacted which are out of use, and still on disk."""
        rows = self._engine.rows(_OLD_COPIES, tables=["events", *_REPEATED])
        return frozenset((str(table), str(name)) for table, name in rows)

    def citing(self, entry: RedactEntry) -> tuple[int, int]:
        """How many findings and alerts rest on entries of a batch: they are the record of a review, and stay."""
        findings, alerts = (int(str(self._engine.rows(question, **_batch(entry))[0][0])) for question in _CITING)
        return findings, alerts


def _at(places: Sequence[tuple[str, int]]) -> Mapping[str, object]:
    return {"writers": [writer for writer, _ in places], "seqs": [seq for _, seq in places]}


def _batch(entry: RedactEntry) -> Mapping[str, object]:
    return {"epoch": entry.epoch, "writer": entry.writer, "root": entry.root}


def _entry(spine_seq: int, body: Mapping[str, object]) -> RedactEntry:
    fields = body["fields"]
    assert isinstance(fields, dict)
    return RedactEntry(
        spine_seq=spine_seq,
        time=parse_rfc3339(str(body["time"])),
        origin=str(fields["origin"]),
        epoch=int(fields["epoch"]),
        writer=str(fields["writer"]),
        count=int(fields["count"]),
        root=str(fields["root"]),
        reason=str(fields["reason"]),
        run_by=str(fields["run_by"]),
        approvers=[str(name) for name in fields["approvers"]],
    )


def _stored(log: LogRecord, row: Mapping[str, str], leaf: bytes, previous: bytes) -> StoredEntry:
    """One row of `events`, with everything recomputed from its bytes."""
    seq, private, digest = int(row["seq"]), row["private"].encode(), row["private_digest"]
    is_redacted = bool(digest)
    fits, raw = _reads(row)
    if not is_redacted:
        digest = private_digest(private, salt(log.secret, log.writer, seq)).hex()
    if fits:
        fits = chain(previous, body_bytes(row["header"].encode(), bytes.fromhex(digest))) == leaf
    tags = [
        tag(index_key(log.secret, dimension), row[column]).hex() if row[column] else ""
        for dimension, column in ((Dimension.PATIENT, "patient_id"), (Dimension.ACTOR, "actor_id"))
    ]
    record = Rejected(source_system=row["source_system"], format=row["format"], reason="", raw=raw)
    return StoredEntry(
        log=log,
        row=RedactedRow(seq, digest, *tags),
        fits=fits,
        is_redacted=is_redacted,
        record_digest=hashlib.sha256(raw).digest() if raw else b"",
        quarantine_id=quarantine_id(record),
    )


def _reads(row: Mapping[str, str]) -> tuple[bool, bytes]:
    """Whether the private columns say what header and private part say, and the record as received."""
    try:
        digest, header = bytes.fromhex(row["private_digest"]), orjson.loads(row["header"])
        private = {} if digest else orjson.loads(row["private"])
        said = (
            header["actor"].get("id") or private.get("actor_id") or "",
            private.get("patient_id") or "",
            private.get("ip") or "",
        )
        raw = base64.b64decode(private["raw_base64"]) if "raw_base64" in private else str(private.get("raw") or "").encode()
    except (ValueError, KeyError, TypeError, AttributeError):
        return False, b""
    is_emptied = not row["private"] if digest else True
    return is_emptied and said == (row["actor_id"], row["patient_id"], row["ip"]), raw
