"""Management Activity: windows, late blobs, subscriptions, tokens, throttling, and what is too old."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from ingest.pull.calling import Caller
from ingest.pull.management_activity import ManagementActivity
from ingest.pull.tokens import SecretGrant, Tokens
from tests.ingest.pull.bench import Bench, numbered
from tests.support.pull_servers import FakeBlob, ManagementApi, Reply, in_json, login_event, serving

EXCHANGE = "Audit.Exchange"


@pytest.fixture
def api(bench: Bench) -> Iterator[ManagementApi]:
    made = ManagementApi(bench.clock)
    made.enabled.add(EXCHANGE)
    with serving(made):
        yield made


def connector(bench: Bench, api: ManagementApi, *, history: timedelta = timedelta(hours=20), blobs: int = 25) -> ManagementActivity:
    grant = SecretGrant(client_id="app", secret="hunter2", scope="https://manage.office.com/.default")
    tokens = Tokens(source="Entra ID", url=f"{api.url}/token", grant=grant, client=bench.client, clock=bench.clock)
    caller = Caller(source="the Management Activity API", base=api.base, client=bench.client, credentials=tokens, clock=bench.clock)
    return ManagementActivity(
        caller, content_type=EXCHANGE, publisher=api.tenant, clock=bench.clock, history=history, blobs_per_page=blobs
    )


def blob(number: int, created: datetime, *, listed_from: datetime | None = None, raw: bytes | None = None) -> FakeBlob:
    """A blob with two events, 10·number and 10·number + 1. Ids are as the service's: with signs that a path quotes."""
    events = [login_event(10 * number), login_event(10 * number + 1)]
    return FakeBlob(name=f"2026$blob${number}", created=created, events=events, listed_from=listed_from, raw=raw)


def of_blobs(*numbers: int) -> list[str]:
    return numbered(*(10 * number + each for number in numbers for each in (0, 1)))


def ago(bench: Bench, **by: float) -> datetime:
    return bench.clock.now - timedelta(**by)


def test_the_subscription_is_started_where_there_is_none(bench: Bench, api: ManagementApi) -> None:
    api.enabled.clear()
    api.add(EXCHANGE, blob(1, ago(bench, hours=1)))

    bench.drain(bench.runner(connector(bench, api)))

    assert api.enabled == {EXCHANGE}
    assert bench.ids() == of_blobs(1)


def test_listing_pages_are_followed_and_blobs_read_once(bench: Bench, api: ManagementApi) -> None:
    for number in range(8):
        api.add(EXCHANGE, blob(number, ago(bench, minutes=50 - number)))
    runner = bench.runner(connector(bench, api, blobs=2))

    bench.drain(runner)
    bench.clock.advance(minutes=5)
    bench.drain(runner)

    assert bench.ids() == of_blobs(*range(8))
    assert api.count("/audit/") == 8
    assert runner.state.counts.duplicate == 0
    assert runner.state.lag == timedelta(minutes=1)


def test_a_week_is_read_in_windows_of_a_day(bench: Bench, api: ManagementApi) -> None:
    for number in range(13):
        api.add(EXCHANGE, blob(number, ago(bench, hours=12 * number + 1)))
    runner = bench.runner(connector(bench, api, history=timedelta(days=7)))

    bench.drain(runner)

    assert bench.ids() == of_blobs(*range(13))
    assert bench.cursors.gaps() == []


def test_a_blob_that_is_listed_late_is_read_all_the_same(bench: Bench, api: ManagementApi) -> None:
    runner = bench.runner(connector(bench, api))
    api.add(EXCHANGE, blob(1, ago(bench, minutes=30)))
    api.add(EXCHANGE, blob(2, ago(bench, minutes=40), listed_from=bench.clock.now + timedelta(minutes=20)))
    bench.drain(runner)
    assert bench.ids() == of_blobs(1)

    bench.clock.advance(minutes=30)
    bench.drain(runner)

    assert bench.ids() == of_blobs(1, 2)
    assert api.count("/audit/") == 2


