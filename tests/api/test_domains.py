"""Domains through the door: pages, JSON and report say what is known; what is not known has no colour."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from dashboards.domain_words import GOOD, NOT_KNOWN, UNKNOWN, agreement, aspects, own_aspects
from dashboards.reports import Reports
from dashboards.reports.catalogue import ReportParams
from store.accounts import Role
from store.context import ContextStore
from store.domain_posture import DomainPostures, Posture
from store.reports import ReportQuestions
from tests.api.conftest import NEW_YORK, House
from tests.api.html import Page
from tests.api.ledger_rows import NOON
from tests.api.scenes import delivery_fact, mail
from tests.api.test_pages import check_fields, check_landmarks, check_policy, check_tables

DAY = timedelta(days=1)
SEEN = NOON - timedelta(hours=2)
GOOD_ONE = Posture(
    domain="clinic.example",
    observed_at=SEEN,
    mx=("mx.clinic.example",),
    mta_sts_id="1",
    mta_sts_seen="enforce",
    mta_sts_mode="enforce",
    mta_sts_mx=("mx.clinic.example",),
    mta_sts_expires=SEEN + 30 * DAY,
    dane=True,
    tls_rpt=True,
)
PROBLEMS = tuple(f"{field}: no answer in time" for field in ("mx", "mta_sts", "dane", "tls_rpt"))
NOT_LEARNT = Posture(domain="dark.example", observed_at=SEEN, problems=PROBLEMS)
VERIFIED = {"tls_verdict": "verified_webpki", "tls_version": "TLSv1.3", "to_domain": "clinic.example"}


@pytest.fixture
def home(house: House) -> House:
    """Mail to four domains over two weeks; one does everything right, of one nothing could be learnt, two were never looked at."""
    house.clock.now = NOON
    engine = house.node.engine
    events = [mail(number, time=NOON - (number % 14) * DAY) for number in range(1, 13)]
    how = [
        *[VERIFIED] * 6,
        {**VERIFIED, "tls_weak": 1, "tls_version": "TLSv1.0", "tls_verdict": "untrusted"},
        {**VERIFIED, "tls_verdict": "unknown", "tls_version": ""},
        {"to_domain": "dark.example", "tls_verdict": "unknown"},
        {"to_domain": "patients.example"},
        {"to_domain": "patients.example", "phi": 0},
        {**VERIFIED, "direction": "inbound"},
    ]
    for receipt, event, changes in zip(house.node.ledger.append(events), events, how, strict=True):
        delivery_fact(engine, receipt, event, **changes)
    register = [{"domain": "clinic.example", "kind": "partner", "baa": True, "baa_expires": "2026-03-09"}, {"domain": "x.example"}]
    ContextStore(engine).load({"domains": register}, NOON - 99 * DAY)
    before = replace(GOOD_ONE, observed_at=SEEN - DAY, mx=("relay.example",), dane=None)
    own = replace(GOOD_ONE, domain="hospital.example", is_own=True, dmarc_policy="none", dmarc_percent=100, spf_all="fail")
    DomainPostures(engine).add([before, GOOD_ONE, NOT_LEARNT, own])
    return house


def test_the_list(home: House) -> None:
    page = home.person(Role.AUDITOR).get("/domains")
    seen = Page(page.text)

    for check in (check_landmarks, check_fields, check_tables, check_policy):
        check(seen, "/domains")
    body = page.text[page.text.index("<tbody>") :]
    names = ("clinic.example", "dark.example", "x.example")
    rows = {name: body[body.index(f'/domains/{name}"') :].partition("</tr>")[0] for name in names}
    assert "ended 2026-03-09" in rows["clinic.example"]
    assert rows["clinic.example"].count("status-resolved") == 3
    for name in ("dark.example", "x.example"):
        assert "status-resolved" not in rows[name]
        assert rows[name].count(NOT_KNOWN) >= 3
    places = [body.index(f"/domains/{name}.example") for name in ("hospital", "clinic", "patients", "dark", "x")]
    assert places == sorted(places)


def test_one_domain_and_its_insecure_deliveries(home: House) -> None:
    person = home.person(Role.AUDITOR)
    page = person.get("/domains/Clinic.Example")
    seen = Page(page.text)

    for check in (check_landmarks, check_fields, check_tables, check_policy):
        check(seen, "/domains")
    assert page.status_code == 200
    assert "relay.example" in page.text
    assert "Its deliveries" in page.text
    links = [link for link in seen.links() if link.startswith("/mail?") and "band=weak" in link]
    asked = parse_qs(urlsplit(links[0]).query)
    assert asked["to_domain"] == ["clinic.example"]
    listed = person.get(links[0])
    assert (listed.status_code, listed.text.count("TLSv1.0")) == (200, 1)
    assert person.get("/domains/nowhere.example").status_code == 404


def test_the_json(home: House) -> None:
    person = home.program(Role.AUDITOR)
    listed = {row["domain"]: row for row in person.get("/v1/domains").json()["domains"]}
    one = person.get("/v1/domains/clinic.example").json()

    assert set(listed) == {"clinic.example", "dark.example", "patients.example", "hospital.example", "x.example"}
    assert listed["clinic.example"]["mail"] == {
        "deliveries": 8,
        "encrypted": 7,
        "verified": 6,
        "weak": 1,
        "clear": 0,
        "unknown": 1,
        "phi": 8,
        "phi_clear_or_weak": 1,
        "newest": listed["clinic.example"]["mail"]["newest"],
    }
    assert one["versions"] == {"TLSv1.3": 6, "TLSv1.0": 1, "unknown": 1}
    assert (listed["dark.example"]["posture"]["mx"], listed["dark.example"]["posture"]["dane"]) == (None, None)
    assert listed["patients.example"]["posture"] is None
    assert {change["what"] for change in one["changes"]} == {"mx", "mx_outside"}
    assert person.get("/v1/domains/nowhere.example").status_code == 404


@pytest.mark.parametrize("form", ["html", "json", "csv", "pdf"])
def test_the_report(home: House, form: str) -> None:
    reports = Reports(ReportQuestions(home.node.engine), lambda: NOON, organisation="H", zone=NEW_YORK)
    params = ReportParams(since=NOON - 30 * DAY, until=NOON + DAY)

    written = reports.report("domain-posture", params, form)

    assert written == reports.report("domain-posture", params, form)
    if form == "pdf":
        assert written.startswith(b"%PDF")
        return
    text = written.decode()
    assert all(name in text for name in ("clinic.example", "dark.example", "x.example"))
    if form == "html":
        assert "2 domains of the list were never looked at." in text
        assert "relay.example" in text


def test_what_was_seen_too_long_ago_or_never_is_not_known_and_has_no_colour() -> None:
    own = replace(GOOD_ONE, is_own=True, spf_all="fail", dmarc_policy="reject", dmarc_percent=100, dkim=("s=valid",))
    fresh = [*aspects(own, NOON), *own_aspects(own, NOON)]
    old = [*aspects(own, SEEN + 4 * DAY), *own_aspects(own, SEEN + 4 * DAY)]
    never = aspects(None, NOON)
    failed = aspects(NOT_LEARNT, NOON)

    assert {one.tone for one in fresh} == {GOOD}
    for one in [*old, *never, *failed]:
        assert (one.word, one.tone) == (NOT_KNOWN, UNKNOWN)
    assert own_aspects(replace(own, dkim=()), NOON)[-1].word == NOT_KNOWN


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"mta_sts_seen": ""}, "enforce, taken earlier"),
        ({"mta_sts_seen": "none"}, "enforce, taken earlier"),
        ({"mx": ("other.example",)}, "enforce"),
        ({"mta_sts_expires": NOON}, NOT_KNOWN),
        ({"mta_sts_seen": "testing", "mta_sts_mode": "testing"}, "testing"),
        ({"mta_sts_seen": "none", "mta_sts_mode": "none"}, "none"),
    ],
)
def test_mta_sts_is_green_only_where_it_is_published_enforced_and_fits(change: dict[str, object], word: str) -> None:
    said = aspects(replace(GOOD_ONE, **change), NOON)[0]  # type: ignore[arg-type]

    assert said.word == word
    assert said.tone != GOOD


@pytest.mark.parametrize(
    ("record", "word"),
    [
        ({"baa": True, "baa_expires": "2026-03-10"}, "until 2026-03-10"),
        ({"baa": True, "baa_expires": "2026-03-09"}, "ended 2026-03-09"),
        ({"baa": True}, "in force"),
        ({"baa": False}, "none"),
        ({}, NOT_KNOWN),
        ({"baa": True, "baa_expires": "soon"}, NOT_KNOWN),
    ],
)
def test_the_agreement_holds_to_the_end_of_its_last_day_also_below(record: dict[str, bool | str], word: str) -> None:
    today = NOON.date()

    assert agreement("mail.a.example", {"a.example": record}, today).word == word
    assert agreement("b.example", {"a.example": record}, today).word == "not registered"
