"""Followers: what they have not seen, where they are, and which days they still have to close."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from store.cursors import Backlog, Cursors, FollowerDays, Span
from store.engine import Engine

MORNING = datetime(2026, 3, 2, 8, tzinfo=UTC)
MONDAY = date(2026, 3, 2)


def write(engine: Engine, writer: str, times: Sequence[datetime], first: int = 0) -> None:
    """Entries with nothing but a place and a claimed time."""
    engine.insert(
        "events",
        pl.DataFrame(
            {
                "epoch": pl.Series([202603] * len(times), dtype=pl.UInt32),
                "writer": [writer] * len(times),
                "seq": pl.Series(range(first, first + len(times)), dtype=pl.UInt64),
                "leaf": [bytes(32)] * len(times),
                "time": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
                "received": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            }
        ),
    )


def minutes(*numbers: int) -> list[datetime]:
    return [MORNING + timedelta(minutes=number) for number in numbers]


def test_a_cursor_moves_forward_only_and_each_follower_has_its_own(engine: Engine) -> None:
    cursors = Cursors(engine)
    cursors.advance("analytics", {"a": 5, "b": 0})
    cursors.advance("analytics", {"a": 9})
    cursors.advance("analytics", {"a": 7})
    cursors.advance("alerts", {"a": 1})
    cursors.advance("alerts", {})

    assert cursors.get("analytics") == {"a": 9, "b": 0}
    assert cursors.get("alerts") == {"a": 1}
    assert cursors.get("nobody") == {}


def test_what_comes_after_a_place_is_shared_among_the_writers(engine: Engine) -> None:
    write(engine, "a", minutes(*range(10)))
    write(engine, "b", minutes(0, 1))
    backlog = Backlog(engine)

    first = backlog.after({}, 8)
    second = backlog.after({span.writer: span.last for span in first}, 8)
    last = backlog.after({"a": 9, "b": 1}, 8)

    assert first == [Span(writer="a", first=0, last=3), Span(writer="b", first=0, last=1)]
    assert second == [Span(writer="a", first=4, last=7)]
    assert last == []
    assert first[0].size == 4


def test_a_period_is_found_wherever_it_lies_in_the_log(engine: Engine) -> None:
    write(engine, "a", minutes(0, 60, 30, 90, 31, 200))
    write(engine, "b", minutes(500))
    backlog = Backlog(engine)

    start, end = minutes(30, 61)
    spans = list(backlog.between(start, end, 2))

    assert spans == [Span(writer="a", first=1, last=2), Span(writer="a", first=3, last=4)]
    assert list(backlog.between(end + timedelta(days=1), end + timedelta(days=2), 2)) == []


def test_days_are_those_of_the_organisations_clock(engine: Engine) -> None:
    late = datetime(2026, 3, 3, 4, 59, 59, tzinfo=UTC)
    write(engine, "a", [MORNING, late, late + timedelta(seconds=1), MORNING])
    backlog = Backlog(engine)
    zone = "America/New_York"

    assert backlog.days([Span(writer="a", first=0, last=3)], zone) == [MONDAY, MONDAY + timedelta(days=1)]
    assert backlog.days([Span(writer="a", first=0, last=1)], zone) == [MONDAY]
    assert backlog.days([], zone) == []
    assert backlog.days_between(MORNING, late + timedelta(seconds=1), zone) == [MONDAY]


def test_a_day_is_due_until_it_is_closed_and_again_when_something_late_comes(engine: Engine) -> None:
    days = FollowerDays(engine)
    tuesday, wednesday = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)
    days.touch("analytics", {MONDAY, tuesday}, 10, MORNING)

    assert days.due("analytics", wednesday, MORNING) == [MONDAY, tuesday]
    assert days.due("analytics", tuesday, MORNING) == [MONDAY]
    assert days.due("other", wednesday, MORNING) == []

    days.close("analytics", MONDAY, 10)
    assert days.due("analytics", wednesday, MORNING) == [tuesday]

    days.touch("analytics", [MONDAY], 11, MORNING + timedelta(hours=1))
    assert days.due("analytics", wednesday, MORNING + timedelta(hours=1)) == [MONDAY, tuesday]


def test_a_day_for_which_events_still_come_waits(engine: Engine) -> None:
    days = FollowerDays(engine)
    days.touch("analytics", [MONDAY], 10, MORNING)
    days.touch("analytics", [MONDAY], 12, MORNING + timedelta(minutes=5))

    assert days.due("analytics", date(2026, 3, 9), MORNING + timedelta(minutes=4)) == []
    assert days.due("analytics", date(2026, 3, 9), MORNING + timedelta(minutes=5)) == [MONDAY]
