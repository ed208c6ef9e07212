"""Every page: parses, can be read by a screen reader, has no inline style or script, and its links lead somewhere."""

import re
from collections import Counter
from datetime import timedelta
from importlib.resources import files
from itertools import pairwise
from urllib.parse import parse_qsl, urlsplit

from domain.event import Actor, ActorKind
from domain.finding import Severity
from store.accounts import Role
from store.outbox import plan
from tests.api.conftest import House
from tests.api.html import Page
from tests.api.ledger_rows import NOON, access
from tests.api.scenes import a_day, access_fact, an_alert, delivery_fact, mail, raise_alert, scores

PAGES = [
    "/",
    "/events",
    "/events?last=24h&source=access&action=view_chart&q=chart",
    "/events?q=nothing-like-this",
    "/events/main/0",
    "/events/main/4",
    "/events/main/6",
    "/patients/P-1",
    "/actors/alice",
    "/actors/results%40hospital.example",
    "/mail",
    "/mail?band=clear&phi=yes&to_domain=patients.example",
    "/accesses",
    "/accesses?department=Oncology&explained=no",
    "/alerts",
    "/sources",
    "/sources?view=coverage",
    "/sources?view=gaps",
    "/alerts?view=all&severity=high",
    "/alerts?view=resolved",
    "/alerts/one",
    "/alerts/two",
    "/reports?patient=P-1",
    "/account",
]

ICONS = (files("dashboards") / "static" / "icons.svg").read_text(encoding="utf-8")


def filled(house: House) -> None:
    """A day with something on every panel; the record is verified."""
    receipts = a_day(house.node.ledger.append)
    engine, alerts = house.node.engine, house.services.alerts
    access_fact(engine, receipts[0], access(0))
    access_fact(engine, receipts[4], access(10, patient_id="P-2"), explained=0, reasons=[], flags=["Same address as the patient"])
    delivery_fact(engine, receipts[6], mail(20))
    delivery_fact(engine, receipts[7], mail(21), to_domain="clinic.example", tls_verdict="verified_dane", tls_version="TLSv1.3")
    scores(
        engine,
        {
            "day": NOON.date(),
            "actor_id": "alice",
            "object_id": "P-1",
            "score": 0.8,
            "model": "m",
            "reasons": ["Odd"],
            "computed_at": NOON,
        },
    )
    raise_alert(alerts, an_alert("one"))
    raise_alert(alerts, an_alert("two", severity=Severity.CRITICAL, kind="break_glass", title="Emergency access to review"))
    raise_alert(alerts, an_alert("three", severity=Severity.LOW, kind="weak_tls"))
    alerts.acknowledge("two", by="carol", note="Asking the unit.", at=NOON, expected_version=1)
    alerts.resolve("three", by="carol", note="Test system.", at=NOON, expected_version=1)
    house.services.outbox.put([plan(alert_id="one", version=1, channel="webhook", at=NOON, due=NOON)])
    house.node.keeper.checkpoint()
    house.verify()
    house.clock.advance(minutes=3)


def test_every_page_is_well_made(house: House) -> None:
    filled(house)
    browser = house.person(Role.PRIVACY_OFFICER)

    for address in [*PAGES, "/login"]:
        answer = (house.visitor() if address == "/login" else browser).get(address, headers={"Accept": "text/html"})
        assert answer.status_code == 200, address
        page = Page(answer.text)
        check_landmarks(page, address)
        check_fields(page, address)
        check_tables(page, address)
        check_policy(page, address)
        check_targets(page, address)


