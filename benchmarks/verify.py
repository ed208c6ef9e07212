"""The checker: everything recomputed and compared, against a bare SHA-256 scan of the same bytes in the same store."""

import os
import tempfile
from pathlib import Path

from benchmarks.measure import Report, timed
from benchmarks.stream import events
from domain.clock import system_clock
from domain.note import Signer
from store.anchor import Anchor
from store.engine import Engine
from store.fsck import Trusted, check
from store.keeper import Keeper, kept
from store.ledger import Ledger
from store.spine import Spine

COUNT, BATCH, ROUNDS = 500_000, 5_000, 5

_SCAN = "SELECT sum(cityHash64(SHA256(concat(header, private)))) FROM events"


def run(report: Report) -> None:
    """Store a stream, then scan and verify it in turn; the best round of each counts, because the machine is shared."""
    stream, signer = events(COUNT), Signer("bench.example/spine", bytes(32))
    with tempfile.TemporaryDirectory() as folder, Engine.embedded(Path(folder)) as engine:
        engine.migrate()
        anchor = Anchor(Path(folder) / "state", None)
        spine = Spine(engine, anchor, signer, system_clock)
        ledger = Ledger(engine=engine, anchor=anchor, origin=spine.origin, clock=system_clock, new_secret=lambda: os.urandom(32))
        with kept(Keeper(engine, spine, system_clock), ledger):
            for first in range(0, COUNT, BATCH):
                ledger.append(stream[first : first + BATCH])
        signed, head = anchor.spine_note(), anchor.writer_head("main")
        assert signed is not None
        assert head is not None
        trusted = Trusted.single(signer.name, signer.verifier.public, notes=[signed[1]], acknowledged={"main": head})
        assert not check(engine, trusted).problems
        scans, checks = zip(
            *((timed(lambda: engine.rows(_SCAN)), timed(lambda: check(engine, trusted))) for _ in range(ROUNDS)), strict=True
        )
        report("verify", "entries a second", COUNT / min(checks))
        report("verify", "everything, against a bare SHA-256 scan of the same bytes", min(checks) / min(scans))
        anchor.close()
