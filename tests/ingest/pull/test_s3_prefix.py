"""Objects under a prefix: each once, the late ones too."""

import gzip
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module

import pytest

from ingest.parsers import split_records
from ingest.pull import s3_prefix
from ingest.pull.s3_prefix import S3Prefix
from tests.ingest.pull.bench import Bench
from tests.support.pull_servers import Reply, S3Api, serving
from tests.support.records import event_lines


@pytest.fixture
def api(bench: Bench) -> Iterator[S3Api]:
    made = S3Api(bench.clock)
    with serving(made):
        yield made


def connector(bench: Bench, api: S3Api, *, history: timedelta | None = None, bucket: str = "logs") -> S3Prefix:
    boto3, config_of = import_module("boto3"), import_module("botocore.config")
    client = boto3.session.Session(
        aws_access_key_id="synthetic", aws_secret_access_key="hunter2", region_name="eu-central-1"
    ).client(
        "s3",
        endpoint_url=api.url,
        config=config_of.Config(
            signature_version="s3v4",
            connect_timeout=5,
            read_timeout=5,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        ),
    )
    return S3Prefix(
        client,
        bucket=bucket,
        prefix="mail/",
        split=lambda chunks: split_records("phitrail", chunks),
        clock=bench.clock,
        history=history,
        overlap=timedelta(hours=6),
    )


def stored(bench: Bench) -> list[int]:
    return sorted(int(each.removeprefix("E-")) for each in bench.ids())


def test_each_object_is_read_once_whatever_its_coding(bench: Bench, api: S3Api) -> None:
    for number in range(5):
        data = event_lines(range(10 * number, 10 * number + 2))
        api.put(f"mail/2026/é {number}.log", gzip.compress(data) if number % 2 else data)
    api.put("mail/folder/", b"")
    api.put("other/x", b"not ours")
    runner = bench.runner(connector(bench, api), format_name="phitrail")

    bench.drain(runner)
    bench.drain(bench.runner(connector(bench, api), format_name="phitrail"))

    assert stored(bench) == sorted(10 * number + each for number in range(5) for each in (0, 1))
    assert sum(request.path.startswith("/logs/mail/2026") for request in api.requests) == 5
    assert bench.desk.raws() == []


def test_an_object_that_comes_late_and_sorts_before_others_is_read(bench: Bench, api: S3Api) -> None:
    runner = bench.runner(connector(bench, api), format_name="phitrail")
    api.put("mail/b", event_lines(range(1)))
    bench.drain(runner)
    api.put("mail/a", event_lines(range(1, 2)), bench.clock.now - timedelta(hours=3))

    bench.drain(runner)

    assert stored(bench) == [0, 1]


def test_an_object_that_was_written_anew_is_read_again(bench: Bench, api: S3Api) -> None:
    runner = bench.runner(connector(bench, api), format_name="phitrail")
    api.put("mail/a", event_lines(range(2)))
    bench.drain(runner)
    api.put("mail/a", event_lines(range(3)))

    bench.drain(runner)

    assert stored(bench) == [0, 1, 2]
    assert runner.state.counts.duplicate == 2


def test_history_leaves_out_what_is_old_for_ever(bench: Bench, api: S3Api) -> None:
    api.put("mail/old", event_lines(range(1)), bench.clock.now - timedelta(days=30))
    for _ in range(3):
        bench.drain(bench.runner(connector(bench, api, history=timedelta(days=7)), format_name="phitrail"))
    api.put("mail/new", event_lines(range(1, 2)))
    bench.drain(bench.runner(connector(bench, api, history=timedelta(days=7)), format_name="phitrail"))

    assert stored(bench) == [1]


def test_memory_is_bounded_and_nothing_recent_is_read_twice(bench: Bench, api: S3Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_prefix, "MOST_REMEMBERED", 4)
    for number in range(12):
        api.put(f"mail/{number:02}", event_lines(range(number, number + 1)), bench.clock.now - timedelta(days=12 - number))
    runner = bench.runner(connector(bench, api), format_name="phitrail")

    bench.drain(runner)
    bench.drain(runner)

    assert stored(bench) == list(range(12))
    assert runner.state.counts.duplicate == 0
    assert str(bench.cursors.get("source").cursor).count(":") < 20


def test_an_object_that_breaks_off_is_read_again(bench: Bench, api: S3Api) -> None:
    data = event_lines(range(3))
    api.put("mail/a", data)
    api.trouble("/logs/mail/a", Reply(body=data, cut=len(data) // 2))
    runner = bench.runner(connector(bench, api), format_name="phitrail")

    assert runner.step() > 0
    assert bench.cursors.get("source").cursor is None
    bench.drain(runner)

    assert stored(bench) == [0, 1, 2]
    assert bench.cursors.gaps() == []


def test_an_object_whose_packing_is_damaged_is_read_as_far_as_it_goes_and_said(bench: Bench, api: S3Api) -> None:
    packed = gzip.compress(event_lines(range(50)))
    api.put("mail/a.gz", packed[:-12])
    runner = bench.runner(connector(bench, api), format_name="phitrail")

    bench.drain(runner)

    assert len(stored(bench)) >= 40
    assert b"logs/mail/a.gz" in bench.desk.raws()
    assert any("not whole" in reason for reason in bench.desk.reasons())


def test_a_refusal_is_said_without_secrets(bench: Bench, api: S3Api) -> None:
    runner = bench.runner(connector(bench, api, bucket="elsewhere"), format_name="phitrail")

    assert runner.step() > 0

    assert "the bucket answered NoSuchBucket" in str(runner.state.last_error)
    assert "hunter2" not in repr(runner.state)


def test_an_object_that_vanished_meanwhile_does_not_hold_up_the_rest(bench: Bench, api: S3Api) -> None:
    api.put("mail/a", event_lines(range(1)))
    api.put("mail/b", event_lines(range(1, 2)), bench.clock.now + timedelta(seconds=1))
    runner = bench.runner(connector(bench, api), format_name="phitrail")
    runner.step()
    del api.objects["mail/b"]
    api.put("mail/c", event_lines(range(2, 3)))

    assert runner.step() > 0
    bench.drain(runner)

    assert stored(bench) == [0, 2]
