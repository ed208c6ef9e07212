"""timestamps.jsonl: between which moments the events of an export were recorded (docs/export-format.md section 3)."""

from typing import BinaryIO

from dashboards.export_format import encoded, hexes, spine_fields
from store.export_entries import ExportEntries
from store.export_logs import ExportLog
from store.export_spine import ExportSpine
from store.export_times import Attested, ExportTimes


def write_times(
    file: BinaryIO, log: ExportLog, first_seq: int, *, times: ExportTimes, spine: ExportSpine, entries: ExportEntries, own: Attested
) -> None:
    """The lines of one log whose first event here is `first_seq`. `own` is the export's checkpoint."""
    seq = log.quote.index
    for covering in times.covering(seq) or [own]:
        under = spine.quote(seq, covering.size)
        line = {"covers": log.head.origin, "note": covering.note, "token": covering.token}
        file.write(encoded({**line, **spine_fields(under)}))
    file.writelines(
        encoded(
            {
                "after": log.head.origin,
                "seq": anchor.seq,
                "index": anchor.index,
                "previous": anchor.previous.hex(),
                "body": anchor.body,
                "private": anchor.private,
                "salt": anchor.salt,
                "tile": anchor.tile,
                "tile_root": anchor.tile_root.hex(),
                "path": hexes(anchor.path),
                "tile_path": hexes(anchor.tile_path),
                "note": anchor.attested.note,
                "token": anchor.attested.token,
            }
        )
        for anchor in times.anchors(entries, log, first_seq)
    )
