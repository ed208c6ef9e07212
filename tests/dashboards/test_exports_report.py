"""The report in an export is for people: however much was asked for, it stays readable, and says what it leaves out."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from dashboards.export_completeness import LogShare, WhatIsMissing, Witnesses
from dashboards.export_report import export_document
from dashboards.export_tally import Tally
from dashboards.reports.document import Document, LedgerState
from store.exports import LogExtent

CHICAGO = ZoneInfo("America/Chicago")
START = datetime(2026, 1, 1, 6, tzinfo=UTC)
"""Midnight in Chicago."""


NOBODY = Witnesses(quorum=None, cosigned_by=[], is_met=False)


def _document(events: int, *, logs: int = 1, states: Mapping[int, str] | None = None, witnesses: Witnesses = NOBODY) -> Document:
    """An export in which everybody does one thing to one patient, one an hour."""
    rows = pl.DataFrame(
        {
            "moment": [START + timedelta(hours=n) for n in range(events)],
            "private_is": [(states or {}).get(n, "given") for n in range(events)],
            "actor_id": [f"u-{n}" for n in range(events)],
            "patient_id": [f"P-{n}" for n in range(events)],
            "seq": range(events),
        }
    ).with_columns(
        *(pl.lit("x").alias(name) for name in ("outcome", "device_kind", "device_id", "ip", "source_system", "writer", "source")),
        actor_kind=pl.lit("staff"),
        action=pl.lit("view_chart"),
    )
    tally = Tally(zone=CHICAGO)
    for start in range(0, events, 1_000):
        tally.add(rows.slice(start, 1_000), "log.example/main/2026-01")
    extents = [
        LogExtent(origin=f"log.example/w{n}/2026-01", writer=f"w{n}", epoch=202601, stored=1, first_seq=0, last_seq=0, in_period=1)
        for n in range(logs)
    ]
    missing = WhatIsMissing(
        verdict="no gap seen",
        findings=[],
        logs=[LogShare(extent=extent, exported=1) for extent in extents],
        sources=[],
        quarantined={},
        disposed={},
        witnesses=witnesses,
        as_of=START,
    )
    return export_document(
        tally,
        missing,
        organisation="Lakeside Clinic",
        zone=CHICAGO,
        asked={},
        made_at=START,
        with_private=True,
        ledger=LedgerState(),
    )


def _lengths(document: Document) -> dict[str, int]:
    return {section.heading: len(section.table.rows) for section in document.sections if section.table is not None}


def test_it_does_not_grow_with_the_number_of_events() -> None:
    some, many = _document(600, logs=120), _document(30_000, logs=5_000)

    assert _lengths(some) == {
        "What was done": 1,
        "By whom": 50,
        "Whose records": 50,
        "When": 25,
        "What was left out": 100,
        "What each source reported in the period": 0,
        "Events": 500,
    }
    assert _lengths(many) == {**_lengths(some), "When": 42}, "months where there are too many days"
    assert (
        "This report shows the first 500 of 30,000 events; the other 29,500 are only in events.csv and events.jsonl." in many.notes
    )
    events = many.sections[-1]
    assert events.sentences == ("The first 500 of 30,000.",)


@pytest.mark.parametrize(("events", "title"), [(24, "Day"), (24 * 62, "Day"), (24 * 63, "Month"), (24 * 366 * 6, "Year")])
def test_when_is_by_day_while_that_can_be_read(events: int, title: str) -> None:
    when = next(section for section in _document(events).sections if section.heading == "When")

    assert when.table is not None
    assert when.table.columns[0].title == title
    assert sum(int(row[1].replace(",", "")) for row in when.table.rows) == events


def test_days_are_local_days() -> None:
    when = next(section for section in _document(25).sections if section.heading == "When")

    assert when.table is not None
    assert [list(row) for row in when.table.rows] == [["2026-01-01, Thursday", "24"], ["2026-01-02, Friday", "1"]]


def test_what_is_not_given_is_no_name() -> None:
    document = _document(5, states={1: "withheld", 2: "redacted"})

    assert [figure.value for figure in document.figures] == ["5", "0", "5", "0"]
    assert "The private part of 1 event was redacted before and cannot be given." in document.notes


@pytest.mark.parametrize(
    ("witnesses", "says"),
    [
        (Witnesses(quorum="q", cosigned_by=["a", "b"], is_met=True), "cosigned by the witnesses a and b, which met the quorum"),
        (Witnesses(quorum="q", cosigned_by=["a"], is_met=False), "Too few of the witnesses"),
    ],
)
def test_it_says_who_has_seen_the_checkpoint(witnesses: Witnesses, says: str) -> None:
    assert says in " ".join(_document(1, witnesses=witnesses).summary)
    assert "witnesses" not in " ".join(_document(1).summary)