def check_landmarks(page: Page, address: str) -> None:
    """One of each landmark, one h1, a skip link first, headings without a jump, every id once."""
    counts = Counter(element.name for element in page.elements)
    assert (counts["main"], counts["h1"], counts["header"], counts["footer"], counts["title"] > 0) == (1, 1, 1, 1, True), address
    assert page.all("html")[0].attributes["lang"] == "en"
    assert page.links()[0] == "#main"
    levels = [int(element.name[1]) for element in page.all("h1", "h2", "h3", "h4") if "main" in element.inside]
    assert all(after - before <= 1 for before, after in pairwise(levels)), (address, levels)
    ids = Counter(element.attributes["id"] for element in page.elements if "id" in element.attributes)
    assert not {name for name, times in ids.items() if times > 1}, address
    for element in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert element.attributes.get(name, "main") in {*ids, "main"}, (address, element.attributes)
    for name in ("nav", "aside", "section"):
        assert all({"aria-label", "aria-labelledby"} & set(element.attributes) for element in page.all(name)), (address, name)


def check_fields(page: Page, address: str) -> None:
    """Every field has a label, every form that changes something a token, every button a text."""
    labelled = {element.attributes["for"] for element in page.all("label")}
    for element in page.all("input", "textarea", "select"):
        if element.attributes.get("type") != "hidden":
            assert element.attributes["id"] in labelled, (address, element.attributes)
    posting = [form for form in page.all("form") if form.attributes.get("method") == "post"]
    tokens = [element for element in page.all("input") if element.attributes.get("name") == "csrf"]
    assert len(tokens) == len(posting) - (address == "/login"), address
    assert all(len(token.attributes["value"]) == 64 for token in tokens)


def check_tables(page: Page, address: str) -> None:
    """Every table has a caption and column headings with a scope; every picture says in words what it shows."""
    assert len(page.all("caption")) == len(page.all("table")), address
    assert all(element.attributes.get("scope") == "col" for element in page.all("th")), address
    for drawing in page.all("svg"):
        assert drawing.attributes.get("aria-hidden") == "true" or drawing.attributes["aria-label"], address
    for moment in page.all("time"):
        assert moment.attributes["datetime"].endswith("Z"), address


def check_policy(page: Page, address: str) -> None:
    """Nothing that the content security policy would block, nothing from elsewhere."""
    for element in page.elements:
        assert element.name not in ("script", "style", "iframe", "object"), address
        assert not any(name == "style" or name.startswith("on") for name in element.attributes), (address, element)
        for name in ("href", "src", "action", "formaction"):
            assert element.attributes.get(name, "/").startswith(("/", "#")), (address, element.attributes)


def check_targets(page: Page, address: str) -> None:
    """Links into the page lead to something in it, and every icon is drawn."""
    ids = {element.attributes.get("id") for element in page.elements}
    assert {link[1:] for link in page.links() if link.startswith("#")} <= ids, address
    for element in page.all("use"):
        assert f'id="{element.attributes["href"].partition("#")[2]}"' in ICONS, (address, element.attributes)


def test_no_link_of_any_page_is_dead(house: House) -> None:
    """One link of each shape: the same page, whatever the numbers in it, with the same names in its query."""
    filled(house)
    browser = house.person(Role.PRIVACY_OFFICER)
    shapes: dict[tuple[str, tuple[str, ...]], str] = {}
    for address in PAGES:
        for link in Page(browser.get(address).text).links():
            parts = urlsplit(link)
            shapes[re.sub(r"\d+", "0", parts.path), tuple(sorted(name for name, _ in parse_qsl(parts.query)))] = link

    dead = {}
    for link in shapes.values():
        status = browser.get(link, follow_redirects=True).status_code
        # Entries before and after may not exist: the page says so.
        if link.startswith("/") and status != 200 and not (status == 404 and link.startswith("/events/main/")):
            dead[link] = status

    assert dead == {}
    assert len(shapes) > 40


