"""The runner: store first, then the cursor; no stop and no failure makes a gap, and repeats are duplicates."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Backpressure, IntegrityError
from domain.event import AuditEvent
from domain.record import Parsed, Receipt
from ingest.pipeline import Counts
from ingest.pull.backoff import BackOff
from ingest.pull.contract import Gap, Item, Page, PullFailed, Unreadable
from store.pull_cursors import PullCursors
from tests.ingest.pull.bench import Bench, numbered
from tests.support.desk import Gate
from tests.support.faults import Fault, FaultyEngine
from tests.support.pull_servers import login_event

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def record(number: int) -> bytes:
    return json.dumps(login_event(number)).encode()


class Pages:
    """A source of numbered pages, each of which may fail first."""

    kind = "pages"

    def __init__(self, pages: Sequence[Page]) -> None:
        self.pages = list(pages)
        self.failures: list[Exception] = []
        self.asked: list[str | None] = []

    @classmethod
    def of(cls, *numbers: Sequence[int]) -> "Pages":
        return cls(
            [
                Page(records=[record(number) for number in each], cursor=str(place + 1), more=place + 1 < len(numbers))
                for place, each in enumerate(numbers)
            ]
        )

    def fetch(self, cursor: str | None) -> Page:
        self.asked.append(cursor)
        if self.failures:
            raise self.failures.pop(0)
        place = int(cursor or 0)
        return self.pages[place] if place < len(self.pages) else Page(records=(), cursor=str(cursor), more=False)


class Stumbling:
    """A desk that fails on one submission, before or after it is done."""

    def __init__(self, inner: object, *, at: int, after: bool, error: Exception) -> None:
        self._inner, self._at, self._after, self._error = inner, at, after, error
        self.submissions = 0

    def submit(self, batch: Sequence[Parsed]) -> list[Receipt]:
        self.submissions += 1
        fails = self.submissions == self._at
        if fails and not self._after:
            raise self._error
        receipts: list[Receipt] = self._inner.submit(batch)  # type: ignore[attr-defined]
        if fails:
            raise self._error
        return receipts


def test_pages_are_stored_in_turn_and_the_cursor_follows(bench: Bench) -> None:
    source = Pages.of([1, 2], [3])
    runner = bench.runner(source)

    waits = [runner.step(), runner.step(), runner.step()]

    assert waits == [0.0, 60.0, 60.0]
    assert bench.ids() == numbered(1, 2, 3)
    assert source.asked == [None, "1", "2"]
    assert bench.cursors.get("source").cursor == "2"
    assert runner.state.counts == Counts(accepted=3)


FAILURES = [
    ("store", Fault("x")),
    ("store", Backpressure("away", retry_after=1)),
    ("store", IntegrityError("stopped")),
    ("cursor", Fault("x")),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize(("kind", "error"), FAILURES, ids=lambda value: value if isinstance(value, str) else type(value).__name__)
def test_a_failure_at_any_step_makes_no_gap_and_no_second_copy(
    bench: Bench, kind: str, at: int, after: bool, error: Exception
) -> None:
    source = Pages.of([1, 2], [3, 4], [5])
    faulty = FaultyEngine(bench.engine)
    cursors = PullCursors(faulty)  # type: ignore[arg-type]
    intake = Stumbling(bench.desk.intake, at=at if kind == "store" else 0, after=after, error=error)
    runner = bench.runner(source, intake=intake, cursors=cursors)

    for step in range(1, 12):
        if kind == "cursor" and step == at:
            faulty.table, faulty.after = "pull_cursors", after
        before = bench.cursors.get("source").cursor
        runner.step()
        stored, moved = set(bench.ids()), int(bench.cursors.get("source").cursor or 0)
        assert {f"E-{n}" for n in (1, 2, 3, 4, 5)[: (0, 2, 4, 5)[moved]]} <= stored, "the cursor is ahead of the store"
        assert int(before or 0) <= moved

    assert bench.ids() == numbered(1, 2, 3, 4, 5)
    assert runner.state.failures == 0


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_new_runner_goes_on_where_the_cursor_is(bench: Bench, at: int) -> None:
    source = Pages.of([1, 2], [3], [4])
    first = bench.runner(source)
    for _ in range(at):
        first.step()

    second = bench.runner(source)
    bench.drain(second)

    assert bench.ids() == numbered(1, 2, 3, 4)
    assert second.state.counts.duplicate == 0


def test_a_runner_that_died_after_storing_makes_duplicates(bench: Bench) -> None:
    source = Pages.of([1, 2])
    bench.desk.intake.submit(_events(bench, [1, 2]))

    runner = bench.runner(source)
    runner.step()

    assert bench.ids() == numbered(1, 2)
    assert runner.state.counts == Counts(duplicate=2)


def _events(bench: Bench, numbers: Sequence[int]) -> list[Parsed]:
    from ingest.parsers import parser_for

    parser = parser_for("ocsf", source_system="source", received=bench.clock)
    return [item for number in numbers for item in parser.parse(record(number))]


def test_what_is_no_record_is_quarantined_whole(bench: Bench) -> None:
    items: list[Item] = [record(1), Unreadable(raw=b"<html>busy</html>", reason="a page that is no JSON"), b"[]"]
    runner = bench.runner(Pages([Page(records=items, cursor="1", more=False)]))

    runner.step()

    assert runner.state.counts == Counts(accepted=1, quarantined=2)
    assert sorted(bench.desk.raws()) == [b"<html>busy</html>", b"[]"]
    assert "a page that is no JSON" in bench.desk.reasons()


def test_an_answer_that_cannot_be_passed_is_kept_once_and_the_cursor_stays(bench: Bench) -> None:
    source = Pages.of([1])
    source.failures = [PullFailed("broken", kept=Unreadable(raw=b"{", reason="broken")) for _ in range(3)]
    runner = bench.runner(source)

    bench.drain(runner, most=1)
    assert bench.cursors.get("source").cursor is None
    for _ in range(3):
        runner.step()

    assert bench.desk.raws() == [b"{"]
    assert bench.ids() == numbered(1)


def test_a_page_that_breaks_off_half_way_is_fetched_again(bench: Bench) -> None:
    def broken() -> Iterator[Item]:
        yield record(1)
        raise PullFailed("the answer was cut off")

    source = Pages.of([1, 2])
    whole = source.pages[0]
    source.pages[0] = replace(whole, records=broken())
    runner = bench.runner(source)

    assert runner.step() == 1.0
    assert bench.cursors.get("source").cursor is None
    source.pages[0] = whole
    runner.step()

    assert bench.ids() == numbered(1, 2)


def test_waits_grow_to_a_bound_and_begin_anew_after_a_success(bench: Bench) -> None:
    source = Pages.of([1], [2])
    source.failures = [PullFailed("away") for _ in range(12)]
    runner = bench.runner(source)

    waits = [runner.step() for _ in range(13)]
    source.failures = [PullFailed("away")]
    again = runner.step()

    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert waits[10:] == [300.0, 300.0, 0.0]
    assert again == 1.0
    assert runner.state.is_failing


def test_the_source_says_how_long_to_wait(bench: Bench) -> None:
    source = Pages.of([1])
    source.failures = [PullFailed("slow down", retry_after=120.0)]

    assert 120.0 <= bench.runner(source).step() <= 122.0


def test_jitter_takes_away_at_most_half() -> None:
    assert BackOff(lambda: 0.0, first=8).failed() == 4.0
    assert BackOff(lambda: 0.999, first=8).failed() == pytest.approx(8.0, rel=0.01)
    assert BackOff(lambda: 0.5, first=8).failed(retry_after=-5.0) >= 0.0


def test_the_store_away_holds_the_page_and_nothing_is_fetched_meanwhile(bench: Bench) -> None:
    source = Pages.of([1])
    gate = Gate(bench.desk.intake)
    gate.failures = [Backpressure("the store is away", retry_after=5) for _ in range(20)]
    runner = bench.runner(source, intake=gate)

    runner.step()

    assert source.asked == [None]
    assert bench.waits == [5] * 20
    assert bench.ids() == numbered(1)


def test_a_stop_while_the_store_is_away_leaves_the_cursor(bench: Bench) -> None:
    source = Pages.of([1])
    gate = Gate(bench.desk.intake)
    gate.failures = [Backpressure("the store is away", retry_after=5) for _ in range(20)]
    bench.stops_after = 3
    runner = bench.runner(source, intake=gate)

    runner.run()

    assert bench.cursors.get("source").cursor is None
    assert runner.state.next_try is None


def test_a_record_that_the_store_cannot_take_does_not_hold_up_the_rest(bench: Bench) -> None:
    gate = Gate(bench.desk.intake)
    gate.refuses = lambda batch: (
        Fault("poison") if any(isinstance(item, AuditEvent) and item.event_id == "E-2" for item in batch) else None
    )
    runner = bench.runner(Pages.of([1, 2, 3]), intake=gate)

    for _ in range(6):
        runner.step()

    assert bench.ids() == numbered(1, 3)
    assert bench.desk.raws() == [record(2)]
    assert bench.cursors.get("source").cursor == "1"


def test_a_gap_is_durable_before_the_cursor_moves(bench: Bench) -> None:
    gap = Gap(start=NOON, end=NOON + timedelta(hours=1), reason="too old")
    source = Pages([Page(records=[record(1)], cursor="1", more=False, gaps=[gap])])
    faulty = FaultyEngine(bench.engine)
    runner = bench.runner(source, cursors=PullCursors(faulty))  # type: ignore[arg-type]
    faulty.table = "pull_cursors"

    runner.step()
    assert [each.reason for each in bench.cursors.gaps("source")] == ["too old"]
    runner.step()

    assert [(each.start, each.end) for each in bench.cursors.gaps("source")] == [(gap.start, gap.end)]
    assert list(runner.state.gaps) == [gap]


def test_the_state_says_how_it_is_doing(bench: Bench) -> None:
    source = Pages([Page(records=[record(1)], cursor="1", more=False, reached=bench.clock.now)])
    source.failures = [PullFailed("the source cannot be reached")]
    runner = bench.runner(source)

    runner.step()
    failing = runner.state
    bench.clock.advance(minutes=5)
    runner.step()
    bench.clock.advance(minutes=2)
    well = runner.state

    assert (failing.is_failing, failing.last_error, failing.last_success) == (True, "the source cannot be reached", None)
    assert not well.is_failing
    assert well.lag == timedelta(minutes=7)
    assert well.last_success == well.cursor_at == bench.clock.now - timedelta(minutes=2)
    assert (well.name, well.kind, well.format, well.pages) == ("source", "pages", "ocsf", 1)


def test_an_unexpected_failure_is_named_by_its_type_only(bench: Bench) -> None:
    source = Pages.of([1])
    source.failures = [ValueError("Jane Roe")]
    runner = bench.runner(source)

    runner.step()

    assert "ValueError" in str(runner.state.last_error)
    assert "Jane" not in str(runner.state.last_error)


def test_a_stream_keeps_its_parser_and_a_new_one_is_shown_what_came_before(bench: Bench) -> None:
    """Two lines alike in one stream are two events, whenever we are restarted."""
    line = b"CEF:0|acme|gate|1|100|login|3|rt=1772438400000 suser=alice"

    def page(cursor: str, count: int) -> Page:
        return Page(records=[line], cursor=cursor, more=True, stream="s", before=lambda: [line] * count)

    pages = [page(str(n + 1), n) for n in range(4)]
    first = bench.runner(Pages(pages), format_name="cef")
    first.step()
    first.step()
    second = bench.runner(Pages(pages), format_name="cef")
    second.step()
    second.step()

    assert len(set(bench.ids())) == len(bench.ids()) == 4
    again = bench.runner(Pages(pages), name="other", format_name="cef")
    for _ in range(4):
        again.step()
    assert again.state.counts == Counts(duplicate=4)


@pytest.mark.parametrize("after", [False, True])
def test_a_stream_whose_page_failed_in_the_store_keeps_its_ids(bench: Bench, after: bool) -> None:
    line = b"CEF:0|acme|gate|1|100|login|3|rt=1772438400000 suser=alice"
    pages = [Page(records=[line], cursor=str(n + 1), more=True, stream="s", before=lambda n=n: [line] * n) for n in range(3)]  # type: ignore[misc]
    intake = Stumbling(bench.desk.intake, at=2, after=after, error=Fault("x"))
    runner = bench.runner(Pages(pages), format_name="cef", intake=intake)

    for _ in range(4):
        runner.step()

    assert len(set(bench.ids())) == 3


def test_a_rejected_record_that_the_store_cannot_take_is_tried_again(bench: Bench) -> None:
    gate = Gate(bench.desk.intake)
    gate.failures = [Fault("x") for _ in range(5)]
    gate.refuses = lambda batch: None
    runner = bench.runner(Pages([Page(records=[b"no json"], cursor="1", more=False)]), intake=gate)

    for _ in range(5):
        runner.step()
        assert bench.cursors.get("source").cursor is None
    runner.step()

    assert bench.desk.raws() == [b"no json"]
