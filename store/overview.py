"""The numbers of the first screen that concern the record itself: how much there is, what is signed, how fresh each source is."""

from dataclasses import dataclass
from datetime import datetime

from store.engine import Engine

_CHECKPOINT = "SELECT size, time, note FROM checkpoints ORDER BY size DESC LIMIT 1"

_SIZE = """
SELECT (SELECT count() FROM events) AS entries,
    (SELECT uniqExact(id) FROM quarantine WHERE id NOT IN (SELECT id FROM quarantine_outcomes)) AS quarantined
"""

_ROLLED_UP = "SELECT writer, max(last_seq) AS last FROM source_hours GROUP BY writer"

_SOURCES = """
SELECT source_system, sum(counted) AS events, sumIf(counted, hour >= {{since:DateTime('UTC')}}) AS lately,
    max(received) AS last_received, max(claimed) AS last_claimed
FROM
(
    SELECT source_system, hour, events AS counted, last_received AS received, last_claimed AS claimed FROM source_hours
    UNION ALL
    SELECT source_system, toStartOfHour(toDateTime(entry.received, 'UTC')) AS hour, count() AS counted,
        max(entry.received) AS received, max(time) AS claimed
    FROM events AS entry WHERE {newer} GROUP BY source_system, hour
)
GROUP BY source_system ORDER BY last_received, source_system
"""

_HOURS = """
SELECT source_system, toDateTime64(hour, 0, 'UTC') AS hour, sum(counted) AS events
FROM
(
    SELECT source_system, hour, events AS counted FROM source_hours WHERE hour >= {{since:DateTime('UTC')}}
    UNION ALL
    SELECT source_system, toStartOfHour(toDateTime(received, 'UTC')) AS hour, count() AS counted
    FROM events WHERE ({newer}) AND received >= {{since:DateTime('UTC')}} GROUP BY source_system, hour
)
GROUP BY source_system, hour
"""

_QUARANTINED = "SELECT source_system, count() FROM quarantine GROUP BY source_system ORDER BY source_system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The newest signed checkpoint: entries in the spine, when it was signed, and the note as published."""

    size: int
    time: datetime
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Entries in the ledger, and records that came, could not be understood, and still wait."""

    entries: int
    quarantined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """One source system: events ever and lately, and when the newest was received and claims to have happened."""

    source_system: str
    events: int
    lately: int
    last_received: datetime
    last_claimed: datetime


class Overview:
    """Asks about the record as a whole. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def checkpoint(self) -> Checkpoint | None:
        """The newest signed checkpoint; None before the first."""
        frame = self._engine.frame(_CHECKPOINT)
        if frame.is_empty():
            return None
        size, time, note = frame.row(0)
        return Checkpoint(size=size, time=time, note=note)

    def size(self) -> Size:
        """How much is recorded."""
        entries, quarantined = self._engine.rows(_SIZE)[0]
        return Size(entries=int(str(entries)), quarantined=int(str(quarantined)))

    def sources(self, since: datetime) -> list[SourceState]:
        """Every source system that ever sent, longest silent first; `lately` counts from `since`, to the hour.

        Sums what is rolled up by the hour and adds what came after the roll-up: exact, and cheap while the roll-up is recent.
        """
        newer, parameters = self._newer()
        frame = self._engine.frame(_SOURCES.format(newer=newer), since=since, **parameters)
        return [SourceState(**row) for row in frame.iter_rows(named=True)]

    def source_hours(self, since: datetime) -> dict[str, dict[datetime, int]]:
        """Events per source system and hour of receipt, from `since` on; hours without events are left out."""
        newer, parameters = self._newer()
        found: dict[str, dict[datetime, int]] = {}
        for source, hour, events in self._engine.frame(_HOURS.format(newer=newer), since=since, **parameters).iter_rows():
            found.setdefault(source, {})[hour] = events
        return found

    def quarantined(self) -> dict[str, int]:
        """Records kept in quarantine, by source system."""
        return {str(source): int(str(count)) for source, count in self._engine.rows(_QUARANTINED)}

    def _newer(self) -> tuple[str, dict[str, object]]:
        """The condition for entries the roll-up has not seen, with a bound per writer so that the primary key serves."""
        parts, parameters = [], dict[str, object]()
        for place, (writer, last) in enumerate(self._engine.rows(_ROLLED_UP)):
            parts.append(f"(writer = {{writer{place}:String}} AND seq > {{last{place}:UInt64}})")
            parameters |= {f"writer{place}": writer, f"last{place}": last}
        parameters["rolled"] = [value for name, value in parameters.items() if name.startswith("writer")]
        return " OR ".join([*parts, "writer NOT IN {rolled:Array(String)}"]), parameters
