"""Redaction: the private part of single entries leaves for good; header, leaf and every proof stay, and the ledger says so.

On the right: what a stop before the next step leaves, and what `resume`, which also begins the next run, does about it.

    (1)  decide: there, covered by a checkpoint, not held,    nothing has happened
         not redacted, as it was chained, no copy left over
    (2)  what is kept of the entries: rows of `redactions`    rows that the spine knows nothing of: removed
    (3)  decide about holds and presence again                the same; a hold that is found removes them
    (4)  `redact` entry, signed: no way back                  goes on with (5); signed first where it was not yet
    (5)  mark the rows with that entry                        goes on with (6)
    (6)  one mutation empties the private parts               goes on with (7); an unfinished mutation is asked for again
    (7)  delete what repeats them: derived rows, quarantine   goes on with (8)
    (8)  read back: emptied, and every leaf still verifies    goes on with (9)
    (9)  `redact` event in the ledger                         finished; an event that is sent again is a repeat

(5) to (9) are one procedure, for a run and after a stop. A hold that is in force before (4) always wins. Several logs are redacted
one after the other, (2) to (9) each. One redaction runs at a time in a deployment, in the process that holds the signing key.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from domain.entry import event_key
from domain.errors import Conflict, IntegrityError, InvalidInput, NotFound
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.index_tree import Dimension
from domain.json import Json
from retention.holds import active_holds
from store.redaction import Batch, RedactEntry, RedactionStore, StoredEntry
from store.retention import HoldScope, RetentionStore

CommitEntry = Callable[[str, Mapping[str, Json]], object]
"""Adds an entry of a kind to the spine; signed and durable when it returns (`Keeper.commit`)."""

Checkpoint = Callable[[], object]
"""Signs whatever is in the spine (`Keeper.checkpoint`)."""

Record = Callable[[AuditEvent], object]
"""Stores an event in the ledger; durable when it returns."""

MOST = 10_000
"""Entries of one request: a mutation holds the digest of each in its text."""

SOURCE_SYSTEM = "phitrail"

_DIMENSIONS = {HoldScope.PATIENT: Dimension.PATIENT, HoldScope.ACTOR: Dimension.ACTOR}


class RedactionReason(StrEnum):
    """Why a private part is removed. The spine holds no free text, so this is the whole answer there."""

    COURT_ORDER = "court_order"
    INDIVIDUAL_REQUEST = "individual_request"
    WRONG_RECORD = "wrong_record"
    NOT_NEEDED = "not_needed"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionAuthority:
    """Who runs a redaction, and the two different people who approved it. Their names stand in the spine: no more than names."""

    run_by: str
    approvers: Sequence[str]

    def __post_init__(self) -> None:
        names = [" ".join(name.split()) for name in (self.run_by, *self.approvers)]
        if not all(names) or any(len(name) > 128 or not name.isprintable() for name in names):
            raise InvalidInput("a redaction needs the names of people, of at most 128 characters")
        if len(self.approvers) != 2 or names[1].casefold() == names[2].casefold():
            raise InvalidInput("a redaction needs two different people who approve it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """What was redacted in one log. `findings` and `alerts` rest on these entries and stay: they are the record of a review."""

    spine_seq: int
    writer: str
    epoch: int
    count: int
    findings: int
    alerts: int


class Redaction:
    """Removes private parts. Thread-safe within a process: one run at a time."""

    def __init__(
        self, store: RedactionStore, retention: RetentionStore, *, commit: CommitEntry, checkpoint: Checkpoint, record: Record
    ) -> None:
        self._store = store
        self._retention = retention
        self._commit = commit
        self._checkpoint = checkpoint
        self._record = record
        self._turn = threading.Lock()

    def run(self, entries: Sequence[tuple[str, int]], reason: RedactionReason, authority: RedactionAuthority) -> list[Redacted]:
        """Redact entries (writer, seq), at most `MOST`. Running again after a stop completes what was begun, and says so.

        Raises InvalidInput, NotFound (no such entry), Conflict (held, redacted before, not signed yet, or a copy would stay) before
        anything is done; IntegrityError where an entry is not what was chained, or did not read back as it should.
        """
        if not entries:
            raise InvalidInput("a redaction needs at least one entry")
        if len(entries) > MOST:
            raise InvalidInput(f"at most {MOST:,} entries are redacted at once: ask for them in parts")
        with self._turn:
            self._resume()
            return [self._redact(batch, reason, authority) for batch in self._decide(entries)]

    def resume(self) -> list[Redacted]:
        """Finish after a stop: what the spine commits to is completed, what it does not is as if it had never been asked for."""
        with self._turn:
            return self._resume()

    def plan(self, entries: Sequence[tuple[str, int]]) -> int:
        """Whether `run` would redact these entries now: how many, or its errors. Changes nothing."""
        return sum(len(batch.rows) for batch in self._decide(entries))

    def _resume(self) -> list[Redacted]:
        committed = {(entry.epoch, entry.writer, entry.root): entry for entry in self._store.committed()}
        waiting = set[int]()
        for batch in self._store.open_batches():
            if batch in committed:
                waiting.add(committed[batch].spine_seq)
            else:
                self._store.forget(*batch)
        waiting |= self._store.unfinished()
        recorded = self._store.recorded([_event_key(entry) for entry in committed.values()])
        due = [entry for entry in committed.values() if entry.spine_seq in waiting or _event_key(entry) not in recorded]
        if any(entry.spine_seq >= self._store.signed_size() for entry in due):
            # (4) was cut short between the entry and its signature.
            self._checkpoint()
        return [self._finish(entry) for entry in due]

    def _decide(self, entries: Sequence[tuple[str, int]]) -> list[Batch]:
        """(1)"""
        wanted = set(entries)
        found = list(self._store.entries(sorted(wanted)))
        for writer, seq in sorted(wanted - {entry.place for entry in found}):
            raise NotFound(
                f"there is no entry {seq} of writer {writer}: it was never stored, or its month is no longer in the store"
            )
        for entry in found:
            if entry.is_redacted:
                raise Conflict(f"{_named(entry)} was redacted before")
            if not entry.fits:
                raise IntegrityError(f"{_named(entry)} is not what was chained; nothing was redacted. Run phitrail verify")
        batches = [Batch(log, [entry.row for entry in group]) for log, group in groupby(found, key=lambda entry: entry.log)]
        for batch in batches:
            self._refuse_held(batch.record.epoch)
            end = batch.record.first_seq + self._store.covered(batch.record)
            for row in batch.rows:
                if row.seq >= end:
                    raise Conflict(
                        f"entry {row.seq} of writer {batch.record.writer} is stored, but no signed checkpoint covers it yet: "
                        "ask again in a few seconds"
                    )
        if copies := self._store.copies(found):
            raise Conflict(
                f"{_named(copies[0])} came in the same record as one of these and still has it ({len(copies)} such entries): "
                "redact them together, or the record stays"
            )
        if waiting := self._store.waiting(found):
            raise Conflict(
                f"the record of {_named(waiting[0])} waits in quarantine and would stay there: run phitrail quarantine replay first"
            )
        return batches

    def _redact(self, batch: Batch, reason: RedactionReason, authority: RedactionAuthority) -> Redacted:
        record, seqs = batch.record, batch.seqs
        # (2)
        self._store.add(batch)
        # (3) As with a disposal: what came in meanwhile is seen here, or comes after the point of no return.
        try:
            self._refuse_held(record.epoch)
            self._refuse_gone(batch)
        except Conflict:
            self._store.forget(record.epoch, record.writer, batch.root)
            raise
        # (4)
        fields: dict[str, Json] = {
            "origin": record.origin,
            "epoch": record.epoch,
            "writer": record.writer,
            "count": len(seqs),
            "first_seq": seqs[0],
            "last_seq": seqs[-1],
            "root": batch.root,
            "reason": reason.value,
            "run_by": authority.run_by,
            "approvers": list(authority.approvers),
        }
        self._commit("redact", fields)
        entry = next(one for one in reversed(self._store.committed()) if one.root == batch.root)
        return self._finish(entry)

    def _finish(self, entry: RedactEntry) -> Redacted:
        """(5) to (9), each of which may be done already. Raises IntegrityError where rows are not those that were signed."""
        # (5)
        self._store.mark(entry)
        rows = self._store.rows(entry)
        log = next(record for record in self._retention.registered(entry.epoch) if record.writer == entry.writer)
        if Batch(log, rows).root != entry.root or log.origin != entry.origin:
            raise IntegrityError(f"what is kept of the redaction in spine entry {entry.spine_seq} is not what was signed")
        # (6)
        self._store.erase(entry, rows)
        # (7)
        self._store.erase_repeats(entry)
        # (8)
        self._read_back(entry, Batch(log, rows))
        # (9)
        self._record(_event(entry))
        findings, alerts = self._store.citing(entry)
        return Redacted(
            spine_seq=entry.spine_seq,
            writer=entry.writer,
            epoch=entry.epoch,
            count=entry.count,
            findings=findings,
            alerts=alerts,
        )

    def _read_back(self, entry: RedactEntry, batch: Batch) -> None:
        if entry.epoch in self._retention.disposed():
            return
        digests = {row.seq: row.private_digest for row in batch.rows}
        seen = 0
        for stored in self._store.entries([(entry.writer, seq) for seq in digests]):
            if not (stored.is_redacted and stored.fits and stored.row.private_digest == digests[stored.row.seq]):
                raise IntegrityError(f"{_named(stored)} did not read back as it was redacted; run phitrail verify")
            seen += 1
        if seen != len(digests):
            raise IntegrityError(
                f"{len(digests) - seen} redacted entries of month {entry.epoch} are out of the table; finish the disposal first"
            )

    def _refuse_gone(self, batch: Batch) -> None:
        """A disposal that detached the month meanwhile would archive what is redacted here."""
        entries = self._store.entries([(batch.record.writer, seq) for seq in batch.seqs])
        if sum(not entry.is_redacted for entry in entries) != len(batch.rows):
            raise Conflict(f"entries of month {batch.record.epoch} left the store meanwhile; nothing was redacted")

    def _refuse_held(self, epoch: int) -> None:
        for active in active_holds(self._retention):
            hold, dimension = active.hold, _DIMENSIONS.get(active.hold.scope)
            if active.covers(epoch) or (dimension and epoch in self._store.months_of(dimension, hold.subject)):
                raise Conflict(f"hold {hold.hold_id} keeps month {epoch} as it is; nothing was redacted")


def _named(entry: StoredEntry) -> str:
    return f"entry {entry.row.seq} of writer {entry.log.writer}"


def _event(entry: RedactEntry) -> AuditEvent:
    """The redaction as an event: made of the spine entry alone, so that it is the same one whenever it is made."""
    return AuditEvent(
        source_system=SOURCE_SYSTEM,
        event_id=f"redact:{entry.root}",
        time=entry.time,
        source=Source.ACCESS,
        action="redact",
        actor=Actor(id=entry.run_by, kind=ActorKind.STAFF),
        outcome="success",
        details={"count": entry.count, "reason": entry.reason, "spine_seq": entry.spine_seq, "origin": entry.origin},
    )


def _event_key(entry: RedactEntry) -> bytes:
    return event_key(SOURCE_SYSTEM, f"redact:{entry.root}")
