"""A little of what `python -m tests.ingest.fuzz` does without end: damaged records cost themselves, whatever the damage."""

import random

import pytest

from ingest.parsers import FORMATS
from tests.ingest.fuzz import cases, fuzz
from tests.support.fuzz_inputs import files
from tests.support.mutations import LONGEST, MUTATIONS, mutated
from tests.support.parser_contract import quoted

RECORDS = 60


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_records_are_answered(format: str) -> None:  # noqa: A002 (the field's name everywhere)
    tally = fuzz(format, count=RECORDS, seed=7, has_samples=False, is_timed=False)

    assert not [(breach.what, breach.case) for breach in tally.found]
    assert tally.records >= RECORDS
    assert tally.events + tally.quarantined >= tally.records


def test_every_format_has_inputs_to_damage() -> None:
    assert files(has_samples=False).keys() >= set(FORMATS)


def test_the_same_seed_gives_the_same_cases() -> None:
    first, second = cases("cef", 3), cases("cef", 3)

    assert [next(first) for _ in range(20)] == [next(second) for _ in range(20)]
    assert next(cases("cef", 3)) != next(cases("cef", 4))


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__.strip("_"))
def test_every_mutation_takes_any_bytes(mutation: object) -> None:
    assert callable(mutation)
    for number in range(30):
        chance = random.Random(number)
        record = chance.choice((b"", b"\0", b"a", b"{}", b"[1]\n{", b'{"a": {"b": [1, null]}}\n{"a": 2}\n', b"\xff" * 9))
        assert isinstance(mutation(chance, record, [b"", b'{"c":"d"}\n']), bytes)
        assert len(mutated(chance, record, [record])) <= LONGEST + 64 * 1024


@pytest.mark.parametrize(
    ("reason", "record", "is_quoted"),
    [
        ("the name Mabel Sweetwater is not known", b"user=Mabel Sweetwater", True),
        ("the name mabel sweetwater is not known", b'{"user": "M\\u0061bel Sweetwater"}', True),
        ("event_id is missing", b"event_id is missing", False),
        ("unknown top-level field: departmentname", b'{"departmentname": "x"}', False),
    ],
)
def test_a_quotation_is_told_from_the_program_s_own_words(reason: str, record: bytes, is_quoted: bool) -> None:
    assert quoted(reason, record) is is_quoted
