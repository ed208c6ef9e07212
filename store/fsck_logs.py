"""The register of logs against the spine: each follows the one before, is committed to, sealed once, and gone only with a
tombstone."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from store.engine import Engine
from store.fsck_entries import SHOWN, Log, Tail, jump, tail
from store.fsck_report import Problem
from store.fsck_spine import Record, Said, head, instant
from store.fsck_sql import ENDS, MONTHS, SEQUENCE_PROBLEMS, UNREGISTERED

_UNSEEN = timedelta(minutes=10)
"""How long a log may have entries before a `heads` entry names it: the clocks of nodes differ, and a first insert may take its
time."""


@dataclass(frozen=True, slots=True)
class Place:
    """A registered log, its last row as stored, and what the spine says about it. `is_gone`: disposed of, with a tombstone."""

    log: Log
    tail: Tail
    seal: Said | None
    tombstone: Said | None

    @property
    def is_gone(self) -> bool:
        return self.tombstone is not None and self.tail.last < self.log.first

    @property
    def size(self) -> int:
        """How many entries it has, going by its last one."""
        return self.tail.last + 1 - self.log.first


def places(engine: Engine, logs: Sequence[Log], record: Record) -> Sequence[Place]:
    """What is known about each log, as it ends now."""
    return [
        Place(log, tail(engine, log), record.seals.get(log.origin), record.tombstones.get((log.writer, log.epoch))) for log in logs
    ]


def check_structure(engine: Engine, found: Sequence[Place], record: Record, *, signed_size: int) -> Iterator[Problem]:
    """Everything that is known without reading entries. `signed_size` is the largest checkpoint that fits."""
    yield from _seals(record)
    yield from _register(found, record, signed_size)
    yield from _disposals(found, record)
    registered = {place.log.origin for place in found}
    for origin in sorted(record.heads().keys() - registered):
        yield Problem(log=origin, seq=None, what="the spine commits to this log, but it is not registered (removed)")
    committed = record.heads().keys()
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


def _register(found: Sequence[Place], record: Record, signed_size: int) -> Iterator[Problem]:
    """Each log of a writer after the one before it, and against its seal and tombstone."""
    ends = dict[str, Tail]()
    for place in sorted(found, key=lambda place: (place.log.writer, place.log.epoch)):
        log, seal, tombstone = place.log, place.seal, place.tombstone
        before = ends.get(log.writer)
        if hashlib.sha256(log.origin.encode() + (before.leaf if before else b"")).digest() != log.previous:
            yield Problem(log=log.origin, seq=log.first, what="the log does not follow the writer's log before it")
        elif log.first != (before.last + 1 if before else 0):
            yield Problem(log=log.origin, seq=log.first, what="the log does not begin where the writer's log before it ends")
        if log.origin != _origin(record, log.writer, log.epoch):
            yield Problem(
                log=log.origin, seq=log.first, what="the log is registered under another name than its writer and month give"
            )
        ends[log.writer] = place.tail
        if seal is not None:
            yield from _sealed(place, seal)
        if tombstone is not None:
            yield from _buried(place, tombstone, record, signed_size)
            if place.is_gone:
                ends[log.writer] = Tail(tombstone.number("last_seq"), _bytes(tombstone.text("last_leaf")))


def _sealed(place: Place, seal: Said) -> Iterator[Problem]:
    log, last = place.log, seal.number("last_seq")
    if (*seal.log, seal.number("first_seq")) != (log.writer, log.epoch, log.first):
        yield Problem(log=log.origin, seq=log.first, what="the seal is of another log than the registered one")
    elif place.tail.last > last:
        what = f"the log was sealed after entry {last}, and has entries behind it (inserted)"
        yield Problem(log=log.origin, seq=last + 1, what=what)
    elif place.tail.last == last and place.tail.leaf.hex() != seal.text("last_leaf"):
        yield Problem(log=log.origin, seq=max(last, log.first), what="the last entry is not the one that was sealed")


def _buried(place: Place, tombstone: Said, record: Record, signed_size: int) -> Iterator[Problem]:
    log, seal = place.log, place.seal
    if seal is None:
        yield _at(record, tombstone, f"{log.origin} has a tombstone, but was never sealed")
    else:
        pairs = [("origin", "origin"), ("first_seq", "first_seq"), ("last_seq", "last_seq"), ("count", "size"), ("root", "root")]
        pairs.append(("last_leaf", "last_leaf"))
        if any(tombstone.fields.get(mine) != seal.fields.get(its) for mine, its in pairs):
            yield _at(record, tombstone, f"the tombstone of {log.origin} does not say what its seal says")
    if tombstone.text("first_leaf_prev") != log.previous.hex():
        yield _at(record, tombstone, f"the tombstone of {log.origin} begins after another entry than the log")
    if place.is_gone and tombstone.seq >= signed_size:
        what = "the log is gone, and no signed checkpoint covers its tombstone"
        yield Problem(log=log.origin, seq=log.first, what=what)
    if not place.is_gone and log.epoch in record.disposed and record.disposed[log.epoch].seq > tombstone.seq:
        yield Problem(log=log.origin, seq=log.first, what="the log was disposed of, but rows of it are back")


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