def test_what_a_record_holds_cannot_become_markup(house: House) -> None:
    evil = "<script>alert('x')</script>\"><b>"
    house.node.ledger.append(
        [
            access(
                1, patient_id=evil, actor=Actor(id=evil, kind=ActorKind.STAFF), action=evil, details={evil: evil}, raw=evil.encode()
            )
        ]
    )
    raise_alert(
        house.services.alerts, an_alert("one", title=evil, explanation=(evil,), runbook=evil, actor_id=evil, patient_id=evil)
    )
    browser = house.person(Role.PRIVACY_OFFICER)

    for address in ("/", "/events", f"/events?q={evil}", "/events/main/0", "/alerts", "/alerts/one"):
        answer = browser.get(address)
        assert answer.status_code == 200, address
        assert "<script" not in answer.text, address
        check_policy(Page(answer.text), address)


def test_the_first_screen_says_what_the_rows_say(house: House) -> None:
    filled(house)

    page = Page(house.person(Role.PRIVACY_OFFICER).get("/").text)

    text = " ".join(page.text.split())
    assert "The record is intact, and no gap is known." in text
    assert "critical 1 oldest 3 min 0 not taken on" in text
    assert "50.0 % of 2 outbound deliveries left in the clear." in text
    assert "1 emergency access (break-glass) awaits review, the oldest for 3 min." in text
    assert "50.0 % of 2 accesses to records have a reason on record." in text
    assert "Times in America/New_York; as of 2026-03-10 08:03:00 EDT" in text


def test_old_mail_is_shown_as_what_it_is(house: House) -> None:
    filled(house)
    house.clock.advance(days=20)

    text = " ".join(Page(house.person(Role.ANALYST).get("/").text).text.split())

    assert "Wed 4 Mar 2026 to Tue 10 Mar 2026 · the newest seven days with mail" in text
    assert "Tue 10 Mar 2026, the newest day that was ranked" in text


def test_a_changed_record_is_the_first_thing_seen(house: House) -> None:
    filled(house)
    house.node.engine.execute("ALTER TABLE events UPDATE outcome = 'denied' WHERE seq = 2 SETTINGS mutations_sync = 2")
    house.verify()

    page = Page(house.person(Role.ADMIN).get("/").text)

    assert "The record was changed." in page.text
    assert ", entry 2:" in page.text


def test_nothing_yet_says_what_to_do(house: House) -> None:
    text = Page(house.person(Role.PRIVACY_OFFICER).get("/").text).text

    for advice in (
        "not verified yet",
        "Nothing waits.",
        "No outbound mail was judged yet.",
        "No day was ranked yet.",
        "phitrail context load",
    ):
        assert advice in text


def test_the_search_page_narrows_by_facet_bar_and_chip(house: House) -> None:
    filled(house)
    browser = house.person(Role.ANALYST)

    page = Page(browser.get("/events?source_system=ehr&action=print").text)

    assert "/events?source_system=ehr" in page.links()
    assert "/events?action=print" in page.links()
    assert "/events?source_system=ehr&action=print&actor_kind=staff" in page.links()
    bar = next(link for link in page.links() if "from=" in link)
    assert "1 found" in Page(browser.get(bar).text).text
    csv = browser.get(next(link for link in page.links() if link.startswith("/v1/events.csv")))
    assert csv.text.count("\n") == 2


def test_the_search_page_goes_on_to_older_rows_and_back(house: House) -> None:
    house.node.ledger.append([access(n, time=NOON - timedelta(minutes=n)) for n in range(60)])
    browser = house.person(Role.ANALYST)

    first = Page(browser.get("/events?source_system=ehr").text)
    older = next(link for link in first.links() if "cursor=" in link)
    second = Page(browser.get(older).text)

    assert "50 rows, newest first" in first.text
    assert "10 rows, newest first" in second.text
    assert "/events?source_system=ehr" in second.links()


def test_the_box_in_the_header_finds_patients_people_and_text(house: House) -> None:
    a_day(house.node.ledger.append)
    browser = house.person(Role.ANALYST)

    for what, where in (("P-1", "/patients/P-1"), ("bob", "/actors/bob"), ("E-1", "/events?q=E-1"), (" ", "/events")):
        answer = browser.get("/find", params={"what": what})
        assert (answer.status_code, answer.headers["location"]) == (303, where)


