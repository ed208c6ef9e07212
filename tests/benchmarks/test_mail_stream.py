"""The labelled stream: the same for a seed, few bad ones, and every scenario in it."""

from benchmarks.mail_stream import SCENARIOS, UNDECIDABLE, stream


def test_a_seed_makes_one_stream() -> None:
    assert stream(3, 2000, each=2, patients=500) == stream(3, 2000, each=2, patients=500)
    assert stream(3, 2000, each=2, patients=500) != stream(4, 2000, each=2, patients=500)


def test_bad_ones_are_few_and_labelled() -> None:
    made = stream(3, 12_000, each=4, patients=1500)
    bad = [letter for letter in made.letters if letter.scenario]

    assert 0 < len(bad) <= len(made.letters) // 100
    assert {letter.scenario for letter in bad} == set(SCENARIOS) | set(UNDECIDABLE)
    assert all(letter.truth for letter in bad)
    assert not [letter for letter in made.letters if letter.truth and not letter.scenario]
    assert made.letters == sorted(made.letters, key=lambda letter: letter.when)


def test_events_carry_no_label() -> None:
    made = stream(3, 500, each=1, patients=300)

    for number, letter in enumerate(made.letters):
        event = letter.event(number)
        assert not set(event.details) & {"scenario", "truth", "allowed"}
        assert event.time == letter.when
