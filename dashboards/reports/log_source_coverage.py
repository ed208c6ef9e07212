"""Log-source coverage report: every system that should send audit events, whether it does, and the evidence, on one paper.

The answer to the first question of a review under 45 CFR 164.312(b): is activity recorded in every system that holds PHI? The
register is as of the moment of writing; the gaps are those that touch the period.
"""

from collections.abc import Sequence
from datetime import timedelta

from dashboards.reports.catalogue import Definition, Desk, ReportParams
from dashboards.reports.document import Column, Dataset, Document, Figure, Section, Shape, Table
from dashboards.reports.parameters import asked
from dashboards.reports.wording import count, moment
from domain.clock import rfc3339
from domain.json import Json
from store.source_gap_rules import Gap, gap_sentence
from store.source_register import Coverage
from store.source_watch import SourceView

NAME = "log-source-coverage"
TITLE = "Log-source coverage"
ABOUT = "which systems should send audit events, which do, since when, and every gap of the period"

_FIELDS = (
    "system", "source_system", "owner", "handles_phi", "in_application_register", "expected", "auditing", "covered", "since",
    "last_received", "last_writer", "last_seq", "events", "open_gaps", "gaps_that_may_have_lost_events", "declared_state",
    "declared_by", "declared_reason", "declared_until",
)  # fmt: skip

_PHI = {True: "yes", False: "no", None: "not stated"}


def coverage_document(desk: Desk, params: ReportParams, seen: SourceView) -> Document:
    """The report of what `seen` knows."""
    rows = seen.coverage
    missing = [row for row in rows if row.is_missing]
    gaps = [gap for gap in seen.gaps if gap.began < params.until and (gap.ended or seen.at) >= params.since]
    counting = [gap for gap in gaps if gap.counts]
    covered = sum(row.is_expected and row.auditing.is_covered for row in rows)
    return Document(
        name=NAME,
        title=TITLE,
        subtitle="Is activity recorded in every system that should record it?",
        organisation=desk.organisation,
        asked=asked(params, desk.zone),
        generated_at=desk.generated_at,
        zone=desk.zone.key,
        summary=_summary(rows, missing, covered, counting),
        figures=(
            Figure(value=f"{covered:,}", label="systems shown to be covered"),
            Figure(value=f"{len(missing):,}", label="that should send and are not", alarming=bool(missing)),
            Figure(value=f"{len(counting):,}", label="gaps that may have lost events", alarming=bool(counting)),
        ),
        sections=(
            Section(
                heading="The register",
                sentences=("Covered means: its events come in as they usually do. What is not known is never taken for covered.",),
                table=Table(
                    caption="Systems, those that are not covered first",
                    columns=(
                        Column(title="System", share=3),
                        Column(title="Owner", share=3),
                        Column(title="PHI"),
                        Column(title="Auditing", share=2),
                        Column(title="Since", shape=Shape.TIME),
                        Column(title="Evidence", share=5),
                        Column(title="Declared", share=4),
                    ),
                    rows=[_register_row(row, desk) for row in rows],
                ),
                empty="No system is registered and none has sent anything.",
            ),
            Section(
                heading="Gaps in the period",
                table=Table(
                    caption="Gaps that touch the period, newest first",
                    columns=(
                        Column(title="Began", shape=Shape.TIME),
                        Column(title="Ended", shape=Shape.TIME),
                        Column(title="What", share=5),
                        Column(title="Explained", share=5),
                    ),
                    rows=[_gap_row(gap, desk) for gap in gaps[: desk.row_limit]],
                ),
                empty="No gap is known in this period. A source that does not number its events can lose one unnoticed.",
            ),
        ),
        data=Dataset(fields=_FIELDS, rows=[_fields(row) for row in rows]),
        notes=_notes(seen, len(gaps), desk.row_limit),
        ledger=desk.ledger,
    )


def _summary(rows: Sequence[Coverage], missing: Sequence[Coverage], covered: int, gaps: Sequence[Gap]) -> list[str]:
    expected = sum(row.is_expected for row in rows)
    said = [f"Of {count(expected, 'system')} that should send audit events, {covered} are shown to be covered."]
    if missing:
        said.append(f"Not covered: {', '.join(row.system for row in missing)}.")
    if gaps:
        said.append(f"In the period there were {count(len(gaps), 'gap')} in which events may be missing.")
    return said


def _register_row(row: Coverage, desk: Desk) -> Sequence[str]:
    health, word = row.health, row.declaration
    evidence = "none"
    if health is not None and health.last_received is not None:
        evidence = f"{health.events:,} events, last {moment(health.last_received, desk.zone)}, entry {health.writer}/{health.seq}"
    declared = ""
    if word is not None:
        declared = f"{word.state} by {word.declared_by} until {moment(word.valid_until, desk.zone)}: {word.reason}"
    return (
        row.system if row.source_system in ("", row.system) else f"{row.system} (sends as {row.source_system})",
        row.owner or "not on record",
        _PHI[row.handles_phi],
        row.auditing.value if row.is_expected else f"{row.auditing.value}; not expected",
        moment(row.since, desk.zone) if row.since else "",
        f"{row.sentence} {evidence[0].upper()}{evidence[1:]}.",
        declared,
    )


def _gap_row(gap: Gap, desk: Desk) -> Sequence[str]:
    words = gap_sentence(gap)
    said = f"{gap.acknowledged_by}: {gap.reason} (events lost: {gap.loss})" if gap.acknowledged else "by nobody yet"
    return (
        moment(gap.began, desk.zone),
        moment(gap.ended, desk.zone) if gap.ended else "lasts",
        f"{words[0].upper()}{words[1:]}.",
        said if gap.kind.loses_events else "",
    )


def _fields(row: Coverage) -> Sequence[Json]:
    health, word = row.health, row.declaration
    return (
        row.system,
        row.source_system or None,
        row.owner or None,
        row.handles_phi,
        row.is_registered,
        row.is_expected,
        row.auditing.value,
        row.auditing.is_covered,
        rfc3339(row.since) if row.since else None,
        rfc3339(health.last_received) if health and health.last_received else None,
        health.writer or None if health else None,
        health.seq if health and health.writer else None,
        health.events if health else 0,
        row.open_gaps,
        row.unexplained,
        word.state.value if word else None,
        word.declared_by if word else None,
        word.reason if word else None,
        rfc3339(word.valid_until) if word else None,
    )


def _notes(seen: SourceView, gaps: int, limit: int) -> list[str]:
    notes = ["The register is as of the moment of writing; the period narrows the gaps only."]
    if not seen.is_watched:
        notes.append("Nobody was watching the sources when this was written: silence was not noticed.")
    elif seen.listening_since is not None and seen.at - seen.listening_since < timedelta(days=1):
        notes.append(f"The sources have been watched without a break only since {rfc3339(seen.listening_since)}.")
    if gaps > limit:
        notes.append(f"The first {limit:,} of {gaps:,} gaps are listed; phitrail sources gaps has them all.")
    return notes


LOG_SOURCE_COVERAGE = Definition(
    name=NAME,
    title=TITLE,
    about=ABOUT,
    needs_patient=False,
    build=lambda desk, params: coverage_document(desk, params, desk.questions.sources(desk.generated_at)),
)