def test_an_event_page_shows_both_readings_and_checks_the_proof(house: House) -> None:
    filled(house)

    text = " ".join(Page(house.person(Role.ANALYST).get("/events/main/4").text).text.split())

    assert "reasonÜberweisung" in text
    assert '{ "n": 10 }' in text
    assert "Same address as the patient" in text
    assert "Checked just now, in four steps, up to the checkpoint signed by log.example/spine" in text


def test_an_event_that_no_checkpoint_covers_yet_says_so(house: House) -> None:
    a_day(house.node.ledger.append)

    assert "No proof yet" in Page(house.person(Role.ANALYST).get("/events/main/1").text).text


def test_a_proof_that_does_not_hold_is_said_plainly(house: House) -> None:
    filled(house)
    changed = "replace(header, 'view_chart', 'export')"
    house.node.engine.execute(f"ALTER TABLE events UPDATE header = {changed} WHERE seq = 4 SETTINGS mutations_sync = 2")

    text = Page(house.person(Role.ANALYST).get("/events/main/4").text).text

    assert "The proof does not hold." in text


def test_an_alert_page_holds_all_that_a_decision_needs(house: House) -> None:
    filled(house)

    text = " ".join(Page(house.person(Role.PRIVACY_OFFICER).get("/alerts/one").text).text.split())

    for words in (
        "Both live at the same address.",
        "Alice was on shift.",
        "Ask the unit lead.",
        "45 CFR 164.312(b)",
        "164.999(z)",
        "phitrail.household",
        "1 event, each with its proof",
        "pending webhook",
        "Take it on",
        "Resolve",
    ):
        assert words in text, words


def test_who_may_not_decide_sees_no_form(house: House) -> None:
    filled(house)

    assert "Take it on" not in house.person(Role.AUDITOR).get("/alerts/one").text
    assert "Take it on" not in house.person(Role.PRIVACY_OFFICER).get("/alerts/three").text


def test_the_navigation_offers_only_what_the_role_may(house: House) -> None:
    def offered(*roles: Role) -> set[str]:
        page = Page(house.person(*roles).get("/").text)
        return {element.attributes["href"] for element in page.all("a") if "nav" in element.inside}

    assert offered(Role.ADMIN) == {"/", "/sources"}
    assert offered(Role.ANALYST) == {"/", "/sources", "/events?last=7d", "/alerts", "/domains"}
    assert offered(Role.AUDITOR) == {"/", "/sources", "/events?last=7d", "/alerts", "/domains", "/reports"}


def test_static_files_are_those_and_no_others(house: House) -> None:
    visitor = house.visitor()

    assert visitor.get("/static/phitrail.css").headers["content-type"].startswith("text/css")
    assert visitor.get("/static/icons.svg").headers["content-type"] == "image/svg+xml"
    assert visitor.get("/static/..%2Ftemplates%2Fbase.html").status_code == 404
    assert visitor.get("/static/nothing.css").status_code == 404


def test_the_style_sheet_fetches_nothing() -> None:
    style = (files("dashboards") / "static" / "phitrail.css").read_text(encoding="utf-8")

    assert "url(" not in style
    assert "@import" not in style


def test_a_report_is_a_file_and_names_who_asked(house: House) -> None:
    filled(house)
    auditor = house.person(Role.AUDITOR, name="ulla")
    period = "first=2026-03-01&last=2026-03-31"

    page = auditor.get(f"/v1/reports/patient-access.html?patient=P-1&{period}")
    pdf = auditor.get(f"/v1/reports/insecure-deliveries.pdf?{period}")

    assert page.headers["content-disposition"] == 'attachment; filename="patient-access.html"'
    assert "ulla" in page.text
    assert pdf.content.startswith(b"%PDF-")
    assert auditor.get(f"/v1/reports/patient-access.csv?{period}").status_code == 400