def test_a_token_that_ends_in_the_middle_of_the_pages_is_replaced(bench: Bench, api: ManagementApi) -> None:
    for number in range(6):
        api.add(EXCHANGE, blob(number, ago(bench, minutes=number + 3)))
    runner = bench.runner(connector(bench, api, blobs=1))
    runner.step()
    api.revoke()
    runner.step()
    bench.clock.advance(hours=2)
    api.revoke()

    bench.drain(runner)

    assert bench.ids() == of_blobs(*range(6))
    assert runner.state.failures == 0
    assert api.issued == 3


@pytest.mark.parametrize(
    "reply",
    [
        in_json({"error": {"code": "AF429", "message": "Too many requests. PublisherId=Jane"}}, 429, **{"retry-after": "37"}),
        in_json({"error": {"code": "AF429", "message": "x"}}, 429, **{"retry-after": "Mon, 02 Mar 2026 08:00:37 GMT"}),
    ],
)
def test_throttling_is_obeyed(bench: Bench, api: ManagementApi, reply: Reply) -> None:
    api.add(EXCHANGE, blob(1, ago(bench, minutes=3)))
    api.trouble("subscriptions/content", reply)
    runner = bench.runner(connector(bench, api))

    wait = runner.step()
    bench.drain(runner)

    assert 37.0 <= wait <= 39.0
    assert "(429 AF429)" in str(runner.state.last_error)
    assert bench.ids() == of_blobs(1)


def test_throttling_half_way_keeps_what_was_read(bench: Bench, api: ManagementApi) -> None:
    for number in range(3):
        api.add(EXCHANGE, blob(number, ago(bench, minutes=9 - number)))
    runner = bench.runner(connector(bench, api))
    api.trouble("blob$1", in_json({"error": {"code": "AF429"}}, 429), times=2)

    assert runner.step() == 0.0
    assert bench.ids() == of_blobs(0)
    assert runner.step() > 0.0
    bench.drain(runner)

    assert bench.ids() == of_blobs(0, 1, 2)
    assert runner.state.counts.duplicate == 0


def test_a_blob_that_fails_alone_is_owed_and_does_not_hold_up_the_rest(bench: Bench, api: ManagementApi) -> None:
    for number in range(4):
        api.add(EXCHANGE, blob(number, ago(bench, minutes=9 - number)))
    api.trouble("blob$1", in_json({"error": {"code": "AF50000"}}, 500), times=30)
    runner = bench.runner(connector(bench, api))

    for _ in range(8):
        runner.step()
    assert bench.ids() == of_blobs(0, 2, 3)
    assert "content blob cannot be had" in str(runner.state.notice)
    api.troubles.clear()
    bench.clock.advance(hours=30)
    bench.drain(runner)

    assert bench.ids() == of_blobs(0, 1, 2, 3)
    assert bench.cursors.gaps() == []


def test_a_blob_that_is_owed_until_it_is_too_old_is_a_gap(bench: Bench, api: ManagementApi) -> None:
    created = ago(bench, minutes=9)
    api.add(EXCHANGE, blob(1, created))
    api.add(EXCHANGE, blob(2, created))
    api.trouble("blob$1", in_json({"error": {"code": "AF50000"}}, 500), times=10_000)
    runner = bench.runner(connector(bench, api))
    for _ in range(8):
        runner.step()

    for _ in range(9):
        bench.clock.advance(days=1)
        bench.drain(runner)

    (gap,) = bench.cursors.gaps()
    assert (gap.start, gap.end) == (created, created)
    assert bench.ids() == of_blobs(2)


def test_what_is_older_than_seven_days_is_a_gap_and_said(bench: Bench, api: ManagementApi) -> None:
    runner = bench.runner(connector(bench, api))
    api.add(EXCHANGE, blob(1, ago(bench, minutes=3)))
    bench.drain(runner)
    stopped = bench.clock.now
    api.add(EXCHANGE, blob(2, stopped + timedelta(days=1)))
    api.add(EXCHANGE, blob(3, stopped + timedelta(days=5)))
    bench.clock.advance(days=10)

    bench.drain(bench.runner(connector(bench, api)))

    assert bench.ids() == of_blobs(1, 3)
    (gap,) = bench.cursors.gaps()
    assert gap.start == stopped - timedelta(minutes=1)
    assert timedelta(days=3) <= gap.end - gap.start <= timedelta(days=3, minutes=10)
    assert "seven days" in gap.reason


