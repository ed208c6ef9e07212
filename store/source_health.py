"""The health of every source: what it sent lately, how late, how complete, against what is usual for it, with a verdict.

Asking reads the roll-up (store/source_rollup.py) and the last day of quarantine, never the ledger. What is usual is learned once an
hour and remembered. Nothing here names a person: sources, formats, counts, times and reasons of quarantine, which quote no record.
"""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

import polars as pl

from domain.organisation import Organisation
from store.alert_events import SERVICE
from store.engine import Engine
from store.source_rhythm import WEEKS, Rhythm, lag_quantile, learned
from store.source_verdict import DAY, Judgement, Known, SourceVerdict, day_start, future_events, judge, quarantined_share, skew
from store.sources import Span

MONTH = timedelta(days=30)
"""What the lag of the last day is compared with."""

LEARNING = timedelta(days=14)
"""How much of its newest activity the pauses of a source are learned from."""

WATCH_LAPSE = timedelta(minutes=10)
"""The watch runs every minute. Where nothing was noted for longer than this, nobody was listening."""

FIELDS = ("patient", "device", "ip", "details")

_TOTALS = """
SELECT source_system, sum(events) AS events, min(entry.first_received) AS first_received, max(entry.last_received) AS last_received,
    max(entry.last_claimed) AS last_claimed, argMax(writer, (entry.last_received, last_seq)) AS writer,
    argMax(last_seq, (entry.last_received, last_seq)) AS seq, arraySort(groupUniqArray(format)) AS formats,
    arraySort(groupUniqArray(stream)) AS streams
FROM source_health AS entry WHERE source_system != {own:String} GROUP BY source_system ORDER BY source_system
"""

_RECENT = """
SELECT source_system, toDateTime64(hour, 0, 'UTC') AS hour, sum(events) AS events
FROM source_health WHERE hour >= {since:DateTime('UTC')} GROUP BY source_system, hour ORDER BY source_system, hour
"""

_LAGS = """
SELECT source_system, lag, sumIf(events, hour >= {day:DateTime('UTC')}) AS recent,
    sumIf(events, hour < {day:DateTime('UTC')}) AS usual
FROM source_health WHERE hour >= {since:DateTime('UTC')} GROUP BY source_system, lag
"""

_MISSING = """
SELECT source_system, format, stream, sum(events) AS events, sum(entry.patient_due) AS patient_due,
    sum(entry.patient_missing) AS patient_missing, sum(entry.device_due) AS device_due, sum(entry.device_missing) AS device_missing,
    sum(entry.ip_due) AS ip_due, sum(entry.ip_missing) AS ip_missing, sum(entry.details_due) AS details_due,
    sum(entry.details_missing) AS details_missing
FROM source_health AS entry WHERE hour >= {since:DateTime('UTC')} GROUP BY source_system, format, stream
ORDER BY source_system, format, stream
"""

_QUARANTINED = """
SELECT source_system, reason, count() AS records, max(kept.received) AS last FROM quarantine AS kept
WHERE kept.received >= {since:DateTime64(6, 'UTC')} AND source_system != {own:String}
GROUP BY source_system, reason ORDER BY source_system, records DESC, reason
"""

_WAITING = """
SELECT source_system, uniqExact(id) AS waiting FROM quarantine
WHERE id NOT IN (SELECT id FROM quarantine_outcomes) GROUP BY source_system
"""

_HISTORY = """
SELECT source_system, toDateTime64(hour, 0, 'UTC') AS hour, sum(events) AS events, min(entry.first_received) AS first,
    max(entry.last_received) AS last
FROM source_health AS entry
INNER JOIN (SELECT source_system, max(hour) AS newest FROM source_health GROUP BY source_system) AS heard USING (source_system)
WHERE hour >= newest - toIntervalDay({days:UInt32}) AND hour < {until:DateTime('UTC')} AND source_system != {own:String}
GROUP BY source_system, hour ORDER BY source_system, hour
"""

