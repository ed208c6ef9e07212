"""What the pages and the report about sources decide before they are HTML."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dashboards.reports.as_csv import csv_chunks
from dashboards.reports.as_html import render_html
from dashboards.reports.as_json import json_chunks
from dashboards.reports.as_pdf import render_pdf
from dashboards.reports.catalogue import Desk, NoNames, ReportParams
from dashboards.reports.document import LedgerState
from dashboards.reports.log_source_coverage import coverage_document
from dashboards.source_json import coverage_json, gap_json, health_json, view_json
from dashboards.source_pages import AUDITING_TONES, TONES, sources_page
from domain.errors import InvalidInput
from domain.json import canonical
from store.engine import Engine
from store.mail_reports import MailTerms
from store.reports import ReportQuestions
from store.source_gap_rules import Gap, GapKind, Loss, Step
from store.source_health import Lags, Missing, SourceHealth
from store.source_register import Auditing, Coverage, Declaration, Declared
from store.source_verdict import Judgement, SourceVerdict
from store.source_watch import SourceView

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
NO_LAGS = Lags(half=timedelta(seconds=1), most=None, usual_half=None, usual_most=None)


def health(name: str, verdict: SourceVerdict) -> SourceHealth:
    troubles = [] if verdict in (SourceVerdict.OK, SourceVerdict.UNKNOWN) else [verdict]
    return SourceHealth(
        source_system=name,
        judgement=Judgement(verdict=verdict, troubles=troubles, sentences=["So it is."], expected=None, missed=None),
        events=7,
        last_received=NOW,
        writer="main",
        seq=6,
        quiet_since=NOW,
        day_events=7,
        day_hours={NOW.replace(minute=0): 7},
        lags=NO_LAGS,
        missing=[Missing(format="cef", stream="access", field="device", due=7, missing=2)],
    )


def covered(name: str, auditing: Auditing, **changes: object) -> Coverage:
    row = Coverage(
        system=name,
        source_system=name,
        owner="Applications",
        handles_phi=True,
        is_registered=True,
        is_expected=True,
        auditing=auditing,
        since=NOW,
        health=health(name, SourceVerdict.OK) if auditing is Auditing.ON else None,
        event_id="e-6",
        declaration=None,
        open_gaps=0,
        unexplained=0,
        sentence="So it is.",
    )
    return replace(row, **changes)  # type: ignore[arg-type]


GAP = Gap(
    gap_id="abcdefgh22334455",
    version=1,
    source_system="ehr",
    kind=GapKind.SILENCE,
    began=NOW - timedelta(hours=3),
    ended=NOW - timedelta(hours=1),
    opened=NOW - timedelta(hours=2),
    changed=NOW,
    step=Step.CLOSED,
    expected=120,
)
WORD = Declaration(
    system="Radiology",
    state=Declared.OFF,
    declared=NOW - timedelta(days=1),
    declared_by="carol",
    reason="Its vendor adds audit events in May.",
    valid_until=NOW + timedelta(days=60),
)
SEEN = SourceView(
    at=NOW,
    states=[health("b", SourceVerdict.OK), health("a", SourceVerdict.UNKNOWN), health("c", SourceVerdict.SILENT)],
    gaps=[
        GAP,
        replace(GAP, gap_id="explained", acknowledged=NOW, acknowledged_by="carol", loss=Loss.NONE, reason="Planned."),
        replace(GAP, gap_id="open", ended=None),
        replace(GAP, gap_id="old", began=NOW - timedelta(days=90), ended=NOW - timedelta(days=89)),
    ],
    coverage=[
        covered("Pharmacy", Auditing.NEVER, source_system="", since=None),
        covered("Radiology", Auditing.OFF, is_expected=False, declaration=WORD),
        covered("ehr", Auditing.ON),
    ],
    listening_since=NOW - timedelta(hours=2),
    is_watched=True,
)


def test_sources_are_listed_gravest_first_and_unknown_before_well() -> None:
    page = sources_page(SEEN, view="health", zone=NEW_YORK)

    assert [row.health.source_system for row in page.rows] == ["c", "a", "b"]
    assert page.counts == {SourceVerdict.SILENT: 1, SourceVerdict.UNKNOWN: 1, SourceVerdict.OK: 1}
    assert (page.rows[0].worst, round(page.rows[0].worst_share, 2)) == ("device", 0.29)
    assert page.rows[0].chart.slices[-1].label == "08:00: 7"


def test_gaps_that_last_come_first_then_those_nobody_explained() -> None:
    page = sources_page(SEEN, view="gaps", zone=NEW_YORK)

    assert [row.gap.gap_id for row in page.gaps] == ["open", "abcdefgh22334455", "old", "explained"]
    assert (page.open_gaps, page.unexplained, page.covered, page.expected) == (1, 3, 1, 2)


def test_only_what_is_shown_to_be_well_has_the_colour_of_it() -> None:
    assert [verdict for verdict, tone in TONES.items() if tone == TONES[SourceVerdict.OK]] == [SourceVerdict.OK]
    assert [one for one, tone in AUDITING_TONES.items() if tone == AUDITING_TONES[Auditing.ON]] == [Auditing.ON]
    assert set(TONES) == set(SourceVerdict)
    assert set(AUDITING_TONES) == set(Auditing)


def test_a_view_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidInput):
        sources_page(SEEN, view="nothing", zone=NEW_YORK)


def test_the_outward_form_is_canonical_json() -> None:
    """Whole numbers, text and null only: it can be hashed, and read by anything."""
    for made in (view_json(SEEN), health_json(SEEN.states[0]), gap_json(SEEN.gaps[2], NOW), coverage_json(SEEN.coverage[1])):
        assert canonical(made)
    found = gap_json(GAP, NOW)
    assert (found["state"], found["seconds"], found["expected_events"], found["loss"]) == ("closed", 7200, 120, None)
    assert (
        found["sentence"] == "nothing came from ehr from 2026-03-10 09:30 UTC for 2 hours; about 120 events would have been usual"
    )


def test_the_report_says_who_is_not_covered_and_which_gaps_touch_the_period(engine: Engine) -> None:
    desk = Desk(
        questions=ReportQuestions(engine),
        directory=NoNames(),
        organisation="St. Example",
        zone=NEW_YORK,
        generated_at=NOW,
        ledger=LedgerState(),
        row_limit=2,
        terms=MailTerms(),
    )
    params = ReportParams(since=NOW - timedelta(days=30), until=NOW)

    document = coverage_document(desk, params, SEEN)

    assert document.summary == [
        "Of 2 systems that should send audit events, 1 are shown to be covered.",
        "Not covered: Pharmacy.",
        "In the period there were 2 gaps in which events may be missing.",
    ]
    assert [figure.value for figure in document.figures] == ["1", "1", "2"]
    register, gaps = document.sections
    assert register.table is not None
    assert gaps.table is not None
    assert [row[0] for row in register.table.rows] == ["Pharmacy", "Radiology", "ehr"]
    assert register.table.rows[1][3] == "declared off; not expected"
    assert len(gaps.table.rows) == 2
    assert document.notes[-1] == "The first 2 of 3 gaps are listed; phitrail sources gaps has them all."
    assert "watched without a break only since" in document.notes[1]
    assert b"Pharmacy" in render_html(document)
    assert render_pdf(document).startswith(b"%PDF")
    assert b"".join(csv_chunks(document)).count(b"\n") == 4
    assert b'"log-source-coverage"' in b"".join(json_chunks(document))
