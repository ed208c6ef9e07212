"""Numbers for Prometheus, read from the store at each scrape. Labels are source systems and verdicts: they name nobody."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from api.services import Services

MEDIA_TYPE = CONTENT_TYPE_LATEST

_MOST_SOURCES = 200
"""A label must stay bounded although whoever sends names the source system: the rest is summed as `other`."""


class StoreCollector(Collector):
    """Makes every metric anew at each scrape, so that several API processes agree."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        """The metric families; docs/api.md describes each."""
        services, now = self._services, self._services.clock()
        events = CounterMetricFamily(
            "phitrail_events", "Records taken in, by source system and outcome.", labels=["source_system", "status"]
        )
        sources = {state.source_system: state.events for state in services.overview.sources(now)}
        for status, counts in (("accepted", sources), ("quarantined", services.overview.quarantined())):
            for source, count in _bounded(counts).items():
                events.add_metric([source, status], count)
        yield events

        head = GaugeMetricFamily("phitrail_ledger_head_seq", "Sequence number of the last entry acknowledged.", labels=["writer"])
        position = services.ledger.head()
        head.add_metric([position.writer], position.seq)
        yield head

        checkpoint = services.overview.checkpoint()
        if checkpoint is not None:
            yield GaugeMetricFamily(
                "phitrail_checkpoint_age_seconds",
                "Seconds since the newest signed checkpoint.",
                value=(now - checkpoint.time).total_seconds(),
            )
            yield GaugeMetricFamily("phitrail_checkpoint_size", "Entries of the spine under it.", value=checkpoint.size)

        state = services.record_state()
        if state.verified_at is not None:
            yield GaugeMetricFamily(
                "phitrail_verified_age_seconds",
                "Seconds since the last verification ended.",
                value=(now - state.verified_at).total_seconds(),
            )
        if state.whole_at is not None:
            yield GaugeMetricFamily(
                "phitrail_verified_whole_age_seconds",
                "Seconds since the newest verification of every entry began.",
                value=(now - state.whole_at).total_seconds(),
            )
        verdict = GaugeMetricFamily("phitrail_integrity", "1 for the verdict of the last verification.", labels=["verdict"])
        verdict.add_metric([state.integrity.value], 1)
        yield verdict


def registry(services: Services) -> CollectorRegistry:
    """A registry of our own: nothing of the process at large gets in."""
    own = CollectorRegistry(auto_describe=False)
    for collector in (StoreCollector(services), *services.metrics):
        own.register(collector)
    return own


def exposition(own: CollectorRegistry) -> bytes:
    """The text that Prometheus reads."""
    return generate_latest(own)


def _bounded(counts: dict[str, int]) -> dict[str, int]:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept = dict(ranked[:_MOST_SOURCES])
    if rest := sum(count for _, count in ranked[_MOST_SOURCES:]):
        kept["other"] = kept.get("other", 0) + rest
    return kept
