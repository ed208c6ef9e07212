"""Keeps up what is known about each source: one pass over new ledger entries, each counted exactly once.

Per writer and slice of entries, three writes in this order:

    (1) marks (a source says that its recording stopped or started)   → written again after a stop, under the same key
    (2) runs of the numbers that a source gave its events             → the same: runs may overlap
    (3) the counts by hour, which carry the cursor                    → the slice is done

A stop before (3) brings the slice again; the token of (3) keeps two schedulers that overlap from counting it twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import polars as pl

from store.engine import Engine

SLICE = 500_000
"""Entries that one pass looks at: bounds the memory of a first pass over an old ledger."""

STOPPED = ("audit_stop", "audit_stopped")
STARTED = ("audit_start", "audit_started")
DECLARED_GAP = ("audit_gap",)
"""What a source says about its own recording. `audit_stopped` is what some feeds of their own make call it."""

SEQUENCE = "sequence"
"""The member of `details` in which a source may number its events: a whole number that rises by one from event to event."""

_RECORD_ACTIONS = (
    *("view_chart", "view_notes", "view_labs", "view_meds", "view_orders", "view_imaging", "view_billing", "view_demographics"),
    *("edit_note", "edit_result", "edit_vitals", "edit_billing", "edit_demographics", "med_admin", "verify_med", "sign_order"),
    *("route_result", "print", "break_glass", "view_results", "view_bill", "view_message", "download_record"),
)
"""Actions on one patient's record: an event without patient is one that nobody will find when that patient asks."""

_NO_DEVICE = ("openemr",)
"""Formats that have no place for a device: its absence says nothing about the source."""

_NEXT_WRITER = "SELECT writer FROM events WHERE writer > {writer:String} ORDER BY writer LIMIT 1"

_CURSOR = "SELECT count(), max(last_seq) FROM source_health WHERE writer = {writer:String}"

_FIRST = "SELECT seq FROM events WHERE writer = {writer:String} AND seq >= {first:UInt64} ORDER BY seq LIMIT 1"

_SLICE = "writer = {writer:String} AND seq >= {first:UInt64} AND seq < {end:UInt64}"

# A redacted entry has no private part: what it had is not known, so nothing is due.
_COUNTS = f"""
SELECT source_system, toStartOfHour(received, 'UTC') AS hour, writer, format, source AS stream,
    toInt16(if(delay >= 0, floor(2 * log2(1 + delay)), -1 - floor(2 * log2(1 - delay)))) AS lag,
    count() AS events,
    countIf(patient_is_due) AS patient_due, countIf(patient_is_due AND patient_id = '') AS patient_missing,
    countIf(device_is_due) AS device_due, countIf(device_is_due AND device_id = '') AS device_missing,
    countIf(ip_is_due) AS ip_due, countIf(ip_is_due AND ip = '') AS ip_missing,
    countIf(details_are_due) AS details_due,
    countIf(details_are_due AND JSONExtractRaw(private, 'details') IN ('', '{{}}')) AS details_missing,
    min(received) AS first_received, max(received) AS last_received, max(time) AS last_claimed,
    min(seq) AS first_seq, max(seq) AS last_seq
FROM
(
    SELECT source_system, received, writer, format, source, patient_id, device_id, ip, private, time, seq,
        (toUnixTimestamp64Micro(received) - toUnixTimestamp64Micro(time)) / 1e6 AS delay,
        private != '' AND source IN ('access', 'portal') AND action IN {{record_actions:Array(String)}} AS patient_is_due,
        private != '' AND source = 'access' AND actor_kind = 'staff' AND format NOT IN {{no_device:Array(String)}} AS device_is_due,
        private != '' AND source IN ('access', 'portal') AND actor_kind IN ('staff', 'patient', 'proxy', 'vendor') AS ip_is_due,
        private != '' AND (source = 'mail' OR action IN {{record_actions:Array(String)}}) AS details_are_due
    FROM events WHERE {_SLICE}
)
GROUP BY source_system, hour, writer, format, stream, lag
"""

_MARKS = f"""
SELECT source_system, time, writer, seq, received, action,
    ifNull(parseDateTime64BestEffortOrNull(JSONExtractString(private, 'details', 'from'), 6, 'UTC'), time) AS began,
    ifNull(parseDateTime64BestEffortOrNull(JSONExtractString(private, 'details', 'to'), 6, 'UTC'), time) AS ended
FROM events WHERE {_SLICE} AND action IN {{actions:Array(String)}} AND outcome NOT IN ('failure', 'denied')
"""

