"""Redactions (docs/log-format.md section 10): no digest without a `redact` entry, no `redact` entry without what it commits to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from store.engine import Engine
from store.fsck_entries import SHOWN, Log, Range
from store.fsck_report import Problem
from store.fsck_spine import Record, Said
from store.fsck_tree import leaf, root

_KEPT = """
SELECT spine_seq, seq, toValidUTF8(private_digest), toValidUTF8(patient_tag), toValidUTF8(actor_tag) FROM redactions
WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND spine_seq >= 0 ORDER BY spine_seq, seq
"""

_LOGS = "SELECT DISTINCT epoch, toValidUTF8(writer) FROM redactions WHERE spine_seq >= 0"

_STORED = """
SELECT seq, toValidUTF8(private_digest) FROM events
WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND seq >= {low:UInt64} AND seq < {high:UInt64} AND private_digest != ''
ORDER BY seq SETTINGS optimize_use_projections = 0
"""

_WHOLE = """
SELECT count() FROM events
WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND private_digest = '' AND seq IN
    (SELECT seq FROM redactions WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND spine_seq >= 0)
SETTINGS optimize_use_projections = 0
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store keeps of a redacted entry: under which spine entry, its digest and its tags in hex."""

    spine_seq: int
    seq: int
    digest: str
    patient_tag: str
    actor_tag: str

    @property
    def text(self) -> str:
        """The form in which a `redact` entry commits to it."""
        return f"{self.seq} {self.digest} {self.patient_tag} {self.actor_tag}"


@dataclass(slots=True)
class Redactions:
    """What was found: problems, entries redacted, and entries that are to be and are not yet."""

    problems: list[Problem] = field(default_factory=list)
    redacted: int = 0
    pending: int = 0


def kept_of(engine: Engine, log: Log) -> Sequence[Kept]:
    """What is kept of the redacted entries of a log."""
    return [
        Kept(int(str(entry)), int(str(seq)), str(digest), str(patient), str(actor))
        for entry, seq, digest, patient, actor in engine.rows(_KEPT, **log.place)
    ]


def check_redactions(
    engine: Engine, record: Record, logs: Sequence[Log], spans: Iterable[Range], *, signed_size: int
) -> Redactions:
    """Every `redact` entry against what is kept, and the stored digests of `spans` against both."""
    found = Redactions()
    # What nobody signed removes nothing.
    entries = [said for said in record.of("redact") if said.seq < signed_size]
    touched = {(int(str(epoch)), str(writer)) for epoch, writer in engine.rows(_LOGS)}
    by_origin = {log.origin: log for log in logs}
    kept = {log.origin: kept_of(engine, log) for log in logs if (log.epoch, log.writer) in touched}
    for said in entries:
        log = by_origin.get(said.text("origin"))
        mine = [row for row in kept.get(said.text("origin"), ()) if row.spine_seq == said.seq]
        found.problems += _entry(record, said, log, mine)
    stated = {said.seq for said in entries}
    for origin, rows in kept.items():
        found.problems += list(_repeated(origin, rows, stated))[:SHOWN]
        found.redacted += len(rows)
        if by_origin[origin].epoch not in record.disposed:
            found.pending += int(str(engine.rows(_WHOLE, **by_origin[origin].place)[0][0]))
    digests = {origin: {row.seq: row.digest for row in rows} for origin, rows in kept.items()}
    for span in spans:
        found.problems += list(_digests(engine, span, digests.get(span.log.origin, {})))[:SHOWN]
    return found


def _entry(record: Record, said: Said, log: Log | None, rows: Sequence[Kept]) -> Iterator[Problem]:
    if log is None:
        yield Problem(
            log=record.origin, seq=said.seq, what="spine: entries of a log that is not registered are said to be redacted"
        )
        return
    if not rows and log.epoch in record.disposed:
        return
    stated = said.number("count"), said.number("first_seq"), said.number("last_seq"), said.text("root")
    ends = (rows[0].seq, rows[-1].seq) if rows else (-1, -1)
    if (len(rows), *ends, root([leaf(row.text.encode()) for row in rows]).hex()) != stated:
        what = f"what is kept of the redaction in spine entry {said.seq} is not what was signed"
        yield Problem(log=log.origin, seq=max(said.number("first_seq"), 0), what=what)


def _repeated(origin: str, rows: Sequence[Kept], stated: set[int]) -> Iterator[Problem]:
    seen = set[int]()
    for row in rows:
        if row.spine_seq not in stated:
            yield Problem(log=origin, seq=row.seq, what="the entry is marked as redacted by a spine entry that does not say so")
        elif row.seq in seen:
            yield Problem(log=origin, seq=row.seq, what="the entry is redacted a second time")
        seen.add(row.seq)


def _digests(engine: Engine, span: Range, kept: Mapping[int, str]) -> Iterator[Problem]:
    for number, digest in engine.rows(_STORED, low=span.low, high=span.high, **span.log.place):
        seq = int(str(number))
        if seq not in kept:
            yield Problem(log=span.log.origin, seq=seq, what="the private part is gone, and no redact entry of the spine says why")
        elif kept[seq] != digest:
            yield Problem(log=span.log.origin, seq=seq, what="the stored digest is not that of the redaction")