_LISTENED = """
SELECT DISTINCT toDateTime64(hour, 0, 'UTC') AS hour FROM
(
    SELECT hour FROM source_health WHERE hour >= {since:DateTime('UTC')} AND hour < {until:DateTime('UTC')}
    UNION ALL
    SELECT hour FROM source_watch WHERE hour >= {since:DateTime('UTC')} AND hour < {until:DateTime('UTC')}
)
ORDER BY hour
"""

_WATCHED = """
SELECT toDateTime64(hour, 0, 'UTC') AS hour, min(beat.first) AS first, max(beat.last) AS last FROM source_watch AS beat
GROUP BY hour ORDER BY hour DESC LIMIT 400
"""

_HOLES = """
SELECT source_system, covered + 1 AS first, begins - 1 AS last, known_until AS before, begins_received AS after FROM
(
    SELECT source_system, run.first AS begins, run.first_received AS begins_received, count() OVER earlier AS place,
        max(run.last) OVER earlier AS covered, max(run.last_received) OVER earlier AS known_until
    FROM source_numbers AS run FINAL
    WINDOW earlier AS (PARTITION BY source_system ORDER BY run.first ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
WHERE place > 0 AND begins > covered + 1 ORDER BY source_system, first
"""

_NUMBERED = """
SELECT source_system, min(run.first) AS first, max(run.last) AS last FROM source_numbers AS run FINAL
GROUP BY source_system ORDER BY source_system
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What people said about a source: how long it may be quiet, why its silence is excused ('' where it is not), who owns it."""

    patience: timedelta | None = None
    excused: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Events of the last day, of one format and stream, that should have a field, and those without it."""

    format: str
    stream: str
    field: str
    due: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why records of the last day were not understood, and how many."""

    reason: str
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Numbers that a source gave to events that never came: `first` to `last`, both missing, noticed between two receipts."""

    source_system: str
    first: int
    last: int
    before: datetime
    after: datetime

    @property
    def size(self) -> int:
        """How many numbers are missing."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The numbers of a source that numbers its events; `missing` of those between the lowest and the highest never came."""

    first: int
    last: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lags:
    """From happening to receipt, to within 40 %: half of the events, and 95 % of them, came within this. None: no events."""

    half: timedelta | None
    most: timedelta | None
    usual_half: timedelta | None
    usual_most: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth:
    """One source. `day_*` are of the last 24 hours of receipt, to the hour.

    `first_received` and what belongs to it is None for a source of which no event came. `writer` and `seq` place its newest event
    in the ledger. `skew` is the median offset of claims from the future (negative), None where there are none.
    """

    source_system: str
    judgement: Judgement
    events: int = 0
    first_received: datetime | None = None
    last_received: datetime | None = None
    last_claimed: datetime | None = None
    writer: str = ""
    seq: int = -1
    formats: Sequence[str] = ()
    streams: Sequence[str] = ()
    quiet_since: datetime
    patience: timedelta | None = None
    has_rhythm: bool = False
    day_events: int = 0
    day_hours: Mapping[datetime, int] = field(default_factory=dict)
    lags: Lags
    day_future: int = 0
    skew: timedelta | None = None
    missing: Sequence[Missing] = ()
    day_quarantined: int = 0
    reasons: Sequence[Reason] = ()
    waiting: int = 0
    numbers: Numbers | None = None
    owner: str = ""

    @property
    def verdict(self) -> SourceVerdict:
        """The gravest of what is wrong, or OK, or UNKNOWN."""
        return self.judgement.verdict

    @property
    def day_quarantined_share(self) -> float:
        """Which part of what came in the last day was not understood."""
        return quarantined_share(self.day_events, self.day_quarantined)


@dataclass(frozen=True, slots=True)
class _Past:
    """What was learned of one source."""

    rhythm: Rhythm | None
    patience: timedelta | None


