"""Ratios of the hot paths, measured in one run: `make bench`. Absolute figures are of this machine at this moment."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from benchmarks.stream import events
from domain.clock import system_clock
from domain.entry import draft
from domain.note import Signer
from domain.proof import verify_event_proof
from ingest.parsers import parser_for
from runtime.sources import outward
from store.anchor import Anchor
from store.engine import Engine
from store.fsck import Trusted, check
from store.ledger import Ledger
from store.logs import registered_logs
from store.proofs import Proofs
from store.segment import make_segment
from store.spine import Spine

COUNT = 100_000
BATCH = 5_000
SIGNER = Signer("bench.example/spine", bytes(32))


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call took."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    """Run every measurement on one fresh store."""
    stream = events(COUNT)
    with tempfile.TemporaryDirectory() as folder, Engine.embedded(Path(folder)) as engine:
        engine.migrate()
        anchor = Anchor(Path(folder) / "state", None)
        spine = Spine(engine, anchor, SIGNER, system_clock)
        with Ledger(engine=engine, anchor=anchor, spine=spine, clock=system_clock, new_secret=lambda: os.urandom(32)) as ledger:
            batches = [stream[i : i + BATCH] for i in range(0, COUNT, BATCH)]
            writing = timed(lambda: [ledger.append(batch) for batch in batches])
            again = timed(lambda: [ledger.append(batch) for batch in batches[:4]]) / 4 * len(batches)
            ledger.checkpoint()
            report("ledger", "events stored a second", COUNT / writing)
            report("ledger", "all duplicates, against storing", again / writing)

            record = registered_logs(engine)[0]
            frames = []
            for batch in batches:
                segment = make_segment(
                    batch,
                    [draft(event) for event in batch],
                    record=record,
                    first_seq=0,
                    received=system_clock(),
                    previous=record.previous,
                )
                frames.append(segment.frame())
            engine.execute("CREATE TABLE bare AS events ENGINE = MergeTree PARTITION BY epoch ORDER BY (writer, seq)")
            bare = timed(lambda: [engine.insert("bare", frame) for frame in frames])
            report("ledger", "storing, against the same rows inserted bare", writing / bare)

            head = anchor.writer_head("main")
            note = anchor.spine_note()
            assert head is not None
            assert note is not None
            trusted = Trusted(key_name=SIGNER.name, public_key=SIGNER.verifier.public, notes=[note[1]], acknowledged={"main": head})
            scan = timed(lambda: engine.rows("SELECT sum(cityHash64(SHA256(concat(header, private)))) FROM events"))
            full = timed(lambda: check(engine, trusted))
            report("verify", "entries a second", COUNT / full)
            report("verify", "full, against a bare SHA256 scan of the same bytes", full / scan)

            proofs = Proofs(engine, SIGNER.name)
            first = timed(lambda: proofs.event("main", COUNT // 3))
            many = timed(lambda: [proofs.event("main", seq) for seq in range(2_000)])
            size = len(orjson.dumps(proofs.event("main", COUNT // 3).to_json()))
            checking = timed(lambda: verify_event_proof(proofs.event("main", 5), [SIGNER.verifier]))
            report("proof", "first proof, milliseconds", first * 1000)
            report("proof", "each of 2,000 in a row, milliseconds", many / 2_000 * 1000)
            report("proof", "making and checking one, milliseconds", checking * 1000)
            report("proof", "bytes of one", size)
            disk = engine.rows(
                "SELECT sum(column_data_compressed_bytes) FROM system.parts_columns "
                "WHERE database = 'phitrail' AND table = 'events' AND active AND column = 'leaf'"
            )
            keys = engine.rows("SELECT sum(data_compressed_bytes) FROM system.parts WHERE table = 'event_keys' AND active")
            report("disk", "bytes of leaf an event", float(str(disk[0][0])) / COUNT)
            report("disk", "bytes of deduplication key an event", float(str(keys[0][0])) / COUNT)
        anchor.close()
    parsing(stream[:20_000])


def parsing(stream: list) -> None:  # type: ignore[type-arg]
    """JSON Lines, the richest path, against decoding the same bytes."""
    lines = [orjson.dumps(outward(event)) for event in stream]
    parser = parser_for("phitrail", source_system="bench", received=system_clock)
    decode = timed(lambda: [orjson.loads(line) for line in lines])
    parse = timed(lambda: [parser.parse(line) for line in lines])
    report("parse", "phitrail events a second", len(lines) / parse)
    report("parse", "phitrail, against bare JSON decoding", parse / decode)


def report(area: str, what: str, value: float) -> None:
    """One line of the result."""
    print(f"{area:<8} {what:<55} {value:>12,.2f}", flush=True)


if __name__ == "__main__":
    main()