def test_a_blob_that_is_no_json_is_kept_whole_after_three_tries(bench: Bench, api: ManagementApi) -> None:
    api.add(EXCHANGE, blob(1, ago(bench, minutes=4), raw=b'[{"Id": "x"'))
    api.add(EXCHANGE, blob(2, ago(bench, minutes=3)))
    runner = bench.runner(connector(bench, api))

    for _ in range(6):
        runner.step()

    assert bench.desk.raws() == [b'[{"Id": "x"']
    assert bench.ids() == of_blobs(2)
    assert runner.state.failures == 0
    assert api.count("blob%241") == 3


def test_a_listing_that_is_no_json_is_asked_for_again(bench: Bench, api: ManagementApi) -> None:
    api.add(EXCHANGE, blob(1, ago(bench, minutes=4)))
    api.trouble("subscriptions/content", Reply(body=b"<html>busy</html>"), times=2)
    api.trouble("subscriptions/content", Reply(body=b"[" + b" " * 100, cut=50))
    runner = bench.runner(connector(bench, api))

    assert all(runner.step() > 0 for _ in range(3))
    bench.drain(runner)

    assert bench.ids() == of_blobs(1)


def test_the_address_of_a_page_that_is_refused_lists_the_window_anew(bench: Bench, api: ManagementApi) -> None:
    for number in range(8):
        api.add(EXCHANGE, blob(number, ago(bench, minutes=50 - number)))
    runner = bench.runner(connector(bench, api))
    runner.step()
    api.trouble('"nextPage"', in_json({"error": {"code": "AF20031", "message": "Invalid nextPage Input"}}, 400))

    bench.drain(bench.runner(connector(bench, api)))

    assert bench.ids() == of_blobs(*range(8))
    assert api.count("/audit/") == 8


def test_addresses_that_lead_elsewhere_are_not_followed(bench: Bench, api: ManagementApi) -> None:
    listed = [{"contentId": "x", "contentUri": "http://127.0.0.1:9/steal", "contentCreated": "2026-03-02T07:00:00Z"}]
    api.trouble("subscriptions/content", in_json(listed))
    runner = bench.runner(connector(bench, api))

    assert runner.step() > 0

    assert "without an address of the service" in str(runner.state.last_error)


def test_a_storm_of_500_loses_nothing_and_nothing_twice(bench: Bench, api: ManagementApi) -> None:
    for number in range(7):
        api.add(EXCHANGE, blob(number, ago(bench, minutes=50 - number)))
    api.trouble("/activity/", in_json({"error": {"code": "AF50000"}}, 503), times=25)
    runner = bench.runner(connector(bench, api))

    for _ in range(40):
        runner.step()

    assert bench.ids() == of_blobs(*range(7))
    assert runner.state.failures == 0
    assert runner.state.counts.duplicate == 0


def test_a_restart_after_every_page_reads_everything_once(bench: Bench, api: ManagementApi) -> None:
    for number in range(8):
        api.add(EXCHANGE, blob(number, ago(bench, minutes=50 - number)))

    for _ in range(12):
        bench.runner(connector(bench, api, blobs=2)).step()

    assert bench.ids() == of_blobs(*range(8))
    assert api.count("/audit/") == 8


def test_a_wrong_secret_is_said_without_the_secret(bench: Bench, api: ManagementApi, caplog: pytest.LogCaptureFixture) -> None:
    api.check_form = lambda form: False
    runner = bench.runner(connector(bench, api))

    runner.step()

    assert "Entra ID gives no token (401 invalid_client)" in str(runner.state.last_error)
    assert "hunter2" not in caplog.text + repr(runner.state)


def test_missing_permission_is_said(bench: Bench, api: ManagementApi) -> None:
    api.trouble("subscriptions/content", in_json({"error": {"code": "AF10001", "message": "Jane"}}, 403))
    runner = bench.runner(connector(bench, api))

    runner.step()

    assert "check the permissions" in str(runner.state.last_error)
    assert "AF10001" in str(runner.state.last_error)
    assert "Jane" not in str(runner.state.last_error)
