"""Checking the events of an export, one line of events.jsonl with one line of proofs.jsonl at a time: steps (5) to (8)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from dashboards.export_fields import read_hex, read_number, read_object, read_path, read_text
from dashboards.export_open import Bundle
from domain.checkpoint import Head
from domain.entry import chain, private_digest
from domain.errors import IntegrityError
from domain.merkle import leaf_hash, verify_inclusion


class Misfit(IntegrityError):
    """A line that does not fit: which file, which line from 1 (None: the file as a whole)."""

    def __init__(self, message: str, *, file: str, line: int | None) -> None:
        super().__init__(message)
        self.file = file
        self.line = line


@dataclass(slots=True)
class ProvenLog:
    """The log that the next paths are in, after step (5). `first_seq` is known from its first event."""

    head: Head
    writer: str
    first_seq: int | None = None


class Entries:
    """Reads an export's events once. `checked` counts those that fit."""

    def __init__(self, bundle: Bundle, spine: Head) -> None:
        """`spine` is what the checkpoint signed."""
        self._bundle = bundle
        self._spine = spine
        self._log: ProvenLog | None = None
        self.checked = 0

    def check(self) -> None:
        """Check every event. Raises Misfit at the first that does not fit."""
        paths = enumerate(self._bundle.lines("proofs.jsonl"), 1)
        last: tuple[str, int] | None = None
        for line, text in enumerate(self._bundle.lines("events.jsonl"), 1):
            log, path = self._next_path(paths)
            with _named("events.jsonl", line):
                last = _check_event(read_object(text, "the line", is_canonical=True), path, log, last)
            self.checked += 1
        if next(paths, None) is not None:
            raise Misfit("it has more lines than there are events", file="proofs.jsonl", line=None)

    def _next_path(self, paths: Iterator[tuple[int, bytes]]) -> tuple[ProvenLog, Mapping[str, object]]:
        for line, text in paths:
            with _named("proofs.jsonl", line):
                fields = read_object(text, "the line", is_canonical=True)
                if "log" in fields:
                    self._log = prove_log(fields, self._spine)
                else:
                    return _in_log(self._log), fields
        raise Misfit("it has fewer lines than there are events", file="proofs.jsonl", line=None)


def prove_log(fields: Mapping[str, object], spine: Head) -> ProvenLog:
    """(5) A log's head is what a spine entry commits to, and that entry is under the checkpoint. Raises IntegrityError."""
    head = Head(read_text(fields, "log"), read_number(fields, "size"), read_hex(fields, "root"))
    body = read_text(fields, "spine_body").encode()
    committed = read_hex(read_object(body, "the spine entry"), "heads_root")
    index, count = read_number(fields, "heads_index"), read_number(fields, "heads_count")
    if not verify_inclusion(leaf_hash(head.line.encode()), index, count, read_path(fields, "heads_path"), committed):
        raise IntegrityError("the spine entry does not commit to this log")
    leaf = chain(read_hex(fields, "spine_previous"), body)
    place = read_number(fields, "spine_index")
    if not verify_inclusion(leaf, place, spine.size, read_path(fields, "spine_path"), spine.root):
        raise IntegrityError("the spine entry is not under the checkpoint")
    return ProvenLog(head=head, writer=read_text(fields, "writer"))


def _check_event(
    event: Mapping[str, object], path: Mapping[str, object], log: ProvenLog, last: tuple[str, int] | None
) -> tuple[str, int]:
    """(6) to (8) for one event. Returns its place in the order."""
    seq, index, body = read_number(event, "seq"), read_number(path, "index"), read_text(event, "body").encode()
    said = read_object(body, "the body")
    if (said.get("writer"), said.get("seq")) != (log.writer, seq) or event.get("writer") != log.writer:
        raise IntegrityError(f"entry {seq} stands in another place than its body says")
    if path.get("seq") != seq:
        raise IntegrityError(f"the proof in this place is not that of entry {seq}")
    leaf = chain(read_hex(path, "previous"), body)
    if leaf != read_hex(event, "leaf"):
        raise IntegrityError(f"the leaf of entry {seq} is not that of its body")
    if not verify_inclusion(leaf, index, log.head.size, read_path(path, "path"), log.head.root):
        raise IntegrityError(f"entry {seq} is not in the ledger as it is given here")
    if log.first_seq is None:
        log.first_seq = seq - index
    if log.first_seq != seq - index:
        raise IntegrityError(f"entry {seq} does not have the number that its place in the log gives it")
    if last is not None and (log.writer, seq) <= last:
        raise IntegrityError(f"entry {seq} stands after entry {last[1]}: out of order, or twice")
    _check_private(event, said, seq)
    return log.writer, seq


def _check_private(event: Mapping[str, object], said: Mapping[str, object], seq: int) -> None:
    """(7) A private part that is given is the one under the digest."""
    match event.get("private_is"):
        case "given":
            digest = private_digest(read_text(event, "private").encode(), read_hex(event, "salt", 16)).hex()
            if digest != said.get("private_digest"):
                raise IntegrityError(f"the private part of entry {seq} is not the one that was hashed")
        case "withheld" | "redacted":
            if event.get("private") is not None or event.get("salt") is not None:
                raise IntegrityError(f"entry {seq} says that its private part is not given, and gives it")
        case _:
            raise IntegrityError(f"entry {seq} does not say what became of its private part")


def _in_log(log: ProvenLog | None) -> ProvenLog:
    if log is None:
        raise IntegrityError("a path stands in front of any log")
    return log


@contextmanager
def _named(file: str, line: int) -> Iterator[None]:
    """Give a failure the line at which it happened."""
    try:
        yield
    except IntegrityError as error:
        raise Misfit(str(error), file=file, line=line) from error
