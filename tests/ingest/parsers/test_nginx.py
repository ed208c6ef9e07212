"""nginx: access logs in the formats that sites make of them, error logs, JSON, and requests that are none."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Source
from domain.json import Json, normalise
from domain.record import Parsed, Rejected
from ingest.parsers.nginx import NginxParser, nginx_records
from ingest.parsers.records import Feed, Oversize
from ingest.parsers.route_mapping import RouteMapping, routes_of
from ingest.parsers.web_log import LONGEST_LINE
from tests.conformance import web
from tests.conformance.agreement import Agreement
from tests.support.bending import bent_line

PAGE = (Path(__file__).parents[3] / "docs" / "formats" / "nginx.md").read_text()
GOLDEN = Path(__file__).parents[2] / "golden" / "nginx"
RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOMENT = datetime(2026, 3, 2, 6, 0, 1, tzinfo=UTC)
TIME = "[02/Mar/2026:06:00:01 +0000]"
COMBINED = (
    f'203.0.113.9 - alice {TIME} "GET /portal/results/17?lang=en&q=Doe HTTP/1.1" 200 5120 "https://clinic.example/a?b=c" "Fire/1"'
)


def parser(routes: RouteMapping | None = None) -> NginxParser:
    return NginxParser("web", received=lambda: RECEIVED, routes=routes)


def parse(line: str | bytes, routes: RouteMapping | None = None) -> Parsed:
    record = line.encode() if isinstance(line, str) else line
    (parsed,) = parser(routes).parse(record)
    assert parsed.raw == record
    return parsed


def event(line: str | bytes, routes: RouteMapping | None = None) -> AuditEvent:
    parsed = parse(line, routes)
    assert isinstance(parsed, AuditEvent), parsed.reason
    return parsed


def details(line: str | bytes) -> Mapping[str, Json]:
    return event(line).details


def within(found: Mapping[str, Json], **expected: Json) -> bool:
    return {name: found.get(name) for name in expected} == expected


# --- Access ----------------------------------------------------------------------------------------------------------------------


def test_a_combined_line_is_a_request() -> None:
    found = event(COMBINED)

    assert (found.source, found.action, found.outcome, found.time) == (Source.ACCESS, "http_request", "success", MOMENT)
    assert (found.actor, found.ip, found.patient_id) == (Actor(id="alice", kind=ActorKind.STAFF), "203.0.113.9", None)
    assert found.details == {
        "method": "GET",
        "path": "/portal/results/17",
        "query_names": ["lang", "q"],
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 5120,
        "referrer": "https://clinic.example/a",
        "user_agent": "Fire/1",
    }


def test_the_values_of_a_query_are_in_the_record_only() -> None:
    found = event(COMBINED)

    assert "Doe" not in json.dumps(found.details)
    assert b"Doe" in found.raw


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((101, "success"), (200, "success"), (206, "success"), (302, "success"), (304, "success"), (400, "failure")),
        *(
            (401, "denied"),
            (403, "denied"),
            (404, "failure"),
            (429, "failure"),
            (499, "failure"),
            (500, "failure"),
            (504, "failure"),
        ),
        *(("-", None), ("000", None)),
    ],
)
def test_the_outcome_is_the_status(status: int | str, outcome: str | None) -> None:
    assert event(COMBINED.replace(" 200 ", f" {status} ")).outcome == outcome


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f'203.0.113.9 - - {TIME} "GET / HTTP/1.0" 200 5', {"ip": "203.0.113.9", "status": 200, "bytes": 5}),
        (f'203.0.113.9 - - {TIME} "GET / HTTP/2.0" 304 0 "-" "-"', {"protocol": "HTTP/2.0", "user_agent": None, "referrer": None}),
        (f'2001:db8::9 - - {TIME} "GET / HTTP/3.0" 200 - "-" "-"', {"ip": "2001:db8::9", "bytes": None, "protocol": "HTTP/3.0"}),
        (f'::ffff:203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 1 "-" "-"', {"ip": "203.0.113.9"}),
        (f'unix: - - {TIME} "GET / HTTP/1.1" 200 1 "-" "-"', {"ip": None, "path": "/"}),
        (f'ws-4w-12.clinic.example - - {TIME} "GET / HTTP/1.1" 200 1 "-" "-"', {"ip": None, "actor": "ws-4w-12.clinic.example"}),
        (f'portal.example 203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 1 "-" "-"', {"host": "portal.example", "ip": "203.0.113.9"}),
        (
            f'portal.example:443 203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 1 "-" "-"',
            {"host": "portal.example", "server_port": 443},
        ),
        (f'10.0.0.9:443 203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 1 "-" "-"', {"host": "10.0.0.9", "ip": "203.0.113.9"}),
        (f'203.0.113.9 - Jane Roe {TIME} "GET / HTTP/1.1" 200 1 "-" "-"', {"actor": "Jane Roe"}),
        (f'203.0.113.9 {TIME} "GET / HTTP/1.1" 200 1 "-" "-"', {"ip": "203.0.113.9"}),
        (f'203.0.113.9 - - {TIME} portal.example "GET / HTTP/1.1" 200 1 "-" "-"', {"host": "portal.example"}),
        (
            f'203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 1 "-" "curl/8" "198.51.100.4, 10.0.0.2"',
            {"ip": "203.0.113.9", "forwarded_for": "198.51.100.4, 10.0.0.2", "user_agent": "curl/8"},
        ),
        (
            f'10.0.0.2 - - {TIME} "GET / HTTP/1.1" 200 1 "-" "curl/8" "198.51.100.4"',
            {"ip": "198.51.100.4", "peer_ip": "10.0.0.2", "actor": "198.51.100.4"},
        ),
        (
            f'203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 1 "-" "curl/8" 0.239 0.223 .',
            {"duration_ms": 239, "upstream_duration_ms": 223, "extra": "."},
        ),
        (
            f'203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 1 "-" "curl/8" rt=0.100 uct="0.000" urt="0.010" request_id=abc',
            {"request_id": "abc"},
        ),
        (
            f'203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 1 "-" "-" "0.184" "TLSv1.2/DHE-RSA-AES256-SHA" "text/html; charset=x"',
            {
                "duration_ms": 184,
                "tls_version": "TLSv1.2",
                "tls_cipher": "DHE-RSA-AES256-SHA",
                "content_type": "text/html; charset=x",
            },
        ),
        (
            f'203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 1 "-" "curl/8" TLSv1.3 TLS_AES_256_GCM_SHA384',
            {"tls_version": "TLSv1.3", "tls_cipher": "TLS_AES_256_GCM_SHA384"},
        ),
        (
            f'203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 59 "-" "c" 9 0.001 [a-80] [] 10.1.0.5:8080 59 0.000 200 {"0f" * 16}',
            {"duration_ms": 1, "upstream": "10.1.0.5:8080", "request_id": "0f" * 16},
        ),
        (
            f'{TIME} - 200 200 - GET https a.example "/x?q=Doe" [Client 203.0.113.9] [Length 17] [Gzip 1.5] [Sent-to u] "c" "-"',
            {
                "ip": "203.0.113.9",
                "method": "GET",
                "path": "/x",
                "host": "a.example",
                "status": 200,
                "bytes": 17,
                "user_agent": "c",
            },
        ),
        (
            f'a.example 10.0.0.2, 198.51.100.4, 10.0.0.1 - - {TIME} "GET / HTTP/1.1" 200 1',
            {"host": "a.example", "ip": "198.51.100.4", "forwarded_for": "10.0.0.2, 198.51.100.4, 10.0.0.1", "peer_ip": None},
        ),
        (f'198.51.100.4, 10.0.0.2 - bob {TIME} "GET / HTTP/1.1" 200 1', {"ip": "198.51.100.4", "actor": "bob", "host": None}),
        (f'10.3.0.4, 10.0.0.2 - - {TIME} "GET / HTTP/1.1" 200 1', {"ip": "10.3.0.4"}),
        (
            f'a.example:80 "10.5.1.2, 198.51.100.4" 10.2.1.185 - - {TIME} "GET / HTTP/1.1" 200 1',
            {"host": "a.example", "server_port": 80, "ip": "198.51.100.4", "peer_ip": "10.2.1.185"},
        ),
        (
            f'{TIME} 404 - GET http a.example "/x" [Client 203.0.113.9] [Length 17] [Gzip -] "c" "https://b.example/?q=Doe"',
            {"ip": "203.0.113.9", "path": "/x", "status": 404, "scheme": "http", "referrer": "https://b.example/"},
        ),
        (f'203.0.113.9 - - {TIME} "GET / HTTP/1.1" 200 1 "-" "a \\x22b\\x22 \\xc3\\xa9 \\\\"', {"user_agent": 'a "b" é \\'}),
        (f'203.0.113.9 - - {TIME} "GET http://a.example:80/x?y=1 HTTP/1.1" 200 1', {"path": "/x", "host": "a.example"}),
        (f'203.0.113.9 - - {TIME} "get /x HTTP/1.1" 400 1', {"method": "GET", "path": "/x"}),
        (f'203.0.113.9 - - {TIME} "GET /" 200 1', {"method": "GET", "path": "/", "protocol": None}),
        (f'203.0.113.9 - - {TIME} "GET /a b c HTTP/1.1" 200 1', {"path": "/a b c"}),
        (f'203.0.113.9 - - {TIME} "OPTIONS * HTTP/1.1" 200 1', {"method": "OPTIONS", "path": "*"}),
        (f'203.0.113.9 - - {TIME} "GET /?a=1&amp;b=2&a=3&%63=4 HTTP/1.1" 200 1', {"query_names": ["a", "b", "c"]}),
    ],
)
def test_lines_as_sites_write_them(line: str, expected: Mapping[str, Json]) -> None:
    found = event(line)
    shown = {**found.details, "ip": found.ip, "actor": found.actor.id}

    assert {name: shown.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("request_line", "kind"),
    [
        (r"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03", "tls_handshake"),
        (r"\x16\x03\x01\x00\xEE", "tls_handshake"),
        ("", None),
        ("-", None),
        (r"\x00", None),
        ("hello", None),
        (r"\x01\x01\x00A\x01\x01\xA1", None),
        (r"SSH-2.0-Go", None),
        ("GET", None),
        (r"145.ll|'|'|SGFjS2VkX0Q0OTkwNjI3|'|'|WIN-JNAPIER0859|'|'", None),
    ],
)
def test_what_is_no_request_is_an_event_all_the_same(request_line: str, kind: str | None) -> None:
    found = event(f'203.0.113.9 - - {TIME} "{request_line}" 400 150 "-" "-"')

    assert (found.action, found.outcome, found.ip) == ("http_request", "failure", "203.0.113.9")
    assert (found.details.get("request"), found.details.get("request_kind")) == (request_line, kind)
    assert "path" not in found.details


def test_bytes_that_are_no_text() -> None:
    found = event(f'203.0.113.9 - - {TIME} "GET /x HTTP/1.1" 200 1 "-" "'.encode() + b'\xff\xfe"')

    assert found.details["user_agent"] == "\ufffd\ufffd"


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("[02/Mar/2026:06:00:01 +0000]", MOMENT),
        ("[02/Mar/2026:01:00:01 -0500]", MOMENT),
        ("[02/Mar/2026:06:00:01.250 +0000]", MOMENT + timedelta(milliseconds=250)),
        ("[2026-03-02T06:00:01+00:00]", MOMENT),
        ("[2026-03-02T08:00:01.5+02:00]", MOMENT + timedelta(milliseconds=500)),
    ],
)
def test_the_time_of_a_line(stamp: str, moment: datetime) -> None:
    assert event(COMBINED.replace(TIME, stamp)).time == moment


@pytest.mark.parametrize("stamp", ["[31/Feb/2026:06:00:01 +0000]", "[02/Foo/2026:06:00:01 +0000]", "[02/Mar/1066:06:00:01 +0000]"])
def test_a_time_that_does_not_exist_is_refused(stamp: str) -> None:
    parsed = parse(COMBINED.replace(TIME, stamp))

    assert isinstance(parsed, Rejected)
    assert "time" in parsed.reason


@pytest.mark.parametrize(
    "header",
    [
        "<190>Mar  2 06:00:01 web01 nginx: ",
        "<190>Mar  2 06:00:01 web01 nginx[77]: ",
        "Mar  2 06:00:01 web01 nginx: ",
        "<190>1 2026-03-02T06:00:01Z web01 nginx 77 - - ",
        "2026-03-02T06:00:01+00:00 web01 nginx: ",
        "nginx: ",
        "\ufeff",
    ],
)
def test_a_syslog_header_in_front(header: str) -> None:
    found, bare = event(header + COMBINED), event(COMBINED)

    assert (found.time, found.ip, found.event_id) == (bare.time, bare.ip, bare.event_id)
    assert found.details == {**bare.details, **({"server": "web01"} if "web01" in header else {})}


def test_two_lines_that_are_alike_are_two_events_and_the_same_again() -> None:
    once, again = parser(), parser()

    first = [one.event_id for _ in range(3) for one in once.parse(COMBINED.encode()) if isinstance(one, AuditEvent)]

    assert len(set(first)) == 3
    assert [one.event_id for _ in range(3) for one in again.parse(COMBINED.encode()) if isinstance(one, AuditEvent)] == first


# --- A format of the site's own --------------------------------------------------------------------------------------------------


def test_the_format_that_a_site_gives() -> None:
    routes = routes_of(
        """
        log_format = '$time_iso8601|$remote_addr|$http_x_user|$host|$request_method $uri|$status|${request_time}s|$bytes_sent'
        [defaults]
        actor = ["http_x_user", "remote_user"]
        """
    )
    found = event("2026-03-02T06:00:01+00:00|203.0.113.9|dr.a|portal.example|GET /a?b=c|200|0.250s|17", routes)
    other = event(COMBINED, routes)

    assert (found.time, found.actor.id, found.ip) == (MOMENT, "dr.a", "203.0.113.9")
    assert within(found.details, method="GET", path="/a", query_names=["b"], host="portal.example", duration_ms=250, bytes=17)
    assert other.actor.id == "alice"  # a line in another format is still understood


# --- JSON ------------------------------------------------------------------------------------------------------------------------

OBJECT = {
    "time_iso8601": "2026-03-02T06:00:01+00:00",
    "remote_addr": "203.0.113.9",
    "remote_user": "alice",
    "request": "GET /portal/results/17?lang=en&q=Doe HTTP/1.1",
    "status": "200",
    "body_bytes_sent": "5120",
    "http_referer": "https://clinic.example/a?b=c",
    "http_user_agent": "Fire/1",
}


def test_an_object_says_the_same_as_a_line() -> None:
    line, found = event(COMBINED), event(json.dumps(OBJECT))

    assert (found.time, found.actor, found.ip, found.outcome) == (line.time, line.actor, line.ip, line.outcome)
    assert found.details == line.details


@pytest.mark.parametrize(
    "change",
    [
        {"time_iso8601": None, "time_local": "02/Mar/2026:06:00:01 +0000"},
        {"time_iso8601": None, "msec": "1772431201.000"},
        {"time_iso8601": None, "@timestamp": "2026-03-02T06:00:01.000Z"},
        {"time_iso8601": None, "time": "[02/Mar/2026:06:00:01 +0000]"},
        {"remote_addr": None, "client_ip": "203.0.113.9"},
        {"remote_addr": None, "clientIp": "203.0.113.9:50123"},
        {"status": 200, "body_bytes_sent": 5120},
        {"status": None, "response_status": 200},
        {
            "request": None,
            "request_method": "GET",
            "uri": "/portal/results/17",
            "args": "lang=en&q=Doe",
            "server_protocol": "HTTP/1.1",
        },
        {"request": None, "http": {"request": {"method": "GET"}, "version": "1.1"}, "url": "/portal/results/17?lang=en&q=Doe"},
        {"http_user_agent": None, "agent": "Fire/1"},
        {"http_referer": None, "http_referrer": "https://clinic.example/a?b=c"},
    ],
)
def test_other_names_and_types_in_an_object(change: Mapping[str, object]) -> None:
    line = event(COMBINED)
    found = event(json.dumps({name: value for name, value in {**OBJECT, **change}.items() if value is not None}))

    assert (found.time, found.actor, found.ip, found.details) == (line.time, line.actor, line.ip, line.details)


def test_escapes_that_json_does_not_have() -> None:
    text = json.dumps(OBJECT).replace("Fire/1", r"Fire \x22one\x22")

    assert details(text)["user_agent"] == 'Fire "one"'


@pytest.mark.parametrize("name", ["log", "message", "MESSAGE", "_raw"])
def test_a_line_that_an_object_wraps(name: str) -> None:
    found = event(json.dumps({name: COMBINED + "\n", "stream": "stdout", "time": "2026-03-02T09:00:00Z"}))

    assert (found.time, found.details) == (MOMENT, event(COMBINED).details)


def test_an_object_of_an_error_log() -> None:
    found = event(json.dumps({"time": "2026-03-02T06:00:01Z", "level": "error", "message": "no upstream", "client": "203.0.113.9"}))

    assert (found.action, found.outcome, found.time, found.ip) == ("http_error", "failure", MOMENT, "203.0.113.9")
    assert found.details == {"level": "error", "message": "no upstream"}


def test_an_object_behind_a_syslog_header() -> None:
    assert event("<190>Mar  2 06:00:01 web01 nginx: " + json.dumps(OBJECT)).time == MOMENT
    assert event("<190>Mar  2 06:00:01 web01 nginx: @cee: " + json.dumps(OBJECT)).time == MOMENT


# --- Errors ----------------------------------------------------------------------------------------------------------------------

ERROR = (
    "2026/03/02 06:00:01 [error] 9841#9841: *1031 connect() failed (111: Connection refused) while connecting to upstream, "
    'client: 203.0.113.9, server: portal.example, request: "GET /a/17?q=Doe HTTP/1.1", upstream: "http://10.1.0.5:80/a/17?q=Doe", '
    'host: "portal.example", referrer: "https://portal.example/?x=Doe"'
)


def test_an_error_line() -> None:
    found = event(ERROR)

    assert (found.action, found.outcome, found.time, found.ip) == ("http_error", "failure", MOMENT, "203.0.113.9")
    assert found.actor == Actor(id="203.0.113.9", kind=ActorKind.EXTERNAL)
    assert found.details == {
        "level": "error",
        "method": "GET",
        "path": "/a/17",
        "query_names": ["q"],
        "protocol": "HTTP/1.1",
        "host": "portal.example",
        "referrer": "https://portal.example/",
        "message": "connect() failed (111: Connection refused) while connecting to upstream",
        "pid": "9841",
        "connection": "1031",
        "error_code": "111",
        "reason": "Connection refused",
        "vhost": "portal.example",
        "upstream": "http://10.1.0.5:80/a/17",
    }


@pytest.mark.parametrize(
    ("level", "outcome"),
    [("emerg", "failure"), ("alert", "failure"), ("crit", "failure"), ("error", "failure"), ("warn", None), ("notice", None)],
)
def test_only_an_error_is_a_failure(level: str, outcome: str | None) -> None:
    assert event(ERROR.replace("[error]", f"[{level}]")).outcome == outcome


def test_an_error_line_is_in_the_zone_of_its_server() -> None:
    zone = timezone(timedelta(hours=-5))
    (found,) = NginxParser("web", received=lambda: RECEIVED, zone=zone).parse(ERROR.encode())

    assert isinstance(found, AuditEvent)
    assert found.time == MOMENT + timedelta(hours=5)


@pytest.mark.parametrize(
    "text",
    [
        'user "mallory": password mismatch, client: 203.0.113.9, server: a.example, request: "GET / HTTP/1.1", host: "a.example"',
        'user "mallory" was not found in "/etc/nginx/users", client: 203.0.113.9, server: a.example, request: "GET / HTTP/1.1"',
    ],
)
def test_a_password_that_is_wrong_is_a_failed_login(text: str) -> None:
    found = event(f"2026/03/02 06:00:01 [error] 9#9: *1 {text}")

    assert (found.action, found.outcome, found.ip) == ("login", "failure", "203.0.113.9")
    assert (found.actor, found.details["target_user"]) == (Actor(id="mallory", kind=ActorKind.STAFF), "mallory")


def test_errors_without_a_client() -> None:
    found = event("<187>Mar  2 06:00:01 web01 nginx: 2026/03/02 06:00:01 [notice] 1#1: signal process started")

    assert (found.actor, found.outcome) == (Actor(id="web01", kind=ActorKind.SYSTEM), None)
    assert found.device == Device(id="web01", kind=DeviceKind.SERVER)


PHP = (
    '2026/03/02 06:00:01 [error] 9#9: *1 FastCGI sent in stderr: "PHP message: PHP Warning: a in /x.php on line 1\n'
    'PHP message: PHP Warning: b in /x.php on line 2" while reading response header from upstream, client: 203.0.113.9, '
    'server: a.example, request: "GET /x.php HTTP/1.1", host: "a.example"'
)


def cut(content: str, limit: int = 1_000_000) -> list[bytes | Oversize]:
    data = content.encode()
    return list(nginx_records(Feed(data[at : at + 11] for at in range(0, len(data), 11)), limit))


def test_what_an_application_wrote_stays_in_its_line() -> None:
    assert cut(f"{COMBINED}\n{PHP}\n\n{ERROR}\r\n{COMBINED}") == [line.encode() for line in (COMBINED, PHP, ERROR, COMBINED)]
    assert within(details(PHP), path="/x.php", host="a.example")


def test_a_text_that_never_ends_takes_no_line_of_another() -> None:
    begun = PHP.splitlines()[0]

    for line in (COMBINED, ERROR, json.dumps(OBJECT), f"<190>Mar  2 06:00:01 web01 nginx: {COMBINED}"):
        assert cut(f"{begun}\nPHP message: c\n{line}\n") == [f"{begun}\nPHP message: c".encode(), line.encode()]


def test_a_line_beyond_the_limit_costs_itself() -> None:
    first, second = cut("x" * 2000 + "\n" + COMBINED, 1000)

    assert isinstance(first, Oversize)
    assert second == COMBINED.encode()


# --- Anything --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", "the line is no access line and no error line of nginx"),
        (b"SECRET", "the line is no access line and no error line of nginx"),
        (b"Mar  2 06:00:01 web01 sshd[7]: SECRET", "the line is no access line and no error line of nginx"),
        (b'{"a": "SECRET"}', "the line is no access line and no error line of nginx"),
        (b'{"a": SECRET}', "the record is not valid JSON"),
        (b'{"time": "SECRET", "status": 200}', "the time is not an RFC 3339 time"),
        (b"x" * (LONGEST_LINE + 1), "the line is longer than any line of nginx"),
    ],
)
def test_a_refusal_says_what_is_wrong(record: bytes, reason: str) -> None:
    parsed = parse(record)

    assert isinstance(parsed, Rejected)
    assert parsed.reason.startswith(reason)
    assert "SECRET" not in parsed.reason


LINES = [line for path in sorted(GOLDEN.glob("*.in")) for line in path.read_bytes().splitlines() if line]


def check(record: bytes) -> None:
    parsed = parse(record)
    if isinstance(parsed, AuditEvent):
        assert normalise(parsed.details) == parsed.details
        assert parsed.time.tzinfo is not None
    else:
        assert 0 < len(parsed.reason) < 300


@settings(deadline=None, max_examples=300)
@given(record=st.sampled_from(LINES), seed=st.integers(0, 2**32))
def test_bent_lines(record: bytes, seed: int) -> None:
    check(bent_line(record, seed, [b'"', b"[", b"]", b"\\", b" ", b"-"]))


@settings(deadline=None)
@given(record=st.binary(max_size=200))
def test_any_bytes(record: bytes) -> None:
    check(record)


@pytest.mark.parametrize(
    "piece",
    ['" ', "\\", "[", '"\\', ", client: ", ": ", "1.2.3.4, ", "a=b ", "[02/Mar/2026:06:00:01 +0000] ", '"a" ', "?&", "((", "{"],
)
def test_a_line_of_one_thing_over_and_over_is_read_at_once(piece: str) -> None:
    filler = (piece * LONGEST_LINE)[: LONGEST_LINE - 400]
    for line in (filler, COMBINED + filler, ERROR + filler, f"2026/03/02 06:00:01 [error] 1#1: {filler}", f'{{"a":"{filler}'):
        check(line.encode()[:LONGEST_LINE])


def test_the_answer_keys_of_real_lines_agree(samples: Path) -> None:
    agreement = Agreement()
    web.measure_web(samples, agreement, "nginx")

    assert agreement.differences == []
    assert not agreement.quarantined
    assert agreement.compared.total() >= 60


def test_the_sample_of_the_page_is_understood() -> None:
    (sample,) = re.findall(r"^```nginx\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (routes,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    records = [record for record in cut(sample) if isinstance(record, bytes)]

    assert records
    assert all(isinstance(parse(record), AuditEvent) for record in records)
    assert event(records[0], routes_of(routes)).action != "http_request"
