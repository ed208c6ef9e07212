"""Alerts about a source close by themselves, with a sentence, when the source is well again.

Only an alert that stands on gaps alone, all of them over, is closed. One that a rule or a person's act is part of (somebody
switched the recording off) waits for a person. What became of the events in the gap is asked of people in the gap ledger, not here.
"""

from collections.abc import Sequence
from dataclasses import replace

from alerts.sources_findings import finding_ids, raised_kinds
from domain.clock import Clock
from domain.finding import Alert, AlertStatus
from store.alert_events import SERVICE
from store.alert_rows import Episode
from store.alerts import AlertQuery, AlertStore
from store.source_gap_rules import Gap, GapKind, Step, gap_sentence

_PAGE = 200


class SourceRecovery:
    """Closes alerts. One scheduler runs it; an alert that a person moves at the same moment is looked at again next time."""

    def __init__(self, alerts: AlertStore, clock: Clock) -> None:
        self._alerts = alerts
        self._clock = clock

    def run(self, gaps: Sequence[Gap]) -> int:
        """Close what is over. Returns how many alerts."""
        of_finding = {name: gap for gap in gaps for name in finding_ids(gap)}
        query = AlertQuery(statuses=(AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED), kinds=raised_kinds())
        page = self._alerts.search(query, limit=_PAGE)
        closing = [
            Episode(alert=closed, opened=page.opened[alert.alert_id], raised=False)
            for alert in page.alerts
            if (closed := self._closed(alert, [of_finding.get(name) for name in alert.finding_ids])) is not None
        ]
        moved = self._alerts.apply(closing)
        return len(closing) - len(moved)

    def _closed(self, alert: Alert, gaps: Sequence[Gap | None]) -> Alert | None:
        over = [gap for gap in gaps if gap is not None and _is_over(gap)]
        if not over or len(over) < len(gaps):
            return None
        newest = max(over, key=lambda gap: gap.changed)
        return replace(
            alert,
            version=alert.version + 1,
            status=AlertStatus.RESOLVED,
            updated=self._clock(),
            changed_by=SERVICE,
            note=f"Closed by itself: {newest.note} {_sentence(newest)}",
        )


def _is_over(gap: Gap) -> bool:
    if gap.kind is GapKind.NUMBERS:
        return gap.step is Step.FILLED or not gap.counts
    return not gap.is_open


def _sentence(gap: Gap) -> str:
    words = gap_sentence(gap)
    loss = " Whether events were lost is asked in the gap ledger." if gap.counts else ""
    return f"{words[0].upper()}{words[1:]}.{loss}"
