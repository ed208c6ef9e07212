"""What is usual for a source: hours of the week, pauses, lags. Pure, so mostly properties."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.source_rhythm import Rhythm, bucket_end, lag_bucket, lag_quantile

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
EIGHT_WEEKS = [MONDAY + n * HOUR for n in range(8 * 168)]
NOW = MONDAY + 8 * 168 * HOUR
CHICAGO = ZoneInfo("America/Chicago")


def office(hour: datetime) -> int:
    """60 events an hour from eight to six on work days, nothing else."""
    return 60 if hour.weekday() < 5 and 8 <= hour.hour < 18 else 0


def counts(**changes: int) -> dict[datetime, int]:
    found = {hour: office(hour) for hour in EIGHT_WEEKS}
    found |= {datetime.fromisoformat(name.replace("_", ":").removeprefix("at")): value for name, value in changes.items()}
    return {hour: events for hour, events in found.items() if events}


def learn(found: dict[datetime, int]) -> Rhythm:
    rhythm = Rhythm.learn(found, EIGHT_WEEKS)
    assert rhythm is not None
    return rhythm


def events(rhythm: Rhythm, start: datetime, end: datetime) -> float:
    found = rhythm.between(start, end)
    assert found is not None
    return found.events


def test_each_hour_of_the_week_has_its_own_expectation() -> None:
    rhythm = learn(counts())

    assert events(rhythm, NOW, NOW + 7 * 24 * HOUR) == 5 * 10 * 60
    assert events(rhythm, NOW + 5 * 24 * HOUR, NOW + 7 * 24 * HOUR) == 0
    assert events(rhythm, NOW + 9 * HOUR, NOW + 9 * HOUR + timedelta(minutes=20)) == pytest.approx(20)


def test_an_outage_of_a_week_and_a_flood_change_nothing() -> None:
    broken = {hour: n for hour, n in counts().items() if not 14 <= (hour - MONDAY).days < 21}
    broken[MONDAY + 57 * HOUR] = 1_000_000

    usual, after = learn(counts()), learn(broken)

    for n in range(168):
        start = NOW + n * HOUR
        assert events(after, start, start + HOUR) == events(usual, start, start + HOUR)


def test_before_four_hours_of_a_kind_were_heard_nothing_is_known() -> None:
    three_days = [MONDAY + n * HOUR for n in range(72)]
    five_days = [MONDAY + n * HOUR for n in range(120)]
    found = dict.fromkeys(five_days, 10)

    assert Rhythm.learn(found, three_days) is None
    rhythm = Rhythm.learn(found, five_days)
    assert rhythm is not None
    assert rhythm.between(MONDAY + 8 * 24 * HOUR, MONDAY + 8 * 24 * HOUR + HOUR) is not None  # a Tuesday, as work days are
    assert rhythm.between(MONDAY + 12 * 24 * HOUR, MONDAY + 12 * 24 * HOUR + HOUR) is None  # Saturdays are not known


def test_hours_in_which_nobody_listened_are_no_silence() -> None:
    half = [hour for hour in EIGHT_WEEKS if (hour - MONDAY).days >= 28]
    late = {hour: n for hour, n in counts().items() if hour in set(half)}

    assert events(learn(counts()), NOW, NOW + 168 * HOUR) == events(learn(late), NOW, NOW + 168 * HOUR)


def test_medians_of_a_sparse_source_say_nothing() -> None:
    sparse = {MONDAY + 13 * n * HOUR: 1 for n in range(100)}

    assert Rhythm.learn(sparse, EIGHT_WEEKS) is None
    assert Rhythm.learn({}, EIGHT_WEEKS) is None


def test_a_holiday_is_taken_for_a_sunday_and_hours_are_local() -> None:
    holiday = NOW.date()
    rhythm = Rhythm.learn(counts(), EIGHT_WEEKS, UTC, {holiday})
    assert rhythm is not None
    assert events(rhythm, NOW, NOW + 24 * HOUR) == 0
    assert events(rhythm, NOW + 24 * HOUR, NOW + 48 * HOUR) == 600

    # Clocks go forward on 8 March 2026 in Chicago: nine in the morning stays nine in the morning.
    nine = {hour: 100 for hour in EIGHT_WEEKS if hour.astimezone(CHICAGO).hour == 9}
    local = Rhythm.learn(nine, EIGHT_WEEKS, CHICAGO)
    assert local is not None
    for day in (date(2026, 3, 6), date(2026, 3, 9)):
        start = datetime(day.year, day.month, day.day, 9, tzinfo=CHICAGO).astimezone(UTC)
        assert events(local, start, start + HOUR) == 100
        assert events(local, start + HOUR, start + 2 * HOUR) == 0


@given(st.lists(st.integers(0, 5_000), min_size=8, max_size=8), st.integers(0, 167), st.floats(0, 1))
def test_parts_of_a_period_add_up(samples: list[int], hour: int, part: float) -> None:
    found = {MONDAY + (168 * week + n) * HOUR: max(1, samples[week]) for week in range(8) for n in range(168)}
    rhythm = Rhythm.learn(found, EIGHT_WEEKS)
    assert rhythm is not None
    start = NOW + hour * HOUR
    cut = start + part * 3 * HOUR
    whole, first, second = (rhythm.between(*pair) for pair in ((start, start + 3 * HOUR), (start, cut), (cut, start + 3 * HOUR)))
    assert whole is not None
    assert first is not None
    assert second is not None

    assert whole.events == pytest.approx(first.events + second.events, abs=1e-6)
    assert whole.deviation >= 0.999 * whole.events**0.5  # never surer than chance allows
    assert whole.low <= whole.events <= whole.high


@given(st.floats(-1e8, 1e8))
def test_a_lag_lies_in_its_bucket_and_buckets_do_not_overlap(seconds: float) -> None:
    lag = timedelta(seconds=seconds)
    bucket = lag_bucket(lag)

    if lag >= timedelta(0):
        assert bucket >= 0
        assert lag <= bucket_end(bucket) + timedelta(microseconds=1)
        assert bucket == 0 or lag >= bucket_end(bucket - 1) - timedelta(microseconds=1)
    else:
        assert bucket < 0
        assert lag >= bucket_end(bucket) - timedelta(microseconds=1)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_never_below_the_true_one_and_at_most_a_bucket_above(lags: list[float], share: float) -> None:
    buckets: dict[int, int] = {}
    for lag in lags:
        bucket = lag_bucket(timedelta(seconds=lag))
        buckets[bucket] = buckets.get(bucket, 0) + 1
    ordered = sorted(lags)
    true = next(lag for place, lag in enumerate(ordered, 1) if place >= share * len(ordered))

    found = lag_quantile(buckets, share)

    assert found is not None
    assert true - 1e-6 <= found.total_seconds() <= (1 + true) * 2**0.5 - 1 + 1e-5


def test_a_period_that_ends_before_it_begins_brings_nothing() -> None:
    assert events(learn(counts()), NOW + HOUR / 2, NOW) == 0


def test_of_nothing_there_is_no_quantile() -> None:
    assert lag_quantile({}, 0.5) is None
    assert lag_quantile({3: 0}, 0.5) is None


def test_bucket_ends_rise() -> None:
    ends = [bucket_end(bucket) for bucket in range(-60, 60)]

    assert all(lower < upper for lower, upper in pairwise(ends))
