"""Checking scope.jsonl: that every log is accounted for, and of each everything that was asked for.

It is read in three parts: heads, seals and index lines at first; the outside lines beside the events, in one order with them, so
that nothing but a digest for each log stays in memory; the sums at the end. At the first line that does not fit reading stops.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from dashboards.export_check_asked import Asked
from dashboards.export_check_claims import Findings, Misfit
from dashboards.export_check_history import History
from dashboards.export_check_notes import MAX_KEPT, MAX_KEPT_BYTES
from dashboards.export_fields import (
    Fields,
    QuotedEntry,
    line_kind,
    read_fields,
    read_hex,
    read_number,
    read_object,
    read_spine_entry,
    read_text,
)
from dashboards.export_open import Bundle
from domain.checkpoint import Head, heads_root
from domain.entry import chain
from domain.errors import IntegrityError
from domain.index_tree import IndexProof, Row, tag, verify_index_proof
from domain.merkle import leaf_hash

FILE = "scope.jsonl"

_HEAD = re.compile(r"[^ ]+ (0|[1-9][0-9]{0,17}) [0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A log's last head, and what its seal says of its month and its index trees."""

    head: Head
    fields: Fields


@dataclass(frozen=True, slots=True)
class _Indexed:
    """What a log's index tree says of the subject; `row` None: nothing. At which line it says so."""

    line: int
    row: Row | None


@dataclass(frozen=True, slots=True)
class _Outside:
    """An entry of the subject that was not asked for: (writer, seq), its log, and its leaf."""

    place: tuple[str, int]
    origin: str
    leaf: bytes


@dataclass(slots=True)
class _Sum:
    """The entries of one log that are accounted for. The digest is that of a row of an index tree (log-format.md section 9)."""

    count: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)


