"""Access monitoring over history: what facts, rules and days cost, as shares and against reading the same events.

`python -m benchmarks access --events 1000000`. A synthetic stream (`benchmarks.access_stream`) is written as columns, then
`analyze` runs from cold in a process of its own, and `follow` after the events of one further day came. Times are of this machine
at this moment, with the processor time beside them, because the machine is shared. Nothing here gates a test.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from analytics.engine import Analytics
from benchmarks.access_stream import BEGIN, ZONE, Shape, write
from benchmarks.measure import Report, report, timed
from domain.clock import Clock
from domain.event import EARLIEST, LATEST
from domain.finding import Finding
from domain.organisation import Organisation
from store.context_records import ContextRecords, Selection
from store.cursors import Backlog, Span
from store.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 300_000

_STATE = ("access_facts", "late_reasons", "scores", "score_features", "score_models", "findings")


def main(arguments: Sequence[str] = ()) -> None:
    """Write a stream, analyse it, add a day; every step in a process of its own, so that memory is that of analysis alone."""
    parser = argparse.ArgumentParser(prog="benchmarks access")
    parser.add_argument("--events", type=int, default=COUNT)
    parser.add_argument("--work", type=Path, help="keep the store here, and use one that is there")
    parser.add_argument("--step", choices=("write", "analyse", "day", "read"))
    given = parser.parse_args(arguments)
    shape = Shape.of(given.events)
    if given.step:
        _step(given.step, shape, given.work)
        return
    with tempfile.TemporaryDirectory() as folder:
        work = given.work or Path(folder)
        if not (work / "clickhouse").is_dir():
            _report("write", _apart("write", given.events, work), report)
        for step in ("read", "analyse", "day"):
            _report(step, _apart(step, given.events, work), report)


def _apart(step: str, events: int, work: Path) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks", "access", "--events", str(events), "--work", str(work), "--step", step]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.decode(errors="replace")[-2000:])
    found: dict[str, float] = orjson.loads(done.stdout.splitlines()[-1])
    return found


def _report(step: str, figures: dict[str, float], say: Report) -> None:
    for what, value in figures.items():
        say(step, what, value)


def _step(step: str, shape: Shape, work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    with Engine.embedded(work) as engine:
        engine.migrate()
        figures: dict[str, float] = {}
        begin, used = time.perf_counter(), time.process_time()
        match step:
            case "write":
                # All days but the last, which comes later.
                figures["events"] = write(engine, replace(shape, days=shape.days - 1))
            case "read":
                _read(engine)
            case "analyse":
                figures |= _analyse(engine)
            case "day":
                write(engine, shape, first_day=shape.days - 1)
                begin, used = time.perf_counter(), time.process_time()
                figures |= _day(engine, shape)
        figures["wall, s"] = time.perf_counter() - begin
        figures["processor, s"] = time.process_time() - used
        figures["peak memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if step in ("analyse", "day"):
            figures |= _state(engine)
    print(orjson.dumps(figures).decode(), flush=True)


def _read(engine: Engine) -> None:
    records = ContextRecords(engine)
    for span in Backlog(engine).between(EARLIEST, LATEST, 20_000):
        records.accesses(Selection.entries(span.writer, span.first, span.last))


class _Timed(Analytics):
    """Analytics that says how long its stages took."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        super().__init__(engine, clock=clock)
        self.seconds: dict[str, float] = defaultdict(float)
        self.processor: dict[str, float] = defaultdict(float)

    @contextmanager
    def _stage(self, name: str) -> "Iterator[None]":
        begin, used = time.perf_counter(), time.process_time()
        yield
        self.seconds[name] += time.perf_counter() - begin
        self.processor[name] += time.process_time() - used

    def _enrich(self, spans: Sequence[Span]) -> set[str]:
        with self._stage("facts"):
            return super()._enrich(spans)

    def _rules_over(self, first: date, end: date, org: Organisation, *, now: datetime, seen_until: datetime) -> list[Finding]:
        with self._stage("rules"):
            return super()._rules_over(first, end, org, now=now, seen_until=seen_until)

    def _detect(self, day: date, org: Organisation, *, now: datetime) -> int:
        with self._stage("days"):
            return super()._detect(day, org, now=now)


def _clock_of(day: date) -> Clock:
    moment = Organisation.of({"timezone": ZONE}).midnight(day) + timedelta(hours=3)
    return lambda: moment


def _analyse(engine: Engine) -> dict[str, float]:
    analytics = _Timed(engine, _clock_of(date(2026, 12, 1)))
    done = analytics.analyze()
    return {"events": done.events, "days": done.days, "findings": done.findings, **_stages(analytics)}


def _stages(analytics: _Timed) -> dict[str, float]:
    return {f"{name}, s": value for name, value in analytics.seconds.items()} | {
        f"{name}, processor s": value for name, value in analytics.processor.items()
    }


def _day(engine: Engine, shape: Shape) -> dict[str, float]:
    last = BEGIN + timedelta(days=shape.days - 1)
    now = [_clock_of(last + timedelta(days=2))]
    analytics = _Timed(engine, lambda: now[0]())
    figures: dict[str, float] = {"events": 0.0}
    figures["following, s"] = timed(lambda: figures.update(events=analytics.follow()))
    now.insert(0, _clock_of(last + timedelta(days=3)))  # the day is closed when nothing more has come for it
    figures["closing, s"] = timed(analytics.close_days)
    return figures | _stages(analytics)


def _state(engine: Engine) -> dict[str, float]:
    names = ", ".join(f"'{name}'" for name in _STATE)
    found = engine.rows(
        "SELECT table, sum(rows), sum(bytes_on_disk) / 1e6 FROM system.parts "
        f"WHERE active AND database = 'phitrail' AND table IN ({names}) GROUP BY table ORDER BY table"
    )
    figures = {f"rows of {name}": float(str(rows)) for name, rows, _ in found}
    return figures | {f"MB of {name}": float(str(size)) for name, _, size in found}
