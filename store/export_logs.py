"""The logs of an export: each as one spine entry commits to it, which is as far as the export goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.checkpoint import Head, heads_leaves
from domain.errors import IntegrityError
from domain.index_tree import Dimension
from domain.merkle import Leaves, inclusion_proof
from store.events import EventFilter
from store.export_spine import SpineQuote
from store.logs import LogRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom or what an export is about, so that index trees can show that nothing is missing: the dimension and the id in it."""

    dimension: Dimension
    name: str


def subject_of(wanted: EventFilter) -> Subject | None:
    """The patient of a filter, else the actor, else the only source system; None where it names none of them."""
    if wanted.patient_id:
        return Subject(dimension=Dimension.PATIENT, name=wanted.patient_id)
    if wanted.actor_id:
        return Subject(dimension=Dimension.ACTOR, name=wanted.actor_id)
    if len(wanted.source_systems) == 1:
        return Subject(dimension=Dimension.SOURCE_SYSTEM, name=wanted.source_systems[0])
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportLog:
    """A log up to the head that the spine entry `quote` commits to, which is number `heads_index` of the heads there.

    `record` is None where the log was disposed of: nothing of it but the seal is left.
    """

    head: Head
    quote: SpineQuote
    heads_index: int
    record: LogRecord | None

    @property
    def is_sealed(self) -> bool:
        return self.quote.kind == "seal"

    @property
    def heads_count(self) -> int:
        return len(self.quote.heads)

    @property
    def heads_path(self) -> Sequence[bytes]:
        """The audit path of the head's line among the lines of its spine entry."""
        return inclusion_proof(Leaves(heads_leaves(self.quote.heads)), self.heads_index, self.heads_count)


def export_logs(
    heads: SpineQuote, seals: Sequence[SpineQuote], records: Sequence[LogRecord], disposed: frozenset[int]
) -> list[ExportLog]:
    """Every log that a `heads` entry leads to, by writer and month; `disposed` are the months (YYYYMM) of which nothing is left.

    Raises IntegrityError where one of them is not registered.
    """
    registered = {record.origin: record for record in records}
    found: dict[str, ExportLog] = {}
    for quote in (heads, *seals):
        for index, head in enumerate(sorted(quote.heads, key=lambda one: one.origin)):
            record = registered.get(head.origin)
            if record is None and quote is heads:
                raise IntegrityError(f"the log {head.origin} is not in the register of logs: run phitrail verify")
            is_left = record is not None and record.epoch not in disposed
            found[head.origin] = ExportLog(head=head, quote=quote, heads_index=index, record=record if is_left else None)
    return sorted(found.values(), key=_place)


def open_logs(heads: SpineQuote, records: Sequence[LogRecord]) -> list[tuple[LogRecord, int]]:
    """The logs in a `heads` entry with their sizes: those that are not sealed."""
    registered: Mapping[str, LogRecord] = {record.origin: record for record in records}
    return [(registered[head.origin], head.size) for head in heads.heads if head.origin in registered]


def _place(log: ExportLog) -> tuple[str, str]:
    # The month is the last part of an origin; the writer is in front of it (`log_origin`).
    deployment, _, month = log.head.origin.rpartition("/")
    return deployment, month
