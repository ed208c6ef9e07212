"""Signing in and out with a browser: cookies, form tokens, expiry, lock-out, and what of it is in the ledger."""

from datetime import timedelta

import httpx
import orjson
import pytest

from api.routes.session import own_path
from store.accounts import Role
from store.login_attempts import FREE_PER_ACCOUNT
from store.sessions import IDLE, LONGEST
from tests.api.conftest import PASSWORD, House


def sign_in(browser: httpx.Client, name: str = "carol", password: str = PASSWORD, **fields: str) -> httpx.Response:
    return browser.post("/login", data={"name": name, "password": password, **fields})


@pytest.fixture
def carol(house: House) -> House:
    house.services.accounts.add("carol", PASSWORD, [Role.ANALYST], by="admin")
    return house


def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_cannot_use(carol: House) -> None:
    answer = sign_in(carol.visitor())

    cookie = answer.headers["set-cookie"]
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert cookie.startswith("phitrail=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


@pytest.mark.parametrize("url", ["https://127.0.0.1", "https://audit.example", "http://audit.example"])
def test_anywhere_but_plain_http_on_this_machine_the_cookie_is_for_https_only(carol: House, url: str) -> None:
    cookie = sign_in(carol.visitor(url)).headers["set-cookie"]

    assert cookie.startswith("__Host-phitrail=")
    assert "Secure" in cookie.split("; ")
    assert "Domain" not in cookie


def test_the_sign_in_page_says_when_plain_http_cannot_work(carol: House) -> None:
    assert "Use the HTTPS address" in carol.visitor("http://audit.example").get("/login").text
    assert "Use the HTTPS address" not in carol.visitor("https://audit.example").get("/login").text


def test_a_session_opens_the_pages_until_it_is_signed_out(carol: House) -> None:
    browser = carol.visitor()
    sign_in(browser)
    assert browser.get("/account").status_code == 200
    assert browser.get("/login").headers["location"] == "/"

    token = browser.cookies["phitrail"]
    session = carol.services.sessions.resume(token)
    assert session is not None
    gone = browser.post("/logout", data={"csrf": session.csrf})

    assert (gone.status_code, gone.headers["location"]) == (303, "/login")
    browser.cookies.set("phitrail", token)
    assert browser.get("/account").status_code == 401


def test_a_browser_without_a_session_is_led_to_the_sign_in_page_and_back(carol: House) -> None:
    browser = carol.visitor()
    browser.headers["Accept"] = "text/html"

    led = browser.get("/alerts/abc?view=x")
    assert (led.status_code, led.headers["location"]) == (303, "/login?next=/alerts/abc")

    form = browser.get(led.headers["location"])
    assert '<input type="hidden" name="next" value="/alerts/abc">' in form.text
    assert sign_in(browser, next="/alerts/abc").headers["location"] == "/alerts/abc"


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "evil", "/a\r\nSet-Cookie: x=y"],
)
def test_nothing_leads_away_from_here_after_signing_in(target: str) -> None:
    assert own_path(target) == "/"


def test_a_session_ends_by_itself(carol: House) -> None:
    idle, busy = carol.visitor(), carol.visitor()
    sign_in(idle)
    sign_in(busy)
    for _ in range(LONGEST // timedelta(minutes=20) - 1):
        carol.clock.advance(minutes=20)
        assert busy.get("/account").status_code == 200

    carol.clock.advance(minutes=20)

    assert busy.get("/account").status_code == 401
    assert idle.get("/account").status_code == 401
    assert timedelta(minutes=20) < IDLE


def test_what_changes_something_needs_the_token_of_this_session(carol: House) -> None:
    mine, other = carol.visitor(), carol.visitor()
    sign_in(mine)
    sign_in(other)
    foreign = carol.services.sessions.resume(other.cookies["phitrail"])
    assert foreign is not None

    for forged in ({}, {"csrf": ""}, {"csrf": "x" * 64}, {"csrf": foreign.csrf}):
        answer = mine.post("/logout", data=forged)
        assert answer.status_code == 403, forged
        assert "form was not made for this session" in answer.json()["detail"]
    assert mine.get("/account").status_code == 200


def test_another_site_cannot_sign_somebody_in(carol: House) -> None:
    foreign = [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ]

    for headers in foreign:
        browser = carol.visitor()
        browser.headers.update(headers)
        assert sign_in(browser).status_code == 403, headers


def test_a_wrong_password_says_no_more_than_that_and_is_recorded(carol: House) -> None:
    known = sign_in(carol.visitor(), password="wrong horse battery")
    unknown = sign_in(carol.visitor(), name="my secret password", password="wrong horse battery")

    assert known.status_code == unknown.status_code == 401
    assert known.text.replace("carol", "") == unknown.text.replace("my secret password", "")
    assert [row[:3] for row in carol.recorded("login")] == [("carol", "", "failure"), ("unknown", "", "failure")]
    assert carol.node.engine.rows("SELECT count() FROM events WHERE position(private, 'secret') > 0") == [(0,)]


def test_success_and_signing_out_are_recorded_with_the_address(carol: House) -> None:
    browser = carol.visitor(address="203.0.113.7")
    sign_in(browser)
    session = carol.services.sessions.resume(browser.cookies["phitrail"])
    assert session is not None

    browser.post("/logout", data={"csrf": session.csrf})

    ((actor, _, outcome, details),) = carol.recorded("login")
    assert (actor, outcome, orjson.loads(str(details))) == ("carol", "success", {"method": "password"})
    assert [row[0] for row in carol.recorded("logout")] == ["carol"]
    assert carol.node.engine.rows("SELECT DISTINCT ip FROM events WHERE action IN ('login', 'logout')") == [("203.0.113.7",)]


def test_guessing_locks_the_account_for_a_while_even_with_the_right_password(carol: House) -> None:
    browser = carol.visitor()
    for _ in range(FREE_PER_ACCOUNT):
        assert sign_in(browser, password="wrong horse battery").status_code == 401

    locked = sign_in(browser)

    assert locked.status_code == 429
    assert 0 < int(locked.headers["retry-after"]) <= 31
    assert "try again in" in locked.text
    assert len(carol.recorded("login")) == FREE_PER_ACCOUNT
    carol.clock.advance(seconds=int(locked.headers["retry-after"]))
    assert sign_in(browser).status_code == 303


def test_a_new_password_ends_every_session_of_the_account(carol: House) -> None:
    mine, elsewhere = carol.visitor(), carol.visitor()
    sign_in(mine)
    sign_in(elsewhere)
    session = carol.services.sessions.resume(mine.cookies["phitrail"])
    assert session is not None
    form = {"csrf": session.csrf, "present": PASSWORD, "wanted": "a quite new password", "again": "a quite new password"}

    assert mine.post("/account/password", data=form | {"again": "another"}).status_code == 400
    assert mine.post("/account/password", data=form | {"present": "wrong"}).status_code == 400
    assert mine.post("/account/password", data=form | {"wanted": "short", "again": "short"}).status_code == 400
    changed = mine.post("/account/password", data=form)

    assert changed.status_code == 200
    assert "sign in again" in changed.text
    assert elsewhere.get("/account").status_code == 401
    assert sign_in(carol.visitor(), password="a quite new password").status_code == 303
    assert [row[2] for row in carol.recorded("password_reset")] == ["failure", "failure", "failure", "success"]
