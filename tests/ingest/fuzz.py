"""Fuzzing the parsers: damaged records without end, and what each parser made of them.

`python -m tests.ingest.fuzz --records 3000 --seed 1` reads at least that many records of every format (`--format` picks) and
prints a table. It ends with 1 where a parser broke its contract (`tests/support/parser_contract.py`), took over 100 ms of CPU for a
record, or held more memory than the record explains; `--keep DIR` takes the bytes of each such case. The same seed gives the same
cases on every machine that has the same inputs.
"""

import argparse
import random
import signal
import sys
import time
import traceback
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from domain.event import AuditEvent
from ingest.parsers import FORMATS, MAX_RECORD, Oversize, Parser, parser_for, split_records
from tests.support.fuzz_inputs import all_records, files, records
from tests.support.mutations import mutated
from tests.support.parser_contract import SOURCE_SYSTEM, breaches

RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)
SLOWEST = 0.1
"""Seconds of CPU that a record may take."""

MEMORY_BASE, MEMORY_FACTOR = 32 << 20, 48
"""Bytes that a case may take at its peak: a base, and so many times its own length."""

CUTTING = 3.0
"""Seconds of CPU that cutting 1 MB into its records may take, however many they are: the whole may not be quadratic either."""

ENDLESS = 10.0
"""Seconds of CPU after which a case is given up."""

_COUNTED = 20
"""Records of one case that count towards those asked for: a case of thousands of scraps must not crowd out the others."""

_PARSER_LIFE = 100
"""Cases that one parser reads before a fresh one takes over: long enough to carry what it remembers into strange company."""

_TRACED_EVERY = 25
"""Cases of which one is watched for its memory, and not for its time; of large ones every third."""

_LARGE = 200_000
_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """What went wrong in which case. `record` None stands for cutting the stream into records."""

    format: str
    seed: int
    case: int
    what: str
    stream: bytes
    record: bytes | None = None


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the records of one format."""

    format: str
    cases: int = 0
    records: int = 0
    events: int = 0
    quarantined: int = 0
    longest: int = 0
    slowest: float = 0.0
    peak: int = 0
    found: list[Breach] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One stream of bytes, how it is handed over, and how long a record in it may be."""

    number: int
    stream: bytes
    piece: int
    limit: int

    def chunks(self) -> Iterator[bytes]:
        return (self.stream[at : at + self.piece] for at in range(0, len(self.stream), self.piece))


def cases(format: str, seed: int, *, has_samples: bool = True) -> Iterator[Case]:  # noqa: A002 (the field's name everywhere)
    """Damaged streams of a format without end."""
    own, whole = records(format, has_samples=has_samples), files(has_samples=has_samples)[format]
    others = all_records(has_samples=has_samples)
    number = 0
    while True:
        chance = random.Random(f"{seed}/{format}/{number}")
        base = chance.choice(chance.choices((own, whole, others), (70, 22, 8))[0])
        stream = mutated(chance, base, others)
        piece = chance.choice((7, 333)) if len(stream) < 5_000 else 64 * 1024
        limit = chance.choices((MAX_RECORD, 2_000), (95, 5))[0]
        yield Case(number=number, stream=stream, piece=chance.choice((piece, max(1, len(stream)))), limit=limit)
        number += 1


class Endless(Exception):
    """A case went on for longer than anybody waits."""


def _give_up(*_: object) -> None:
    raise Endless


def fuzz(format: str, *, count: int, seed: int, has_samples: bool = True, is_timed: bool = True) -> Tally:  # noqa: A002
    """Read at least `count` records of a format; not timed, it looks at the answers only."""
    tally = Tally(format=format)
    parser = fresh(format)
    earlier: list[bytes] = []
    counted = 0
    for case in cases(format, seed, has_samples=has_samples):
        if counted >= count:
            break
        before = tally.records
        if case.number % _PARSER_LIFE == 0:
            parser, earlier = fresh(format), []
        is_traced = is_timed and case.number % (_TRACED_EVERY if len(case.stream) < _LARGE else 3) == 0
        if is_traced:
            tracemalloc.start()
        if is_timed:
            signal.setitimer(signal.ITIMER_VIRTUAL, ENDLESS)
        try:
            _read(case, parser, earlier, tally, seed=seed, is_timed=is_timed and not is_traced)
        except Exception as error:  # noqa: BLE001 - that none escapes is what is tested
            what = f"{type(error).__name__} at {_place(error)}"
            tally.found.append(Breach(format=format, seed=seed, case=case.number, what=what, stream=case.stream))
            parser, earlier = fresh(format), []
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            if is_traced:
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
                tally.peak = max(tally.peak, peak)
                if peak > MEMORY_BASE + MEMORY_FACTOR * len(case.stream):
                    what = f"{peak >> 20} MB for {len(case.stream)} bytes"
                    tally.found.append(Breach(format=format, seed=seed, case=case.number, what=what, stream=case.stream))
        tally.cases += 1
        counted += min(tally.records - before, _COUNTED)
    return tally


def fresh(format: str) -> Parser:  # noqa: A002
    """A parser that has read nothing."""
    return parser_for(format, source_system=SOURCE_SYSTEM, received=lambda: RECEIVED)


