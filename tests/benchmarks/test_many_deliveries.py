"""The one day that is added is an ordinary one, and all before it is before it."""

from benchmarks.mail_stream import stream
from benchmarks.many_deliveries import last_day


def test_the_last_ordinary_day_is_cut_out_whole() -> None:
    letters = stream(3, 6_000, each=2, patients=500).letters

    first, end = last_day(letters)

    days = [letter.when.date() for letter in letters]
    assert set(days[first:end]) == {days[first]}
    assert days[first - 1] < days[first]
    assert end == len(days) or days[end] > days[first]
    assert 0.5 < (end - first) * len(set(days)) / len(days) < 2
    assert end > 0.95 * len(days)
