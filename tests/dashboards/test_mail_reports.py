"""The mail reports on a small clinic: golden files, what may never look better than it was, agreement with the judgement itself."""

import csv
import io
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from analytics.consents import Consents, Word
from analytics.mail_policy import business_days
from analytics.recipients import Register
from dashboards.reports import Reports
from dashboards.reports.document import Document, Table
from dashboards.reports.mail_wording import share
from domain.json import Json
from store.context import ContextStore
from store.engine import Engine
from store.mail_knowledge import MailKnowledge
from store.mail_reports import MailReports
from store.mail_reports_baa import Agreement, BaaRegister
from store.mail_reports_consent import ConsentRegister, Standing
from tests.dashboards.mail_reports_cast import CHANGED, FIRST, MARCH, SECOND, TERMS, at, clinic, facts, later
from tests.retention.old_ledger import emptied

GOLDEN = Path(__file__).parent / "reports_golden"
NAMES = ("tls-ledger", "baa-register", "consent-register", "insecure-deliveries")
CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture(scope="module")
def desk(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reports]:
    with clinic(emptied(shared_engine), tmp_path_factory.mktemp("clinic")) as reports:
        yield reports


def golden_mail_reports(desk: Reports) -> dict[str, bytes]:
    """The mail reports that are kept as files, by file name."""
    wanted = [(name, form) for name in NAMES[:3] for form in ("html", "csv", "json")] + [("insecure-deliveries", "json")]
    return {f"mail/{name}.{form}": desk.report(name, MARCH, form) for name, form in wanted}


def rows_of(document: Document) -> list[dict[str, Json]]:
    return [dict(zip(document.data.fields, row, strict=True)) for row in document.data.rows]


def table_of(document: Document, heading: str) -> Table:
    (table,) = [section.table for section in document.sections if section.heading == heading and section.table]
    return table


def test_mail_reports_are_the_golden_ones(desk: Reports) -> None:
    for name, content in golden_mail_reports(desk).items():
        assert content.decode().splitlines() == (GOLDEN / name).read_bytes().decode().splitlines(), name
        assert content == (GOLDEN / name).read_bytes(), name
    for name in NAMES:
        assert desk.report(name, MARCH, "pdf").startswith(b"%PDF-1.7")


def test_every_delivery_is_in_the_tls_ledger_with_its_entry(desk: Reports) -> None:
    document = desk.document("tls-ledger", MARCH)
    rows = rows_of(document)

    assert len(rows) == len(document.data.rows) == 28
    assert [row["seq"] for row in rows] == list(range(28))
    assert {row["event_id"] for row in rows} == {f"mail-{row['seq']}" for row in rows}
    assert not {28, 29, 30} & {row["seq"] for row in rows}
    assert "Not counted: 1 attempt deferred, bounced, refused or dropped, or not said to have been taken." in document.notes
    assert document.data.rows[0] == document.data.rows[:1][0] == list(rows[0].values())


def test_what_is_not_known_is_never_among_the_good(desk: Reports) -> None:
    document = desk.document("tls-ledger", MARCH)
    protection = {row[0]: row[1:] for row in table_of(document, "How well the connections were protected").rows}
    listed = table_of(document, "Deliveries that were not good").rows

    assert protection["mailbox.example"] == ["13", "6 (46 %)", "0", "0", "0", "6 (46 %)", "0", "1 (8 %)", "0"]
    assert protection["lab.example"][-1] == "1 (25 %)"
    assert [row[-1].split()[0] for row in listed] == [
        *("main:20", "main:21", "main:22", "main:23", "main:25", "main:26"),
        *("main:27", "main:12", "main:9", "main:24", "main:11", "main:2"),
    ]
    assert "TLSv1 with" not in listed[6][3]
    assert listed[6][3] == "Weak TLS. Server verified. TLSv1 DES-CBC3-SHA."


