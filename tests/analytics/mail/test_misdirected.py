"""Almost the right place: edits, letters that look the same, and what is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.detectors.misdirected import Lookalikes, distance, is_near_miss, skeleton

KNOWN = ("easthill-clinic.example", "corelab.example", "mercy.example", "greenfield-health.example")


def plain_distance(one: str, other: str) -> int:
    """Optimal string alignment over the whole table, as the definition has it."""
    table = [[i + j if i * j == 0 else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (one[i - 1] != other[j - 1]))
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


@given(st.text("abc", max_size=9), st.text("abc", max_size=9), st.integers(0, 4))
def test_distance_is_the_one_of_the_definition_up_to_its_bound(one: str, other: str, most: int) -> None:
    assert distance(one, other, most) == min(plain_distance(one, other), most + 1)


@pytest.mark.parametrize(
    ("domain", "twin"),
    [
        ("easthil-clinic.example", "easthill-clinic.example"),
        ("easthill-clinci.example", "easthill-clinic.example"),
        ("easthillclinic.example", "easthill-clinic.example"),
        ("c0relab.example", "corelab.example"),
        ("соrelab.example", "corelab.example"),
        ("xn--relab-4vec.example", "corelab.example"),
        ("greenfie1d-health.example", "greenfield-health.example"),
        ("greenfield-heatlh.example", "greenfield-health.example"),
        ("corelab.test", "corelab.example"),
        ("mercy.example", ""),
        ("merci.example", ""),
        ("mx.corelab.example", ""),
        ("gardenlab.example", ""),
        ("westhill-clinics.example", ""),
    ],
)
def test_lookalikes(domain: str, twin: str) -> None:
    if domain.startswith("xn--"):
        domain = "xn--" + "соrelab".encode("punycode").decode() + ".example"

    assert Lookalikes(KNOWN, shortest=6, edits=2).of(domain) == twin


def test_a_skeleton_is_the_same_for_what_looks_the_same() -> None:
    assert skeleton("Corelab.example") == skeleton("c0reIab.example".lower()) == skeleton("çorelab.example")
    assert skeleton("corelab.example") != skeleton("carelab.example")


@pytest.mark.parametrize(
    ("address", "is_near"),
    [
        ("anna.berger@postbox.example", False),
        ("anna.bergr@postbox.example", True),
        ("ana.bergre@postbox.example", True),
        ("anna.berger@psotbox.example", True),
        ("hanna.bergmann@postbox.example", False),
        ("anna.berger@mailhaven.example", False),
        ("", False),
    ],
)
def test_near_misses_of_an_address(address: str, is_near: bool) -> None:
    assert is_near_miss(address, "anna.berger@postbox.example", 2) is is_near


def test_in_a_short_name_every_letter_counts() -> None:
    assert not is_near_miss("al@postbox.example", "bo@postbox.example", 2)
    assert is_near_miss("annie@postbox.example", "annia@postbox.example", 2)
    assert not is_near_miss("anton@postbox.example", "annia@postbox.example", 2)
