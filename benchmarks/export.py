"""An export of 100,000 events: making it, checking it with verify.py, and what a bare dump of the same events costs."""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import dashboards.export_verify
from benchmarks.measure import Report, timed
from benchmarks.stream import events
from dashboards.export_request import ExportRequest
from dashboards.exports import ExportDesk, export_bundle
from domain.clock import system_clock
from domain.note import Signer
from store.anchor import Anchor
from store.engine import Engine
from store.events import EventFilter
from store.exports import ExportQuestions
from store.keeper import Keeper, kept
from store.ledger import Ledger
from store.spine import Spine

COUNT = 100_000
_BATCH = 5_000

_DUMP = """
SELECT seq, header, private FROM events WHERE seq >= {first:UInt64} AND seq < {end:UInt64} ORDER BY seq
"""


def run(report: Report, count: int = COUNT) -> None:
    """Store `count` events, and give them out in each way."""
    signer = Signer("bench.example/spine", bytes(32))
    stream = events(count)
    with tempfile.TemporaryDirectory() as folder, Engine.embedded(Path(folder)) as engine:
        engine.migrate()
        place = Path(folder)
        anchor = Anchor(place / "state", None)
        spine = Spine(engine, anchor, signer, system_clock)
        keeper = Keeper(engine, spine, system_clock)
        ledger = Ledger(
            engine=engine, anchor=anchor, origin=spine.origin, clock=system_clock, new_secret=lambda: os.urandom(32), writer="main"
        )
        with kept(keeper, ledger):
            for start in range(0, count, _BATCH):
                ledger.append(stream[start : start + _BATCH])
            numbers = iter(range(1_000))
            desk = ExportDesk(
                questions=ExportQuestions(engine, signer.name),
                clock=system_clock,
                new_id=lambda: f"bench-{next(numbers)}",
                record=lambda event: ledger.append([event]),
                keeper=keeper,
                keys=spine.keys,
                completeness_verdict=lambda: ("no gap seen", []),
                organisation="Benchmark",
                zone=ZoneInfo("UTC"),
            )
            bare = timed(partial(_dump, engine, place / "bare.jsonl", count))
            report("export", f"a bare dump of {count:,} events as JSON lines, seconds", bare)
            for name, wanted in (
                ("everything", EventFilter()),
                ("one source system", EventFilter(source_systems=("ehr",))),
            ):
                out = place / f"{name}.zip"
                request = ExportRequest(wanted=wanted, purpose="benchmark", by="bench")
                making = timed(partial(export_bundle, desk, request, out))
                report("export", f"{name}: {count:,} events with proofs, seconds", making)
                report("export", f"{name}: against the bare dump", making / bare)
                report("export", f"{name}: MiB", out.stat().st_size / 2**20)
                checking = timed(partial(_check, out, place / "ledger.keys", spine.keys.text))
                report("export", f"{name}: verify.py over it, seconds", checking)
                report("export", f"{name}: verify.py against the bare dump", checking / bare)
        anchor.close()


def _dump(engine: Engine, path: Path, count: int) -> None:
    with path.open("wb") as file:
        for first in range(0, count, 20_000):
            frame = engine.frame(_DUMP, first=first, end=min(first + 20_000, count))
            file.writelines(f'{{"body":{header},"private":{private}}}\n'.encode() for _, header, private in frame.iter_rows())


def _check(bundle: Path, keys: Path, text: str) -> None:
    keys.write_text(text, encoding="utf-8")
    program = dashboards.export_verify.__file__
    subprocess.run([sys.executable, "-I", program, str(bundle), "--trust", str(keys)], check=True, stdout=subprocess.DEVNULL)
