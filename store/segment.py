"""One batch of events as rows of `events`: consecutive entries of one log, chained, ready to be inserted as one part."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from domain.clock import rfc3339
from domain.entry import Draft, Entry, Placing
from domain.event import AuditEvent
from store.logs import LogRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Entries `first_seq` and on of a log, with the events they came from."""

    record: LogRecord
    first_seq: int
    received: datetime
    events: Sequence[AuditEvent]
    entries: Sequence[Entry]

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.entries) - 1

    @property
    def last_leaf(self) -> bytes:
        return self.entries[-1].leaf

    def frame(self) -> pl.DataFrame:
        """The rows, one a column name of `events`."""
        events, entries, count = self.events, self.entries, len(self.entries)
        devices = [event.device for event in events]
        return pl.DataFrame(
            {
                "epoch": pl.repeat(self.record.epoch, count, dtype=pl.UInt32, eager=True),
                "writer": pl.repeat(self.record.writer, count, eager=True),
                "seq": pl.int_range(self.first_seq, self.first_seq + count, dtype=pl.UInt64, eager=True),
                "leaf": pl.Series([entry.leaf for entry in entries], dtype=pl.Binary),
                "header": [entry.header.decode() for entry in entries],
                "private": [entry.private.decode() for entry in entries],
                "event_id": [event.event_id for event in events],
                "source_system": [event.source_system for event in events],
                "source": [str(event.source) for event in events],
                "action": [event.action for event in events],
                "actor_id": [event.actor.id for event in events],
                "actor_kind": [str(event.actor.kind) for event in events],
                "patient_id": [event.patient_id or "" for event in events],
                "outcome": [event.outcome or "" for event in events],
                "time": pl.Series([event.time for event in events], dtype=pl.Datetime("us", "UTC")),
                "received": pl.repeat(self.received, count, dtype=pl.Datetime("us", "UTC"), eager=True),
                "device_id": ["" if device is None else device.id for device in devices],
                "device_kind": ["" if device is None or device.kind is None else str(device.kind) for device in devices],
                "ip": [event.ip or "" for event in events],
                "format": [event.format for event in events],
            }
        )


def make_segment(
    events: Sequence[AuditEvent],
    drafts: Sequence[Draft],
    *,
    record: LogRecord,
    first_seq: int,
    received: datetime,
    previous: bytes,
) -> Segment:
    """Chain events, with their drafts, onto a log after the leaf `previous`."""
    placing = Placing(writer=record.writer, received=rfc3339(received), secret=record.secret)
    entries: list[Entry] = []
    for seq, drafted in enumerate(drafts, first_seq):
        entry = placing.entry(drafted, seq, previous)
        entries.append(entry)
        previous = entry.leaf
    return Segment(record=record, first_seq=first_seq, received=received, events=events, entries=entries)
