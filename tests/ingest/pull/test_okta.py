"""Okta System Log: the link is followed for ever, throttling is obeyed, and a refused link costs duplicates at most."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from ingest.pull.calling import Caller
from ingest.pull.okta import OktaSystemLog, reset_wait
from ingest.pull.tokens import FixedToken
from tests.ingest.pull.bench import Bench, numbered
from tests.support.pull_servers import OktaApi, Reply, in_json, serving


@pytest.fixture
def api(bench: Bench) -> Iterator[OktaApi]:
    made = OktaApi(bench.clock)
    with serving(made):
        yield made


def connector(bench: Bench, api: OktaApi, *, page_size: int = 2, token: str = "sswsToken") -> OktaSystemLog:
    caller = Caller(
        source="Okta",
        base=api.url,
        client=bench.client,
        credentials=FixedToken("SSWS", token),
        clock=bench.clock,
        reset_wait=reset_wait,
    )
    return OktaSystemLog(caller, clock=bench.clock, page_size=page_size, history=timedelta(days=1))


def fill(bench: Bench, api: OktaApi, *numbers: int) -> None:
    for number in numbers:
        api.add(number, bench.clock.now + timedelta(seconds=number - 100))


def test_pages_are_followed_to_the_end_and_polling_goes_on_from_there(bench: Bench, api: OktaApi) -> None:
    runner = bench.runner(connector(bench, api))
    fill(bench, api, 1, 2, 3, 4, 5)
    bench.drain(runner)
    assert bench.ids() == numbered(1, 2, 3, 4, 5)
    assert runner.state.lag == timedelta(0)

    fill(bench, api, 6)
    bench.drain(bench.runner(connector(bench, api)))

    assert bench.ids() == numbered(1, 2, 3, 4, 5, 6)
    assert [("since" in request.query) for request in api.requests] == [True, *[False] * (len(api.requests) - 1)]
    assert all(request.query["limit"] == "2" for request in api.requests)


def test_an_empty_log_gives_a_cursor_too(bench: Bench, api: OktaApi) -> None:
    runner = bench.runner(connector(bench, api))

    bench.drain(runner)
    bench.drain(runner)
    fill(bench, api, 1)
    bench.drain(runner)

    assert bench.ids() == numbered(1)
    assert runner.state.failures == 0


def test_the_page_is_the_same_bytes_that_were_sent(bench: Bench, api: OktaApi) -> None:
    odd = b'{"metadata":{"uid":"E-1"},\n "class_uid" : 3002, "time":1772438400000,"x":"\xc3\xa9 \\u00e9" }'
    api.trouble("/api/v1/logs", Reply(body=b"[ " + odd + b" ]", links=[f'<{api.url}/api/v1/logs?limit=2&after=0_0>; rel="next"']))

    assert list(connector(bench, api).fetch(None).records) == [odd]


def test_a_429_waits_until_the_reset_by_the_servers_own_clock(bench: Bench, api: OktaApi) -> None:
    fill(bench, api, 1)
    throttled = in_json({"errorCode": "E0000047", "errorSummary": "too many"}, 429)
    headers = {"x-rate-limit-reset": "1772438490", "date": "Mon, 02 Mar 2026 08:01:00 GMT"}
    api.trouble("/api/v1/logs", Reply(status=429, body=throttled.body, headers=headers))
    runner = bench.runner(connector(bench, api))

    wait = runner.step()
    bench.drain(runner)

    assert 30.0 <= wait <= 34.0
    assert bench.ids() == numbered(1)
    assert "429 E0000047" in str(runner.state.last_error)


def test_a_refused_link_is_left_for_reading_by_time(bench: Bench, api: OktaApi) -> None:
    runner = bench.runner(connector(bench, api))
    fill(bench, api, 1, 2, 3)
    bench.drain(runner)
    api.epoch += 1
    fill(bench, api, 4)
    bench.clock.advance(minutes=3)

    bench.drain(runner)
    bench.drain(runner)

    assert bench.ids() == numbered(1, 2, 3, 4)
    assert bench.cursors.gaps() == []


def test_a_link_refused_after_ninety_days_is_a_gap(bench: Bench, api: OktaApi) -> None:
    runner = bench.runner(connector(bench, api))
    fill(bench, api, 1)
    bench.drain(runner)
    reached = bench.clock.now
    api.epoch += 1
    bench.clock.advance(days=100)
    fill(bench, api, 2)

    bench.drain(runner)
    bench.drain(runner)

    assert bench.ids() == numbered(1, 2)
    (gap,) = bench.cursors.gaps()
    assert gap.start == reached
    assert timedelta(days=9) < gap.end - gap.start < timedelta(days=11)


def test_a_page_that_is_no_json_is_kept_whole_after_three_tries_and_passed(bench: Bench, api: OktaApi) -> None:
    fill(bench, api, 1, 2, 3)
    broken = Reply(body=b'[{"uuid": "x', links=[f'<{api.url}/api/v1/logs?limit=2&after=0_2>; rel="next"'])
    api.trouble("/api/v1/logs", broken, times=3)
    runner = bench.runner(connector(bench, api))

    assert [runner.step() > 0 for _ in range(2)] == [True, True]
    assert bench.cursors.get("source").cursor is None
    bench.drain(runner)

    assert bench.desk.raws() == [b'[{"uuid": "x']
    assert bench.ids() == numbered(3)


def test_a_page_that_is_whole_the_next_time_is_not_quarantined(bench: Bench, api: OktaApi) -> None:
    fill(bench, api, 1, 2)
    api.trouble("/api/v1/logs", Reply(body=b'[{"uuid": "x'))
    api.trouble("/api/v1/logs", Reply(body=b"[" + b"x" * 500, cut=200))
    api.trouble("/api/v1/logs", Reply(hangs_up=True))
    runner = bench.runner(connector(bench, api))

    for _ in range(5):
        bench.drain(runner)

    assert bench.desk.raws() == []
    assert bench.ids() == numbered(1, 2)


def test_a_storm_of_500_ends_some_time(bench: Bench, api: OktaApi) -> None:
    fill(bench, api, 1, 2, 3)
    api.trouble("after", in_json({"errorCode": "E0000009"}, 500), times=7)
    runner = bench.runner(connector(bench, api))

    for _ in range(12):
        runner.step()

    assert bench.ids() == numbered(1, 2, 3)
    assert runner.state.failures == 0


def test_a_link_to_elsewhere_is_not_followed(bench: Bench, api: OktaApi) -> None:
    api.trouble("/api/v1/logs", Reply(body=b"[]", links=['<http://127.0.0.1:9/logs>; rel="next"']))
    runner = bench.runner(connector(bench, api))
    runner.step()

    assert runner.step() > 0

    assert "leads away" in str(runner.state.last_error)


def test_a_page_that_comes_twice_is_duplicates(bench: Bench, api: OktaApi) -> None:
    fill(bench, api, 1, 2, 3, 4)
    runner = bench.runner(connector(bench, api))
    runner.step()
    first = bench.cursors.get("source")
    runner.step()
    bench.cursors.move("source", bench.cursors.get("source"), str(first.cursor), bench.clock.now)

    bench.drain(bench.runner(connector(bench, api)))

    assert bench.ids() == numbered(1, 2, 3, 4)


def test_no_secret_is_in_the_state_or_the_log(bench: Bench, api: OktaApi, caplog: pytest.LogCaptureFixture) -> None:
    runner = bench.runner(connector(bench, api, token="wrongSecret"))

    runner.step()

    assert "does not accept our credentials (401 E0000011)" in str(runner.state.last_error)
    assert "Secret" not in caplog.text + repr(runner.state)
    assert "sswsToken" not in caplog.text + repr(runner.state)


def test_links_that_are_always_refused_are_not_asked_without_a_pause(bench: Bench, api: OktaApi) -> None:
    api.refuses_links = True
    fill(bench, api, 1, 2, 3, 4, 5)
    runner = bench.runner(connector(bench, api))

    waits = [runner.step() for _ in range(12)]

    assert sum(wait > 0 for wait in waits) >= 4
    api.refuses_links = False
    bench.drain(runner)
    assert bench.ids() == numbered(1, 2, 3, 4, 5)
