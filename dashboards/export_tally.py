"""What an export counts while its entries go by, by source, action, person, patient, day and log; and the first rows."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

import polars as pl

SAMPLE = 500
"""Rows that the report shows; events.csv has them all."""

_SHOWN = (
    "moment", "actor_id", "actor_kind", "action", "outcome", "patient_id", "device_kind", "device_id", "ip", "source_system",
    "writer", "seq", "private_is",
)  # fmt: skip


@dataclass(slots=True)
class Tally:
    """Counts of one export. Memory grows with the number of people and days, not with the number of events.

    `actors` are by (id, kind), `days` local days of the claimed time; an id that is withheld or gone is ''. `first_seqs` is the
    first entry given of each log, by origin.
    """

    zone: ZoneInfo
    events: int = 0
    given: int = 0
    withheld: int = 0
    shared: int = 0
    redacted: int = 0
    outside: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    actors: Counter[tuple[str, str]] = field(default_factory=Counter)
    patients: Counter[str] = field(default_factory=Counter)
    days: Counter[date] = field(default_factory=Counter)
    logs: Counter[str] = field(default_factory=Counter)
    first_seqs: dict[str, int] = field(default_factory=dict)
    sample: list[Mapping[str, object]] = field(default_factory=list)

    def add(self, rows: pl.DataFrame, origin: str) -> None:
        """Count a portion of the log `origin`: its columns as they are shown, and `private_is`."""
        self.events += rows.height
        self.logs[origin] += rows.height
        self.first_seqs.setdefault(origin, rows["seq"][0])
        states = dict(rows["private_is"].value_counts().iter_rows())
        self.given += states.get("given", 0)
        self.withheld += states.get("withheld", 0)
        self.redacted += states.get("redacted", 0)
        for counter, columns in (
            (self.sources, ["source"]),
            (self.actions, ["action"]),
            (self.patients, ["patient_id"]),
        ):
            counter.update(dict(rows.group_by(columns).len().iter_rows()))
        for actor, kind, number in rows.group_by("actor_id", "actor_kind").len().iter_rows():
            self.actors[actor, kind] += number
        local = rows["moment"].dt.convert_time_zone(self.zone.key).dt.date().alias("day").value_counts()
        self.days.update(dict(local.iter_rows()))
        room = SAMPLE - len(self.sample)
        if room > 0:
            self.sample += rows.head(room).select(_SHOWN).to_dicts()