def _read(case: Case, parser: Parser, earlier: list[bytes], tally: Tally, *, seed: int, is_timed: bool) -> None:
    format = parser.format  # noqa: A001
    stream = split_records(format, case.chunks(), max_record=case.limit)
    number, cutting = 0, 0.0
    while True:
        begin = time.thread_time()
        record = next(stream, None)
        took = time.thread_time() - begin
        cutting += took
        if record is None:
            break
        if is_timed and took > SLOWEST:
            took = min(took, *(_cutting(case, format, number) for _ in range(3)))
        number += 1
        tally.records += 1
        if isinstance(record, Oversize):
            tally.quarantined += 1
        else:
            tally.longest = max(tally.longest, len(record))
            begin = time.thread_time()
            parsed = parser.parse(record)
            reading = time.thread_time() - begin
            if is_timed and reading > SLOWEST:
                reading = min(reading, *(_reading(parser, record) for _ in range(3)))
            took = max(took, reading)
            tally.events += sum(isinstance(one, AuditEvent) for one in parsed)
            tally.quarantined += not all(isinstance(one, AuditEvent) for one in parsed)
            for what in breaches(format, record, parsed, earlier):
                tally.found.append(Breach(format=format, seed=seed, case=case.number, what=what, stream=case.stream, record=record))
            earlier.append(record)
        if is_timed:
            tally.slowest = max(tally.slowest, took)
            if took > SLOWEST:
                what = f"{took * 1000:.0f} ms for a record of {len(record.head if isinstance(record, Oversize) else record)} bytes"
                kept = None if isinstance(record, Oversize) else record
                tally.found.append(Breach(format=format, seed=seed, case=case.number, what=what, stream=case.stream, record=kept))
    if is_timed and cutting > SLOWEST + CUTTING * len(case.stream) / 1e6:
        what = f"{cutting:.1f} s to cut {len(case.stream)} bytes into {number} records"
        tally.found.append(Breach(format=format, seed=seed, case=case.number, what=what, stream=case.stream))


def _reading(parser: Parser, record: bytes) -> float:
    begin = time.thread_time()
    parser.parse(record)
    return time.thread_time() - begin


def _cutting(case: Case, format: str, number: int) -> float:  # noqa: A002
    """Seconds of CPU until the record of that number is found, from the one before it."""
    stream = split_records(format, case.chunks(), max_record=case.limit)
    for _ in range(number):
        next(stream)
    begin = time.thread_time()
    next(stream)
    return time.thread_time() - begin


def _place(error: Exception) -> str:
    """The last line of ours that it came through, and the last at all."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.name != "_give_up"]
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_REPOSITORY / "ingest")] or frames
    return " < ".join(dict.fromkeys(f"{Path(frame.filename).name}:{frame.lineno}" for frame in (frames[-1], ours[-1])))


# --- The command -----------------------------------------------------------------------------------------------------------------


def _keep(folder: Path, breach: Breach) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{breach.format}-{breach.seed}-{breach.case}.bin"
    path.write_bytes(breach.stream if breach.record is None else breach.record)
    return path.name


def _shown(tallies: list[Tally]) -> Table:
    table = Table("format", title="Fuzzing")
    for name in ("cases", "records", "events", "quarantined", "longest, bytes", "slowest, ms", "peak, MB", "breaches"):
        table.add_column(name, justify="right")
    for one in tallies:
        counts = (one.cases, one.records, one.events, one.quarantined, one.longest)
        shares = (f"{one.slowest * 1000:.1f}", f"{one.peak / (1 << 20):.1f}", str(len(one.found)))
        table.add_row(one.format, *(str(count) for count in counts), *shares)
    total = (sum(one.cases for one in tallies), sum(one.records for one in tallies), sum(one.events for one in tallies))
    quarantined, longest = sum(one.quarantined for one in tallies), max(one.longest for one in tallies)
    slowest, peak = max(one.slowest for one in tallies), max(one.peak for one in tallies)
    found = sum(len(one.found) for one in tallies)
    figures = (
        *(str(count) for count in (*total, quarantined, longest)),
        f"{slowest * 1000:.1f}",
        f"{peak / (1 << 20):.1f}",
        str(found),
    )
    table.add_row("all", *figures, style="bold")
    return table


def main() -> int:
    """Fuzz, print, and say by the exit code whether every parser kept its contract."""
    ask = argparse.ArgumentParser(prog="python -m tests.ingest.fuzz", description="Damaged records for every parser.")
    ask.add_argument("--records", type=int, default=3_000, help="at least so many records of each format (default 3000)")
    ask.add_argument("--seed", type=int, default=1, help="another seed, other damage (default 1)")
    ask.add_argument("--format", action="append", choices=FORMATS, help="only this format; may come again")
    ask.add_argument("--keep", type=Path, help="folder outside the project for the bytes of each breach")
    given = ask.parse_args()
    if given.keep and given.keep.resolve().is_relative_to(_REPOSITORY):
        ask.error("--keep takes a folder outside the project: a sample must never end up in it")
    signal.signal(signal.SIGVTALRM, _give_up)
    console = Console(width=132)
    tallies = [fuzz(format, count=given.records, seed=given.seed) for format in given.format or FORMATS]  # noqa: A001
    console.print(_shown(tallies))
    found = [breach for one in tallies for breach in one.found]
    for breach in found:
        kept = f"; kept as {_keep(given.keep, breach)}" if given.keep else ""
        console.print(
            f"{breach.format}: {breach.what} (seed {breach.seed}, case {breach.case}{kept})", markup=False, soft_wrap=True
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
