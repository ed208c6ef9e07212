"""Checking history.jsonl: earlier checkpoints, months disposed of, redactions; keys that changed are `export_check_notes.py`."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from dashboards.export_check_claims import Findings, Misfit
from dashboards.export_check_notes import kept_lines
from dashboards.export_fields import (
    Fields,
    QuotedEntry,
    line_kind,
    read_hex,
    read_number,
    read_object,
    read_path,
    read_spine_entry,
    read_text,
)
from dashboards.export_open import Bundle
from domain.checkpoint import Head
from domain.errors import IntegrityError
from domain.merkle import leaf_hash, verify_consistency, verify_inclusion

FILE = "history.jsonl"

_ROW = re.compile(r"(0|[1-9][0-9]*) ([0-9a-f]{64}) (?:[0-9a-f]{64})? (?:[0-9a-f]{64})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Buried:
    """A tombstone: where it stands in the file and in the spine, and the log that it is about."""

    line: int
    index: int
    epoch: int
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Disposed:
    """A month that is gone: the place of the entry in the spine, and of the line in the file."""

    index: int
    line: int


@dataclass(frozen=True, slots=True)
class Redacted:
    """A private part that was removed: at which line, and its digest in hex."""

    line: int
    digest: str


@dataclass(slots=True)
class History:
    """What the file shows. `earlier` are roots by size, `buried` tombstones by origin, `redacted` by (origin, seq)."""

    findings: Findings
    earlier: dict[int, bytes] = field(default_factory=dict)
    buried: dict[str, Buried] = field(default_factory=dict)
    months: dict[int, Disposed] = field(default_factory=dict)
    redacted: dict[tuple[str, int], Redacted] = field(default_factory=dict)

    def read(self, bundle: Bundle, spine: Head) -> None:
        """Every line, under the export's checkpoint; one that does not fit fails the claim that it is about."""
        readers: dict[str, tuple[str, Callable[[Fields, int, Head], None]]] = {
            "consistency": ("since", self._consistency),
            "rotation": ("signature", _read_before),
            "tombstone": ("tombstones", self._tombstone),
            "disposed": ("tombstones", self._disposed),
            "redact": ("withheld", self._redact),
        }
        for line, text in kept_lines(bundle, FILE, "tombstones", self.findings):
            claim = "tombstones"
            try:
                fields = read_object(text, "the line")
                claim, read = readers[line_kind(fields, *readers)]
                read(fields, line, spine)
            except IntegrityError as error:
                self.findings.misfit(Misfit(str(error), claim=claim, file=FILE, line=line))

    def is_gone(self, origin: str) -> bool:
        """Whether a log was disposed of: its tombstone, and after it the month's `disposed` entry."""
        tombstone = self.buried.get(origin)
        month = None if tombstone is None else self.months.get(tombstone.epoch)
        return tombstone is not None and month is not None and month.index > tombstone.index

    def _consistency(self, fields: Fields, _: int, spine: Head) -> None:
        size, root, path = read_number(fields, "consistency"), read_hex(fields, "root"), read_path(fields, "path")
        if not verify_consistency(size, spine.size, path, root, spine.root):
            raise IntegrityError(f"the first {size} entries of the ledger are not the ones that it had then")
        self.earlier[size] = root

    def _tombstone(self, fields: Fields, line: int, spine: Head) -> None:
        origin, entry = read_text(fields, "tombstone"), read_spine_entry(fields, spine, "tombstone")
        if read_text(entry.fields, "origin") != origin:
            raise IntegrityError("the tombstone is of another log")
        size, root = read_number(entry.fields, "count"), read_hex(entry.fields, "root")
        found = Buried(line=line, index=entry.index, epoch=read_number(entry.fields, "epoch"), size=size, root=root)
        if origin not in self.buried or self.buried[origin].index < found.index:
            self.buried[origin] = found

    def _disposed(self, fields: Fields, line: int, spine: Head) -> None:
        epoch, entry = read_number(fields, "disposed"), read_spine_entry(fields, spine, "disposed")
        if read_number(entry.fields, "epoch") != epoch or epoch in self.months:
            raise IntegrityError("the entry is of another month, or the month stands here twice")
        self.months[epoch] = Disposed(entry.index, line)

    def _redact(self, fields: Fields, line: int, spine: Head) -> None:
        origin, seq = read_text(fields, "redact"), read_number(fields, "seq")
        entry = read_spine_entry(fields, spine, "redact")
        row, count = read_text(fields, "row"), read_number(fields, "count")
        said = _ROW.fullmatch(row)
        if said is None or said[1] != str(seq):
            raise IntegrityError("the row is not one of this entry")
        _check_row(fields, entry, origin, count, leaf_hash(row.encode()))
        if (origin, seq) in self.redacted:
            raise IntegrityError("the entry was redacted before: it stands here twice")
        self.redacted[origin, seq] = Redacted(line, said[2])


def _check_row(fields: Fields, entry: QuotedEntry, origin: str, count: int, leaf: bytes) -> None:
    if read_text(entry.fields, "origin") != origin or read_number(entry.fields, "count") != count:
        raise IntegrityError("the redact entry is of another log, or of another number of rows")
    path, root = read_path(fields, "path"), read_hex(entry.fields, "root")
    if not verify_inclusion(leaf, read_number(fields, "index"), count, path, root):
        raise IntegrityError("the row is not under the root of the redact entry")


def _read_before(_fields: Fields, _line: int, _spine: Head) -> None:
    """Rotations were read with the keys."""
