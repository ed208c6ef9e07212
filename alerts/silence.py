"""Which sources are quiet for longer than they may be, for the metric `phitrail_sources`. Pure.

How long a source may be quiet is set, or learned from its own rhythm (store/source_rhythm.py). What is raised about sources comes
from the gap ledger (alerts/sources_findings.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from store.alert_events import SERVICE
from store.source_rhythm import learned
from store.sources import SourceActivity

LEARNING = timedelta(days=14)
"""How far back the rhythm is learned from: the `since` to ask `Sources.activity` with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What one source sounds like now.

    `last_received` and `last_claimed` are None for a source that is expected and was never heard. It has been quiet since
    `quiet_since`; `expected` is how long it may be, None while that is neither set nor learned.
    """

    source_system: str
    events: int
    last_received: datetime | None
    last_claimed: datetime | None
    quiet_since: datetime
    expected: timedelta | None
    silent: bool


def listen(
    activities: Iterable[SourceActivity],
    now: datetime,
    *,
    expected: Mapping[str, timedelta] | None = None,
    listening_since: datetime | None = None,
) -> list[Listening]:
    """Judge every source but phitrail itself. `expected` holds what is set, by source system.

    `listening_since` is when this system last began to receive: no source is blamed for the time in which nobody listened, and a
    source that is set and was never heard is judged from then on.
    """
    wanted = dict(expected or {})
    judged = []
    for activity in activities:
        patience = wanted.pop(activity.source_system, None) or learned(activity.spans)
        quiet_since = max(activity.last_received, listening_since or activity.last_received)
        if activity.source_system == SERVICE:
            continue
        judged.append(
            Listening(
                source_system=activity.source_system,
                events=activity.events,
                last_received=activity.last_received,
                last_claimed=activity.last_claimed,
                quiet_since=quiet_since,
                expected=patience,
                silent=patience is not None and now - quiet_since > patience,
            )
        )
    judged += [
        Listening(
            source_system=name,
            events=0,
            last_received=None,
            last_claimed=None,
            quiet_since=listening_since or now,
            expected=patience,
            silent=now - (listening_since or now) > patience,
        )
        for name, patience in sorted(wanted.items())
    ]
    return judged
