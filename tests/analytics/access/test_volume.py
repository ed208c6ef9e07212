"""Unusual volume: who stands out against themselves and their peers, and who does not."""

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from analytics.detectors.volume import unusual_volume

TODAY = date(2026, 3, 20)


def days(actor: str, role: str, *counts: tuple[int, int]) -> list[tuple[date, str, str, int, int]]:
    """(charts, without a reason) on the days up to today, the last one today."""
    first = TODAY - timedelta(days=len(counts) - 1)
    return [(first + timedelta(days=n), actor, role, charts, alone) for n, (charts, alone) in enumerate(counts)]


def frame(*rows: Sequence[tuple[date, str, str, int, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        [row for person in rows for row in person],
        schema={"local_day": pl.Date, "actor_id": pl.String, "role": pl.String, "patients": pl.Int64, "unexplained": pl.Int64},
        orient="row",
    )


ORDINARY = ((9, 0), (11, 1), (8, 0), (10, 0), (12, 0), (9, 1), (10, 0), (11, 0), (9, 0), (10, 1), (12, 0), (9, 0))
PEERS = (days("bob", "nurse", *ORDINARY), days("carol", "nurse", *ORDINARY[::-1]))


def test_far_above_oneself_and_the_role() -> None:
    (found,) = unusual_volume(frame(*PEERS, days("mallory", "nurse", *ORDINARY, (61, 48))), TODAY)

    assert found.actor_id == "mallory"
    assert list(found.sentences()) == [
        "Opened 61 charts in one day; 48 without a reason found",
        "Own median 10 over 12 days",
        "Median of the role nurse: 10 over 22 days of colleagues",
    ]


def test_far_above_the_role_but_as_always() -> None:
    """A float nurse who always opens many."""
    always = ((55, 40),) * 12

    assert unusual_volume(frame(*PEERS, days("mallory", "nurse", *always, (61, 48))), TODAY) == []


def test_far_above_oneself_but_like_the_role() -> None:
    """Back from years on nights."""
    busy = ((60, 45),) * 12
    peers = (days("bob", "nurse", *busy), days("carol", "nurse", *busy))

    assert unusual_volume(frame(*peers, days("mallory", "nurse", *ORDINARY, (61, 48))), TODAY) == []


def test_many_charts_that_all_have_reasons() -> None:
    assert unusual_volume(frame(*PEERS, days("mallory", "nurse", *ORDINARY, (80, 2))), TODAY) == []


def test_few_charts_however_unusual() -> None:
    quiet = ((1, 0),) * 12
    peers = (days("bob", "nurse", *quiet), days("carol", "nurse", *quiet))

    assert unusual_volume(frame(*peers, days("mallory", "nurse", *quiet, (11, 11))), TODAY) == []


def test_short_history_leaves_the_peers_with_a_higher_bar() -> None:
    new = ((9, 0), (10, 0))

    (found,) = unusual_volume(frame(*PEERS, days("mallory", "nurse", *new, (61, 48))), TODAY)

    assert (found.own_days, found.own_median) == (2, None)
    assert found.sentences()[1] == "Only 2 earlier days to compare with, so the bar for the role was raised"
    assert unusual_volume(frame(*PEERS, days("mallory", "nurse", *new, (27, 6))), TODAY) == []


def test_nobody_to_compare_with_is_no_finding() -> None:
    assert unusual_volume(frame(days("mallory", "nurse", (61, 48))), TODAY) == []
    assert unusual_volume(frame(), TODAY) == []


def test_one_earlier_spree_does_not_hide_the_next() -> None:
    before = (*ORDINARY[:6], (70, 60), *ORDINARY[6:])

    assert [found.actor_id for found in unusual_volume(frame(*PEERS, days("mallory", "nurse", *before, (61, 48))), TODAY)] == [
        "mallory"
    ]


def test_later_days_are_not_looked_at() -> None:
    everything = frame(*PEERS, days("mallory", "nurse", *ORDINARY, (61, 48)))
    yesterday = TODAY - timedelta(days=1)

    assert (
        unusual_volume(everything, yesterday)
        == unusual_volume(everything.filter(pl.col("local_day") <= yesterday), yesterday)
        == []
    )
