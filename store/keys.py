"""Which events are already in the ledger: (source system, event id) → place, with a digest that tells a repeat from a reuse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from store.engine import Engine

# Keys travel as numbers: the client escapes text parameters character by character.
_FIND = """
SELECT key, content, writer, seq FROM event_keys
WHERE key IN (SELECT reinterpretAsFixedString(arrayJoin({keys:Array(UInt128)})))
"""


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """A stored event's content digest (16 bytes) and place."""

    content: bytes
    writer: str
    seq: int


def find_keys(engine: Engine, keys: Sequence[bytes]) -> Mapping[bytes, KnownEvent]:
    """The stored ones among these keys. Reads a few granules of 256 rows per key, not the table."""
    frame = engine.frame(_FIND, keys=[int.from_bytes(key, "little") for key in keys])
    return {key: KnownEvent(content, writer, seq) for key, content, writer, seq in frame.iter_rows()}


def store_keys(engine: Engine, writer: str, epoch: int, rows: Sequence[tuple[bytes, bytes, int]]) -> None:
    """Remember (key, content, seq) rows; storing one again changes nothing."""
    keys, contents, seqs = zip(*rows, strict=True)
    engine.insert(
        "event_keys",
        pl.DataFrame(
            {
                "key": pl.Series(keys, dtype=pl.Binary),
                "content": pl.Series(contents, dtype=pl.Binary),
                "epoch": pl.Series([epoch] * len(rows), dtype=pl.UInt32),
                "writer": [writer] * len(rows),
                "seq": pl.Series(seqs, dtype=pl.UInt64),
            }
        ),
    )
