"""Redacted entries in an export: which `redact` entry of the spine covers each, and that it names exactly this entry.

`root` of a `redact` entry is the RFC 6962 root over `seq SP private_digest SP patient_tag SP actor_tag`, in order of seq
(docs/log-format.md section 10).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.merkle import Leaves, leaf_hash
from store.engine import Engine
from store.export_logs import ExportLog
from store.export_spine import ExportSpine, SpineQuote
from store.export_tree import TileTree

_OF = """
SELECT DISTINCT seq, root FROM redactions
WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND seq IN (SELECT arrayJoin({seqs:Array(UInt64)})) ORDER BY seq
"""

_TOGETHER = """
SELECT DISTINCT seq, concat(toString(seq), ' ', private_digest, ' ', patient_tag, ' ', actor_tag) AS row FROM redactions
WHERE epoch = {epoch:UInt32} AND writer = {writer:String} AND root = {root:String} ORDER BY seq
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """One redacted entry: its row as text, at `index` of the `count` rows of the spine entry `quote`, with its audit path."""

    seq: int
    row: str
    index: int
    count: int
    path: Sequence[bytes]
    quote: SpineQuote


class ExportRedactions:
    """Finds the redactions of entries. The rows of the `redact` entry asked for last are kept in memory."""

    def __init__(self, engine: Engine, spine: ExportSpine) -> None:
        self._engine = engine
        self._quotes = {(quote.word("origin"), quote.word("root")): quote for quote in spine.of_kind("redact")}
        self._place: tuple[str, str] | None = None
        self._rows: Mapping[int, tuple[int, str]] = {}
        self._tree: TileTree | None = None

    def of(self, log: ExportLog, seqs: Sequence[int]) -> list[Redaction]:
        """The redactions of these entries of a log. One that the spine knows nothing of is left out: a checker sees it."""
        assert log.record is not None
        place = {"epoch": log.record.epoch, "writer": log.record.writer}
        found = []
        for seq, root in self._engine.rows(_OF, seqs=list(seqs), **place) if seqs else ():
            quote = self._quotes.get((log.head.origin, str(root)))
            if quote is None:
                continue
            if self._place != (log.head.origin, str(root)):
                self._read(log.head.origin, str(root), place)
            assert isinstance(seq, int)
            assert self._tree is not None
            index, row = self._rows[seq]
            path = self._tree.tile(index // 256).path(index % 256) + self._tree.tile_path(index // 256)
            found.append(Redaction(seq=seq, row=row, index=index, count=len(self._rows), path=path, quote=quote))
        return found

    def _read(self, origin: str, root: str, place: Mapping[str, object]) -> None:
        rows = [(int(str(seq)), str(row)) for seq, row in self._engine.rows(_TOGETHER, root=root, **place)]
        self._rows = {seq: (index, row) for index, (seq, row) in enumerate(rows)}
        self._tree = TileTree(Leaves([leaf_hash(row.encode()) for _, row in rows]), len(rows))
        self._place = (origin, root)
