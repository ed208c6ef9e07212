"""Graph and Google Reports: windows by time, what is listed late, pages that end, throttling, and what is too old."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from ingest.pull.calling import Caller
from ingest.pull.google_reports import google_reports
from ingest.pull.graph import message_traces, sign_ins
from ingest.pull.tokens import SecretGrant, Tokens
from ingest.pull.windows import Windows
from tests.ingest.pull.bench import Bench, numbered
from tests.support.pull_servers import GoogleApi, GraphApi, Imitation, Reply, google_throttled, in_json, serving


@pytest.fixture
def graph(bench: Bench) -> Iterator[GraphApi]:
    made = GraphApi(bench.clock)
    with serving(made):
        yield made


@pytest.fixture
def google(bench: Bench) -> Iterator[GoogleApi]:
    made = GoogleApi(bench.clock)
    with serving(made):
        yield made


def caller(bench: Bench, api: Imitation) -> Caller:
    grant = SecretGrant(client_id="app", secret="hunter2", scope="x")
    tokens = Tokens(source="the token endpoint", url=f"{api.url}/token", grant=grant, client=bench.client, clock=bench.clock)
    return Caller(source="the source", base=api.url, client=bench.client, credentials=tokens, clock=bench.clock)


def of_sign_ins(bench: Bench, api: GraphApi, history: timedelta = timedelta(days=3)) -> Windows:
    return sign_ins(caller(bench, api), clock=bench.clock, history=history)


def of_logins(bench: Bench, api: GoogleApi, history: timedelta = timedelta(days=3)) -> Windows:
    return google_reports(caller(bench, api), application="login", clock=bench.clock, history=history)


def test_sign_ins_are_read_page_by_page_and_polling_reads_only_a_little_again(bench: Bench, graph: GraphApi) -> None:
    for number in range(10):
        graph.add(number, bench.clock.now - timedelta(hours=number + 1))
    runner = bench.runner(of_sign_ins(bench, graph))
    bench.drain(runner)
    assert bench.ids() == numbered(*range(10))
    first = runner.state.counts.duplicate

    bench.clock.advance(minutes=5)
    graph.add(10, bench.clock.now - timedelta(minutes=2))
    bench.drain(runner)

    assert bench.ids() == numbered(*range(11))
    assert runner.state.counts.duplicate == first
    assert runner.state.lag == timedelta(minutes=1)


def test_a_record_that_is_listed_hours_late_is_read(bench: Bench, graph: GraphApi, google: GoogleApi) -> None:
    signed = bench.runner(of_sign_ins(bench, graph), name="graph")
    logged = bench.runner(of_logins(bench, google), name="google")
    bench.drain(signed)
    bench.drain(logged)
    happened = bench.clock.now - timedelta(minutes=30)
    google.add(2, happened, listed_from=bench.clock.now + timedelta(hours=4))
    for turn in range(30):
        bench.clock.advance(minutes=15)
        if turn == 16:
            graph.add(1, happened)
        bench.drain(signed)
        bench.drain(logged)

    assert bench.ids() == numbered(1, 2)


def test_message_traces_ask_for_periods_within_bounds(bench: Bench, graph: GraphApi) -> None:
    graph.resource, graph.field = "/v1.0/admin/exchange/tracing/messageTraces", "receivedDateTime"
    graph.longest, graph.kept_for = timedelta(days=10), timedelta(days=90)
    for number in range(20):
        graph.add(number, bench.clock.now - timedelta(days=4 * number, hours=1))
    runner = bench.runner(message_traces(caller(bench, graph), clock=bench.clock, history=timedelta(days=120)))

    bench.drain(runner)

    assert bench.ids() == numbered(*range(20))
    assert runner.state.failures == 0
    assert bench.cursors.gaps() == []


def test_sign_ins_of_other_types_are_asked_of_the_beta_version(bench: Bench, graph: GraphApi) -> None:
    graph.resource = "/beta/auditLogs/signIns"
    graph.add(1, bench.clock.now - timedelta(hours=1))
    connector = sign_ins(caller(bench, graph), clock=bench.clock, types=("interactiveUser", "servicePrincipal", "'; drop"))

    bench.drain(bench.runner(connector))

    assert bench.ids() == numbered(1)
    asked = next(request for request in graph.requests if "$filter" in request.query).query["$filter"]
    assert asked.endswith(" and signInEventTypes/any(t: t eq 'interactiveUser' or t eq 'servicePrincipal')")


def test_google_activities_are_read_page_by_page_over_restarts(bench: Bench, google: GoogleApi) -> None:
    for number in range(11):
        google.add(number, bench.clock.now - timedelta(minutes=5 * (11 - number)))

    for _ in range(8):
        bench.runner(of_logins(bench, google)).step()

    assert bench.ids() == numbered(*range(11))
    assert all(request.query["maxResults"] == "1000" for request in google.requests if "applications" in request.path)


def test_a_token_that_ends_between_pages_is_replaced(bench: Bench, graph: GraphApi, google: GoogleApi) -> None:
    for number in range(9):
        graph.add(number, bench.clock.now - timedelta(minutes=number + 1))
        google.add(100 + number, bench.clock.now - timedelta(minutes=number + 1))
    for api, connector in ((graph, of_sign_ins(bench, graph)), (google, of_logins(bench, google))):
        runner = bench.runner(connector, name=connector.kind)
        for _ in range(30):
            api.revoke()
            if runner.step():
                break
        assert runner.state.failures == 0

    assert bench.ids() == numbered(*range(9), *range(100, 109))


@pytest.mark.parametrize(
    ("reply", "least"),
    [
        (in_json({"error": {"code": "TooManyRequests"}}, 429, **{"retry-after": "45"}), 45.0),
        (in_json({"error": {"code": "serviceNotAvailable"}}, 503, **{"retry-after": "20"}), 20.0),
        (in_json({"error": {"code": "InternalServerError"}}, 500), 1.0),
    ],
)
def test_graph_throttling_is_obeyed(bench: Bench, graph: GraphApi, reply: Reply, least: float) -> None:
    graph.add(1, bench.clock.now - timedelta(minutes=1))
    graph.trouble("signIns", reply)
    runner = bench.runner(of_sign_ins(bench, graph))

    wait = runner.step()
    bench.drain(runner)

    assert least <= wait <= least + 2
    assert bench.ids() == numbered(1)


def test_google_says_403_for_slow_down_and_waits_grow(bench: Bench, google: GoogleApi) -> None:
    google.add(1, bench.clock.now - timedelta(minutes=1))
    google.trouble("applications/login", google_throttled(), times=4)
    runner = bench.runner(of_logins(bench, google))

    waits = [runner.step() for _ in range(4)]
    bench.drain(runner)

    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert "asks us to slow down (403 rateLimitExceeded)" in str(runner.state.last_error)
    assert bench.ids() == numbered(1)


def test_what_leads_to_a_page_may_have_ended(bench: Bench, graph: GraphApi, google: GoogleApi) -> None:
    for number in range(8):
        graph.add(number, bench.clock.now - timedelta(minutes=number + 1))
        google.add(100 + number, bench.clock.now - timedelta(minutes=number + 1))
    signed = bench.runner(of_sign_ins(bench, graph, timedelta(hours=1)), name="graph")
    logged = bench.runner(of_logins(bench, google, timedelta(hours=1)), name="google")
    signed.step()
    logged.step()
    graph.trouble("skiptoken", in_json({"error": {"code": "BadRequest"}}, 400))
    google.trouble("pageToken", in_json({"error": {"code": 400, "errors": [{"reason": "invalid"}]}}, 400))

    bench.drain(signed)
    bench.drain(logged)

    assert bench.ids() == numbered(*range(8), *range(100, 108))
    assert signed.state.failures == logged.state.failures == 0


def test_pages_that_come_twice_or_lead_back_are_no_endless_loop(bench: Bench, graph: GraphApi) -> None:
    for number in range(8):
        graph.add(number, bench.clock.now - timedelta(minutes=number + 1))
    runner = bench.runner(of_sign_ins(bench, graph, timedelta(hours=1)))
    runner.step()
    here = bench.cursors.get("source").cursor
    assert here is not None
    link = f"{graph.url}{graph.resource}?" + here.split("?")[1].split('"')[0]
    graph.trouble("skiptoken", in_json({"value": [], "@odata.nextLink": link}))

    assert runner.step() > 0
    assert "leads back" in str(runner.state.last_error)
    bench.drain(runner)

    assert bench.ids() == numbered(*range(8))


def test_a_page_that_cannot_be_read_is_kept_and_the_cursor_waits(bench: Bench, google: GoogleApi) -> None:
    for number in range(4):
        google.add(number, bench.clock.now - timedelta(minutes=number + 1))
    google.trouble("applications/login", Reply(body=b'{"items": [{"x": '), times=5)
    runner = bench.runner(of_logins(bench, google))

    waits = [runner.step() for _ in range(5)]
    assert all(waits)
    assert bench.cursors.get("source").cursor is None
    bench.drain(runner)

    assert bench.desk.raws() == [b'{"items": [{"x": ']
    assert bench.ids() == numbered(*range(4))


def test_bodies_cut_off_and_connections_closed_are_asked_again(bench: Bench, graph: GraphApi) -> None:
    graph.add(1, bench.clock.now - timedelta(minutes=1))
    graph.trouble("signIns", Reply(body=b"{" + b" " * 1_000, cut=300))
    graph.trouble("signIns", Reply(hangs_up=True))
    graph.trouble("signIns", Reply(status=302, headers={"location": "http://127.0.0.1:9/"}))
    runner = bench.runner(of_sign_ins(bench, graph))

    errors = []
    for _ in range(3):
        assert runner.step() > 0
        errors.append(str(runner.state.last_error))
    bench.drain(runner)

    assert "cut off" in errors[0]
    assert "302" in errors[2]
    assert bench.ids() == numbered(1)
    assert bench.desk.raws() == []


def test_what_was_not_read_in_time_is_a_gap(bench: Bench, graph: GraphApi) -> None:
    runner = bench.runner(of_sign_ins(bench, graph))
    bench.drain(runner)
    stopped = bench.clock.now
    bench.clock.advance(days=40)
    graph.add(1, bench.clock.now - timedelta(days=1))

    bench.drain(bench.runner(of_sign_ins(bench, graph)))

    (gap,) = bench.cursors.gaps()
    assert gap.start == stopped - timedelta(minutes=1)
    assert timedelta(days=10) <= gap.end - gap.start <= timedelta(days=10, minutes=10)
    assert bench.ids() == numbered(1)


def test_the_longest_history_makes_no_gap_by_itself(bench: Bench, graph: GraphApi) -> None:
    graph.add(1, bench.clock.now - timedelta(days=29))
    runner = bench.runner(of_sign_ins(bench, graph, timedelta(days=365)))
    bench.clock.step = timedelta(seconds=2)

    bench.drain(runner)

    assert bench.ids() == numbered(1)
    assert bench.cursors.gaps() == []


def test_links_that_are_always_refused_are_not_asked_without_a_pause(bench: Bench, graph: GraphApi) -> None:
    graph.refuses_links = True
    for number in range(8):
        graph.add(number, bench.clock.now - timedelta(minutes=number + 2))
    runner = bench.runner(of_sign_ins(bench, graph, timedelta(hours=1)))

    waits = [runner.step() for _ in range(12)]

    assert sum(wait > 0 for wait in waits) >= 4
    assert runner.state.notice == "a window is listed anew"
    assert runner.state.reached is None
    graph.refuses_links = False
    bench.drain(runner)
    assert bench.ids() == numbered(*range(8))
