"""Metrics about sources, read when they are asked for. Labels are verdicts and kinds of gaps; no source's name is one."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from domain.clock import Clock
from store.source_gap_rules import GapKind
from store.source_verdict import SourceVerdict
from store.source_watch import SourceWatch


class SourceMetrics(Collector):
    """Register it once: `CollectorRegistry.register`."""

    def __init__(self, watch: SourceWatch, clock: Clock) -> None:
        self._watch = watch
        self._clock = clock

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not read the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The numbers of this moment."""
        seen = self._watch.view(self._clock())
        verdicts = Counter(state.verdict for state in seen.states)
        sources = GaugeMetricFamily("phitrail_source_verdicts", "Source systems by verdict.", labels=["verdict"])
        for verdict in SourceVerdict:
            sources.add_metric([verdict.value], verdicts[verdict])
        yield sources
        lasting = Counter(gap.kind for gap in seen.gaps if gap.is_open)
        counting = Counter(gap.kind for gap in seen.gaps if gap.counts and not gap.acknowledged)
        gaps = GaugeMetricFamily(
            "phitrail_source_gaps", "Gaps that last, and gaps that nobody explained.", labels=["kind", "state"]
        )
        for kind in GapKind:
            gaps.add_metric([kind.value, "open"], lasting[kind])
            gaps.add_metric([kind.value, "unexplained"], counting[kind])
        yield gaps
        uncovered = GaugeMetricFamily("phitrail_systems_uncovered", "Systems that should send and are not shown to be covered.")
        uncovered.add_metric([], sum(row.is_missing for row in seen.coverage))
        yield uncovered