def test_paper_says_what_it_does_not_show(shared_engine: Engine, desk: Reports) -> None:
    short = Reports(desk._questions, desk._clock, organisation="", zone=CHICAGO, row_limit=5, terms=TERMS)
    document = short.document("tls-ledger", MARCH)

    section = document.sections[2]
    assert section.table is not None
    assert len(section.table.rows) == 5
    assert "7 more are not shown here, the mildest of 12" in section.sentences[1]
    assert len(list(document.data.rows)) == 28
    assert "domains are not shown" in document.notes[0]


def test_pages_give_every_row_once(shared_engine: Engine, desk: Reports) -> None:
    mail = MailReports(shared_engine)
    scope = mail.scope(since=MARCH.since, until=MARCH.until)
    whole = [row for page in mail.pages(scope) for row in page]
    consents = ConsentRegister(shared_engine, CHICAGO, TERMS)

    assert [row for page in mail.pages(scope, 3) for row in page] == whole
    assert [row for page in consents.pages(scope, 2) for row in page] == [row for page in consents.pages(scope) for row in page]
    assert sum(len(page) for page in consents.pages(scope, 2)) == consents.count(scope)


def test_facts_that_came_after_a_report_began_are_not_in_it(shared_engine: Engine, desk: Reports) -> None:
    mail = MailReports(shared_engine)
    scope = mail.scope(since=MARCH.since, until=MARCH.until)
    earlier = replace(scope, lasts=[11])

    assert mail.totals(earlier).tally.deliveries == sum(len(page) for page in mail.pages(earlier)) == 12
    assert mail.totals(scope).tally.deliveries == 28


def test_deliveries_are_held_against_the_register_of_their_moment(desk: Reports) -> None:
    found = {str(row["domain"]): row for row in rows_of(desk.document("baa-register", MARCH))}
    numbers = ("phi_in_force", "phi_after_expiry", "phi_before", "phi_without", "phi_register_silent", "phi_public_or_unregistered")

    def of(domain: str) -> list[Json]:
        return [found[domain][name] for name in numbers]

    assert of("lab.example") == [4, 1, 0, 0, 0, 0]
    assert of("later.example") == [1, 0, 1, 0, 0, 0]
    assert of("ended.example") == [1, 1, 0, 0, 0, 0]
    assert of("vendor.example") == [0, 0, 0, 1, 0, 0]
    assert of("silent.example") == [0, 0, 0, 0, 1, 0]
    assert of("=stranger.example") == [0, 0, 0, 0, 0, 1]
    assert found["vendor.example"]["not_classified"] == 1
    assert (found["home.example"]["registered"], found["home.example"]["phi_to_patient_on_file"]) == (False, 1)
    assert found["lab.example"]["versions"] == 2


def test_a_delivery_without_an_agreement_is_listed_with_its_entry(desk: Reports) -> None:
    document = desk.document("baa-register", MARCH)
    listed = table_of(document, "Deliveries without an agreement known to be in force").rows

    assert [row[-1].split()[0] for row in listed] == [
        *("main:4", "main:8", "main:10", "main:11", "main:23", "main:2", "main:7", "main:9", "main:24"),
    ]
    assert listed[0][5] == "PHI, referral. Encrypted (PGP)."
    assert document.figures[1].alarming


def test_marketing_is_held_against_the_last_word_and_business_days(desk: Reports) -> None:
    document = desk.document("consent-register", MARCH)
    figures = {figure.label: figure.value for figure in document.figures}
    found = {(row["patient_id"], row["matter"], row["at"]): row for row in rows_of(document)}

    assert figures["marketing without an opt-in"] == "1"
    assert figures["marketing after an opt-out, within 10 business days"] == "1"
    assert figures["marketing later than that"] == "1"
    assert figures["marketing with PHI"] == "1"
    second_no = found["P-2", "marketing", "2026-03-05T16:00:00.000000Z"]
    assert (second_no["sends"], second_no["after_optout_within_grace"], second_no["after_optout_past_grace"]) == (2, 1, 1)
    assert found["P-2", "marketing", "2025-01-05T16:00:00.000000Z"]["withdrawn"] == "2026-03-02T16:00:00.000000Z"
    assert (found["P-3", "marketing", None]["status"], found["P-3", "marketing", None]["first_seq"]) == (None, 17)
    assert found[None, "marketing", None]["sends"] == 1


