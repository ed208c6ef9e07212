"""A ledger node on a directory, put together as `runtime/` does, over the engine that tests share."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from domain.clock import Clock
from domain.note import Signer
from store.anchor import Anchor
from store.engine import Engine
from store.fsck import Trusted, TrustedKey, Verification, check
from store.keeper import Keeper, kept
from store.ledger import Ledger
from store.spine import Spine

SIGNER = Signer("log.example/spine", bytes(range(32)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Engine, anchor, spine, keeper and ledger that belong together."""

    engine: Engine
    anchor: Anchor
    spine: Spine
    keeper: Keeper
    ledger: Ledger

    def verify(self, *, notes: tuple[str, ...] = ()) -> Verification:
        """What `phitrail verify` computes: everything this node can hold against its store."""
        return verify(self.engine, self.anchor, notes=notes)


def verify(engine: Engine, anchor: Anchor, *, notes: tuple[str, ...] = (), copies: tuple[str, ...] = ()) -> Verification:
    """Check a store against an anchor, without a running ledger."""
    return check(engine, replace(trusted(anchor, notes=notes), copies=copies))


def trusted(anchor: Anchor, *, notes: tuple[str, ...] = (), keys: Sequence[TrustedKey] = ()) -> Trusted:
    """Everything that an anchor holds against a store; `keys` stand in for the one key of tests."""
    signed = anchor.spine_note()
    head = anchor.writer_head("main")
    return Trusted(
        key_name=SIGNER.name,
        keys=keys or [TrustedKey(name=SIGNER.name, public_key=SIGNER.verifier.public)],
        notes=[*notes, *([signed[1]] if signed and signed[0] else [])],
        acknowledged={"main": head} if head and head[0] >= 0 else {},
    )


@contextmanager
def node(engine: Engine, directory: Path, clock: Clock, **options: int) -> Iterator[Node]:
    """Open a node on `directory`; its ledger is closed at the end (with a last checkpoint)."""
    with closing(Anchor(directory / "state", directory / "copies")) as anchor:
        spine = Spine(engine, anchor, SIGNER, clock)
        keeper = Keeper(engine, spine, clock)
        ledger = Ledger(engine=engine, anchor=anchor, origin=SIGNER.name, clock=clock, new_secret=lambda: bytes(32), **options)
        with kept(keeper, ledger):
            yield Node(engine=engine, anchor=anchor, spine=spine, keeper=keeper, ledger=ledger)
