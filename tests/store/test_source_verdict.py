"""The verdict: each trouble by itself and together, and that too little is never called good."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.source_rhythm import Rhythm, lag_bucket
from store.source_verdict import Known, SourceVerdict, in_words, judge

HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
HOURS = [MONDAY + n * HOUR for n in range(8 * 168)]
NOW = MONDAY + 8 * 168 * HOUR + 10 * HOUR + timedelta(minutes=30)
"""A Monday, half past ten."""
RHYTHM = Rhythm.learn({hour: 60 if 8 <= hour.hour < 18 else 0 for hour in HOURS if hour != MONDAY} | {MONDAY: 1}, HOURS)
"""A day clinic: one event a minute from eight to six."""

AS_USUAL = Known(
    quiet_since=NOW - timedelta(seconds=30),
    first_received=MONDAY,
    patience=timedelta(hours=18),
    rhythm=RHYTHM,
    hours={NOW.replace(minute=0) - n * HOUR: 60 for n in range(3)},
    events=570,
    lags={1: 560},
    usual_lags={1: 16_000},
)
Trouble = SourceVerdict


def verdict(known: Known, now: datetime = NOW) -> SourceVerdict:
    return judge(known, now).verdict


def test_a_source_that_sends_as_it_does_is_well() -> None:
    found = judge(AS_USUAL, NOW)

    assert (found.verdict, found.troubles) == (SourceVerdict.OK, [])
    assert found.expected is not None
    assert found.expected.events == pytest.approx(600, abs=31)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (replace(AS_USUAL, quiet_since=NOW - timedelta(minutes=29)), Trouble.SILENT),
        (replace(AS_USUAL, quiet_since=NOW - timedelta(minutes=24)), Trouble.OK),
        (replace(AS_USUAL, quiet_since=NOW - timedelta(minutes=24), silent_since=NOW - HOUR), Trouble.SILENT),
        (replace(AS_USUAL, events=200), Trouble.QUIET),
        (replace(AS_USUAL, hours={NOW.replace(minute=0): 3_000}), Trouble.FLOODING),
        (replace(AS_USUAL, lags={lag_bucket(-timedelta(minutes=5)): 30, 1: 500}), Trouble.SKEWED),
        (replace(AS_USUAL, lags={lag_bucket(-timedelta(seconds=10)): 500}), Trouble.OK),
        (replace(AS_USUAL, lags={lag_bucket(timedelta(hours=3)): 500}), Trouble.LATE),
        (
            replace(AS_USUAL, lags={lag_bucket(timedelta(hours=3)): 500}, usual_lags={lag_bucket(timedelta(hours=2)): 900}),
            Trouble.OK,
        ),
        (replace(AS_USUAL, quarantined=60), Trouble.FAILING),
        (replace(AS_USUAL, quarantined=20), Trouble.OK),
        (replace(AS_USUAL, stopped_since=NOW - HOUR), Trouble.STOPPED),
    ],
)
def test_each_trouble(known: Known, expected: SourceVerdict) -> None:
    found = judge(known, NOW)

    assert found.verdict is expected
    assert len(found.sentences) == max(1, len(found.troubles))


def test_nights_are_no_silence_and_mornings_soon_are() -> None:
    evening = MONDAY + 8 * 168 * HOUR + 18 * HOUR
    known = replace(AS_USUAL, quiet_since=evening, patience=HOUR, events=600)

    assert verdict(known, evening + 13.9 * HOUR) is SourceVerdict.OK
    assert verdict(known, evening + 14.5 * HOUR) is SourceVerdict.SILENT


def test_without_a_rhythm_the_pause_decides() -> None:
    sparse = replace(AS_USUAL, rhythm=None, quiet_since=NOW - 17 * HOUR)

    assert verdict(sparse) is SourceVerdict.OK
    assert verdict(replace(sparse, quiet_since=NOW - 19 * HOUR)) is SourceVerdict.SILENT


@pytest.mark.parametrize(
    "known",
    [
        replace(AS_USUAL, rhythm=None, patience=None),
        replace(AS_USUAL, is_watched=False),
        replace(AS_USUAL, is_watched=False, quiet_since=NOW - 100 * HOUR),
        replace(AS_USUAL, excused="Declared as not sending by carol.", quiet_since=NOW - 100 * HOUR),
        Known(quiet_since=NOW),
    ],
)
def test_too_little_is_unknown_and_unknown_is_not_good(known: Known) -> None:
    found = judge(known, NOW)

    assert found.verdict is SourceVerdict.UNKNOWN
    assert not found.verdict.is_good
    assert len(found.sentences) == 1


def test_several_troubles_are_all_said_the_gravest_first() -> None:
    found = judge(replace(AS_USUAL, quiet_since=NOW - HOUR, quarantined=600, stopped_since=NOW - HOUR), NOW)

    assert found.troubles == [Trouble.STOPPED, Trouble.SILENT, Trouble.FAILING]
    assert "usually about 60 events would have come" in found.sentences[1]


def test_a_source_of_which_nothing_is_understood_is_failing() -> None:
    assert verdict(Known(quiet_since=NOW, quarantined=3)) is SourceVerdict.FAILING
    assert verdict(Known(quiet_since=NOW, quarantined=2)) is SourceVerdict.UNKNOWN


@given(
    st.builds(
        Known,
        quiet_since=st.timedeltas(timedelta(0), timedelta(days=400)).map(lambda ago: NOW - ago),
        first_received=st.sampled_from([None, MONDAY]),
        patience=st.sampled_from([None, HOUR, 100 * HOUR]),
        rhythm=st.sampled_from([None, RHYTHM]),
        events=st.integers(0, 10_000),
        hours=st.just({}),
        lags=st.dictionaries(st.integers(-40, 60), st.integers(1, 1_000), max_size=4),
        usual_lags=st.dictionaries(st.integers(-40, 60), st.integers(1, 1_000), max_size=4),
        quarantined=st.integers(0, 500),
        is_watched=st.booleans(),
        excused=st.sampled_from(["", "Declared."]),
    )
)
def test_ok_is_said_only_of_what_is_known_watched_and_heard(known: Known) -> None:
    found = judge(known, NOW)

    if found.verdict is SourceVerdict.OK:
        assert known.is_watched
        assert not known.excused
        assert known.first_received is not None
        assert known.rhythm is not None or known.patience is not None
        assert not found.troubles
    assert found.sentences


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 seconds"), (1, "a second"), (89, "89 seconds"), (90, "2 minutes"), (7_200, "2 hours"), (400_000, "5 days")],
)
def test_lengths_in_words(seconds: int, words: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words