def test_unencrypted_phi_is_held_against_the_wish_of_its_moment(desk: Reports) -> None:
    document = desk.document("consent-register", MARCH)
    listed = [row for row in table_of(document, "Deliveries without a consent, or against one").rows if "TLS" in row[4]]

    assert [(row[1], row[4].rpartition(", ")[2], row[5]) for row in listed] == [
        ("P-5", "no TLS.", "The patient had said no. No since 2026-03-06, 0 business days before."),
        ("P-6", "no TLS.", "No consent on record."),
        ("P-7", "TLS not known.", "No consent on record."),
    ]
    words = [(row["patient_id"], row["status"], row["sends"]) for row in rows_of(document) if row["matter"] == "unencrypted_phi"]
    assert words == [
        ("P-4", "granted", 1),
        ("P-5", "opted_in", 1),
        ("P-5", "opted_out", 1),
        ("P-6", None, 1),
        ("P-6", "opted_in", 0),
        ("P-7", None, 1),
    ]


def test_each_factor_of_a_delivery_has_its_facts_or_says_that_they_are_not_known(desk: Reports) -> None:
    document = desk.document("insecure-deliveries", MARCH)
    table = table_of(document, "The four factors, delivery by delivery")
    by_entry = {row[-1]: row for row in table.rows}
    letter, link, silent = by_entry["main:23"], by_entry["main:25"], by_entry["main:9"]

    assert "Subject: “Result of MRN 12345”." in letter[1]
    assert "4,321 bytes, 1 attachment." in letter[1]
    assert "An address that is not the patient's on file." in letter[2]
    assert "the address is one or two letters from the patient's" in letter[2].casefold()
    assert "Opened 2026-03-10 11:00:00 CDT (entry main:31)." in letter[3]
    assert "Bounced" not in letter[3]
    assert "Recalled 2026-03-11 11:00:00 CDT" in letter[4]
    assert "The patient agreed to unencrypted mail later, 2026-03-25" in letter[4]
    assert "Alert plaintext phi resolved by privacy.officer 2026-03-13 04:00:00 CDT: “wrong address, recalled”." in letter[4]
    assert "The patient was at the portal 2026-03-12" in link[3]
    assert "A message at the portal expired unread 2026-03-30" in link[3]
    assert "Subject not known. Identifiers not known. Size not known, attachments not known." in silent[1]
    assert "Opened or not: not known." in silent[3]
    assert silent[4] == "Recall not known. No consent to unencrypted mail on record. No alert cites it."
    assert "vendor.example, kind vendor: registered without a business associate agreement." in silent[2]


def test_csv_and_json_come_in_pieces_and_are_whole(desk: Reports) -> None:
    for name in NAMES:
        report = json.loads(b"".join(desk.chunks(name, MARCH, "json")))
        lines = list(csv.reader(io.StringIO(b"".join(desk.chunks(name, MARCH, "csv")).decode())))
        assert len(report["rows"]) == len(lines) - 1 > 0
        assert not [cell for line in lines for cell in line if cell.startswith(("=", "+", "-", "@"))]


