"""The report inside an export: what was asked, what came of it, what is not here, and the first events, for people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from dashboards.export_completeness import WhatIsMissing, instant
from dashboards.export_tally import SAMPLE, Tally
from dashboards.reports.document import Column, Dataset, Document, Figure, LedgerState, Section, Shape, Table
from dashboards.reports.wording import action_words, actor_kind_words, count, moment, place_words, sentence
from store.exports import ExportedEntry

_PEOPLE = 50


def export_document(
    tally: Tally,
    missing: WhatIsMissing,
    *,
    organisation: str,
    zone: ZoneInfo,
    asked: Mapping[str, str],
    made_at: datetime,
    with_private: bool,
    ledger: LedgerState,
) -> Document:
    """The report; it has no dataset of its own, because events.csv is that."""
    left_out = missing.outside_period + missing.by_filter
    return Document(
        name="audit-export",
        title="Audit export",
        subtitle="Events of the audit ledger, with proof that they stand in it unchanged",
        organisation=organisation,
        asked=asked,
        generated_at=made_at,
        zone=zone.key,
        summary=_summary(tally, missing, with_private=with_private),
        figures=(
            Figure(value=f"{tally.events:,}", label="events in this export"),
            Figure(value=f"{left_out:,}", label="events of the ledger left out"),
            Figure(value=f"{len(tally.actors):,}", label="people and programs"),
            Figure(value=f"{len(missing.findings):,}", label="known gaps", alarming=bool(missing.findings)),
        ),
        sections=(
            _ranking("What was done", "Action", {_action(action): number for action, number in tally.actions.items()}),
            _ranking(
                "By whom", "Who", {f"{actor}, {actor_kind_words(kind)}": n for (actor, kind), n in _people(tally, with_private)}
            ),
            _left_out(missing),
            _sources(missing, zone),
            _gaps(missing),
            _events(tally.sample, zone, with_private=with_private),
        ),
        data=Dataset(fields=(), rows=()),
        notes=_notes(tally, with_private=with_private),
        ledger=ledger,
    )


def _summary(tally: Tally, missing: WhatIsMissing, *, with_private: bool) -> list[str]:
    matching = count(tally.events, "event matches", "events match")
    proven = "Each is proven to stand in the ledger under the signed checkpoint quoted at the end"
    sentences = [f"{matching} what was asked. {proven}; README.txt says how to check that, with our tool or without."]
    if missing.findings:
        sentences.append(
            "The ledger is known to have gaps, listed below: an event that is not here may have happened all the same."
        )
    else:
        sentences.append("No gap in the ledger is known. That is not a proof that every source reported everything.")
    if not with_private:
        sentences.append("The private part of every event is withheld.")
    return sentences


def _people(tally: Tally, with_private: bool) -> Sequence[tuple[tuple[str, str], int]]:
    """Most active first; where private parts are withheld, patients and their proxies are one line each kind."""
    if with_private:
        return tally.actors.most_common(_PEOPLE)
    merged: Counter[tuple[str, str]] = Counter()
    for (actor, kind), number in tally.actors.items():
        merged["withheld" if kind in ("patient", "proxy", "external") else actor, kind] += number
    return merged.most_common(_PEOPLE)


def _action(action: str) -> str:
    return sentence(action_words(action, "")).removesuffix(".")


def _ranking(heading: str, title: str, counts: Mapping[str, int]) -> Section:
    rows = [[words, f"{number:,}"] for words, number in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]
    columns = (Column(title=title, share=6), Column(title="Events", shape=Shape.NUMBER))
    return Section(heading=heading, table=Table(caption=heading, columns=columns, rows=rows), empty="No event matches.")


def _left_out(missing: WhatIsMissing) -> Section:
    titles = ("Stored", "Exported", "Outside the period", "Left out by the filter", "Missing numbers")
    rows = [
        [log.extent.origin, *(f"{n:,}" for n in (log.extent.stored, log.exported, log.outside_period, log.by_filter, log.missing))]
        for log in missing.logs
    ]
    return Section(
        heading="What was left out",
        sentences=("Every log of the ledger, one for each writer and month of receipt.",),
        table=Table(
            caption="Entries of each log: exported and left out",
            columns=(Column(title="Log", share=5), *(Column(title=title, shape=Shape.NUMBER) for title in titles)),
            rows=rows,
        ),
        empty="The ledger has no entries.",
    )


def _sources(missing: WhatIsMissing, zone: ZoneInfo) -> Section:
    rows = [
        [
            source.source_system,
            f"{source.events:,}",
            moment(instant(source.first), zone),
            moment(instant(source.last), zone),
            moment(instant(source.last_received), zone),
            f"{missing.quarantined.get(source.source_system, 0):,}",
        ]
        for source in missing.sources
    ]
    columns = (
        Column(title="Source", share=3),
        Column(title="Events", shape=Shape.NUMBER),
        Column(title="First event", shape=Shape.TIME),
        Column(title="Last event", shape=Shape.TIME),
        Column(title="Last received", shape=Shape.TIME),
        Column(title="In quarantine", shape=Shape.NUMBER),
    )
    return Section(
        heading="What each source reported in the period",
        sentences=("All events of a source, also those that do not match.",),
        table=Table(caption="Sources in the period", columns=columns, rows=rows),
        empty="No source reported anything in the period.",
    )


def _gaps(missing: WhatIsMissing) -> Section:
    sentences = [sentence(finding) for finding in missing.findings]
    silent = sorted(set(missing.quarantined) - {source.source_system for source in missing.sources})
    sentences += [f"{name}: {count(missing.quarantined[name], 'record waits', 'records wait')} in quarantine." for name in silent]
    sentences += [
        f"{origin}: {count(number, 'entry was', 'entries were')} disposed of after the retention period, as its tombstone says."
        for origin, number in missing.disposed.items()
    ]
    return Section(heading="Known gaps", sentences=sentences, empty="" if sentences else "None are known.")


def _events(entries: Sequence[ExportedEntry], zone: ZoneInfo, *, with_private: bool) -> Section:
    columns = (
        Column(title="When", shape=Shape.TIME),
        Column(title="Who", share=4),
        Column(title="What", share=5),
        *((Column(title="Patient", share=3),) if with_private else ()),
        Column(title="From where", share=4),
        Column(title="Reported by", share=2),
        Column(title="Entry", shape=Shape.CODE),
    )
    rows = []
    for entry in entries:
        is_hidden = not with_private and entry.actor_kind in ("patient", "proxy", "external")
        place = place_words(
            device_kind=entry.device_kind, device_id=entry.device_id, ip=entry.ip if with_private else "", nothing="not stated"
        )
        rows.append(
            [
                moment(entry.time, zone),
                actor_kind_words(entry.actor_kind) if is_hidden else f"{entry.actor_id}, {actor_kind_words(entry.actor_kind)}",
                sentence(action_words(entry.action, entry.outcome)),
                *((entry.patient_id or "none named",) if with_private else ()),
                place,
                entry.source_system,
                f"{entry.writer}:{entry.seq}",
            ]
        )
    return Section(
        heading="Events",
        table=Table(caption="Events, in the order of the ledger", columns=columns, rows=rows),
        empty="No event matches.",
    )


def _notes(tally: Tally, *, with_private: bool) -> list[str]:
    notes = []
    if tally.events > len(tally.sample):
        notes.append(
            f"This report shows the first {SAMPLE:,} of {tally.events:,} events; events.csv and events.jsonl have them all."
        )
    if len(tally.actors) > _PEOPLE:
        notes.append(f"By whom shows the {_PEOPLE} most active of {len(tally.actors):,}.")
    if tally.redacted and with_private:
        notes.append(f"The private part of {count(tally.redacted, 'event')} was redacted before and cannot be given.")
    notes.append("Periods are of the time that the source claims; logs are of the month in which an event was received.")
    notes.append("Events stand in the order of the ledger: by writer, then by sequence number.")
    return notes