class Scope:
    """Settles the claims `scope` and `tombstones`. `logs` are the heads that the export is as of, `seals` the sealed ones."""

    def __init__(self, findings: Findings, bundle: Bundle, spine: Head, history: History) -> None:
        self.logs: dict[str, Head] = {}
        self.seals: dict[str, Sealed] = {}
        self._findings = findings
        self._lines = enumerate(bundle.lines(FILE), 1)
        self._line = self._kept = 0
        self._spine = spine
        self._history = history
        self._asked: Asked | None = None
        self._as_of = ""
        self._indexed: dict[str, _Indexed] = {}
        self._sums: dict[str, _Sum] = {}
        self._rest: Iterator[_Outside] = iter(())
        self._next: _Outside | None = None
        self._outside = 0
        self._unsure = 0
        self._has_failed = False

    def read(self, manifest: Fields) -> None:
        """The part in front of the outside lines."""
        try:
            self._asked = Asked.read(manifest)
        except IntegrityError as error:
            self._fail(Misfit(str(error), claim="scope", file="manifest.json"))
            return
        self._rest = self._read(self._asked)
        self._advance()

    def enter(self, head: Head, line: int) -> None:
        """A log of proofs.jsonl, which must be as the heads or its seal have it."""
        if not self._has_failed and self.logs.get(head.origin) != head:
            what = "the log is not as the vector of heads, or its seal, has it"
            self._fail(Misfit(what, claim="scope", file="proofs.jsonl", line=line))

    def take(self, origin: str, place: tuple[str, int], leaf: bytes) -> None:
        """An event, in the order of events.jsonl."""
        self._up_to(place)
        if not self._has_failed:
            self._add(origin, place[1], leaf)

    def settle(self, events: int) -> None:
        """Compare the sums, after the last event."""
        self._up_to(None)
        if self._has_failed or self._asked is None:
            return
        missing, unknown, gone = 0, list[str](), list[str]()
        for origin, head in sorted(self.logs.items()):
            total, indexed = self._sums.get(origin, _Sum()), self._indexed.get(origin)
            if indexed is not None:
                self._compare(origin, indexed, total)
            elif total.count == head.size:
                continue
            elif self._history.is_gone(origin):
                gone.append(origin)
            elif self._asked.by is None and self._asked.fields:
                missing += head.size - total.count
                unknown.append(origin)
            else:
                what = f"{origin} is not accounted for: it has {head.size} entries, of which {total.count} are here"
                self._findings.misfit(Misfit(what, claim="scope", file=FILE))
        self._say(events, missing, gone)
        self._settle_tombstones(unknown)

    def _say(self, events: int, missing: int, gone: Sequence[str]) -> None:
        assert self._asked is not None
        self._findings.proven("scope", f"what was asked for: {_encoded(self._asked.fields)}")
        found = f"{len(self.logs)} logs, {events} events, {self._outside} outside of what was asked"
        self._findings.proven("scope", f"as of {self._as_of}: {found}")
        if missing:
            self._findings.open("scope", f"{missing} entries are not here, and no proof says that they were not asked for")
        if self._unsure:
            self._findings.open("scope", f"{self._unsure} entries were left out for what only their private part shows")
        if gone:
            self._findings.open("scope", f"what was disposed of after retention is not here: {_listed(gone)}")
        if self._asked.until > self._as_of:
            self._findings.open("scope", f"what was asked for ends at {self._asked.until}, and what is here is as of {self._as_of}")

    def _settle_tombstones(self, unknown: Sequence[str]) -> None:
        """Months disposed of: each log of them has its tombstone, and that is of the log as it was sealed."""
        problems: list[tuple[int, str]] = []
        for origin, tombstone in self._history.buried.items():
            sealed = self.seals.get(origin)
            if sealed is None or (sealed.head.size, sealed.head.root) != (tombstone.size, tombstone.root):
                problems.append((tombstone.line, f"the tombstone is not of {origin} as it was sealed"))
        for epoch, month in self._history.months.items():
            logs = sorted(origin for origin, sealed in self.seals.items() if sealed.fields.get("epoch") == epoch)
            without = [one for one in logs if not self._history.is_gone(one) or self._history.buried[one].epoch != epoch]
            if without or not logs:
                what = f"the month was disposed of, and not every log of it has its tombstone: {_listed(without)}"
                problems.append((month.line, what))
            else:
                total = sum(self.seals[origin].head.size for origin in logs)
                self._findings.proven("tombstones", f"{epoch}: {len(logs)} logs with {total} entries")
        for line, what in sorted(problems):
            self._findings.misfit(Misfit(what, claim="tombstones", file="history.jsonl", line=line))
        if not self._history.months:
            self._findings.proven("tombstones", "no month was disposed of")
        if unknown:
            self._findings.open("tombstones", f"what is not here may have been disposed of, or not: {_listed(unknown)}")

    def _compare(self, origin: str, indexed: _Indexed, total: _Sum) -> None:
        count, digest = (0, hashlib.sha256().digest()) if indexed.row is None else (indexed.row.count, indexed.row.digest)
        if (count, digest) != (total.count, total.digest.digest()):
            what = f"{origin} has {count} entries of the subject; here are {total.count}, or others than those"
            self._findings.misfit(Misfit(what, claim="scope", file=FILE, line=indexed.line))

    def _up_to(self, place: tuple[str, int] | None) -> None:
        """Count the outside entries in front of an event; None: all that are left."""
        while self._next is not None and (place is None or self._next.place < place):
            self._add(self._next.origin, self._next.place[1], self._next.leaf)
            self._advance()
        if self._next is not None and self._next.place == place:
            what = f"entry {place[1]} is among the events too"
            self._fail(Misfit(what, claim="scope", file=FILE, line=self._line))

    def _add(self, origin: str, seq: int, leaf: bytes) -> None:
        total = self._sums.setdefault(origin, _Sum())
        total.count += 1
        total.digest.update(seq.to_bytes(8, "big") + leaf)

    def _advance(self) -> None:
        """Read up to the next outside line. What does not fit is a finding, and the end."""
        try:
            self._next = next(self._rest, None)
        except Misfit as error:
            self._fail(error)
        except IntegrityError as error:
            self._fail(Misfit(str(error), claim="scope", file=FILE, line=self._line or None))

    def _fail(self, error: Misfit) -> None:
        self._findings.misfit(error)
        self._has_failed = True
        self._next = None
        self._rest = iter(())

    def _next_line(self) -> Fields | None:
        try:
            numbered = next(self._lines, None)
        except IntegrityError as error:
            raise Misfit(str(error), claim="scope", file=FILE) from error
        if numbered is None:
            return None
        self._line, text = numbered
        if self._next is None:
            self._kept += len(text)
            if self._line > MAX_KEPT or self._kept > MAX_KEPT_BYTES:
                bound = f"{MAX_KEPT} lines, or {MAX_KEPT_BYTES} bytes"
                raise IntegrityError(f"there are more than {bound}, in front of the outside entries")
        return read_object(text, "the line")

    def _read(self, asked: Asked) -> Iterator[_Outside]:
        """The whole file. Raises IntegrityError at the first line that does not fit."""
        entry = self._read_heads(self._next_line() or {})
        fields = self._read_seals(entry)
        while fields is not None and line_kind(fields, "heads", "seal", "index", "outside") == "index":
            self._read_index(fields, asked)
            fields = self._next_line()
        last: _Outside | None = None
        while fields is not None:
            if line_kind(fields, "heads", "seal", "index", "outside") != "outside" or asked.by is None:
                raise IntegrityError("the line does not belong in this place")
            last = self._read_outside(fields, asked, last)
            yield last
            fields = self._next_line()

    def _read_heads(self, fields: Fields) -> QuotedEntry:
        lines = fields.get("heads")
        if not isinstance(lines, list) or len(lines) > MAX_KEPT:
            raise IntegrityError("the first line is not the vector of heads")
        entry = read_spine_entry(fields, self._spine, "heads")
        last = ""
        for line in lines:
            if not isinstance(line, str) or not _HEAD.fullmatch(line):
                raise IntegrityError("the heads are not lines in order of origin")
            head = Head.parse(line)
            if head.origin <= last:
                raise IntegrityError("the heads are not lines in order of origin")
            last = head.origin
            self.logs[last] = head
        if heads_root(list(self.logs.values())) != entry.heads_root:
            raise IntegrityError("the heads are not the ones that the ledger committed to")
        self._as_of = entry.time
        return entry

    def _read_seals(self, heads: QuotedEntry) -> Fields | None:
        """The chain of seals, newest first. Returns the line after it."""
        place, left = _seal_before(heads, "last_seal"), read_number(heads.fields, "seals")
        while True:
            fields = self._next_line()
            kind = None if fields is None else line_kind(fields, "heads", "seal", "index", "outside")
            if fields is None or kind != "seal" or place is None:
                break
            seal = self._read_seal(fields, place)
            left -= 1
            if read_number(seal.fields, "seals") != left:
                raise IntegrityError("the seal is not the one with this number")
            self._keep(seal)
            place = _seal_before(seal, "previous_seal")
        if place is not None:
            raise IntegrityError(f"the seal at {place} is missing")
        if left:
            raise IntegrityError("the chain of seals is not whole")
        return fields

    def _read_seal(self, fields: Fields, place: int) -> QuotedEntry:
        origin, entry = read_text(fields, "seal"), read_spine_entry(fields, self._spine, "seal")
        head = _head(entry)
        if entry.index != place or head.origin != origin:
            raise IntegrityError(f"this is not the seal at {place}")
        if entry.heads_root != leaf_hash(head.line.encode()):
            raise IntegrityError("the seal does not commit to the log's last head")
        return entry

    def _keep(self, seal: QuotedEntry) -> None:
        head = _head(seal)
        if head.origin in self.logs:
            raise IntegrityError("the log has another seal, or is among the heads of those that have none")
        self.logs[head.origin] = head
        self.seals[head.origin] = Sealed(head, {name: seal.fields[name] for name in ("epoch", "index") if name in seal.fields})

    def _read_index(self, fields: Fields, asked: Asked) -> None:
        origin, by, key = read_text(fields, "index"), read_text(fields, "by"), read_hex(fields, "key")
        if by != asked.by:
            raise IntegrityError("this is not the index of what was asked for")
        if origin not in self.logs or origin in self._indexed:
            raise IntegrityError("there is no such log, or it has an index line above")
        said = read_fields(self._committed(fields, origin), by)
        size, root = read_number(said, "size"), read_hex(said, "root")
        if read_hex(said, "key_sha256") != hashlib.sha256(key).digest():
            raise IntegrityError("the index key is not the one that the ledger committed to")
        proof = read_fields(fields, "proof")
        try:
            row = verify_index_proof(IndexProof.parse(proof), tag(key, asked.subject), root, size)
        except IntegrityError:
            raise IntegrityError("the index proof shows neither the subject's row nor that it has none") from None
        self._indexed[origin] = _Indexed(self._line, row)

    def _committed(self, fields: Fields, origin: str) -> Fields:
        """The index trees that the ledger committed to for this log."""
        source = read_text(fields, "source")
        if source == "seal" and origin in self.seals:
            return read_fields(self.seals[origin].fields, "index")
        if source != "index":
            raise IntegrityError("source names neither the log's seal nor an index entry")
        entry = read_spine_entry(fields, self._spine, "index")
        if _head(entry) != self.logs[origin]:
            raise IntegrityError("the index entry is of another log, or of another size of it")
        return read_fields(entry.fields, "index")

    def _read_outside(self, fields: Fields, asked: Asked, last: _Outside | None) -> _Outside:
        """An entry of the subject that was not asked for, as its header shows."""
        origin, seq, body = read_text(fields, "outside"), read_number(fields, "seq"), read_text(fields, "body").encode()
        header = read_object(body, "the body")
        place = read_text(header, "writer"), seq
        if seq < 0 or header.get("seq") != seq:
            raise IntegrityError(f"entry {seq} stands in another place than its body says")
        if origin not in self._indexed:
            what = "is of a log without an index line, so that nothing shows that there is such an entry"
            raise IntegrityError(f"entry {seq} {what}")
        if last is not None and place <= last.place:
            raise IntegrityError(f"entry {seq} is out of order, or twice")
        is_excluded = asked.excludes(header)
        if is_excluded is False:
            raise IntegrityError(f"entry {seq} is what was asked for, and is not among the events")
        self._unsure += is_excluded is None
        self._outside += 1
        return _Outside(place, origin, chain(read_hex(fields, "previous"), body))


def _head(entry: QuotedEntry) -> Head:
    return Head(read_text(entry.fields, "origin"), read_number(entry.fields, "size"), read_hex(entry.fields, "root"))


def _seal_before(entry: QuotedEntry, name: str) -> int | None:
    if entry.fields.get(name) is None:
        return None
    place = read_number(entry.fields, name)
    if not 0 <= place < entry.index:
        raise IntegrityError(f"{name} is not a place before this entry")
    return place


def _encoded(fields: Fields) -> str:
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS).decode()


def _listed(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    more = len(names) - 8
    return ", ".join(names[:8]) + (f" and {more} more" if more > 0 else "")
