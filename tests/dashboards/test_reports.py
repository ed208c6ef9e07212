"""Reports on a small cast: golden files, and what a report may never leave unsaid."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dashboards.reports import DEFINITIONS, Grouping, ReportParams, Reports
from domain.errors import InvalidInput
from store.engine import Engine
from store.reports import ReportQuestions
from tests.dashboards.reports_cast import MARCH, ZONE, hospital
from tests.retention.old_ledger import emptied
from tests.support.clock import TickingClock

GOLDEN = Path(__file__).parent / "reports_golden"
P1 = replace(MARCH, patient_id="P-1")


@pytest.fixture(scope="module")
def desk(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reports]:
    with hospital(emptied(shared_engine), tmp_path_factory.mktemp("hospital")) as reports:
        yield reports


def golden_reports(desk: Reports) -> dict[str, bytes]:
    """The reports that are kept as files, by file name."""
    return {
        "patient-access.html": desk.report("patient-access", P1, "html"),
        "patient-access.csv": desk.report("patient-access", P1, "csv"),
        "patient-access-by-person.html": desk.report("patient-access", replace(P1, grouping=Grouping.PERSON), "html"),
        "insecure-deliveries.html": desk.report("insecure-deliveries", MARCH, "html"),
        "insecure-deliveries.csv": desk.report("insecure-deliveries", MARCH, "csv"),
        "insecure-deliveries.json": desk.report("insecure-deliveries", MARCH, "json"),
    }


def test_reports_are_the_golden_ones(desk: Reports) -> None:
    for name, content in golden_reports(desk).items():
        assert content.decode().splitlines() == (GOLDEN / name).read_bytes().decode().splitlines(), name
        assert content == (GOLDEN / name).read_bytes(), name


def test_the_same_question_gives_the_same_bytes(desk: Reports) -> None:
    for name in DEFINITIONS:
        for form in ("html", "pdf", "csv", "json"):
            assert desk.report(name, P1, form) == desk.report(name, P1, form)


def test_an_access_is_told_in_words_with_its_reason(desk: Reports) -> None:
    (section,) = desk.document("patient-access", P1).sections
    assert section.table is not None
    rows = [" / ".join(row) for row in section.table.rows]

    assert rows[0] == (
        "2026-03-08 01:30:00 CST / Alice Adler (alice), Nurse, ICU / Opened the chart. Module: chart. / workstation ws-7, 192.0.2.7"
        " / On shift in unit ICU, where the patient stayed. / main:0"
    )
    assert "03:04:00 CDT" not in rows[0]
    assert (
        "03:04:00 CDT / Bob Brennan (bob), Physician, Cardiology / Read laboratory results. / not stated by the source" in rows[2]
    )
    assert "Reason given: “=code blue, bed 4”. No reason found in the records known here. Same surname" in rows[3]
    assert "Tried, and was refused: opened the chart." in rows[4]
    assert "Evanston / The patient's own use of the portal." in rows[5]
    assert "@cron, a program / Rebuild index." in rows[6]
    assert "Not examined yet." in rows[6]


def test_the_report_is_about_one_patient_and_one_period(desk: Reports) -> None:
    whole = desk.document("patient-access", P1)
    part = desk.document("patient-access", replace(P1, until=datetime(2026, 3, 8, 8, 4, tzinfo=UTC)))
    mallory = desk.document("patient-access", replace(P1, actor_id="mallory"))
    nobody = desk.document("patient-access", replace(P1, patient_id="P-3"))

    assert len(whole.data.rows) == 7
    assert len(part.data.rows) == 2
    assert len(mallory.data.rows) == 2
    assert nobody.summary == ["In this period the ledger holds no access to this record."]


def test_what_was_not_examined_and_what_is_elsewhere_is_said(desk: Reports) -> None:
    notes = " ".join(desk.document("patient-access", P1).notes)

    assert "2 accesses have not been compared with stays, appointments and orders yet" in notes
    assert "Mail about this patient is not listed here (1 mail event in the period)" in notes


def test_grouping_by_person_and_by_day(desk: Reports) -> None:
    person = desk.document("patient-access", replace(P1, grouping=Grouping.PERSON))
    day = desk.document("patient-access", replace(P1, grouping=Grouping.DAY))

    assert [section.heading.split(",")[0] for section in person.sections] == [
        "@cron", "Alice Adler (alice)", "Bob Brennan (bob)", "mallory", "portal-1",
    ]  # fmt: skip
    assert [section.heading for section in day.sections] == ["Sunday, 2026-03-08"]
    assert sum(len(section.table.rows) for section in person.sections if section.table) == 7


def test_a_report_that_reached_its_limit_says_so(desk: Reports, shared_engine: Engine) -> None:
    short = Reports(ReportQuestions(shared_engine), TickingClock(), organisation="", zone=ZONE, row_limit=3)

    accesses, deliveries = short.document("patient-access", P1), short.document("insecure-deliveries", MARCH)

    assert accesses.notes[0].startswith("This report lists the first 3 of 7 accesses;")
    assert deliveries.notes[0].startswith("This report lists the first 3 of 5 deliveries;")
    assert accesses.figures[0].value == "7"


def test_every_insecure_delivery_is_listed_and_no_other(desk: Reports) -> None:
    data = desk.document("insecure-deliveries", MARCH).data
    found = [dict(zip(data.fields, row, strict=True)) for row in data.rows]

    assert [row["seq"] for row in found] == [100, 101, 102, 103, 104]
    assert [row["exposure"] for row in found] == ["plain text", "weak TLS", "unverified", "not known", "plain text"]
    assert found[3]["phi"] is None


def test_the_deliveries_left_out_are_counted(desk: Reports) -> None:
    document = desk.document("insecure-deliveries", MARCH)

    notes = " ".join(document.notes)
    assert "Not listed: 1 delivery over TLS with a certificate of a trusted issuer whose name nobody compared" in notes
    assert "Not listed: 1 attempt that the receiving server bounced or deferred." in notes
    assert document.summary[0].startswith(
        "In this period 7 outbound deliveries were classified as PHI or not classified; 5 of them"
    )


def test_the_four_factors_are_answered_with_facts(desk: Reports) -> None:
    table = desk.document("insecure-deliveries", MARCH).sections[1].table
    assert table is not None
    facts = {row[0][0]: row[1] for row in table.rows}

    assert facts["1"].startswith(
        "Classified as PHI: 4. Not classified by the sender: 1. Patients named: 2. Categories: lab result 5."
    )
    assert facts["2"] == (
        "Recipient domains: 3, see above. They were: not in the register of domains 5. Forwarded by an automatic rule: 1."
    )
    assert "encrypted (S/MIME) 1" in facts["4"]
    assert "The patient had agreed to unencrypted mail: 1, agreed later: 0." in facts["4"]


def test_csv_never_starts_a_formula(desk: Reports) -> None:
    for name in DEFINITIONS:
        cells = [cell for row in csv.reader(io.StringIO(desk.report(name, P1, "csv").decode())) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert "'=code blue, bed 4" in desk.report("patient-access", P1, "csv").decode()
    assert "'@cron" in desk.report("patient-access", P1, "csv").decode()


def test_html_escapes_and_loads_nothing(shared_engine: Engine, desk: Reports) -> None:
    hostile = Reports(ReportQuestions(shared_engine), TickingClock(), organisation="<script>alert(1)</script>", zone=ZONE)

    text = hostile.report("patient-access", replace(P1, by='"><img src=x onerror=alert(1)>'), "html").decode()

    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[tuple[str, list[tuple[str, str | None]]]] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.append((tag, attrs))

    tags = Tags()
    tags.feed(text)
    names = [tag for tag, _ in tags.seen]
    assert not {"script", "img", "link", "iframe"} & set(names)
    assert not [attr for _, attrs in tags.seen for attr in attrs if attr[0] in ("src", "href") or attr[0].startswith("on")]
    assert names.count("caption") == names.count("table")
    assert ("th", [("scope", "col"), ("class", "time")]) in tags.seen


def test_json_has_the_rows_and_the_signed_state_of_the_ledger(desk: Reports) -> None:
    report = json.loads(desk.report("patient-access", P1, "json"))

    assert report["rows"][0]["reasons"] == ["on shift in unit ICU, where the patient stayed"]
    assert report["rows"][5]["explained"] is None
    assert report["ledger"]["heads"][0]["size"] == 9
    assert report["ledger"]["checkpoint"].startswith("log.example/spine\n1\n")


@pytest.mark.parametrize(
    ("name", "params", "form", "says"),
    [
        (
            "who-knows",
            P1,
            "html",
            "there is no report named 'who-knows': choose baa-register, .*, patient-access and tls-ledger",
        ),
        ("patient-access", MARCH, "html", "the report patient-access is about one patient: say which"),
        ("patient-access", P1, "xlsx", r"not written as Excel workbooks \(.xlsx\) yet: take .csv"),
        ("patient-access", P1, "doc", "cannot be written as 'doc': choose html, pdf, csv and json"),
        ("insecure-deliveries", replace(MARCH, until=MARCH.since), "html", "the period ends before it begins"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_in_a_sentence(
    shared_engine: Engine, name: str, params: ReportParams, form: str, says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        Reports(ReportQuestions(shared_engine), TickingClock(), organisation="", zone=ZONE).report(name, params, form)
