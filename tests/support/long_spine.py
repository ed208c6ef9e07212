"""A spine of any size in no time: rows in one insert, and an anchor that signed them."""

from pathlib import Path

import polars as pl

from domain.checkpoint import Head
from domain.clock import Clock, rfc3339
from domain.entry import chain, genesis
from domain.json import canonical
from domain.merkle import EMPTY_ROOT, root
from store.anchor import Anchor
from store.engine import Engine
from tests.support.node import SIGNER


def lay_spine(engine: Engine, directory: Path, clock: Clock, count: int) -> None:
    """`count` entries in an empty store, and an anchor for `node(engine, directory, …)` that signed them."""
    if not count:
        return
    bodies, leaves, previous = [], [], genesis(SIGNER.name, b"")
    for seq in range(count):
        time = rfc3339(clock())
        body = canonical({"v": 1, "seq": seq, "time": time, "kind": "heads", "heads_root": EMPTY_ROOT.hex(), "fields": {}})
        bodies.append(body)
        previous = chain(previous, body)
        leaves.append(previous)
    engine.insert(
        "spine",
        pl.DataFrame(
            {
                "seq": pl.Series(range(count), dtype=pl.UInt64),
                "time": [clock()] * count,
                "kind": ["heads"] * count,
                "body": [body.decode() for body in bodies],
                "heads": [""] * count,
                "leaf": pl.Series(leaves, dtype=pl.Binary),
            }
        ),
    )
    anchor = Anchor(directory / "state", directory / "copies")
    anchor.begin_spine()
    head = Head(SIGNER.name, count, root(leaves))
    anchor.advance_spine(old=0, head=head, note=SIGNER.sign(head.checkpoint))
    anchor.close()
