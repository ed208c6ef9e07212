"""Waits between attempts."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.backoff import JITTER, LONGEST_ASKED, WAITS, wait_after

chances = st.floats(0, 1, exclude_max=True)


def test_the_waits_are_those_of_the_specification_and_last_three_days() -> None:
    seconds = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]

    assert [wait_after(n, chance=0) for n in range(1, 10)] == [timedelta(seconds=wait) for wait in seconds]
    assert wait_after(10, chance=0) is None
    assert timedelta(days=3) < sum(WAITS, timedelta(0)) < timedelta(days=4)


@given(attempts=st.integers(1, len(WAITS)), chance=chances)
def test_chance_adds_a_fifth_at_most(attempts: int, chance: float) -> None:
    wait = wait_after(attempts, chance=chance)

    assert wait is not None
    assert WAITS[attempts - 1] <= wait <= WAITS[attempts - 1] * (1 + JITTER)


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        (timedelta(seconds=1), WAITS[0]),
        (timedelta(hours=1), timedelta(hours=1)),
        (timedelta(days=400), LONGEST_ASKED),
    ],
)
def test_what_a_receiver_asks_lengthens_a_wait_up_to_a_day(asked: timedelta, wait: timedelta) -> None:
    assert wait_after(1, chance=0, asked=asked) == wait
