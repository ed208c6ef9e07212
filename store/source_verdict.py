"""The verdict on one source: what is known about it, weighed against what is usual for it. Pure.

Several things can be wrong at once; each is said, and the gravest gives the verdict. OK is said only of a source whose rhythm is
known and that was being listened to; a source of which too little is known is UNKNOWN, which is never shown as good.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from store.source_rhythm import Expected, Rhythm, lag_quantile

DAY = timedelta(hours=24)
"""What is judged: the last day."""

MISSED = 25.0
"""Silence is certain when so many events should have come since the last; chance leaves out 25 once in 10^11 times."""
FEW_MISSED = 3.0
"""A pause that is longer than any usual one is excused while fewer events than this were to be expected in it."""
SHORTEST_SILENCE = timedelta(minutes=15)
"""A source that was heard within this is not silent, however busy it usually is: senders batch, and restart."""

LEAST_EXPECTED = 20.0
FLOOD_FACTOR, FLOOD_EVENTS = 3.0, 200.0
FLOOD_SPAN = timedelta(hours=1)
"""A flood shows within the hour: the last full hour and what came of this one."""

SKEW = timedelta(seconds=15)
SKEW_BUCKET = -9
"""Claims at least 15 seconds in the future lie in this lag bucket or below: no network explains them, only a clock."""
SKEW_SHARE, SKEW_EVENTS = 0.05, 5

LATE_FACTOR, LATE_FLOOR = 4.0, timedelta(minutes=15)
LATE_EVENTS, LATE_HISTORY = 20, 100

FAILING_SHARE, FAILING_RECORDS = 0.05, 10
FAILING_ALONE = 3
"""So many records in quarantine, and nothing understood: a source that changed its format."""


class SourceVerdict(StrEnum):
    """From gravest to best; UNKNOWN is beside them, not below."""

    STOPPED = "stopped"
    SILENT = "silent"
    FAILING = "failing"
    FLOODING = "flooding"
    SKEWED = "skewed"
    LATE = "late"
    QUIET = "quiet"
    UNKNOWN = "unknown"
    OK = "ok"

    @property
    def is_good(self) -> bool:
        """Only OK is."""
        return self is SourceVerdict.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known about a source. Periods are of receipt; `hours` are events by hour (its start, UTC) of the last two days.

    `lags` and `usual_lags` count events by lag bucket, of the last day and of the month before it. `quiet_since` is the last
    receipt, or since when somebody listens. `patience` is how long it may be quiet, None while that is neither set nor learned.
    `quarantined` are records of the last day that could not be understood. `stopped_since`: it said that its recording stopped.
    """

    quiet_since: datetime
    first_received: datetime | None = None
    patience: timedelta | None = None
    rhythm: Rhythm | None = None
    hours: Mapping[datetime, int] = field(default_factory=dict)
    events: int = 0
    lags: Mapping[int, int] = field(default_factory=dict)
    usual_lags: Mapping[int, int] = field(default_factory=dict)
    quarantined: int = 0
    stopped_since: datetime | None = None
    silent_since: datetime | None = None
    excused: str = ""
    is_watched: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict, what is wrong in order of gravity, and a sentence about each (or about why nothing can be said)."""

    verdict: SourceVerdict
    troubles: Sequence[SourceVerdict]
    sentences: Sequence[str]
    expected: Expected | None
    missed: float | None


def judge(known: Known, now: datetime) -> Judgement:
    """Weigh what is known of a source at `now`."""
    expected = known.rhythm.between(day_start(now), now) if known.rhythm else None
    since = known.silent_since or known.quiet_since
    missed = known.rhythm.between(since, now) if known.rhythm and now - since <= timedelta(days=366) else None
    said: dict[SourceVerdict, str] = {}
    if known.stopped_since is not None:
        said[SourceVerdict.STOPPED] = f"It reported at {_moment(known.stopped_since)} that its recording stopped."
    if not known.excused and known.is_watched:
        said |= _silence(known, now, missed)
        if SourceVerdict.SILENT not in said and expected is not None:
            said |= _rate(known, now, expected)
    said |= _failing(known)
    said |= _skewed(known)
    said |= _late(known)
    troubles = sorted(said, key=list(SourceVerdict).index)
    if troubles:
        verdict, sentences = troubles[0], [said[trouble] for trouble in troubles]
    else:
        verdict, sentences = _untroubled(known, expected)
    return Judgement(
        verdict=verdict,
        troubles=troubles,
        sentences=sentences,
        expected=expected,
        missed=None if missed is None else missed.events,
    )


def _untroubled(known: Known, expected: Expected | None) -> tuple[SourceVerdict, list[str]]:
    if known.excused:
        return SourceVerdict.UNKNOWN, [known.excused]
    if not known.is_watched:
        return SourceVerdict.UNKNOWN, ["Nobody is listening now, so its silence means nothing."]
    if known.first_received is None:
        return SourceVerdict.UNKNOWN, ["No event of it is in the ledger yet."]
    if expected is None and known.patience is None:
        return SourceVerdict.UNKNOWN, ["It was not heard often enough yet to say what is usual."]
    return SourceVerdict.OK, ["It sends as it usually does."]


def _silence(known: Known, now: datetime, missed: Expected | None) -> dict[SourceVerdict, str]:
    since = known.silent_since or known.quiet_since
    quiet = now - since
    if known.silent_since is None:
        has_pause = known.patience is not None and quiet > known.patience
        if missed is None:
            if not has_pause:
                return {}
        elif quiet <= SHORTEST_SILENCE or missed.events < (FEW_MISSED if has_pause else MISSED):
            return {}
    heard = "Nothing has come from it" if known.first_received else "No event has ever come from it; it is awaited"
    usual = "" if missed is None else f"; usually about {missed.events:.0f} events would have come"
    return {SourceVerdict.SILENT: f"{heard} since {_moment(since)}{usual}."}


def _rate(known: Known, now: datetime, expected: Expected) -> dict[SourceVerdict, str]:
    assert known.rhythm is not None
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    lately = known.rhythm.between(this_hour - FLOOD_SPAN, this_hour + FLOOD_SPAN)
    came = sum(events for hour, events in known.hours.items() if hour >= this_hour - FLOOD_SPAN)
    if lately and came > max(lately.high, FLOOD_FACTOR * lately.events, lately.events + FLOOD_EVENTS):
        return {SourceVerdict.FLOODING: f"{came:,} events came within two hours in which about {lately.events:,.0f} are usual."}
    if expected.events >= LEAST_EXPECTED and known.events < min(expected.low, expected.events / 2):
        return {SourceVerdict.QUIET: f"{known.events:,} events came in a day in which about {expected.events:,.0f} are usual."}
    return {}


def _failing(known: Known) -> dict[SourceVerdict, str]:
    share = quarantined_share(known.events, known.quarantined)
    is_many = known.quarantined >= FAILING_RECORDS and share >= FAILING_SHARE
    if not is_many and not (known.events == 0 and known.quarantined >= FAILING_ALONE):
        return {}
    return {SourceVerdict.FAILING: f"{known.quarantined:,} records of the last day were not understood ({100 * share:.0f} %)."}


def _skewed(known: Known) -> dict[SourceVerdict, str]:
    future = future_events(known.lags)
    total = sum(known.lags.values())
    if future < SKEW_EVENTS or future < SKEW_SHARE * total:
        return {}
    offset = skew(known.lags)
    ahead = "" if offset is None else f", half of them {-offset.total_seconds():.0f} s or more"
    return {SourceVerdict.SKEWED: f"{future:,} events of the last day claim to come from the future{ahead}: its clock is fast."}


def _late(known: Known) -> dict[SourceVerdict, str]:
    if sum(known.lags.values()) < LATE_EVENTS or sum(known.usual_lags.values()) < LATE_HISTORY:
        return {}
    now_usual, before = lag_quantile(known.lags, 0.5), lag_quantile(known.usual_lags, 0.95)
    if now_usual is None or before is None or now_usual <= max(LATE_FLOOR, LATE_FACTOR * before):
        return {}
    return {SourceVerdict.LATE: f"Its events come {in_words(now_usual)} after they happened; {in_words(before)} is usual at most."}


def day_start(now: datetime) -> datetime:
    """The hour at which the last day begins: 24 hours with the one that has begun."""
    return now.replace(minute=0, second=0, microsecond=0) - DAY + timedelta(hours=1)


def future_events(lags: Mapping[int, int]) -> int:
    """How many claim a time that only a wrong clock explains."""
    return sum(events for bucket, events in lags.items() if bucket <= SKEW_BUCKET)


def skew(lags: Mapping[int, int]) -> timedelta | None:
    """The median offset of the claims from the future, negative; None where there are none."""
    future = {bucket: events for bucket, events in lags.items() if bucket <= SKEW_BUCKET}
    # The end nearer to nought: at least so far in the future.
    return lag_quantile(future, 0.5, lambda bucket: timedelta(seconds=1 - 2 ** ((-bucket - 1) / 2)))


def quarantined_share(events: int, quarantined: int) -> float:
    """Which part of what came was not understood; 0 of nothing."""
    return quarantined / (events + quarantined) if quarantined else 0.0


def in_words(length: timedelta) -> str:
    """`45 seconds`, `12 minutes`, `3 hours`, `5 days`."""
    seconds = max(length.total_seconds(), 0.0)
    for size, unit in ((172_800, "day"), (5_400, "hour"), (90, "minute")):
        if seconds >= size:
            return f"{seconds / {'day': 86_400, 'hour': 3_600, 'minute': 60}[unit]:.0f} {unit}s"
    return "a second" if 0.5 <= seconds < 1.5 else f"{seconds:.0f} seconds"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
