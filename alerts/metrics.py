"""Metrics about alerts, deliveries and sources, read from the store when they are asked for: no counter to keep, none to lose.

Labels come from closed sets and settings only. No person, no source system's name and no mail domain is one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from alerts.kinds import public_name
from alerts.silence import LEARNING, listen
from domain.clock import Clock
from store.alerts import AlertStore
from store.outbox import Outbox
from store.sources import Sources
from store.suppressions import Suppressions


class AlertMetrics(Collector):
    """Register it once: `CollectorRegistry.register`. Each scrape asks four small questions."""

    def __init__(
        self,
        *,
        alerts: AlertStore,
        outbox: Outbox,
        sources: Sources,
        clock: Clock,
        expected: Mapping[str, timedelta] | None = None,
        suppressions: Suppressions | None = None,
    ) -> None:
        self._alerts = alerts
        self._outbox = outbox
        self._sources = sources
        self._clock = clock
        self._expected = expected
        self._suppressions = suppressions

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not read the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The numbers of this moment."""
        yield self._alert_counts()
        yield from self._delivery_counts()
        yield self._source_counts()
        if self._suppressions is not None:
            yield self._held_counts(self._suppressions)

    def _alert_counts(self) -> Metric:
        family = GaugeMetricFamily("phitrail_alerts", "Alerts by present state.", labels=["status", "severity", "kind"])
        counts: Counter[tuple[str, str, str]] = Counter()
        for tally in self._alerts.tally():
            counts[tally.status.value, tally.severity.value, public_name(tally.kind)] += tally.alerts
        for labels, number in sorted(counts.items()):
            family.add_metric(labels, number)
        return family

    def _delivery_counts(self) -> Iterator[Metric]:
        states = GaugeMetricFamily("phitrail_deliveries", "Notifications by present state.", labels=["channel", "state"])
        oldest = GaugeMetricFamily(
            "phitrail_delivery_oldest_pending_seconds", "Age of the longest waiting notification.", labels=["channel"]
        )
        for backlog in self._outbox.backlog(self._clock()):
            for state, number in (("pending", backlog.pending), ("sent", backlog.sent), ("failed", backlog.failed)):
                states.add_metric([backlog.channel, state], number)
            oldest.add_metric([backlog.channel], backlog.oldest.total_seconds())
        yield states
        yield oldest

    def _held_counts(self, suppressions: Suppressions) -> Metric:
        family = CounterMetricFamily("phitrail_findings_held", "Findings that a suppression held back.", labels=["kind"])
        counts: Counter[str] = Counter()
        for kind, held in suppressions.held_by_kind().items():
            counts[public_name(kind)] += held
        for kind, number in sorted(counts.items()):
            family.add_metric([kind], number)
        return family

    def _source_counts(self) -> Metric:
        now = self._clock()
        family = GaugeMetricFamily("phitrail_sources", "Source systems by whether they are heard as expected.", labels=["state"])
        heard = listen(self._sources.activity(since=now - LEARNING), now, expected=self._expected)
        counts = Counter("silent" if source.silent else "heard" if source.expected else "unjudged" for source in heard)
        for state in ("heard", "silent", "unjudged"):
            family.add_metric([state], counts[state])
        return family