_RUNS = f"""
SELECT source_system, min(n) AS first, max(n) AS last, argMin(received, n) AS first_received, argMax(received, n) AS last_received
FROM
(
    SELECT source_system, n, received, n - row_number() OVER (PARTITION BY source_system ORDER BY n) AS island
    FROM
    (
        SELECT source_system, JSONExtractUInt(private, 'details', {{sequence:String}}) AS n, max(entry.received) AS received
        FROM events AS entry
        WHERE {_SLICE} AND position(private, {{quoted:String}}) > 0
            AND JSONType(private, 'details', {{sequence:String}}) IN ('Int64', 'UInt64')
            AND JSONExtractInt(private, 'details', {{sequence:String}}) >= 0
        GROUP BY source_system, n
    )
)
GROUP BY source_system, island ORDER BY source_system, first
"""

_KNOWN_RUNS = """
SELECT source_system, first, last, first_received, last_received FROM source_numbers FINAL
WHERE source_system IN {systems:Array(String)} ORDER BY source_system, first
"""

_RUN_TYPES = {"first": pl.UInt64, "last": pl.UInt64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Numbers of one source without a hole, both ends included, and when the first and the last of them were received."""

    source_system: str
    first: int
    last: int
    first_received: datetime
    last_received: datetime


class SourceRollup:
    """Reads the ledger for what is new. `refresh` belongs to one scheduler; readers may run beside it."""

    def __init__(self, engine: Engine, *, slice_rows: int = SLICE) -> None:
        self._engine = engine
        self._slice_rows = slice_rows

    def refresh(self, now: datetime | None = None) -> int:
        """Take in what is new in the ledger. Returns the entries read. `now` notes that somebody listens at this moment."""
        read = sum(self._roll_up(writer) for writer in self._writers())
        if now is not None:
            hour = now.replace(minute=0, second=0, microsecond=0)
            self._engine.insert("source_watch", pl.DataFrame({"hour": [hour], "first": [now], "last": [now]}))
        return read

    def _writers(self) -> Iterator[str]:
        writer = ""
        while found := self._engine.rows(_NEXT_WRITER, writer=writer):
            writer = str(found[0][0])
            yield writer

    def _roll_up(self, writer: str) -> int:
        read = 0
        while True:
            rows, last = cast("tuple[int, int]", self._engine.rows(_CURSOR, writer=writer)[0])
            # Months that were disposed of leave a hole at the beginning: go on at the first entry there is.
            found = self._engine.rows(_FIRST, writer=writer, first=last + 1 if rows else 0)
            if not found:
                return read
            read += self._take(writer, int(str(found[0][0])))

    def _take(self, writer: str, first: int) -> int:
        place: dict[str, object] = {"writer": writer, "first": first, "end": first + self._slice_rows}
        marks = self._engine.frame(_MARKS, **place, actions=[*STOPPED, *STARTED, *DECLARED_GAP])
        counts = self._engine.frame(_COUNTS, **place, record_actions=list(_RECORD_ACTIONS), no_device=list(_NO_DEVICE))
        if not marks.is_empty():
            self._engine.insert("source_marks", marks)
        self._number(_runs(self._engine.frame(_RUNS, **place, sequence=SEQUENCE, quoted=f'"{SEQUENCE}":')))
        self._engine.insert("source_health", counts, token=f"{writer}:{first}")
        return int(counts["events"].sum())

    def _number(self, fresh: Sequence[Run]) -> None:
        """Write these runs, each joined to the run that it continues."""
        if not fresh:
            return
        systems = sorted({run.source_system for run in fresh})
        known = _runs(self._engine.frame(_KNOWN_RUNS, systems=systems))
        written: dict[tuple[str, int], Run] = {}
        for run in fresh:
            standing = [one for one in known if one.source_system == run.source_system and one.first <= run.first <= one.last + 1]
            joined = run
            if standing:
                before = max(standing, key=lambda one: one.last)
                if run.last <= before.last:
                    continue
                joined = replace(run, first=before.first, first_received=before.first_received)
            key = joined.source_system, joined.first
            if key not in written or written[key].last < joined.last:
                written[key] = joined
        if written:
            self._engine.insert("source_numbers", _run_frame(list(written.values())))


def _runs(frame: pl.DataFrame) -> list[Run]:
    return [Run(**row) for row in frame.iter_rows(named=True)]


def _run_frame(runs: Sequence[Run]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "source_system": [run.source_system for run in runs],
            "first": [run.first for run in runs],
            "last": [run.last for run in runs],
            "first_received": [run.first_received for run in runs],
            "last_received": [run.last_received for run in runs],
        },
        schema_overrides=_RUN_TYPES,
    )
