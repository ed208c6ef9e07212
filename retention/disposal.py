"""Disposal: a month that is due leaves the store, archived and proven, and the ledger says so for ever.

On the right: what a stop before the next step leaves, and what the next run does about it.

    (1)  decide: due, not held, every log sealed         nothing has happened
    (2)  write the archive                               a file without tombstone: written again, byte for byte
    (3)  read it back, compare with the signed seals     the same
    (4)  decide again: archiving takes long              the same
    (5)  tombstones, signed, one a writer                the rows are all there, a hold still keeps them; goes on from (2)
    (6)  detach the month                                the rows are on disk, out of the table: attached again, goes on from (1)
    (7)  decide again: a hold came in between            the same; a hold that is found attaches the month, and it stays
    (8)  `disposed` entry, signed: no way back           goes on with (9)
    (9)  delete what analytics derived from the entries  goes on with (9)
    (10) drop the detached parts                         finished
    (11) verify the whole ledger

A hold that is in force before (6) always wins. Keys of the events stay, so that an event sent again is still a repeat; the archive
stays until a person, not this program, deletes it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.clock import Clock
from domain.errors import Conflict, IntegrityError, InvalidInput
from domain.json import Json
from retention.archive import Archive
from retention.holds import active_holds
from retention.policy import ActiveHold, Decision, PlanItem, RetentionPolicy, plan
from retention.readback import ArchivedMonth
from store.fsck import Integrity, Verification
from store.retention import MonthLog, RetentionStore

CommitEntry = Callable[[str, Mapping[str, Json]], object]
"""Adds an entry of a kind to the spine; signed and durable when it returns (`Ledger.commit_entry`)."""

Verify = Callable[[], Verification]
"""The independent checker over the whole ledger."""


class Result(StrEnum):
    """DISPOSED: gone from the store, in the archive, proven. HELD: a hold came while the month was being archived; it stays."""

    DISPOSED = "disposed"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run did with one month. `archive` is the file's SHA-256 in hex."""

    epoch: int
    result: Result
    entries: int
    archive: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Who runs the disposal and who approved it: none, or two people who are not the same."""

    run_by: str
    approvers: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.run_by.strip():
            raise InvalidInput("a disposal needs the person who runs it")
        if self.approvers and (len(self.approvers) != 2 or len(set(self.approvers)) != 2):
            raise InvalidInput("a disposal has no approvers, or two different ones")


class Disposal:
    """Plans and runs disposals. One at a time: runtime's scheduler and the command take turns."""

    def __init__(
        self, store: RetentionStore, archive: Archive, policy: RetentionPolicy, clock: Clock, commit: CommitEntry, verify: Verify
    ) -> None:
        self._store = store
        self._archive = archive
        self._policy = policy
        self._clock = clock
        self._commit = commit
        self._verify = verify

    def plan(self) -> list[PlanItem]:
        """What is due and why, month by month. Changes nothing."""
        return self._decide(active_holds(self._store))

    def run(self, authority: Authority) -> list[Outcome]:
        """Dispose of every month that is due. Running again after a stop at any point completes what was begun.

        Raises IntegrityError where an archive, a seal or the ledger does not fit; what was not dropped by then is all there.
        """
        self.resume()
        outcomes = [self._dispose(item.epoch, authority) for item in self.plan() if item.decision is Decision.DUE]
        if any(outcome.result is Result.DISPOSED for outcome in outcomes):
            # (11)
            verdict = self._verify()
            if verdict.integrity is not Integrity.INTACT:
                what = verdict.problems[0].what if verdict.problems else "nothing is signed"
                raise IntegrityError(f"after the disposal the ledger does not verify: {what}")
        return outcomes

    def resume(self) -> None:
        """Clean up after a stop: before (8) the month is attached again, after it (9) and (10) are done."""
        disposed = self._store.disposed()
        buried = {tombstone.epoch for tombstone in self._store.tombstones()}
        for epoch in sorted(self._store.detached()):
            if epoch in disposed:
                self._finish(epoch)
            elif epoch in buried:
                self._store.attach(epoch)

    def _decide(self, holds: Sequence[ActiveHold]) -> list[PlanItem]:
        return plan(self._store.month_logs(), holds, self._clock(), self._policy)

    def _dispose(self, epoch: int, authority: Authority) -> Outcome:
        # (1) was the plan.
        logs = [log for log in self._store.month_logs() if log.epoch == epoch]
        # (2)
        written = self._archive.write(self._store, epoch, logs)
        # (3)
        month = self._archive.read_back(epoch)
        _compare(month, logs, written)
        self._archive.describe(month)
        # (4)
        holds = active_holds(self._store)
        item = next(item for item in self._decide(holds) if item.epoch == epoch)
        if item.decision is not Decision.DUE:
            return _outcome(item, month, Result.HELD)
        # (5)
        self._bury(month, authority)
        # (6)
        self._store.detach(epoch)
        # (7) A hold on a patient cannot be looked up in rows that are out of the table: any new hold brings them back.
        if {hold.hold_id for hold in self._store.holds() if hold.is_active} - {active.hold.hold_id for active in holds}:
            self._store.attach(epoch)
            return _outcome(
                item, month, Result.HELD, "a hold was placed while the month was being disposed of: decided anew next time"
            )
        # (8)
        self._commit("disposed", {"epoch": epoch, "logs": len(month.logs), "run_by": authority.run_by})
        # (9) and (10)
        self._finish(epoch)
        return _outcome(item, month, Result.DISPOSED)

    def _bury(self, month: ArchivedMonth, authority: Authority) -> None:
        """One tombstone for each log; one that says the same already is not repeated."""
        existing = {(tombstone.epoch, tombstone.writer): tombstone.archive_sha256 for tombstone in self._store.tombstones()}
        for log in month.logs:
            if existing.get((month.epoch, log.writer)) == month.sha256:
                continue
            fields: dict[str, Json] = {
                "epoch": month.epoch,
                "writer": log.writer,
                "origin": log.origin,
                "first_seq": log.first_seq,
                "last_seq": log.last_seq,
                "count": log.count,
                "first_leaf_prev": log.genesis,
                "last_leaf": log.last_leaf,
                "root": log.root,
                "archive_sha256": month.sha256,
                "policy": self._policy.words,
                "run_by": authority.run_by,
                "approvers": list(authority.approvers),
            }
            self._commit("tombstone", fields)

    def _finish(self, epoch: int) -> None:
        # (9)
        for tombstone in self._store.tombstones():
            if tombstone.epoch == epoch:
                self._store.delete_derived(tombstone)
        # (10)
        self._store.drop_detached(epoch)


def _compare(month: ArchivedMonth, logs: Sequence[MonthLog], written: str) -> None:
    """The archive against what the table holds and what the seals say. Raises IntegrityError at the first difference."""
    if month.sha256 != written:
        raise IntegrityError(f"the archive of month {month.epoch} is damaged: it does not read as written; nothing was dropped")
    for log in logs:
        archived = month.log(log.writer)
        if (archived.first_seq, archived.last_seq, archived.count) != (log.first_seq, log.last_seq, log.entries):
            raise IntegrityError(
                f"the archive of month {month.epoch} does not hold every entry of writer {log.writer}; nothing was dropped"
            )
        if log.sealed_root is None or archived.root != log.sealed_root.hex():
            raise IntegrityError(
                f"the entries of writer {log.writer} in month {month.epoch} are not those that were sealed; nothing was dropped. "
                "Run phitrail verify"
            )
    if len(logs) != len(month.logs):
        raise Conflict(f"the archive of month {month.epoch} holds logs that the table does not; nothing was dropped")


def _outcome(item: PlanItem, month: ArchivedMonth, result: Result, reason: str = "") -> Outcome:
    return Outcome(epoch=item.epoch, result=result, entries=item.entries, archive=month.sha256, reason=reason or item.reason)
