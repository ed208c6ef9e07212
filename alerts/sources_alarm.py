"""One look at all sources: gaps open and close, what is wrong is raised once, and alerts that are over close by themselves."""

from datetime import datetime

from alerts.follow import FindingsFollower
from alerts.sources_findings import source_findings
from alerts.sources_recovery import SourceRecovery
from store.findings import Findings
from store.source_watch import SourceWatch


class SourceAlarm:
    """Runs once a minute in the one worker. Stopped anywhere it may be run again: everything it does is named after its gap."""

    def __init__(self, watch: SourceWatch, findings: Findings, follower: FindingsFollower, recovery: SourceRecovery) -> None:
        self._watch = watch
        self._findings = findings
        self._follower = follower
        self._recovery = recovery

    def run(self, now: datetime, *, listening_since: datetime | None = None) -> None:
        """Look, raise, close. No source is blamed for the time before `listening_since`."""
        self._watch.look(now, listening_since=listening_since)
        gaps = self._watch.gaps.all()
        found = source_findings(gaps, now, told=self._watch.told(now), event_ids=self._watch.event_ids(gaps))
        if self._findings.add(found):
            self._follower.run()
        self._recovery.run(gaps)
