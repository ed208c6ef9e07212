"""Apache: access logs, error logs of 2.2 and 2.4, ModSecurity, and JSON that its log formats make."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent
from domain.json import Json, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.apache import ApacheParser
from ingest.parsers.route_mapping import RouteMapping, routes_of
from ingest.parsers.web_log import LONGEST_LINE
from tests.conformance import web
from tests.conformance.agreement import Agreement
from tests.support.bending import bent_line

PAGE = (Path(__file__).parents[3] / "docs" / "formats" / "apache.md").read_text()
GOLDEN = Path(__file__).parents[2] / "golden" / "apache"
RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOMENT = datetime(2026, 3, 2, 6, 0, 1, tzinfo=UTC)
TIME = "[02/Mar/2026:06:00:01 +0000]"
ERROR_TIME = "[Mon Mar 02 06:00:01.000000 2026]"


def parse(line: str | bytes, routes: RouteMapping | None = None) -> Parsed:
    record = line.encode() if isinstance(line, str) else line
    (parsed,) = ApacheParser("web", received=lambda: RECEIVED, routes=routes).parse(record)
    assert parsed.raw == record
    return parsed


def event(line: str | bytes, routes: RouteMapping | None = None) -> AuditEvent:
    parsed = parse(line, routes)
    assert isinstance(parsed, AuditEvent), parsed.reason
    return parsed


def shown(found: AuditEvent) -> Mapping[str, Json]:
    return {**found.details, "ip": found.ip, "actor": found.actor.id, "outcome": found.outcome}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f'203.0.113.9 - frank {TIME} "GET /a.gif HTTP/1.0" 200 2326', {"actor": "frank", "bytes": 2326, "path": "/a.gif"}),
        (f'203.0.113.9 ident frank {TIME} "GET / HTTP/1.0" 200 1', {"actor": "frank", "ident": "ident"}),
        (f'203.0.113.9 - "" {TIME} "GET / HTTP/1.0" 401 1', {"actor": "203.0.113.9", "outcome": "denied"}),
        (f'203.0.113.9 (-) - - {TIME} "POST /App HTTP/1.1" 200 377 "-" "-"', {"ip": "203.0.113.9", "actor": "203.0.113.9"}),
        (f'10.0.0.2 (198.51.100.4) - - {TIME} "GET / HTTP/1.1" 200 1 "-" "-"', {"ip": "198.51.100.4", "peer_ip": "10.0.0.2"}),
        (f'a.example:443 203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 1 "-" "-"', {"host": "a.example", "server_port": 443}),
        (f'203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 - "-" "a \\"b\\" \\\\ \\t"', {"user_agent": 'a "b" \\ \t', "bytes": None}),
        (f'203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 5 "-" "x" 1834', {"extra": "1834"}),
        (
            f'203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 5 "-" "x" GoAway=- (107 47us) TLSv1.3 TLS_AES_256_GCM_SHA384',
            {"extra": "107 47us"},
        ),
        (f'203.0.113.9 - - {TIME} "\\x16\\x03\\x01" 400 226 "-" "-"', {"request_kind": "tls_handshake", "outcome": "failure"}),
        (f'203.0.113.9 - - {TIME} "-" 408 -', {"request": "-", "status": 408}),
        (
            f'{TIME} 203.0.113.9 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 "GET /x?y=1 HTTP/1.1" 1375',
            {
                "ip": "203.0.113.9",
                "tls_version": "TLSv1.2",
                "tls_cipher": "ECDHE-RSA-AES128-GCM-SHA256",
                "bytes": 1375,
                "path": "/x",
            },
        ),
        (f'{TIME} 203.0.113.9 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 "GET / HTTP/1.1" -', {"path": "/", "outcome": None}),
    ],
)
def test_access_lines(line: str, expected: Mapping[str, Json]) -> None:
    found = event(line)

    assert (found.action, found.time) == ("http_request", MOMENT)
    assert {name: shown(found).get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            f"{ERROR_TIME} [core:error] [pid 35708:tid 4328] [client 203.0.113.9:50123] AH00037: Symbolic link not allowed: /x",
            {"module": "core", "pid": "35708", "tid": "4328", "client_port": 50123, "error_code": "AH00037", "outcome": "failure"},
        ),
        (
            "[Mon Mar 02 06:00:01 2026] [error] [client 203.0.113.9] File does not exist: /x, referer: https://a.example/?q=Doe",
            {"message": "File does not exist: /x", "referrer": "https://a.example/", "level": "error"},
        ),
        (
            "[Mon Mar 02 06:00:01 2026] [notice] Apache/2.2.22 (Ubuntu) configured -- resuming normal operations",
            {"outcome": None, "ip": None, "actor": "web"},
        ),
        (
            f"{ERROR_TIME} [ssl:info] [pid 24237] (70014)End of file found: [client 203.0.113.9 :42114] AH01991: SSL failed.",
            {"reason": "End of file found", "error_code": "AH01991", "ip": "203.0.113.9", "message": "SSL failed."},
        ),
        (
            f"{ERROR_TIME} [proxy:error] [pid 7] (111)Connection refused: AH00957: HTTP: attempt to connect to 10.1.0.5:80 failed",
            {"reason": "Connection refused", "error_code": "AH00957"},
        ),
        (f"{ERROR_TIME} [core:error] [pid 7] [client 2001:db8::9:50123] AH1: x", {"ip": "2001:db8::9", "client_port": 50123}),
        ("[Mon Mar 02 06:00:01 2026] [error] [client 2001:db8::9] x", {"ip": "2001:db8::9"}),
        (f"{ERROR_TIME} [core:error] [pid 7] [client [2001:db8::9]:50123] x", {"level": "error"}),
        ("[2026-03-02 06:00:01.000000] [core:error] [pid 7] [client 203.0.113.9:1] x", {"ip": "203.0.113.9"}),
        (f"{ERROR_TIME} [:error] [pid 7] [client 203.0.113.9:50123] script not found", {"level": "error", "module": None}),
        (f"{ERROR_TIME} [core:crit] [pid 7] [remote 203.0.113.9:443] x", {"outcome": "failure", "ip": "203.0.113.9"}),
    ],
)
def test_error_lines(line: str, expected: Mapping[str, Json]) -> None:
    found = event(line)

    assert (found.action, found.time) == ("http_error", MOMENT)
    assert {name: shown(found).get(name) for name in expected} == expected


@pytest.mark.parametrize(
    "text",
    [
        'AH01617: user mallory: authentication failure for "/a": Password Mismatch',
        "AH01618: user mallory not found: /a",
        'user mallory: authentication failure for "/a": Password Mismatch',
    ],
)
def test_a_password_that_is_wrong_is_a_failed_login(text: str) -> None:
    found = event(f"{ERROR_TIME} [auth_basic:error] [pid 7] [client 203.0.113.9:1] {text}")

    assert (found.action, found.outcome, found.ip) == ("login", "failure", "203.0.113.9")
    assert found.actor == Actor(id="mallory", kind=ActorKind.STAFF)


def test_a_message_of_modsecurity() -> None:
    found = event(
        f"{ERROR_TIME} [security2:error] [pid 7:tid 8] [client 203.0.113.9:35323] [client 203.0.113.9] ModSecurity: Warning. "
        'Pattern match "a\\\\\\"b" at ARGS:q. [file "/etc/crs.conf"] [line "28"] [id "973338"] [msg "XSS Filter"] '
        '[data "Matched: x"] '
        '[severity "CRITICAL"] [tag "a"] [tag "b"] [hostname "a.example"] [uri "/List?q=Doe"] [unique_id "Xt2"], referer: https://a.example/'
    )

    assert (found.action, found.outcome, found.details["reason"]) == ("http_error", "failure", "XSS Filter")
    assert found.details["modsecurity"] == {
        "file": "/etc/crs.conf",
        "line": "28",
        "id": "973338",
        "msg": "XSS Filter",
        "data": "Matched: x",
        "severity": "CRITICAL",
        "tag": "a",
        "unique_id": "Xt2",
        "verdict": "Warning",
        "match": 'Pattern match "a\\\\\\"b" at ARGS:q.',
    }
    assert (found.details["host"], found.details["path"]) == ("a.example", "/List")


def test_a_line_without_time_has_that_of_the_header_or_of_receipt() -> None:
    bare = "[core:error] [pid 7] [client 203.0.113.9:1] x"

    assert (event(bare).time, event(bare).details["time_from"]) == (RECEIVED, "receipt")
    headed = event(f"<187>Mar  2 06:00:01 web01 httpd[7]: {bare}")
    assert (headed.time, headed.details["time_from"], headed.details["server"]) == (MOMENT, "syslog", "web01")


def test_lines_alike_with_times_from_their_headers_are_two_events() -> None:
    bare = "[core:error] [pid 7] [client 203.0.113.9:1] x"
    first, second = (event(f"<187>Mar  2 06:00:0{second} web01 httpd[7]: {bare}") for second in (1, 2))

    assert first.event_id != second.event_id


def test_an_error_line_is_in_the_zone_of_its_server() -> None:
    zone = timezone(timedelta(hours=2))
    (found,) = ApacheParser("web", received=lambda: RECEIVED, zone=zone).parse(f"{ERROR_TIME} [core:error] [pid 7] x".encode())

    assert isinstance(found, AuditEvent)
    assert found.time == MOMENT - timedelta(hours=2)


def test_json_that_a_log_format_makes() -> None:
    line = (
        '{"time":"[02/Mar/2026:06:00:01 +0000]", "remoteIP":"203.0.113.9", "host":"a.example", "request":"/a/17", '
        '"query":"?q=Doe", "method":"GET", "status":"403", "userAgent":"Fire \\x22one\\x22", "referer":"-", "user":"frank"}'
    )
    found = event(line)

    assert (found.time, found.actor.id, found.outcome) == (MOMENT, "frank", "denied")
    assert (found.details["path"], found.details["query_names"], found.details["host"]) == ("/a/17", ["q"], "a.example")
    assert found.details["user_agent"] == 'Fire "one"'
    assert "Doe" not in json.dumps(found.details)


def test_the_format_that_a_site_gives() -> None:
    routes = routes_of(
        r"""
        log_format = '%{X-User}i %h %t "%r" %>s %O %D "%{User-Agent}i"'
        [defaults]
        actor = "http_x_user"
        """
    )
    found = event(f'dr.a 203.0.113.9 {TIME} "GET /a?b=c HTTP/1.1" 200 99 1500 "Fire \\"1\\""', routes)

    assert (found.time, found.actor.id, found.ip) == (MOMENT, "dr.a", "203.0.113.9")
    assert {"path": "/a", "status": 200, "duration_ms": 2, "user_agent": 'Fire "1"'}.items() <= found.details.items()


@pytest.mark.parametrize(
    "record", [b"", b"SECRET", b"[SECRET] x", b"[Mon Mar 02 06:00:01 2026] SECRET", b"[client 1.2.3.4] SECRET"]
)
def test_a_refusal_says_what_is_wrong(record: bytes) -> None:
    parsed = parse(record)

    assert isinstance(parsed, Rejected)
    assert parsed.reason == "the line is no access line and no error line of Apache"


LINES = [line for path in sorted(GOLDEN.glob("*.in")) for line in path.read_bytes().splitlines() if line]


def check(record: bytes) -> None:
    parsed = parse(record)
    if isinstance(parsed, AuditEvent):
        assert normalise(parsed.details) == parsed.details
    else:
        assert 0 < len(parsed.reason) < 300


@settings(deadline=None, max_examples=300)
@given(record=st.sampled_from(LINES), seed=st.integers(0, 2**32))
def test_bent_lines(record: bytes, seed: int) -> None:
    check(bent_line(record, seed, [b'"', b"[", b"]", b"\\", b" ", b":"]))


@settings(deadline=None)
@given(record=st.binary(max_size=200))
def test_any_bytes(record: bytes) -> None:
    check(record)


@pytest.mark.parametrize(
    "piece", ["[", '[msg "', '\\"', "[client ", "ModSecurity: ", " [id", "user a", ", referer: ", "(1)a", "] ["]
)
def test_a_line_of_one_thing_over_and_over_is_read_at_once(piece: str) -> None:
    filler = (piece * LONGEST_LINE)[: LONGEST_LINE - 400]
    for line in (
        filler,
        f"{ERROR_TIME} [core:error] [pid 7] {filler}",
        f"{ERROR_TIME} [core:error] ModSecurity: Warning. {filler}",
    ):
        check(line.encode()[:LONGEST_LINE])


def test_the_answer_keys_of_real_lines_agree(samples: Path) -> None:
    agreement = Agreement()
    web.measure_web(samples, agreement, "apache")

    assert agreement.differences == []
    assert not agreement.quarantined
    assert agreement.compared.total() >= 60


def test_the_sample_of_the_page_is_understood() -> None:
    (sample,) = re.findall(r"^```apache\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    assert all(isinstance(parse(line), AuditEvent) for line in sample.splitlines())
