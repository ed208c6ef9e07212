"""Parsing: every format over its golden inputs, repeated with ids of their own, against merely decoding the same bytes.

Seconds are CPU seconds of this process, which has one thread here: what others do on the machine is not in them. Two formats may be
compared within one run only. Bare decoding is `orjson.loads` of each record where they are JSON; where they are not, it is
splitting the bytes at line ends and decoding each line as text.
"""

import time
from collections.abc import Callable

import orjson

from benchmarks.golden_streams import Stream, streams
from benchmarks.measure import Report
from benchmarks.stream import events
from domain.clock import system_clock
from ingest.parsers import parser_for
from runtime.sources import outward

COUNT = 20_000
LEAST = 5_000
"""Records of every format."""


def run(report: Report) -> None:
    """Parse the stream of made events, then the golden inputs of every format."""
    lines = [orjson.dumps(outward(event)) for event in events(COUNT)]
    parser = parser_for("phitrail", source_system="bench", received=system_clock)
    decode, _ = _cpu(lambda: sum(orjson.loads(line) is not None for line in lines))
    parse, _ = _cpu(lambda: sum(len(parser.parse(line)) for line in lines))
    report("parse", "phitrail, made events, events a second of one core", COUNT / parse)
    report("parse", "phitrail, made events, times bare JSON decoding", parse / decode)
    for stream in streams(LEAST):
        _one(stream, report)


def _one(stream: Stream, report: Report) -> None:
    name = f"{stream.format} ({'JSON' if stream.is_json else 'other'})"
    decode, what = _bare(stream)
    parse, found = _cpu(stream.read)
    report("parse", f"{name}, events a second of one core", found / parse)
    report("parse", f"{name}, times {what}", parse / decode)


def _bare(stream: Stream) -> tuple[float, str]:
    """Seconds of CPU for decoding the same bytes, the best of three, and what that was. The records are let go afterwards."""
    records = stream.records()
    if stream.is_json:
        return min(
            _cpu(lambda: sum(orjson.loads(record) is not None for record in records))[0] for _ in range(3)
        ), "bare JSON decoding"
    text = b"\n".join(records)
    decode = min(_cpu(lambda: sum(len(line.decode("utf-8", "replace")) for line in text.split(b"\n")))[0] for _ in range(3))
    return decode, "splitting and decoding lines"


def _cpu(work: Callable[[], int]) -> tuple[float, int]:
    """Seconds of CPU that one call took, and its answer."""
    begin = time.process_time()
    answer = work()
    return time.process_time() - begin, answer
