"""Checking the events of an export, one line of events.jsonl with one line of proofs.jsonl at a time.

A log is proven under the checkpoint once, a subtree of 256 entries under its log once, an event under its subtree: what stays in
memory does not grow with the number of events. At the first event that does not fit checking stops.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dashboards.export_check_claims import Findings, Misfit
from dashboards.export_check_history import FILE as HISTORY
from dashboards.export_check_history import History
from dashboards.export_check_notes import MAX_KEPT
from dashboards.export_check_scope import Scope
from dashboards.export_fields import (
    Fields,
    QuotedEntry,
    read_hex,
    read_number,
    read_object,
    read_path,
    read_spine_entry,
    read_text,
)
from dashboards.export_open import Bundle
from domain.checkpoint import Head
from domain.entry import chain, private_digest
from domain.errors import IntegrityError
from domain.merkle import TILE_WIDTH, leaf_hash, verify_inclusion

EVENTS = "events.jsonl"
PROOFS = "proofs.jsonl"

DEPENDENT = ("events", "order", "twice", "count", "private", "withheld", "scope", "later", "earlier", "tombstones")
"""The claims that nothing can be said about where the events do not fit."""


@dataclass(slots=True)
class ProvenLog:
    """A log that the checkpoint commits to, by `entry` of the spine. `offset` is seq − index, known from its first event here."""

    head: Head
    writer: str
    entry: QuotedEntry
    tile: int = -1
    tile_root: bytes = b""
    offset: int = 0
    first_seq: int | None = None

    def enter_tile(self, tile: int, tile_root: bytes, path: list[bytes]) -> None:
        """Prove a subtree of 256 entries. Raises IntegrityError where it is not under the log's root."""
        count = -(-self.head.size // TILE_WIDTH)
        if not verify_inclusion(tile_root, tile, count, path, self.head.root):
            raise IntegrityError(f"tile {tile} is not in the log")
        self.tile, self.tile_root = tile, tile_root

    def holds(self, leaf: bytes, index: int, path: list[bytes]) -> bool:
        """Whether a leaf stands in the subtree that was entered last."""
        start = self.tile * TILE_WIDTH
        return self.tile >= 0 and verify_inclusion(
            leaf, index - start, min(TILE_WIDTH, self.head.size - start), path, self.tile_root
        )


class Entries:
    """Reads an export's events once. `logs` are those that stand in proofs.jsonl, `checked` counts the events that fit."""

    def __init__(self, bundle: Bundle, spine: Head, findings: Findings, scope: Scope, history: History) -> None:
        """`spine` is what the checkpoint signed."""
        self.logs: dict[str, ProvenLog] = {}
        self.checked = 0
        self._bundle = bundle
        self._spine = spine
        self._findings = findings
        self._scope = scope
        self._history = history
        self._log: ProvenLog | None = None
        self._parts: Counter[str] = Counter()

    def check(self, counts: object) -> bool:
        """Settle the claims about events; `counts` are the manifest's. Returns whether every event fits."""
        try:
            self._read()
        except Misfit as error:
            self._findings.misfit(error)
        except IntegrityError as error:
            self._findings.misfit(Misfit(str(error), claim="events", file=EVENTS))
        else:
            self._settle(counts)
            return True
        for claim in DEPENDENT:
            self._findings.open(claim, f"{self.checked} events fit; checking stopped at the first that does not")
        return False

    def _read(self) -> None:
        paths = enumerate(self._bundle.lines(PROOFS), 1)
        last: tuple[str, int] | None = None
        for line, text in enumerate(self._bundle.lines(EVENTS), 1):
            try:
                log, path = self._next_path(paths)
            except Misfit:
                raise
            except IntegrityError as error:
                raise Misfit(str(error), claim="events", file=PROOFS) from error
            with _named("events", EVENTS, line):
                last = self._check_event(read_object(text, "the line"), path, log, last, line)
            self.checked += 1
        for line, text in paths:
            with _named("events", PROOFS, line):
                is_path = not {"log", "tile"} & read_object(text, "the line").keys()
            what = "a path of an event that is not here" if is_path else "a log or tile without event"
            raise Misfit(what, claim="count", file=PROOFS, line=line)

    def _next_path(self, paths: Iterator[tuple[int, bytes]]) -> tuple[ProvenLog, Fields]:
        for line, text in paths:
            with _named("events", PROOFS, line):
                fields = read_object(text, "the line")
                if "log" in fields:
                    self._enter(fields, line)
                log = _in_log(self._log)
                if "tile" in fields:
                    log.enter_tile(read_number(fields, "tile"), read_hex(fields, "root"), read_path(fields, "path"))
            if not {"log", "tile"} & fields.keys():
                return log, fields
        raise Misfit("it has fewer paths than there are events", claim="count", file=PROOFS)

    def _enter(self, fields: Fields, line: int) -> None:
        head = Head(read_text(fields, "log"), read_number(fields, "size"), read_hex(fields, "root"))
        entry = read_spine_entry(fields, self._spine, "heads", "index", "seal")
        if not commits(fields, entry, head):
            raise IntegrityError("the spine entry does not commit to this log")
        if head.origin in self.logs:
            raise IntegrityError("the log stands here twice")
        if len(self.logs) >= MAX_KEPT:
            raise IntegrityError(f"there are more than {MAX_KEPT} logs")
        self._log = self.logs[head.origin] = ProvenLog(head=head, writer=read_text(fields, "writer"), entry=entry)
        self._scope.enter(head, line)

    def _check_event(self, event: Fields, path: Fields, log: ProvenLog, last: tuple[str, int] | None, line: int) -> tuple[str, int]:
        """One event: its place, leaf, proof, number, order and private part. Returns its place in the order."""
        seq, index, body = read_number(event, "seq"), read_number(path, "index"), read_text(event, "body").encode()
        said = read_object(body, "the body")
        if seq < 0 or (said.get("writer"), said.get("seq")) != (log.writer, seq) or event.get("writer") != log.writer:
            raise IntegrityError(f"entry {seq} stands in another place than its body says")
        if path.get("seq") != seq:
            raise IntegrityError(f"the proof in this place is not that of entry {seq}")
        leaf = chain(read_hex(path, "previous"), body)
        if leaf != read_hex(event, "leaf"):
            raise IntegrityError(f"the leaf of entry {seq} is not that of its body")
        if not log.holds(leaf, index, read_path(path, "path")):
            raise IntegrityError(f"entry {seq} is not in the ledger as it is given here")
        if log.first_seq is None:
            log.offset, log.first_seq = seq - index, seq
        if log.offset != seq - index:
            what = f"entry {seq} does not have the number that its place in the log gives it"
            raise Misfit(what, claim="order", file=EVENTS, line=line)
        place = log.writer, seq
        if last is not None and place <= last:
            what = f"entry {seq} stands after entry {last[1]}: out of order, or twice"
            raise Misfit(what, claim="twice" if place == last else "order", file=EVENTS, line=line)
        problem = _private_problem(event, said, seq)
        if problem:
            raise Misfit(problem, claim="private", file=EVENTS, line=line)
        self._parts[str(event["private_is"])] += 1
        if event["private_is"] == "redacted":
            self._check_redacted(log.head.origin, seq, said, line)
        self._scope.take(log.head.origin, place, leaf)
        return place

    def _check_redacted(self, origin: str, seq: int, said: Fields, line: int) -> None:
        entry = self._history.redacted.pop((origin, seq), None)
        if entry is None or entry.digest != said.get("private_digest"):
            what = f"the ledger has no entry that the private part of entry {seq} was removed"
            self._findings.misfit(Misfit(what, claim="withheld", file=EVENTS, line=line))

    def _settle(self, counts: object) -> None:
        found, total = self._findings, self.checked
        claimed = counts.get("events") if isinstance(counts, dict) else None
        found.proven("events", f"{total} events of {len(self.logs)} logs, under a checkpoint of {self._spine.size} entries")
        found.proven("order", f"{total} events")
        found.proven("twice", "no place in the ledger is here more than once")
        if claimed == total:
            found.proven("count", f"{total} events")
        else:
            found.failed("count", f"{EVENTS}: it has {total} events; the manifest says another number")
        found.proven("private", f"{self._parts['given']} are given")
        hidden = f"{self._parts['withheld']} are withheld, {self._parts['redacted']} were redacted before"
        (found.proven if self._parts["given"] == total else found.open)("withheld", hidden)
        for (_, seq), entry in sorted(self._history.redacted.items(), key=lambda item: item[0]):
            what = f"entry {seq} is not one of the redacted events of this export"
            found.misfit(Misfit(what, claim="withheld", file=HISTORY, line=entry.line))


def commits(fields: Fields, entry: QuotedEntry, head: Head) -> bool:
    """Whether a spine entry commits to a log's head, at the place in its vector that a line names."""
    index, count = read_number(fields, "heads_index"), read_number(fields, "heads_count")
    return verify_inclusion(leaf_hash(head.line.encode()), index, count, read_path(fields, "heads_path"), entry.heads_root)


def _private_problem(event: Fields, said: Fields, seq: int) -> str:
    """What is wrong with a private part; '' where it is the one under the digest, or is not given."""
    match event.get("private_is"):
        case "given":
            digest = private_digest(read_text(event, "private").encode(), read_hex(event, "salt", 16))
            is_hashed = digest.hex() == said.get("private_digest")
            return "" if is_hashed else f"the private part of entry {seq} is not the one that was hashed"
        case "withheld" | "redacted":
            is_absent = event.get("private") is None and event.get("salt") is None
            return "" if is_absent else f"entry {seq} says that its private part is not given, and gives it"
    return f"entry {seq} does not say what became of its private part"


def _in_log(log: ProvenLog | None) -> ProvenLog:
    if log is None:
        raise IntegrityError("it stands in front of any log")
    return log


@contextmanager
def _named(claim: str, file: str, line: int) -> Iterator[None]:
    """Give a failure the claim and the line at which it happened."""
    try:
        yield
    except Misfit:
        raise
    except IntegrityError as error:
        raise Misfit(str(error), claim=claim, file=file, line=line) from error
