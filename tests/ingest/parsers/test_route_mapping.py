"""Routes: what a template fits, whom a request is about, and every mistake in a route file at once."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.event import Actor, ActorKind, AuditEvent, Source
from ingest.files import mapping_in
from ingest.parsers.nginx import NginxParser
from ingest.parsers.route_mapping import RouteMapping, routes_of
from ingest.parsers.web_log_routes import path_segments

RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)
TIME = "[02/Mar/2026:06:00:01 +0000]"
ROUTES = """
[defaults]
source = "portal"
actor_kind = "patient"

[[route]]
method = "POST"
path = "/login"
action = "login"

[[route]]
method = ["GET", "HEAD"]
path = "/portal/results/{result_id}"
action = "view_results"
module = "labs"

[[route]]
path = "/api/patients/{patient_id}/notes"
action = "view_notes"
source = "access"
actor_kind = "staff"
actor = ["http_x_user", "remote_user"]

[[route]]
path = "/p/{actor_id}/messages/{message_id}"
action = "view_message"

[[route]]
path = "/chart/open"
action = "view_chart"
query = { patient_id = "pid", tab = "tab" }

[[route]]
path = "/files/*/{name*}"
action = "download_record"

[[route]]
host = "admin.example"
path = "/**"
action = "admin_request"
"""
MAPPING = routes_of(ROUTES)


def event(request: str, *, mapping: RouteMapping = MAPPING, status: int = 200, user: str = "jdoe", host: str = "") -> AuditEvent:
    line = f'{host}203.0.113.9 - {user} {TIME} "{request} HTTP/1.1" {status} 5 "-" "-"'
    (parsed,) = NginxParser("web", received=lambda: RECEIVED, routes=mapping).parse(line.encode())
    assert isinstance(parsed, AuditEvent), parsed.reason
    return parsed


def test_a_request_of_a_route_is_its_action() -> None:
    found = event("GET /portal/results/17?x=1")

    assert (found.source, found.action, found.actor) == (Source.PORTAL, "view_results", Actor(id="jdoe", kind=ActorKind.PATIENT))
    assert found.patient_id is None
    assert {"result_id": "17", "route": "/portal/results/{result_id}", "module": "labs"}.items() <= found.details.items()


def test_the_patient_and_the_actor_in_a_path() -> None:
    notes, message = event("GET /api/patients/P%2D1/notes", user="dr.a"), event("GET /p/P-2/messages/9", user="-")

    assert (notes.source, notes.patient_id, notes.actor) == (Source.ACCESS, "P-1", Actor(id="dr.a", kind=ActorKind.STAFF))
    assert (message.actor, message.patient_id) == (Actor(id="P-2", kind=ActorKind.PATIENT), None)
    assert message.details["message_id"] == "9"
    assert "actor_id" not in message.details


def test_the_patient_in_a_query() -> None:
    found = event("GET /chart/open?pid=82%5E%5E%5EHOSP&tab=labs&token=SECRET")

    assert (found.action, found.patient_id, found.details["tab"]) == ("view_chart", "82", "labs")
    assert found.details["query_names"] == ["pid", "tab", "token"]
    assert event("GET /chart/open").patient_id is None


@pytest.mark.parametrize(
    "path",
    [
        *("/api/patients/P-1/notes/", "//api//patients/P-1/notes", "/api/./patients/P-1/notes", "/x/../api/patients/P-1/notes"),
        *("/api/p%61tients/P-1/notes", "/api/patients/P-1/notes?x=/y", "/api/patients/P-1/notes#x"),
    ],
)
def test_a_path_in_another_spelling_is_the_same_route(path: str) -> None:
    found = event(f"GET {path}")

    assert (found.action, found.patient_id) == ("view_notes", "P-1")


@pytest.mark.parametrize(
    "request_line",
    [
        *("POST /portal/results/17", "GET /portal/results", "GET /portal/results/17/x", "GET /portal/results/", "GET /login"),
        *("GET /API/patients/P-1/notes", "GET /api/patients/a%2Fb/c/notes", "GET /", "GET /nothing"),
    ],
)
def test_what_fits_no_route_is_a_request(request_line: str) -> None:
    found = event(request_line)

    assert (found.action, found.source) == ("http_request", Source.PORTAL)
    assert found.actor == Actor(id="jdoe", kind=ActorKind.PATIENT)
    assert "route" not in found.details


def test_the_rest_of_a_path_and_a_host() -> None:
    assert event("GET /files/a/b/c.pdf").details["name"] == "b/c.pdf"
    assert event("GET /files/a").action == "download_record"
    assert event("GET /any/thing", host="admin.example:443 ").action == "admin_request"
    assert event("GET /", host="admin.example ").action == "admin_request"
    assert event("GET /any/thing", host="other.example ").action == "http_request"


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, "success"), (302, "success"), (401, "failure"), (403, "denied"), (500, "failure")]
)
def test_a_login_that_is_refused_has_failed(status: int, outcome: str) -> None:
    found = event("POST /login", status=status)

    assert (found.action, found.outcome) == ("login", outcome)


def test_the_first_route_that_fits_counts() -> None:
    mapping = routes_of(
        """
        [[route]]
        path = "/a/*"
        action = "first"
        [[route]]
        path = "/{any}/b"
        action = "second"
        [[route]]
        path = "/a/b"
        action = "third"
        """
    )
    assert [event(f"GET {path}", mapping=mapping).action for path in ("/a/b", "/c/b", "/a/b/c")] == [
        "first",
        "second",
        "http_request",
    ]


@pytest.mark.parametrize(
    ("proxies", "ip", "peer"),
    [(None, "10.0.0.9", "10.0.0.1"), (0, "10.0.0.1", None), (1, "10.0.0.9", "10.0.0.1"), (2, "198.51.100.4", "10.0.0.1")],
)
def test_how_many_proxies_are_believed(proxies: int | None, ip: str, peer: str | None) -> None:
    mapping = routes_of("" if proxies is None else f"proxies = {proxies}")
    line = f'10.0.0.1 - - {TIME} "GET / HTTP/1.1" 200 5 "-" "-" "192.0.2.1, 198.51.100.4, 10.0.0.9"'
    (found,) = NginxParser("web", received=lambda: RECEIVED, routes=mapping).parse(line.encode())

    assert isinstance(found, AuditEvent)
    assert (found.ip, found.details.get("peer_ip")) == (ip, peer)


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    file.write_text(ROUTES)

    found = mapping_in(file, "nginx")
    assert isinstance(found, RouteMapping)
    assert len(found.routes) == 7
    with pytest.raises(InvalidInput, match="cannot be read as text"):
        mapping_in(tmp_path / "none.toml", "nginx")
    file.write_text("x = 1")
    with pytest.raises(InvalidInput, match=r"routes\.toml: the route file cannot be used: x is not known"):
        mapping_in(file, "nginx")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("=", "the route file is not valid TOML"),
        ("route = 1", "route is no list of tables"),
        ("defaults = 1", "defaults is no table"),
        ("proxies = -1", "proxies is no number from 0 to 20"),
        ("[defaults]\nsource = 'mail'", "defaults: source is not one of access, portal"),
        ("[defaults]\nactor_kind = 'boss'", "defaults: actor_kind is not one of"),
        ("[[route]]\naction = 'x'", "route 1: path is no template that begins with /"),
        ("[[route]]\npath = '/a'", "route 1: action is no word"),
        ("[[route]]\npath = '/a'\naction = 'View Chart'", "route 1: action is no word"),
        ("[[route]]\npath = 'a'\naction = 'x'", "route 1: path is no template"),
        ("[[route]]\npath = '/a{b}'\naction = 'x'", "route 1: braces are for a whole segment"),
        ("[[route]]\npath = '/{a*}/b'\naction = 'x'", "route 1: the rest of a path can only stand at its end"),
        ("[[route]]\npath = '/{a}/{a}'\naction = 'x'", "route 1: a name is captured twice"),
        ("[[route]]\npath = '/{Patient}'\naction = 'x'", "route 1: a captured name has other than"),
        ("[[route]]\npath = '/a'\naction = 'x'\nmethod = 'G T'", "route 1: method is no HTTP method"),
        ("[[route]]\npath = '/a'\naction = 'x'\nmethod = 1", "route 1: method is neither a text nor a list of texts"),
        ("[[route]]\npath = '/a'\naction = 'x'\nquery = 'pid'", "route 1: query is no table"),
        ("[[route]]\npath = '/a'\naction = 'x'\nverb = 'GET'", "route 1: verb is not known"),
        ("log_format = 1", "log_format is no text"),
        ("log_format = '$remote_addr'", "log_format has no time or no request"),
        ("log_format = '$time_local$request'", "log_format has two values with nothing between them"),
    ],
)
def test_what_is_wrong_with_a_file(text: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        routes_of(text)

    assert problem in str(refused.value)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(InvalidInput, match=r"route 1: .*; route 2: "):
        routes_of("[[route]]\npath = 'a'\naction = 'x'\n[[route]]\npath = '/b'\naction = 'X'")


@settings(deadline=None)
@given(path=st.text(st.sampled_from("/.%2Faé{}*?#x"), max_size=40))
def test_any_path_is_matched_or_not(path: str) -> None:
    MAPPING.match("GET", path)
    segments = path_segments(path)

    assert all(segment and segment not in (".", "..") for segment in segments if "%" not in path)


@given(segments=st.lists(st.text(min_size=1, max_size=8).filter(lambda text: text not in (".", "..")), min_size=1, max_size=6))
def test_an_encoded_path_is_matched_as_what_it_means(segments: list[str]) -> None:
    path = "/" + "/".join(quote(segment, safe="") if segment.strip(".") else segment for segment in segments)

    assert path_segments(path) == segments
