"""What an export counts while its entries go by: by source, action, person and log, and the first rows for the report."""

from collections import Counter
from dataclasses import dataclass, field

from store.exports import ExportedEntry

SAMPLE = 2_000
"""Rows that the report shows; events.csv has them all."""


@dataclass(slots=True)
class Tally:
    """Counts of one export. Memory grows with the number of people, not with the number of events."""

    events: int = 0
    redacted: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    actors: Counter[tuple[str, str]] = field(default_factory=Counter)
    logs: Counter[str] = field(default_factory=Counter)
    sample: list[ExportedEntry] = field(default_factory=list)

    def add(self, entry: ExportedEntry, origin: str) -> None:
        """Count one entry of the log `origin`."""
        self.events += 1
        self.redacted += entry.salt is None
        self.sources[entry.source] += 1
        self.actions[entry.action] += 1
        self.actors[entry.actor_id, entry.actor_kind] += 1
        self.logs[origin] += 1
        if len(self.sample) < SAMPLE:
            self.sample.append(entry)
