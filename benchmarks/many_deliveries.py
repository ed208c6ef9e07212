"""A great many deliveries judged in one batch: what it costs and how much memory it takes, and what one more day costs.

`python -m benchmarks.deliveries --deliveries 1000000`. Each measurement is a process of its own, so that its peak of memory is its
own; the ledger is made by another one before. Judging is `Deliveries.enrich`, as the worker calls it: reading, judging and writing.
"""

import json
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from analytics.deliveries import PART, Deliveries, parts
from benchmarks.mail_ledger import lay_down
from benchmarks.mail_stream import stream
from benchmarks.mail_town import Letter
from benchmarks.measure import report, timed
from store.context import ContextStore
from store.cursors import Span
from store.deliveries import DeliveryFacts
from store.engine import Engine

LETTERS_A_PATIENT = 17
"""As in the labelled stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One span: its deliveries, the seconds to read them and to enrich them, and the peak of memory in MiB.

    `at_rest` is the peak of a process that has opened the store and read one part.
    """

    deliveries: int
    read: float
    enrich: float
    peak: float
    at_rest: float


def run(count: int) -> None:
    """Print the ratios, and the peak of memory."""
    with tempfile.TemporaryDirectory() as folder:
        day, end = _in_a_process("make", folder, count)["places"]
        whole = Measured(**_in_a_process("measure", folder, 0, day - 1))
        report_whole(whole)
        report_day(Measured(**_in_a_process("measure", folder, day, end - 1)), whole)


def report_whole(whole: Measured) -> None:
    """All before the last ordinary day, as one batch."""
    report("many", "deliveries in one batch", whole.deliveries)
    report("many", "reading, judging and writing them, against reading", whole.enrich / whole.read)
    report("many", "peak of memory, in MiB", whole.peak)
    report("many", "peak of memory, against having read one part of them", whole.peak / whole.at_rest)


def report_day(day: Measured, whole: Measured) -> None:
    """The last ordinary day, after all before it."""
    report("one day", "its deliveries, in a hundred of all before", 100 * day.deliveries / whole.deliveries)
    report("one day", "its time, in a hundred of the time for all before", 100 * day.enrich / whole.enrich)
    each = (day.enrich / day.deliveries) / (whole.enrich / whole.deliveries)
    report("one day", "time for one delivery, against that in the whole", each)
    report("one day", "peak of memory, against that of the whole", day.peak / whole.peak)


def last_day(letters: Sequence[Letter]) -> tuple[int, int]:
    """The places of the first letter of the last ordinary day, and of the first after it. `letters` are in order of time.

    The last days have only what was late: a day is ordinary that has half of the median or more.
    """
    of_days = sorted(Counter(letter.when.date() for letter in letters).items())
    usual = median(count for _, count in of_days)
    day, count = max(one for one in of_days if 2 * one[1] >= usual)
    first = sum(earlier for other, earlier in of_days if other < day)
    return first, first + count


def make(folder: Path, count: int) -> dict[str, Any]:
    """A ledger with the letters of a stream, and its reference data."""
    made = stream(1, count, patients=count // LETTERS_A_PATIENT)
    with Engine.embedded(folder) as engine:
        lay_down(engine, folder, made)
    return {"places": last_day(made.letters)}


def measure(folder: Path, first: int, last: int) -> dict[str, Any]:
    """Read the deliveries of a span, part by part, then enrich the span as one batch."""
    span = Span(writer="main", first=first, last=last)
    with Engine.embedded(folder) as engine:
        facts = DeliveryFacts(engine)
        deliveries = Deliveries(facts, ContextStore(engine))
        facts.entries(next(parts([span], PART))[0])
        at_rest = _peak()
        read = timed(lambda: [len(facts.entries(one)) for part in parts([span], PART) for one in part])
        enrich = timed(lambda: deliveries.enrich([span]))
    return asdict(Measured(deliveries=span.size, read=read, enrich=enrich, peak=_peak(), at_rest=at_rest))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _in_a_process(step: str, folder: str, *numbers: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.many_deliveries", step, folder, *map(str, numbers)]
    return dict(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))


if __name__ == "__main__":
    place, numbers = Path(sys.argv[2]), list(map(int, sys.argv[3:]))
    print(json.dumps(make(place, numbers[0]) if sys.argv[1] == "make" else measure(place, numbers[0], numbers[1])))
