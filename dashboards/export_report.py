"""The report inside an export: what was asked, what came of it, what is not here, and the first events, for people.

It is bounded, however much was asked for: a person reads no hundred thousand rows, and events.csv has them all.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from dashboards.export_completeness import WhatIsMissing, instant
from dashboards.export_tally import SAMPLE, Tally
from dashboards.reports.document import Column, Dataset, Document, Figure, LedgerState, Section, Shape, Table
from dashboards.reports.wording import action_words, actor_kind_words, count, listing, moment, place_words, sentence

_MOST = 50
_MOST_DAYS = 62
_MOST_LOGS = 100
_NOT_GIVEN = "not named here"


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
    left_out, gaps = missing.outside_period + missing.by_filter, len(missing.findings)
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
            Figure(value=f"{sum(bool(actor) for actor, _ in tally.actors):,}", label="people and programs named"),
            Figure(value=f"{gaps:,}", label="known gap" if gaps == 1 else "known gaps", alarming=bool(gaps)),
        ),
        sections=(
            _ranking("What was done", "Action", _by_action(tally)),
            _ranking("By whom", "Who", _by_actor(tally)),
            *([_ranking("Whose records", "Patient", _by_patient(tally))] if len(tally.patients) > 2 else []),
            _days(tally),
            _left_out(missing),
            _sources(missing, zone),
            _gaps(missing),
            _events(tally, zone, with_private=with_private),
        ),
        data=Dataset(fields=(), rows=()),
        notes=_notes(tally, missing, with_private=with_private),
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
    witnesses = missing.witnesses
    if witnesses.is_met:
        sentences.append(f"The checkpoint was cosigned by the witnesses {listing(witnesses.cosigned_by)}, which met the quorum.")
    elif witnesses.quorum is not None:
        sentences.append("Too few of the witnesses had cosigned the checkpoint when this export was made.")
    if not with_private:
        sentences.append("The private part of every event is withheld.")
    return sentences


def _by_action(tally: Tally) -> Counter[str]:
    words: Counter[str] = Counter()
    for action, number in tally.actions.items():
        words[sentence(action_words(action, "")).removesuffix(".")] += number
    return words


def _by_actor(tally: Tally) -> Counter[str]:
    words: Counter[str] = Counter()
    for (actor, kind), number in tally.actors.items():
        who = actor_kind_words(kind)
        words[f"{actor}, {who}" if actor else f"{sentence(who).removesuffix('.')} ({_NOT_GIVEN})"] += number
    return words


def _by_patient(tally: Tally) -> Counter[str]:
    hidden = tally.withheld + tally.redacted
    words = Counter({patient: number for patient, number in tally.patients.items() if patient})
    nobody = tally.patients[""] - hidden
    words.update({name: number for name, number in (("None named", nobody), (_NOT_GIVEN.capitalize(), hidden)) if number > 0})
    return words


def _ranking(heading: str, title: str, counts: Counter[str]) -> Section:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    sentences = [f"The {_MOST} with the most events, of {len(ordered):,}."] if len(ordered) > _MOST else []
    return _counted(heading, title, ordered[:_MOST], sentences)


def _days(tally: Tally) -> Section:
    """By local day; by month where there are too many days, and by year where there are too many months."""
    for title, spell in (("Day", _day), ("Month", _month), ("Year", _year)):
        counts: Counter[str] = Counter()
        for one, number in tally.days.items():
            counts[spell(one)] += number
        if len(counts) <= _MOST_DAYS:
            return _counted("When", title, sorted(counts.items()), ["By the time that the source claims, in local time."])
    newest = sorted(counts.items())[-_MOST_DAYS:]
    return _counted("When", "Year", newest, [f"The last {_MOST_DAYS} of {len(counts):,} years."])


def _day(one: date) -> str:
    return one.strftime("%Y-%m-%d, %A")


def _month(one: date) -> str:
    return one.strftime("%Y-%m, %B")


def _year(one: date) -> str:
    return f"{one.year}"


def _counted(heading: str, title: str, rows: Iterable[tuple[str, int]], sentences: Sequence[str]) -> Section:
    columns = (Column(title=title, share=6), Column(title="Events", shape=Shape.NUMBER))
    table = Table(caption=heading, columns=columns, rows=[[words, f"{number:,}"] for words, number in rows])
    return Section(heading=heading, sentences=sentences if table.rows else (), table=table, empty="No event matches.")


def _left_out(missing: WhatIsMissing) -> Section:
    titles = ("Stored", "Exported", "Outside the period", "Left out by the filter", "Missing numbers")
    rows = [
        [log.extent.origin, *(f"{n:,}" for n in (log.extent.stored, log.exported, log.outside_period, log.by_filter, log.missing))]
        for log in missing.logs
    ]
    sentences = ["Every log of the ledger, one for each writer and month of receipt."]
    if len(rows) > _MOST_LOGS:
        sentences.append(f"The last {_MOST_LOGS} of {len(rows):,} are shown; completeness.json has them all.")
    return Section(
        heading="What was left out",
        sentences=sentences,
        table=Table(
            caption="Entries of each log: exported and left out",
            columns=(Column(title="Log", share=5), *(Column(title=title, shape=Shape.NUMBER) for title in titles)),
            rows=rows[-_MOST_LOGS:],
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


def _events(tally: Tally, zone: ZoneInfo, *, with_private: bool) -> Section:
    columns = (
        Column(title="When", shape=Shape.TIME),
        Column(title="Who", share=4),
        Column(title="What", share=5),
        *((Column(title="Patient", share=3),) if with_private else ()),
        Column(title="From where", share=4),
        Column(title="Reported by", share=2),
        Column(title="Entry", shape=Shape.CODE),
    )
    return Section(
        heading="Events",
        sentences=(f"The first {SAMPLE:,} of {tally.events:,}.",) if tally.events > SAMPLE else (),
        table=Table(
            caption="Events, in the order of the ledger",
            columns=columns,
            rows=[_event(entry, zone, with_private=with_private) for entry in tally.sample],
        ),
        empty="No event matches.",
    )


def _event(entry: Mapping[str, object], zone: ZoneInfo, *, with_private: bool) -> list[str]:
    text = {name: str(value) for name, value in entry.items()}
    when, kind = entry["moment"], actor_kind_words(text["actor_kind"])
    assert isinstance(when, datetime)
    nobody = "none named" if text["private_is"] == "given" else text["private_is"]
    return [
        moment(when, zone),
        f"{text['actor_id']}, {kind}" if text["actor_id"] else kind,
        sentence(action_words(text["action"], text["outcome"])),
        *((text["patient_id"] or nobody,) if with_private else ()),
        place_words(device_kind=text["device_kind"], device_id=text["device_id"], ip=text["ip"], nothing="not stated"),
        text["source_system"],
        f"{text['writer']}:{text['seq']}",
    ]


def _notes(tally: Tally, missing: WhatIsMissing, *, with_private: bool) -> list[str]:
    notes = []
    if tally.events > len(tally.sample):
        notes.append(
            f"This report shows the first {SAMPLE:,} of {tally.events:,} events; the other {tally.events - SAMPLE:,} are only in "
            "events.csv and events.jsonl."
        )
    if tally.shared:
        notes.append(
            f"The private part of {count(tally.shared, 'event')} is withheld, because the record it was read from names other "
            "patients too."
        )
    if tally.redacted and with_private:
        notes.append(f"The private part of {count(tally.redacted, 'event')} was redacted before and cannot be given.")
    if tally.outside:
        notes.append(
            f"{count(tally.outside, 'further event')} of whom or what was asked for did not match the rest; scope.jsonl has them "
            "without their private parts."
        )
    notes.append(f"As of {missing.as_of:%Y-%m-%d %H:%M:%S} UTC: what was recorded later is in a later export.")
    notes.append("Periods are of the time that the source claims; logs are of the month in which an event was received.")
    notes.append("Events stand in the order of the ledger: by writer, then by sequence number.")
    return notes
