"""scope.jsonl: that nothing which was asked for is missing (docs/export-format.md section 3).

The newest `heads` entry and the chain of seals name every log there is. Where the export is about one patient, actor or source
system, the index tree of each log says how many entries they have in it and which; what of these was not asked for is named beside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from dashboards.export_format import encoded, spine_fields
from domain.index_tree import index_key
from store.export_entries import ExportEntries
from store.export_logs import ExportLog, Subject
from store.export_spine import SpineQuote
from store.index_trees import IndexTrees


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The logs there are: `heads` is the entry that the export is as of, `logs` what it leads to, `reached` those with entries.

    `indexed` are the `index` entries made for this export, by origin; with a `subject` every log that is not sealed has one.
    """

    heads: SpineQuote
    seals: Sequence[SpineQuote]
    logs: Sequence[ExportLog]
    reached: Sequence[ExportLog]
    subject: Subject | None
    indexed: Mapping[str, SpineQuote]


def write_scope(file: BinaryIO, extent: Extent, trees: IndexTrees, entries: ExportEntries) -> int:
    """Write the whole file. Returns how many entries of the subject are outside of what was asked."""
    lines = sorted(extent.heads.heads, key=lambda head: head.origin)
    file.write(encoded({"heads": [head.line for head in lines], **spine_fields(extent.heads)}))
    file.writelines(encoded({"seal": seal.word("origin"), **spine_fields(seal)}) for seal in extent.seals)
    if extent.subject is None:
        return 0
    for log in extent.logs:
        if log.record is not None:
            file.write(_index_line(log, extent.subject, trees, extent.indexed))
    return sum(_outside(file, log, entries) for log in extent.reached)


def _index_line(log: ExportLog, subject: Subject, trees: IndexTrees, indexed: Mapping[str, SpineQuote]) -> bytes:
    assert log.record is not None
    origin = log.head.origin
    proof = trees.prove(log.record, log.head.size, subject.dimension, subject.name)
    committed = {"source": "seal"} if log.is_sealed else {"source": "index", **spine_fields(indexed[origin])}
    key = index_key(log.record.secret, subject.dimension).hex()
    return encoded({"index": origin, "by": subject.dimension.value, "key": key, "proof": proof.to_json(), **committed})


def _outside(file: BinaryIO, log: ExportLog, entries: ExportEntries) -> int:
    number = 0
    for frame in entries.outside(log):
        number += frame.height
        file.writelines(
            encoded({"outside": log.head.origin, "seq": seq, "previous": previous, "body": body})
            for seq, body, previous in frame.select("seq", "body", "previous").iter_rows()
        )
    return number
