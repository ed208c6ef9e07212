"""What holds for every answer: problem documents, security headers, limits on bodies, and a request log without PHI."""

import logging

import pytest
from fastapi import APIRouter

from api.app import create_app
from api.middleware import DEFAULT_LIMIT
from api.services import Services
from domain.errors import ConfigError
from store.accounts import Role
from tests.api.conftest import House
from tests.api.scenes import SECRETS, a_day

HTML = {"Accept": "text/html,application/xhtml+xml"}


PROBLEMS = [
    ("/v1/events?cursor=forged", 400, "invalid-input"),
    ("/v1/events/main/99", 404, "not-found"),
    ("/nothing/here", 404, "not-found"),
    ("/v1/events?limit=1001", 422, "validation"),
    ("/v1/events?limit=0", 422, "validation"),
    ("/v1/events?from=2026-03-10T12:00:00", 422, "validation"),
    ("/v1/events?from=P-1-alice", 422, "validation"),
    ("/v1/events?pateint=P-1", 422, "validation"),
    ("/v1/events?P-1=x", 422, "validation"),
    ("/v1/events?patient=" + "P" * 513, 422, "validation"),
    ("/v1/events/main/notanumber", 422, "validation"),
    ("/v1/alerts?status=P-1", 422, "validation"),
    ("/v1/reports/nope.pdf?first=2026-03-01&last=2026-03-02", 404, "not-found"),
    ("/v1/reports/patient-access.pdf?first=2026-03-02&last=2026-03-01&patient=P-1", 400, "invalid-input"),
]


def test_an_error_is_a_problem_document_that_repeats_nothing_sent(house: House) -> None:
    client = house.program(Role.AUDITOR)

    for address, status, slug in PROBLEMS:
        answer = client.get(address)
        problem = answer.json()
        assert answer.status_code == problem["status"] == status, address
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["type"] == f"urn:phitrail:problem:{slug}", address
        assert problem["title"]
        assert problem["detail"]
        assert not any(secret in answer.text for secret in (*SECRETS, "PPP", "forged")), address


def test_a_method_that_a_route_does_not_take_is_a_problem_too(house: House) -> None:
    answer = house.program(Role.AUDITOR).delete("/v1/alerts")

    assert (answer.status_code, answer.json()["type"]) == (405, "urn:phitrail:problem:method-not-allowed")


def test_a_defect_is_told_without_its_inside(house: House, caplog: pytest.LogCaptureFixture) -> None:
    def broken(services: Services) -> APIRouter:
        del services
        routes = APIRouter()

        @routes.get("/v1/broken")
        def fail() -> None:
            raise ConfigError("patient P-1 in an error that nobody foresaw")

        return routes

    house.app = create_app(house.services, (broken,))

    answer = house.visitor().get("/v1/broken")

    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:phitrail:problem:internal"
    assert "P-1" not in answer.text
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert line.startswith("ConfigError in GET /v1/broken at ")
    assert "test_answers.py" in line
    assert "P-1" not in line


def test_a_browser_gets_a_page_and_a_program_a_document(house: House) -> None:
    browser = house.person(Role.AUDITOR)

    page = browser.get("/patients/nobody", headers=HTML)
    document = browser.get("/patients/nobody")
    api = browser.get("/v1/events/main/99", headers=HTML)

    assert page.status_code == document.status_code == api.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "Nothing is recorded about a patient with this id." in page.text
    assert document.headers["content-type"] == api.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "address", ["/livez", "/login", "/events", "/v1/events", "/nothing", "/static/phitrail.css", "/v1/events?limit=0"]
)
def test_every_answer_carries_the_security_headers(house: House, address: str) -> None:
    headers = house.person(Role.AUDITOR).get(address).headers

    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == ("public, max-age=3600" if address.startswith("/static") else "no-store")
    assert "server" not in headers


def test_https_is_remembered_only_where_it_was_used(house: House) -> None:
    assert "strict-transport-security" in house.visitor("https://audit.example").get("/livez").headers
    assert "strict-transport-security" not in house.visitor().get("/livez").headers


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused(house: House, announced: bool) -> None:
    body = b"x" * (DEFAULT_LIMIT + 1)
    client = house.person(Role.ANALYST)

    answer = client.post(
        "/v1/alerts/a/acknowledge",
        content=body if announced else iter([body[:700_000], body[700_000:]]),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:phitrail:problem:too-large"


def test_the_request_log_names_the_route_and_nobody(house: House, caplog: pytest.LogCaptureFixture) -> None:
    a_day(house.node.ledger.append)
    client = house.person(Role.AUDITOR)

    with caplog.at_level(logging.DEBUG):
        client.get("/patients/P-1")
        client.get("/v1/patients/P-2/accesses?actor=alice")
        client.get("/v1/events?cursor=P-1-forged")
        client.get("/somewhere/P-1")

    # httpx is the client of this test.
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    lines = [record.getMessage() for record in ours if record.name == "phitrail.http"]
    assert lines == [
        "GET /patients/{patient_id:path} 200 0 ms",
        "GET /v1/patients/{patient_id:path}/accesses 200 0 ms",
        "GET /v1/events 400 0 ms",
        "GET (no route) 404 0 ms",
    ]
    assert not any(secret in record.getMessage() for record in ours for secret in SECRETS)
