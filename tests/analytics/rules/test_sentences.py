"""Sentences: numbers, times and names out of events, and never more than was asked for."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from analytics.sigma.sentences import Cited, Sentence
from domain.errors import InvalidInput

TIMES = [datetime(2026, 3, 2, 17, 0, 59, tzinfo=UTC), datetime(2026, 7, 2, 4, 30, tzinfo=UTC)]


def about(template: str, **values: list[str]) -> str:
    return Sentence(template).about(Cited(day=date(2026, 3, 2), times=TIMES, values=values, zone=ZoneInfo("America/New_York")))


def test_times_are_local_and_name_their_zone() -> None:
    assert about("{count} on {day}, {first} to {last}") == "2 on 2026-03-02, 2026-03-02 12:00 EST to 2026-07-02 00:30 EDT"


def test_a_period_is_one_moment_or_two_and_a_noun_follows_its_number() -> None:
    once = Cited(day=date(2026, 3, 2), times=TIMES[:1], values={}, zone=ZoneInfo("UTC"))

    assert Sentence("{count:event} {period}").about(once) == "1 event at 2026-03-02 17:00 UTC"
    assert about("{count:event} {period}") == "2 events from 2026-03-02 12:00 EST to 2026-07-02 00:30 EDT"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "not known"),
        (["", ""], "not known"),
        (["a", "a"], "a"),
        (["a", "b"], "a and b"),
        (["c", "a", "b"], "c, a and b"),
        (list("abcdefg"), "a, b, c, d, e and 2 more"),
    ],
)
def test_values_are_listed_once(values: list[str], said: str) -> None:
    assert about("{x}", x=values) == said


@pytest.mark.parametrize(
    ("spec", "values", "said"),
    [
        ("sum", ["1000", "234.5"], "1,234.50"),
        ("sum", ["1000", "2", "no number", ""], "1,002"),
        ("max", ["3", "12"], "12"),
        ("min", ["3", "12", "-1"], "-1"),
        ("min", ["x"], "not known"),
        ("max", ["inf", "nan", "7"], "7"),
        ("number", ["a", "b", "a", ""], "2"),
        ("length", ["code blue", "x"], "9"),
        ("length", [], "0"),
    ],
)
def test_numbers_of_values(spec: str, values: list[str], said: str) -> None:
    assert about(f"{{x:{spec}}}", x=values) == said


def test_a_value_is_no_template() -> None:
    assert about("{x}", x=["{count} {y!r}"]) == "{count} {y!r}"


@pytest.mark.parametrize("template", ["{", "{}", "{x:median}", "{count:>9}", "{first:sum}", "{period:event}", "{x.__class__:>9}"])
def test_what_is_no_placeholder_is_refused(template: str) -> None:
    with pytest.raises(InvalidInput):
        Sentence(template)


def test_fields_are_known_before_any_event() -> None:
    assert Sentence("{count} to {to_domain} by {details.tls.version:max}").fields == ("to_domain", "details.tls.version")
