"""history.jsonl: what became of the ledger until this export, as far as others can check it (docs/export-format.md section 3)."""

from collections.abc import Iterable
from typing import BinaryIO

from dashboards.export_format import encoded, hexes, spine_fields
from store.export_spine import ExportSpine


def write_history(file: BinaryIO, spine: ExportSpine, sizes: Iterable[int]) -> None:
    """Consistency with earlier checkpoints of these sizes, keys that changed, months disposed of. Redactions follow later."""
    for size in sorted(set(sizes)):
        earlier = spine.earlier(size)
        file.write(encoded({"consistency": size, "root": earlier.root.hex(), "path": hexes(earlier.path)}))
    for rotation in spine.of_kind("key-rotate"):
        size = rotation.index + 1
        under = spine.quote(rotation.index, size)
        file.write(encoded({"rotation": rotation.index, "note": spine.note(size), **spine_fields(under)}))
    file.writelines(
        encoded({"tombstone": tombstone.word("origin"), **spine_fields(tombstone)}) for tombstone in spine.of_kind("tombstone")
    )
    file.writelines(
        encoded({"disposed": disposed.number("epoch"), **spine_fields(disposed)}) for disposed in spine.of_kind("disposed")
    )
