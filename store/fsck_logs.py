"""The register of logs against the spine: each follows the one before, is committed to, sealed once, gone only with a tombstone."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from store.engine import Engine
from store.fsck_entries import SHOWN, Log, Tail, jump, tail
from store.fsck_report import Problem
from store.fsck_spine import Record, Said, head, instant
from store.fsck_sql import DETACHED, ENDS, MONTHS, SEQUENCE_PROBLEMS, UNREGISTERED

_UNSEEN = timedelta(minutes=10)
"""How long a log may have entries before a `heads` entry names it: clocks of nodes differ, and a first insert may take long."""


@dataclass(frozen=True, slots=True)
class Place:
    """A registered log, its last row as stored, and what the spine says about it.

    `is_gone`: its rows left as they should. `is_open`: it is the newest of its writer, and not sealed.
    """

    log: Log
    tail: Tail
    seal: Said | None
    tombstone: Said | None
    is_gone: bool
    is_open: bool

    @property
    def size(self) -> int:
        """How many entries it has, going by its last one."""
        return self.tail.last + 1 - self.log.first

    @property
    def order(self) -> tuple[int, str]:
        """Its place among the logs: by month, then writer."""
        return self.log.epoch, self.log.writer


def places(engine: Engine, logs: Sequence[Log], record: Record, *, signed_size: int) -> Sequence[Place]:
    """What is known about each log, as it ends now. `signed_size` is the largest checkpoint that the spine has."""
    found = []
    newest = {log.writer: log.epoch for log in sorted(logs, key=lambda log: log.epoch)}
    detached = {int(str(name)) for (name,) in engine.rows(DETACHED) if str(name).isdigit()} if record.tombstones else set[int]()
    for log in logs:
        end, tombstone, seal = tail(engine, log), record.tombstones.get((log.writer, log.epoch)), record.seals.get(log.origin)
        is_gone = False
        if tombstone is not None and end.last < log.first:
            disposed = record.disposed.get(log.epoch)
            # Between tombstone and `disposed` entry a month may be out of the table, but it is still on disk.
            is_over = log.epoch in detached or (disposed is not None and tombstone.seq < disposed.seq < signed_size)
            is_gone = is_over and tombstone.seq < signed_size and seal is not None and _says(tombstone, seal)
        is_open = seal is None and newest[log.writer] == log.epoch
        found.append(Place(log, end, seal, tombstone, is_gone, is_open))
    return found


def check_succession(found: Sequence[Place], record: Record) -> Mapping[str, Sequence[Problem]]:
    """By origin: each log of a writer begins where the one before it ends."""
    ends, problems = dict[str, Tail](), dict[str, Sequence[Problem]]()
    for place in found:
        problems[place.log.origin] = list(_following(place, ends.get(place.log.writer), record))
        if place.is_gone and place.tombstone is not None:
            ends[place.log.writer] = Tail(place.tombstone.number("last_seq"), _bytes(place.tombstone.text("last_leaf")))
        else:
            ends[place.log.writer] = place.tail
    return problems


def check_end(place: Place, record: Record, *, signed_size: int) -> Iterator[Problem]:
    """A log against its seal and its tombstone."""
    if place.seal is not None and not place.is_gone:
        yield from _sealed(place, place.seal)
    if place.tombstone is not None:
        yield from _buried(place, place.tombstone, record, signed_size)


def check_commitments(found: Sequence[Place], record: Record) -> Iterator[Problem]:
    """Seals and disposals in themselves."""
    yield from _seals(record)
    yield from _disposals(found, record)


def check_known(engine: Engine, found: Sequence[Place], record: Record) -> Iterator[Problem]:
    """Every log that is committed to is registered; every registered log is committed to."""
    committed = record.heads().keys()
    for origin in sorted(committed - {place.log.origin for place in found}):
        yield Problem(log=origin, seq=None, what="the spine commits to this log, but it is not registered (removed)")
    for place in found:
        if place.log.origin not in committed and place.size > 0 and _is_late(engine, place, record):
            what = "the log has entries, but no spine entry commits to it (kept out of sight, or inserted)"
            yield Problem(log=place.log.origin, seq=place.log.first, what=what)


def check_counts(engine: Engine, found: Sequence[Place]) -> Iterator[Problem]:
    """As many rows a month as its logs have; where not, which numbers are wrong."""
    stored = {int(str(epoch)): int(str(count)) for epoch, count in engine.rows(MONTHS)}
    # What a writer appended since the ends were read is counted or not.
    sizes = {place.log.origin: (place.size, _size_now(engine, place)) for place in found}
    is_odd = False
    for epoch in sorted(stored.keys() | {place.log.epoch for place in found}):
        mine = [place for place in found if place.log.epoch == epoch]
        least, most = (sum(sizes[place.log.origin][end] for place in mine) for end in (0, 1))
        if not least <= stored.get(epoch, 0) <= most:
            is_odd = True
            for place in mine:
                yield from sequence(engine, place.log)
    if is_odd:
        yield from unregistered(engine)


def _size_now(engine: Engine, place: Place) -> int:
    return place.size if place.seal is not None else tail(engine, place.log).last + 1 - place.log.first


def sequence(engine: Engine, log: Log) -> Iterator[Problem]:
    """Numbers of a whole log that are left out, or stand twice."""
    for number, before in engine.rows(SEQUENCE_PROBLEMS, first=log.first, **log.place)[:SHOWN]:
        yield jump(log.origin, int(str(number)), int(str(before)))


def unregistered(engine: Engine) -> Iterator[Problem]:
    """Rows that belong to no log."""
    for writer, epoch, first in engine.rows(UNREGISTERED):
        what = f"entries of month {epoch} belong to no registered log (inserted, or moved from another month)"
        yield Problem(log=str(writer), seq=int(str(first)), what=what)


def check_ends(engine: Engine, place: Place) -> Iterator[Problem]:
    """The moments that a seal states, against the first and last row."""
    seal, log = place.seal, place.log
    if seal is None or place.is_gone or place.size < 1:
        return
    rows = engine.rows(ENDS, first=log.first, last=seal.number("last_seq"), **log.place)
    if [_utc(value) for value in rows[0]] != [instant(seal.text("first_received")), instant(seal.text("last_received"))]:
        yield Problem(
            log=log.origin, seq=log.first, what="the first or last entry was received at another moment than the seal says"
        )


def _seals(record: Record) -> Iterator[Problem]:
    """The chain of seals, and each seal in itself."""
    previous: Said | None = None
    origins = set[str]()
    for count, seal in enumerate(record.of("seal")):
        origin = seal.text("origin")
        if (seal.number("seals"), seal.fields.get("previous_seal")) != (count, previous.seq if previous else None):
            yield _at(record, seal, "the seal does not follow the seal before it (one was hidden, or added)")
        if [head(line) for line in seal.lines] != [(origin, seal.number("size"), seal.text("root"))]:
            yield _at(record, seal, "the head of the seal is not what its fields say")
        if origin != _origin(record, *seal.log) or seal.number("last_seq") + 1 - seal.number("first_seq") != seal.number("size"):
            yield _at(record, seal, "the fields of the seal contradict each other")
        if origin in origins:
            yield _at(record, seal, f"{origin} is sealed a second time")
        origins.add(origin)
        previous = seal
    if record.newest is not None:
        before = [seal.seq for seal in record.of("seal") if seal.seq < record.newest.seq]
        stated = record.newest.number("seals"), record.newest.fields.get("last_seal")
        if stated != (len(before), before[-1] if before else None):
            yield _at(record, record.newest, "the entry counts other seals than there are before it (one was hidden, or added)")


def _following(place: Place, before: Tail | None, record: Record) -> Iterator[Problem]:
    log, expected = place.log, before.last + 1 if before else 0
    if hashlib.sha256(log.origin.encode() + (before.leaf if before else b"")).digest() != log.previous:
        yield Problem(log=log.origin, seq=log.first, what="the log does not follow the writer's log before it")
    if log.first != expected:
        what = "the log does not begin where the writer's log before it ends"
        yield Problem(log=log.origin, seq=min(log.first, expected), what=what)
    if log.origin != _origin(record, log.writer, log.epoch):
        what = "the log is registered under another name than its writer and month give"
        yield Problem(log=log.origin, seq=log.first, what=what)


def _sealed(place: Place, seal: Said) -> Iterator[Problem]:
    log, last = place.log, seal.number("last_seq")
    if (*seal.log, seal.number("first_seq")) != (log.writer, log.epoch, log.first):
        yield Problem(log=log.origin, seq=log.first, what="the seal is of another log than the registered one")
    elif place.tail.last > last:
        what = f"the log was sealed after entry {last}, and has entries behind it (inserted)"
        yield Problem(log=log.origin, seq=last + 1, what=what)
    elif place.tail.last == last and place.tail.leaf.hex() != seal.text("last_leaf"):
        yield Problem(log=log.origin, seq=max(last, log.first), what="the last entry is not the one that was sealed")


def _says(tombstone: Said, seal: Said) -> bool:
    """Whether a tombstone says of its log what the seal says."""
    names = ("origin", "writer", "epoch", "first_seq", "last_seq", "root", "last_leaf")
    return all(tombstone.fields.get(name) == seal.fields.get(name) for name in names) and (
        tombstone.fields.get("count") == seal.fields.get("size")
    )


def _buried(place: Place, tombstone: Said, record: Record, signed_size: int) -> Iterator[Problem]:
    log, seal = place.log, place.seal
    if seal is None:
        yield _at(record, tombstone, f"{log.origin} has a tombstone, but was never sealed")
    elif not _says(tombstone, seal):
        yield _at(record, tombstone, f"the tombstone of {log.origin} does not say what its seal says")
    if tombstone.text("first_leaf_prev") != log.previous.hex():
        yield _at(record, tombstone, f"the tombstone of {log.origin} begins after another entry than the log")
    disposed = record.disposed.get(log.epoch)
    if place.tail.last >= log.first:
        if disposed is not None and disposed.seq > tombstone.seq:
            yield Problem(log=log.origin, seq=log.first, what="the log was disposed of, but rows of it are back")
    elif tombstone.seq >= signed_size:
        yield Problem(log=log.origin, seq=log.first, what="the log is gone, and no signed checkpoint covers its tombstone")
    elif not place.is_gone and (disposed is None or disposed.seq < tombstone.seq):
        what = "the log has a tombstone, but the spine does not say that it was disposed of, and it is gone"
        yield Problem(log=log.origin, seq=log.first, what=what)


def _disposals(found: Sequence[Place], record: Record) -> Iterator[Problem]:
    """A month that the spine says is gone has a tombstone, before that, for each log that had entries."""
    for epoch, said in sorted(record.disposed.items()):
        buried = [tombstone for (_, of), tombstone in record.tombstones.items() if of == epoch and tombstone.seq < said.seq]
        had = {place.log.origin for place in found if place.log.epoch == epoch and not _was_empty(place)}
        for origin in sorted(had - {tombstone.text("origin") for tombstone in buried}):
            yield _at(record, said, f"month {epoch} is said to be disposed of, but {origin} has no tombstone before it")
        if not buried or said.number("logs") != len(buried):
            yield _at(
                record,
                said,
                f"month {epoch} is said to be disposed of with {said.number('logs')} logs, and {len(buried)} have tombstones",
            )


def _was_empty(place: Place) -> bool:
    return place.size < 1 and place.tombstone is None and (place.seal is None or place.seal.number("size") == 0)


def _is_late(engine: Engine, place: Place, record: Record) -> bool:
    """Whether the log had its first entry long before the newest `heads` entry, which does not name it."""
    newest = instant(record.newest.time) if record.newest is not None else None
    if newest is None:
        return False
    first = place.log.first
    (received, _), *_ = engine.rows(ENDS, first=first, last=first, **place.log.place)
    return (moment := _utc(received)) is not None and moment < newest - _UNSEEN


def _origin(record: Record, writer: str, epoch: int) -> str:
    deployment = record.origin.rsplit("/", 1)[0]
    return f"{deployment}/{writer}/{epoch // 100:04d}-{epoch % 100:02d}"


def _at(record: Record, said: Said, what: str) -> Problem:
    return Problem(log=record.origin, seq=said.seq, what=f"spine: {what}")


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _utc(value: object) -> datetime | None:
    """A moment of a result row, which is in UTC without saying so."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else None