def test_the_register_agrees_with_the_judgement(shared_engine: Engine, desk: Reports) -> None:
    """Which entry of the register counts, and whether its agreement had run out, by `analytics.recipients` too."""
    judged = Register(MailKnowledge(shared_engine).register())
    register = BaaRegister(shared_engine, CHICAGO, TERMS)

    for domain in (*(str(one["domain"]) for one in FIRST), "reports.lab.example", "example", "other.example", ""):
        for hours in range(0, 24 * 40, 5):
            moment = at(1, 0) + timedelta(hours=hours)
            listed, (version, state) = judged.at(domain, moment), register.at(domain, moment)
            assert (listed is None) == (version is None)
            if listed is not None and version is not None:
                over = listed.expires is not None and listed.expires < moment.astimezone(CHICAGO).date()
                assert (version.kind, version.baa, version.expires) == (listed.kind, listed.baa, listed.expires)
                assert (state is Agreement.IN_FORCE) == (listed.baa is True and not over)
    assert {one["domain"] for one in SECOND} == {name for name, versions in register.versions.items() if len(versions) > 1}
    assert register.versions["lab.example"][1].since == CHANGED


def test_consents_agree_with_the_judgement(engine: Engine) -> None:
    """The same words and deliveries by `analytics.consents` and by the engine's own query."""
    chance = random.Random(7)
    consents: dict[tuple[str, str, str], Mapping[str, Json]] = {}
    for _ in range(240):
        said = later(chance.randrange(-40, 40) + chance.choice((0, 0.1, 0.5))).isoformat(timespec="microseconds")
        key = (f"P-{chance.randrange(40)}", chance.choice(("marketing_email", "marketing")), said.replace("+00:00", "Z"))
        consents[key] = {
            "patient_id": key[0],
            "channel": key[1],
            "at": key[2],
            "status": chance.choice(("opted_in", "opted_out", "no")),
        }
    terms = replace(TERMS, marketing=("marketing_email", "marketing"), is_holiday=(at(9).date(), at(21).date(), at(13).date()))
    sends = [
        {"time": later(chance.uniform(-20, 50)), "patient_id": f"P-{chance.randrange(45)}", "category": "marketing", "phi": 0,
         "tls_verdict": "none", "recipient": "patient", "to_domain": "mailbox.example"}
        for _ in range(400)
    ]  # fmt: skip
    store = ContextStore(engine)
    store.load({"consents": list(consents.values())}, at(1))
    facts(engine, sends)
    judged = Consents(store.frame("consents"), terms.marketing, CHICAGO)
    scope = MailReports(engine).scope(since=datetime(2020, 1, 1, tzinfo=UTC), until=datetime(2030, 1, 1, tzinfo=UTC))
    register = ConsentRegister(engine, CHICAGO, terms)
    held = {one.seq: one for one in register.deliveries(scope, 1000)}

    wanted: dict[int, tuple[Standing, int | None]] = {}
    for seq, send in enumerate(sends):
        moment = send["time"]
        assert isinstance(moment, datetime)
        word = judged.word(str(send["patient_id"]), moment)
        if word is None or not word.agreed:
            wanted[seq] = _standing(word, moment, frozenset(terms.is_holiday))
    assert {seq: (one.standing, one.business_days) for seq, one in held.items()} == wanted
    assert len({standing for standing, _ in wanted.values()}) == 3


def _standing(word: Word | None, moment: datetime, holidays: frozenset) -> tuple[Standing, int | None]:  # type: ignore[type-arg]
    if word is None:
        return Standing.NO_WORD, None
    passed = business_days(word.day, moment.astimezone(CHICAGO).date(), holidays)
    return (Standing.PAST_GRACE if passed > 10 else Standing.WITHIN_GRACE), passed


def test_a_store_without_mail_says_so(engine: Engine, desk: Reports) -> None:
    for name in NAMES:
        document = desk.document(name, MARCH)
        assert list(document.data.rows) == []
        assert document.summary
        assert not any(figure.alarming for figure in document.figures)
        assert desk.report(name, MARCH, "pdf").startswith(b"%PDF-1.7")


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(0, 0, "0"), (0, 9, "0"), (9, 9, "9 (100 %)"), (1, 3000, "1 (<1 %)"), (2999, 3000, "2,999 (>99 %)"), (1, 2, "1 (50 %)")],
)
def test_a_share_never_flatters(part: int, whole: int, words: str) -> None:
    assert share(part, whole) == words
