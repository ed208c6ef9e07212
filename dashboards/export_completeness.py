"""What an export leaves out, and what the ledger itself may lack: said in numbers, beside the proofs and never mixed with them.

A proof shows that an event stood in the ledger. It cannot show that the ledger has every event: for that there are the gaps in
sequence numbers, the silence of sources, and what waits in quarantine (docs/export-format.md section 5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dashboards.export_tally import Tally
from domain.clock import rfc3339
from domain.json import Json
from store.events import EventFilter
from store.export_logs import ExportLog
from store.exports import ExportQuestions, LogExtent, SourceExtent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogShare:
    """One log: what it holds, what of it is here, and what was left out, by cause. `missing` are sequence numbers without entry."""

    extent: LogExtent
    exported: int

    @property
    def missing(self) -> int:
        return self.extent.last_seq - self.extent.first_seq + 1 - self.extent.stored

    @property
    def outside_period(self) -> int:
        return self.extent.stored - self.extent.in_period

    @property
    def by_filter(self) -> int:
        return self.extent.in_period - self.exported

    def to_json(self) -> Mapping[str, Json]:
        """The outward form."""
        return {
            "log": self.extent.origin,
            "writer": self.extent.writer,
            "month": self.extent.epoch,
            "first_seq": self.extent.first_seq,
            "last_seq": self.extent.last_seq,
            "stored": self.extent.stored,
            "missing_numbers": self.missing,
            "exported": self.exported,
            "left_out": {"outside_period": self.outside_period, "by_filter": self.by_filter},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    """Who cosigned the export's checkpoint, by the names in the policy; whether its `quorum` (None: it asks for none) is met."""

    quorum: str | None
    cosigned_by: Sequence[str]
    is_met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIsMissing:
    """The whole of completeness.json. `verdict` is the ledger's second verdict with its sentences."""

    verdict: str
    findings: Sequence[str]
    logs: Sequence[LogShare]
    sources: Sequence[SourceExtent]
    quarantined: Mapping[str, int]
    disposed: Mapping[str, int]
    witnesses: Witnesses
    as_of: datetime

    @property
    def exported(self) -> int:
        return sum(log.exported for log in self.logs)

    @property
    def outside_period(self) -> int:
        return sum(log.outside_period for log in self.logs)

    @property
    def by_filter(self) -> int:
        return sum(log.by_filter for log in self.logs)

    def to_json(self) -> Mapping[str, Json]:
        """The outward form."""
        return {
            "as_of": rfc3339(self.as_of),
            "ledger": {"verdict": self.verdict, "findings": list(self.findings)},
            "totals": {
                "exported": self.exported,
                "left_out_outside_period": self.outside_period,
                "left_out_by_filter": self.by_filter,
                "missing_numbers": sum(log.missing for log in self.logs),
            },
            "logs": [log.to_json() for log in self.logs],
            "sources_in_period": [
                {
                    "source_system": source.source_system,
                    "events": source.events,
                    "first_event": rfc3339(instant(source.first)),
                    "last_event": rfc3339(instant(source.last)),
                    "last_received": rfc3339(instant(source.last_received)),
                }
                for source in self.sources
            ],
            "waiting_in_quarantine": dict(self.quarantined),
            "disposed_after_retention": dict(self.disposed),
            "witnesses": {
                "quorum": self.witnesses.quorum,
                "cosigned_by": list(self.witnesses.cosigned_by),
                "is_met": self.witnesses.is_met,
            },
        }


def what_is_missing(
    questions: ExportQuestions,
    wanted: EventFilter,
    tally: Tally,
    *,
    logs: Sequence[ExportLog],
    verdict: str,
    findings: Sequence[str],
    as_of: datetime,
    witnesses: Witnesses,
) -> WhatIsMissing:
    """Count what the filter left out of each log, and gather what is known about gaps."""
    period = EventFilter(since=wanted.since, until=wanted.until)
    return WhatIsMissing(
        verdict=verdict,
        findings=findings,
        logs=[LogShare(extent=extent, exported=tally.logs[extent.origin]) for extent in questions.extents(logs, period)],
        sources=questions.sources(period),
        quarantined=questions.quarantined(wanted.since or _EPOCH, wanted.until or as_of + timedelta(days=1)),
        disposed=questions.disposed(),
        witnesses=witnesses,
        as_of=as_of,
    )


def instant(microseconds: int) -> datetime:
    """Microseconds since 1970 as an instant."""
    return _EPOCH + timedelta(microseconds=microseconds)
