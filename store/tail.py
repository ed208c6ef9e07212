"""Where a store ends, read from its rows alone: for the decision to accept a restored one."""

from dataclasses import dataclass

from domain.checkpoint import Head
from store.engine import Engine
from store.tree import Log, restore_frontier

_WRITER = "SELECT count() AS entries, max(seq) AS last, argMax(leaf, seq) AS leaf FROM events WHERE writer = {writer:String}"
_SPINE = "SELECT count() FROM spine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The last entry of a writer (seq −1: none; leaf empty) and the spine as a head."""

    seq: int
    leaf: bytes
    spine: Head


def stored_tail(engine: Engine, writer: str, spine_origin: str) -> Tail:
    """The tail of what is stored."""
    entries, last, leaf = engine.frame(_WRITER, writer=writer).row(0)
    size = int(str(engine.rows(_SPINE)[0][0]))
    root = restore_frontier(engine, Log(origin=spine_origin), size).root()
    return Tail(seq=last if entries else -1, leaf=leaf if entries else b"", spine=Head(spine_origin, size, root))
