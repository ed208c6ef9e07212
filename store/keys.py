"""Which events are already in the ledger: (source system, event id) → place, with a digest that tells a repeat from a reuse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from store.engine import Engine

# Keys travel as one literal of hexadecimal digits: binding thousands of parameters takes longer than the look-up.
_FIND = """
SELECT key, content, writer, seq FROM event_keys WHERE key IN
    (SELECT toFixedString(substring(unhex('{hex}'), 16 * number + 1, 16), 16) FROM numbers({count}))
"""
_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """A stored event's content digest (16 bytes) and place."""

    content: bytes
    writer: str
    seq: int


def find_keys(engine: Engine, keys: Sequence[bytes]) -> Mapping[bytes, KnownEvent]:
    """The stored ones among these keys (16 bytes each). Reads a few granules of 256 rows per key, not the table."""
    known: dict[bytes, KnownEvent] = {}
    for first in range(0, len(keys), _AT_ONCE):
        portion = keys[first : first + _AT_ONCE]
        frame = engine.frame(_FIND.format(hex=b"".join(portion).hex(), count=len(portion)))
        known |= {key: KnownEvent(content, writer, seq) for key, content, writer, seq in frame.iter_rows()}
    return known


def store_keys(engine: Engine, writer: str, epoch: int, first_seq: int, keys: Sequence[bytes], contents: Sequence[bytes]) -> None:
    """Remember the keys and content digests (16 bytes each) of entries `first_seq` and on; storing one again changes nothing."""
    engine.insert(
        "event_keys",
        pl.DataFrame(
            {
                "key": pl.Series(keys, dtype=pl.Binary),
                "content": pl.Series(contents, dtype=pl.Binary),
                "epoch": pl.repeat(epoch, len(keys), dtype=pl.UInt32, eager=True),
                "writer": pl.repeat(writer, len(keys), eager=True),
                "seq": pl.int_range(first_seq, first_seq + len(keys), dtype=pl.UInt64, eager=True),
            }
        ),
    )
