"""Metrics about the spool. There are no labels but the outcome: nothing here names a source or a person."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from domain.clock import Clock
from ingest.spool.desk import SpooledDesk


class SpoolMetrics(Collector):
    """Register it once: `CollectorRegistry.register`. Reads memory only, so it answers while the store is away."""

    def __init__(self, desk: SpooledDesk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock

    def describe(self) -> list[Metric]:
        """Nothing in advance."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The numbers of this moment; docs/spool.md describes each."""
        state, drained = self._desk.state(), self._desk.drained
        age = 0.0 if state.oldest is None else max(0.0, (self._clock() - state.oldest).total_seconds())
        for name, words, value in (
            ("bytes", "Bytes of the files of the spool.", state.bytes),
            ("bytes_limit", "Bytes that the files of the spool may have together.", state.max_bytes),
            ("records", "Events and rejected records that wait in the spool.", state.records),
            ("oldest_age_seconds", "Seconds since the record was taken that waits longest; 0 when none does.", age),
            ("stopped", "1 when the ledger refused to go on while the spool was drained.", float(self._desk.has_stopped)),
        ):
            yield GaugeMetricFamily(f"phitrail_spool_{name}", words, value=value)
        for name, words, count in (
            ("spooled", "Events and rejected records answered `spooled`.", self._desk.spooled),
            ("refused", "Batches refused because the spool was full.", state.refused),
            ("failures", "Steps of the spool that failed on its disk.", state.failures),
            ("torn_bytes", "Bytes cut off at the start because they were never finished.", state.torn_bytes),
            ("missing_bytes", "Acknowledged bytes that were gone at the start.", state.missing_bytes),
            ("missing_segments", "Segments that were gone at the start.", state.missing_segments),
            ("damaged", "Places in the spool that were damaged, and went to quarantine.", state.damaged),
        ):
            yield CounterMetricFamily(f"phitrail_spool_{name}", words, value=count)
        family = CounterMetricFamily("phitrail_spool_drained", "What became of what was drained.", labels=["status"])
        family.add_metric(["accepted"], drained.accepted)
        family.add_metric(["duplicate"], drained.duplicate)
        family.add_metric(["quarantined"], drained.quarantined)
        yield family
