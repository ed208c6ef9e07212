"""The dead man's switch: a source that has stopped sending is a finding, for silence looks exactly like peace.

Pure. How long a source may be quiet is set, or learned from its own rhythm (store/source_rhythm.py).
Serves 45 CFR 164.312(b) (audit controls) and 164.308(a)(1)(ii)(D) (review of activity): what is not recorded is not reviewed.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from domain.clock import rfc3339
from domain.finding import Finding, Severity
from store.alert_events import SERVICE
from store.source_rhythm import learned
from store.sources import SourceActivity

LEARNING = timedelta(days=14)
"""How far back the rhythm is learned from: the `since` to ask `Sources.activity` with."""

RULE_ID = "phitrail.source_silent"
RULE_VERSION = "1"


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
    """Judge every source but phitrail itself, for the first screen. `expected` holds what is set, by source system.

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


def silence(
    activities: Iterable[SourceActivity],
    now: datetime,
    *,
    expected: Mapping[str, timedelta] | None = None,
    listening_since: datetime | None = None,
) -> list[Finding]:
    """A finding for each source that has been quiet for longer than it should. The same silence is the same finding each time."""
    sources = listen(activities, now, expected=expected, listening_since=listening_since)
    return [_finding(source, source.expected) for source in sources if source.silent and source.expected is not None]


def _finding(source: Listening, patience: timedelta) -> Finding:
    name = source.source_system
    last = rfc3339(source.last_received) if source.last_received else ""
    digest = hashlib.sha256(orjson.dumps([RULE_ID, name, last])).digest()
    heard = f"The last event from {name} was received at {last}" if last else f"No event has ever come from {name}"
    return Finding(
        finding_id=base64.b32encode(digest[:15]).decode().lower(),
        kind="source_silent",
        title=f"No events from {name}",
        time=source.quiet_since + patience,
        score=0.5,
        severity=Severity.MEDIUM,
        rule_id=RULE_ID,
        rule_version=RULE_VERSION,
        group_key=name,
        actor_id=None,
        patient_id=None,
        evidence=(),
        explanation=(
            f"{heard}; one is expected at least every {_in_words(patience)}.",
            f"It had sent {source.events} events until then.",
        ),
        exculpatory=(),
        controls=("164.312(b)", "164.308(a)(1)(ii)(D)"),
        runbook=(
            "1. Check that the source system runs and has users.\n"
            "2. Check the way from it to here: its log shipper, network, certificate, credentials.\n"
            "3. Have it send again what was missed; what was sent before is recognised and not counted twice.\n"
            "4. If it is meant to be quiet, set how long it may be."
        ),
        inputs={"source_system": name, "last_received": last, "expected_seconds": int(patience.total_seconds())},
    )


def _in_words(patience: timedelta) -> str:
    hours = patience / timedelta(hours=1)
    return f"{hours:.0f} hours" if hours >= 1.5 else f"{patience / timedelta(minutes=1):.0f} minutes"
