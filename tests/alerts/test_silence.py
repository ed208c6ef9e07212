"""Silence: how long each source may be quiet, learned or set, and which are for longer."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pytest

from alerts.silence import Listening, listen
from store.source_rhythm import learned
from store.sources import SourceActivity, Span
from tests.alerts.builders import at


def hours(*starts: float, events: int = 60, length: float = 59 / 60) -> tuple[Span, ...]:
    """Spans that begin at these hours, each with so many events spread evenly over its length (in hours)."""
    return tuple(Span(events=events, first=at(start), last=at(start + length)) for start in starts)


def source(spans: tuple[Span, ...], name: str = "ehr") -> SourceActivity:
    return SourceActivity(
        source_system=name,
        events=sum(span.events for span in spans),
        last_received=spans[-1].last,
        last_claimed=spans[-1].last,
        spans=spans,
    )


def silent(
    activities: Sequence[SourceActivity],
    now: datetime,
    *,
    expected: Mapping[str, timedelta] | None = None,
    listening_since: datetime | None = None,
) -> list[Listening]:
    found = listen(activities, now, expected=expected, listening_since=listening_since)
    return [one for one in found if one.silent]


ALL_DAY = hours(*range(48))
"""One event a minute, two days long."""
CLINIC = hours(*(24 * day + hour for day in range(4) for hour in range(9)))
"""Open from nine to six on four days."""
NIGHTLY = hours(*(24 * day for day in range(13)), events=500, length=0.1)
"""A batch a day."""


@pytest.mark.parametrize(
    ("spans", "patience"),
    [
        (ALL_DAY, timedelta(hours=1)),
        (hours(*range(0, 60, 4), events=1, length=0), timedelta(hours=24)),
        (CLINIC, 1.25 * timedelta(hours=15, minutes=1)),
        (NIGHTLY, 1.25 * timedelta(hours=23.9)),
        (hours(*range(30), *range(80, 110)), timedelta(hours=1)),  # one outage of two days excuses nothing
        (hours(*range(11)), None),  # too little to learn from
        ((), None),
    ],
    ids=["steady", "sparse", "clinic", "nightly batch", "after an outage", "an import", "nothing"],
)
def test_how_long_a_source_may_be_quiet_is_learned_from_its_rhythm(spans: tuple[Span, ...], patience: timedelta | None) -> None:
    found = learned(spans)

    assert (found is None) == (patience is None)
    assert found is None or patience is None or abs(found - patience) < timedelta(seconds=1)


def test_hours_of_two_writers_may_overlap() -> None:
    spans = [Span(events=2, first=at(n), last=at(n + 1.01)) for n in range(20)]

    assert learned(spans) is not None


@pytest.mark.parametrize(("later", "is_silent"), [(timedelta(minutes=59), False), (timedelta(minutes=61), True)])
def test_a_source_is_silent_when_it_is_quiet_for_longer_than_it_may(later: timedelta, is_silent: bool) -> None:
    ehr = source(ALL_DAY)

    (state,) = listen([ehr], ehr.last_received + later)

    assert state.silent is is_silent


def test_what_is_set_beats_what_is_learned() -> None:
    ehr = source(ALL_DAY)
    now = ehr.last_received + timedelta(hours=2)

    assert silent([ehr], now, expected={"ehr": timedelta(hours=3)}) == []
    assert len(silent([source(hours(0))], now, expected={"ehr": timedelta(minutes=1)})) == 1


def test_an_import_and_phitrail_itself_are_not_missed() -> None:
    now = at(10_000)

    assert silent([source(hours(0, 1)), source(ALL_DAY, "phitrail")], now) == []


def test_no_source_is_blamed_for_a_time_when_nobody_listened() -> None:
    ehr = source(ALL_DAY)
    started = ehr.last_received + timedelta(days=3)

    assert silent([ehr], started + timedelta(minutes=30), listening_since=started) == []
    (missed,) = silent([ehr], started + timedelta(hours=2), listening_since=started)
    assert (missed.quiet_since, missed.expected) == (started, timedelta(hours=1))


def test_a_source_that_was_promised_and_never_heard_is_missed() -> None:
    expected = {"lab": timedelta(hours=6)}

    assert silent([], at(5), expected=expected, listening_since=at(0)) == []
    (missed,) = silent([], at(7), expected=expected, listening_since=at(0))

    assert (missed.source_system, missed.last_received, missed.expected) == ("lab", None, timedelta(hours=6))
    assert missed.quiet_since == at(0)
    assert silent([], at(7), expected=expected) == []
