"""Parsing JSON Lines, the richest path, against decoding the same bytes."""

import orjson

from benchmarks.measure import Report, timed
from benchmarks.stream import events
from domain.clock import system_clock
from ingest.parsers import parser_for
from runtime.sources import outward

COUNT = 20_000


def run(report: Report) -> None:
    """Parse the stream."""
    lines = [orjson.dumps(outward(event)) for event in events(COUNT)]
    parser = parser_for("phitrail", source_system="bench", received=system_clock)
    decode = timed(lambda: [orjson.loads(line) for line in lines])
    parse = timed(lambda: [parser.parse(line) for line in lines])
    report("parse", "phitrail events a second", COUNT / parse)
    report("parse", "phitrail, against bare JSON decoding", parse / decode)
