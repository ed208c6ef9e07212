"""From new findings to alerts in the store and notifications in the outbox.

    (0) lay aside what a person decided to hold back     → held, and taken no further
    (1) read the alerts that these findings may belong to
    (2) group (`alerts.group`, pure)
    (3) put what is news into the outbox                 → deliveries of a version that is not there yet: they wait
    (4) write the alerts; somebody was faster: from (1)  → findings known, nothing left to do

Stopping between (3) and (4) leaves what is on the right; the findings come again (their follower has not moved on) and complete it
under the same ids. The other order would lose a page.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Protocol, Self

from alerts.group import EPISODE, fold, group_key
from alerts.route import Routing, target
from domain.clock import Clock
from domain.errors import Conflict
from domain.finding import Finding
from store.alert_rows import Episode
from store.alerts import AlertStore
from store.outbox import Outbox, plan

_TRIES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Triaged:
    """What became of some findings: alerts opened, alerts that grew, notifications put into the outbox, findings held back."""

    opened: int = 0
    grown: int = 0
    planned: int = 0
    held: int = 0

    def __add__(self, other: Self) -> Self:
        return replace(
            self,
            opened=self.opened + other.opened,
            grown=self.grown + other.grown,
            planned=self.planned + other.planned,
            held=self.held + other.held,
        )


class Holding(Protocol):
    """What people hold back. `holding` gives the ids of findings that are, each with its suppression; `hold` keeps that they were,
    durable on return, and again changes nothing."""

    def holding(self, findings: Sequence[Finding]) -> Mapping[str, str]: ...

    def hold(self, findings: Sequence[Finding], by: Mapping[str, str]) -> None: ...


class Triage:
    """Takes findings in. Idempotent: a finding taken before changes nothing. One at a time per store."""

    def __init__(
        self,
        *,
        alerts: AlertStore,
        outbox: Outbox,
        routing: Routing,
        clock: Clock,
        zone: tzinfo,
        repeat_interval: timedelta = timedelta(hours=4),
        announce_within: timedelta | None = None,
        suppressions: Holding | None = None,
    ) -> None:
        """An alert that only grows is announced again when `repeat_interval` has passed since it last was.

        One whose newest evidence is older than `announce_within` is for the page only (old logs that are read in ring no bell);
        None announces everything. What `suppressions` hold back opens and grows no alert.
        """
        self._alerts = alerts
        self._outbox = outbox
        self._routing = routing
        self._clock = clock
        self._zone = zone
        self._repeat_interval = repeat_interval
        self._announce_within = announce_within
        self._suppressions = suppressions

    def take(self, findings: Sequence[Finding], *, notify: bool = True) -> Triaged:
        """Group these findings into alerts and plan their notifications; without `notify` they are for the page only.

        Raises Conflict when people keep deciding on the same alerts at the same moment, ten times over.
        """
        waiting = self._not_held(findings)
        done = Triaged(held=len(findings) - len(waiting))
        for _ in range(_TRIES):
            if not waiting:
                return done
            now = self._clock()
            since = min(finding.time for finding in waiting) - EPISODE
            standing = self._alerts.episodes({group_key(finding) for finding in waiting}, since=since)
            versions = fold(standing, waiting, at=now, zone=self._zone)
            planned = self._announce(versions, now) if notify else 0
            moved = set(self._alerts.apply(versions))
            written = {version.alert.alert_id for version in versions if version.alert.alert_id not in moved}
            opened = {version.alert.alert_id for version in versions if version.alert.version == 1} & written
            done += Triaged(opened=len(opened), grown=len(written - opened), planned=planned)
            keys = {version.alert.group_key for version in versions if version.alert.alert_id in moved}
            waiting = [finding for finding in waiting if group_key(finding) in keys]
        raise Conflict("the alerts kept changing while findings were added to them; the findings will be taken in again")

    def _not_held(self, findings: Sequence[Finding]) -> list[Finding]:
        """(0) Those that go on. What is in an alert already stays there: it was taken before anybody held it back."""
        by = self._suppressions.holding(findings) if self._suppressions else {}
        if self._suppressions is None or not by:
            return list(findings)
        held = [finding for finding in findings if finding.finding_id in by]
        since = min(finding.time for finding in held) - EPISODE
        standing = self._alerts.episodes({group_key(finding) for finding in held}, since=since)
        taken = {finding_id for episode in standing for finding_id in episode.alert.finding_ids}
        held = [finding for finding in held if finding.finding_id not in taken]
        self._suppressions.hold(held, by)
        aside = {finding.finding_id for finding in held}
        return [finding for finding in findings if finding.finding_id not in aside]

    def _announce(self, versions: Iterable[Episode], now: datetime) -> int:
        """(3) One notification per alert at most: of its last raise, or of its growth when the last one is long ago."""
        oldest = None if self._announce_within is None else now - self._announce_within
        recent = [version for version in versions if oldest is None or version.alert.time >= oldest]
        newest = {version.alert.alert_id: version for version in recent}
        raised = {version.alert.alert_id: version for version in recent if version.raised}
        quiet = [name for name in newest if name not in raised]
        last = self._outbox.last_planned(quiet) if quiet else {}
        due_again = {name: newest[name] for name in quiet if name not in last or now - last[name] >= self._repeat_interval}
        return self._outbox.put(
            plan(alert_id=version.alert.alert_id, version=version.alert.version, channel=channel, at=now, due=where.due)
            for version in (raised | due_again).values()
            for where in [target(self._routing, version.alert.severity, now)]
            for channel in where.channels
        )