class HealthBook:
    """Asks about sources. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._guard = threading.Lock()
        self._learned: tuple[object, Mapping[str, _Past]] = (None, {})

    def states(
        self,
        now: datetime,
        *,
        organisation: Organisation | None = None,
        told: Mapping[str, Told] | None = None,
        awaited: Collection[str] = (),
        stopped: Mapping[str, datetime] | None = None,
        silent: Mapping[str, datetime] | None = None,
        listening_since: datetime | None = None,
    ) -> list[SourceHealth]:
        """Every source ever heard, seen in quarantine or awaited, by name, but phitrail itself.

        `told` is what people said by source, `awaited` who should send though it may never have been heard. `stopped` and `silent`
        are the open gaps of these kinds (since when); `listening_since` is when this system last began to receive: no source is
        blamed for the time before. Zone and holidays are the organisation's.
        """
        told = told or {}
        day = day_start(now)
        listens_since, is_watched = self.listening(now)
        if listening_since is not None:
            listens_since, is_watched = max(listens_since or listening_since, listening_since), True
        pasts = self._pasts(now, organisation or Organisation())
        totals = {row["source_system"]: row for row in self._named(_TOTALS, own=SERVICE)}
        hours = self._recent(now - 2 * DAY)
        recent, usual = self._lags(now, day)
        missing = self._missing(day)
        quarantined = self._quarantined(now - DAY)
        waiting = {row["source_system"]: int(row["waiting"]) for row in self._named(_WAITING)}
        numbers = self.numbers()
        found = []
        for name in sorted({*totals, *quarantined, *waiting, *awaited} - {SERVICE}):
            total = totals.get(name)
            reasons, last_refused = quarantined.get(name, ([], None))
            past, said = pasts.get(name, _Past(None, None)), told.get(name, Told())
            last = cast("datetime", total["last_received"]) if total else last_refused
            quiet_since = max(last or now, listens_since or last or now) if last else (listens_since or now)
            day_hours = {hour: events for hour, events in hours.get(name, {}).items() if hour >= day}
            known = Known(
                quiet_since=quiet_since,
                first_received=cast("datetime", total["first_received"]) if total else None,
                patience=said.patience or past.patience,
                rhythm=past.rhythm,
                hours=hours.get(name, {}),
                events=sum(day_hours.values()),
                lags=recent.get(name, {}),
                usual_lags=usual.get(name, {}),
                quarantined=sum(reason.records for reason in reasons),
                stopped_since=(stopped or {}).get(name),
                silent_since=(silent or {}).get(name),
                excused=said.excused,
                is_watched=is_watched,
            )
            placed: dict[str, object] = dict(total or {})
            found.append(
                SourceHealth(
                    **placed | {"source_system": name},  # type: ignore[arg-type]
                    judgement=judge(known, now),
                    quiet_since=quiet_since,
                    patience=known.patience,
                    has_rhythm=past.rhythm is not None,
                    day_events=known.events,
                    day_hours=day_hours,
                    lags=_lag_words(known),
                    day_future=future_events(known.lags),
                    skew=skew(known.lags),
                    missing=missing.get(name, ()),
                    day_quarantined=known.quarantined,
                    reasons=reasons,
                    waiting=waiting.get(name, 0),
                    numbers=numbers.get(name),
                    owner=said.owner,
                )
            )
        return found

    def expected(self, name: str, start: datetime, end: datetime, now: datetime, organisation: Organisation) -> float | None:
        """About how many events a period would usually have brought; None where that is not known."""
        past = self._pasts(now, organisation).get(name)
        found = past.rhythm.between(start, min(end, start + timedelta(days=366))) if past and past.rhythm else None
        return None if found is None else found.events

    def listening(self, now: datetime) -> tuple[datetime | None, bool]:
        """Since when somebody has been listening without a break, and whether somebody is at this moment."""
        beats = [(row["first"], row["last"]) for row in self._named(_WATCHED)]
        if not beats or now - beats[0][1] > WATCH_LAPSE:
            return None, False
        since = beats[0][0]
        for first, last in beats[1:]:
            if since - last > WATCH_LAPSE:
                break
            since = first
        return since, True

    def holes(self) -> list[Hole]:
        """Numbers that never came, by source and number."""
        return [Hole(**row) for row in self._named(_HOLES)]

    def numbers(self) -> dict[str, Numbers]:
        """Sources that number their events."""
        lost: dict[str, int] = {}
        for hole in self.holes():
            lost[hole.source_system] = lost.get(hole.source_system, 0) + hole.size
        return {
            row["source_system"]: Numbers(first=row["first"], last=row["last"], missing=lost.get(row["source_system"], 0))
            for row in self._named(_NUMBERED)
        }

    def _recent(self, since: datetime) -> dict[str, dict[datetime, int]]:
        found: dict[str, dict[datetime, int]] = {}
        for row in self._named(_RECENT, since=since):
            found.setdefault(row["source_system"], {})[_utc(row["hour"])] = int(row["events"])
        return found

    def _lags(self, now: datetime, day: datetime) -> tuple[dict[str, dict[int, int]], dict[str, dict[int, int]]]:
        recent: dict[str, dict[int, int]] = {}
        usual: dict[str, dict[int, int]] = {}
        for row in self._named(_LAGS, day=day, since=now - MONTH):
            for kept, column in ((recent, "recent"), (usual, "usual")):
                if row[column]:
                    kept.setdefault(row["source_system"], {})[int(row["lag"])] = int(row[column])
        return recent, usual

    def _missing(self, day: datetime) -> dict[str, list[Missing]]:
        found: dict[str, list[Missing]] = {}
        for row in self._named(_MISSING, since=day):
            found.setdefault(row["source_system"], []).extend(
                Missing(
                    format=row["format"],
                    stream=row["stream"],
                    field=name,
                    due=int(row[f"{name}_due"]),
                    missing=int(row[f"{name}_missing"]),
                )
                for name in FIELDS
                if row[f"{name}_due"]
            )
        return found

    def _quarantined(self, since: datetime) -> dict[str, tuple[list[Reason], datetime]]:
        found: dict[str, tuple[list[Reason], datetime]] = {}
        for row in self._named(_QUARANTINED, since=since, own=SERVICE):
            reasons, last = found.get(row["source_system"], ([], row["last"]))
            reasons.append(Reason(reason=row["reason"], records=int(row["records"])))
            found[row["source_system"]] = reasons, max(last, row["last"])
        return found

    def _pasts(self, now: datetime, organisation: Organisation) -> Mapping[str, _Past]:
        """What is usual, learned from full hours only; once an hour, and again when the clocks of the organisation change."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        key = (hour, organisation.timezone.key, frozenset(organisation.holidays))
        with self._guard:
            if self._learned[0] != key:
                self._learned = key, self._learn(hour, organisation)
            return self._learned[1]

    def _learn(self, hour: datetime, organisation: Organisation) -> dict[str, _Past]:
        since = hour - timedelta(weeks=WEEKS)
        frame = self._engine.frame(_HISTORY, days=7 * WEEKS, until=hour, own=SERVICE)
        listened = [_utc(row["hour"]) for row in self._named(_LISTENED, since=since, until=hour)]
        return {
            str(name): _Past(
                rhythm=Rhythm.learn(_counts(group, since), listened, organisation.timezone, organisation.holidays),
                patience=learned(_spans(group)),
            )
            for (name,), group in frame.group_by("source_system", maintain_order=True)
        }

    def _named(self, sql: str, **parameters: object) -> Iterator[dict]:  # type: ignore[type-arg]
        return self._engine.frame(sql, **parameters).iter_rows(named=True)


def _counts(history: pl.DataFrame, since: datetime) -> dict[datetime, int]:
    return {_utc(row["hour"]): int(row["events"]) for row in history.iter_rows(named=True) if _utc(row["hour"]) >= since}


def _spans(history: pl.DataFrame) -> list[Span]:
    spans = [
        Span(events=int(row["events"]), first=_utc(row["first"]), last=_utc(row["last"])) for row in history.iter_rows(named=True)
    ]
    return [span for span in spans if span.last >= spans[-1].last - LEARNING]


def _lag_words(known: Known) -> Lags:
    return Lags(
        half=lag_quantile(known.lags, 0.5),
        most=lag_quantile(known.lags, 0.95),
        usual_half=lag_quantile(known.usual_lags, 0.5),
        usual_most=lag_quantile(known.usual_lags, 0.95),
    )


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
