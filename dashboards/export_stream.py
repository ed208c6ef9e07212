"""The entries of an export go by once: a line, a row and a proof each, a portion at a time; what they were is counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO

import orjson
import polars as pl

from dashboards.export_csv import csv_rows
from dashboards.export_format import encoded, hexes, log_line, path_line, spine_fields, tile_line
from dashboards.export_tally import Tally
from domain.errors import IntegrityError
from domain.event import PERSONAL_KINDS
from domain.json import Json
from domain.merkle import TILE_WIDTH
from store.export_entries import TILES_AT_ONCE, ExportEntries, LeafWindow
from store.export_logs import ExportLog
from store.export_redactions import ExportRedactions
from store.export_tree import Subtree, TileTree

_LINE = orjson.OPT_APPEND_NEWLINE

_PERSONAL = sorted(kind.value for kind in PERSONAL_KINDS)

Shared = Callable[[pl.DataFrame], Sequence[int]]
"""The entries among some (columns seq, event_id, source_system, format) whose raw record is about other patients too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The files that are written at a time. Redactions go to the end of `history`."""

    events: BinaryIO
    rows: BinaryIO
    proofs: BinaryIO
    history: BinaryIO


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryStream:
    """Writes entries. `shared` is given where private parts of records with several patients are withheld."""

    entries: ExportEntries
    redactions: ExportRedactions
    targets: Targets
    tally: Tally
    with_private: bool
    shared: Shared | None

    def write(self, log: ExportLog) -> None:
        """Everything of a log that was asked for. Raises IntegrityError where the store has not all leaves of it."""
        proofs: _LogProofs | None = None
        for frame in self.entries.portions(log):
            if frame.is_empty():
                continue
            proofs = proofs or _LogProofs(log, self.entries.window(log), self.targets.proofs)
            rows = self._shown(log, frame)
            self.targets.events.write(b"".join(_event_lines(rows)))
            masked = _masked(rows)
            self.targets.rows.write(csv_rows(masked))
            proofs.write(rows["seq"].to_list())
            self._redacted(log, rows.filter(pl.col("private_is") == "redacted")["seq"].to_list())
            self.tally.add(masked, log.head.origin)

    def _shown(self, log: ExportLog, frame: pl.DataFrame) -> pl.DataFrame:
        """With `writer`, and `private_is` for each entry."""
        record = log.record
        assert record is not None
        shared: Sequence[int] = []
        if self.shared is not None and self.with_private:
            shared = self.shared(frame.filter(~pl.col("is_redacted")))
            self.tally.shared += len(shared)
        is_given = pl.lit(self.with_private) & ~pl.col("seq").is_in(pl.lit(pl.Series(shared, dtype=pl.UInt64)).implode())
        state = pl.when(pl.col("is_redacted")).then(pl.lit("redacted")).when(is_given).then(pl.lit("given"))
        return frame.with_columns(writer=pl.lit(record.writer), private_is=state.otherwise(pl.lit("withheld")))

    def _redacted(self, log: ExportLog, seqs: Sequence[int]) -> None:
        for one in self.redactions.of(log, seqs):
            line: Mapping[str, Json] = {
                "redact": log.head.origin,
                "seq": one.seq,
                "row": one.row,
                "index": one.index,
                "count": one.count,
                "path": hexes(one.path),
            }
            self.targets.history.write(encoded({**line, **spine_fields(one.quote)}))


class _LogProofs:
    """The part of proofs.jsonl about one log: its line at once, then what is asked for, in order."""

    def __init__(self, log: ExportLog, window: LeafWindow, file: BinaryIO) -> None:
        assert log.record is not None
        self._first_seq = log.record.first_seq
        self._origin = log.head.origin
        self._window = window
        self._tree = TileTree(window, log.head.size)
        self._file = file
        self._tile = -1
        self._subtree: Subtree | None = None
        self._before = b""
        file.write(encoded(log_line(log, log.record.writer)))

    def write(self, seqs: Sequence[int]) -> None:
        """The paths of these entries, each subtree's line in front of its first."""
        tiles = [(tile, list(members)) for tile, members in groupby(seqs, self._tile_of)]
        for start in range(0, len(tiles), TILES_AT_ONCE):
            some = tiles[start : start + TILES_AT_ONCE]
            self._window.read([tile for tile, _ in some])
            try:
                self._file.write(b"".join(line for tile, members in some for line in self._lines(tile, members)))
            except LookupError:
                raise IntegrityError(
                    f"the store has not all entries of {self._origin} that were signed: rows were removed; run phitrail verify"
                ) from None

    def _tile_of(self, seq: int) -> int:
        return (seq - self._first_seq) // TILE_WIDTH

    def _lines(self, tile: int, seqs: Sequence[int]) -> list[bytes]:
        lines = []
        if tile != self._tile or self._subtree is None:
            self._tile, self._subtree, self._before = tile, self._tree.tile(tile), self._window.before(tile)
            lines.append(tile_line(tile, self._subtree.root, self._tree.tile_path(tile)))
        leaves = self._subtree.rows[0]
        for seq in seqs:
            index = seq - self._first_seq
            place = index % TILE_WIDTH
            previous = leaves[place - 1] if place else self._before
            lines.append(path_line(seq, index, previous, self._subtree.path(place)))
        return lines


def _event_lines(rows: pl.DataFrame) -> list[bytes]:
    """Canonical lines of events.jsonl: the members in order of their names."""
    columns = (rows[name].to_list() for name in ("body", "leaf", "private", "private_is", "salt", "seq", "writer"))
    return [
        orjson.dumps(
            {
                "body": body,
                "leaf": leaf,
                "private": private if state == "given" else None,
                "private_is": state,
                "salt": salt if state == "given" else None,
                "seq": seq,
                "writer": writer,
            },
            option=_LINE,
        )
        for body, leaf, private, state, salt, seq, writer in zip(*columns, strict=True)
    ]


def _masked(rows: pl.DataFrame) -> pl.DataFrame:
    """What lies in the private part is empty where that is not given."""
    is_hidden = pl.col("private_is") != "given"
    hidden = [pl.when(is_hidden).then(pl.lit("")).otherwise(pl.col(name)).alias(name) for name in ("patient_id", "ip", "details")]
    is_personal = is_hidden & pl.col("actor_kind").is_in(_PERSONAL)
    return rows.with_columns(*hidden, actor_id=pl.when(is_personal).then(pl.lit("")).otherwise(pl.col("actor_id")))
