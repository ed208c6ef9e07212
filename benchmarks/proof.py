"""Proofs of single events out of ten million: time to make one, to check it, and its size in both forms.

The log is laid by SQL: a proof does not depend on what the other leaves are hashes of, so they are random bytes; the events that
are proven are real entries. Tiles, heads and checkpoint are made by the product.
"""

import tempfile
from functools import partial
from pathlib import Path

import orjson

from benchmarks.measure import Report, timed
from domain.checkpoint import Head
from domain.clock import rfc3339, system_clock
from domain.entry import draft, place
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.keyring import KeyRing
from domain.note import Signer
from domain.proof import verify_event_proof
from domain.tlog_proof import tlog_proof, verify_entry
from store.anchor import Anchor
from store.engine import Engine
from store.logs import LogRecord, epoch_of, log_origin, register_log
from store.proofs import Proofs
from store.segment import Segment
from store.spine import Spine
from store.tree import restore_frontier

SIZE = 10_000_000
SPINE = 128
"""Entries of the spine: ten minutes of them. Each doubling adds a hash to a proof; six years are 2^25 and add 18."""

_LAY = """
INSERT INTO events (epoch, writer, seq, leaf, header, private, time, received)
SELECT {epoch:UInt32}, 'main', number, toFixedString(randomString(32), 32), '', '', now64(6), now64(6)
FROM numbers({first:UInt64}, {count:UInt64})
"""


def run(report: Report, size: int = SIZE) -> None:
    """Lay a log of `size` entries and prove some of them."""
    signer = Signer("bench.example/spine", bytes(32))
    places = [size // 3, size // 7, 0, size - 1, 256 * 1000, 5]
    with tempfile.TemporaryDirectory() as folder, Engine.embedded(Path(folder)) as engine:
        engine.migrate()
        anchor = Anchor(Path(folder) / "state", None)
        spine = Spine(engine, anchor, signer, system_clock)
        now = system_clock()
        origin = log_origin(spine.origin, "main", epoch_of(now))
        record = LogRecord(writer="main", epoch=epoch_of(now), origin=origin, first_seq=0, previous=bytes(32), secret=bytes(32))
        register_log(engine, record)
        wanted = sorted({place for place in places if 0 <= place < size})
        first = 0
        for seq in wanted:
            _lay(engine, record, first, seq - first)
            _real(engine, record, seq)
            first = seq + 1
        _lay(engine, record, first, size - first)
        root = restore_frontier(engine, record.log, size).root()
        for _ in range(SPINE):
            spine.append("heads", {"seals": 0, "last_seal": None}, [Head(origin, size, root)])
        first = timed(partial(Proofs(engine, signer.name).event, "main", size // 2 - 1))
        report("proof", f"of one event out of {size:,}, the first under a checkpoint, milliseconds", first * 1000)
        proofs = Proofs(engine, signer.name)
        proofs.event("main", wanted[-1])
        times = [timed(partial(proofs.event, "main", seq)) for seq in wanted for _ in range(3)]
        report("proof", f"of one event out of {size:,}, milliseconds, median", sorted(times)[len(times) // 2] * 1000)
        report("proof", f"of one event out of {size:,}, milliseconds, slowest", max(times) * 1000)
        proof = proofs.event("main", wanted[len(wanted) // 2])
        compact = tlog_proof(proof)
        ring = KeyRing.of(signer.verifier)
        report("proof", "checking it, milliseconds", timed(lambda: verify_event_proof(proof, ring)) * 1000)
        verify_entry(compact, proof.body, proof.previous, [signer.verifier])
        report("proof", f"bytes of its tlog-proof, spine of {SPINE}", len(compact.text.encode()))
        report("proof", "bytes of it as JSON, with the event's header", len(orjson.dumps(proof.to_json())))
        anchor.close()


def _lay(engine: Engine, record: LogRecord, first: int, count: int) -> None:
    for start in range(first, first + count, 1_000_000):
        portion = min(1_000_000, first + count - start)
        engine.execute(_LAY, epoch=record.epoch, first=start, count=portion)


def _real(engine: Engine, record: LogRecord, seq: int) -> None:
    now = system_clock()
    event = AuditEvent(
        source_system="bench",
        event_id=f"proven-{seq}",
        time=now,
        source=Source.ACCESS,
        action="view_chart",
        actor=Actor(id="u-1", kind=ActorKind.STAFF),
        patient_id="P-1",
    )
    previous = record.previous
    if seq:
        previous = engine.frame("SELECT leaf FROM events WHERE seq = {seq:UInt64}", seq=seq - 1)["leaf"][0]
    entry = place(draft(event), writer="main", seq=seq, received=rfc3339(now), secret=record.secret, previous=previous)
    engine.insert("events", Segment(record=record, first_seq=seq, received=now, events=[event], entries=[entry]).frame())
