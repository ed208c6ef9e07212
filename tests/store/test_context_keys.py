"""Comparison keys: spellings that are the same, and things that must stay apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.context_keys import address_key, name_key, phone_key


@pytest.mark.parametrize(
    "spelling",
    [
        "12 Elm Street, Unit 4, Stonemere 40126",
        "12 ELM ST. #4, Stonemere, 40126-1234",
        "12 elm street apt 4 stonemere 40126",
        "12  Elm  St,  Apartment 4,  Stonemere 40126",
    ],
)
def test_spellings_of_one_address(spelling: str) -> None:
    key = address_key(spelling)

    assert key.whole == "12 elm st apt 4 stonemere 40126"
    assert (key.street, key.number) == ("elm st stonemere 40126", 12)


def test_address_given_as_an_object() -> None:
    assert address_key({"city": "Stonemere", "line": ["12 Elm Street", "Unit 4"], "postal_code": "40126"}) == address_key(
        "12 Elm Street, Unit 4, Stonemere 40126"
    )


def test_address_without_a_house_number_has_no_neighbours() -> None:
    assert address_key("General Delivery, Stonemere").number == -1
    assert address_key(None) == ("", "", -1)


@pytest.mark.parametrize(("left", "right"), [("Ana-María O'Neil", "ANA MARIA ONEIL"), ("Müller", "muller"), ("  Lund ", "lund")])
def test_spellings_of_one_name(left: str, right: str) -> None:
    assert name_key(left) == name_key(right) != ""


@pytest.mark.parametrize("parts", [("", "Lund"), (None, "Lund"), ("--", "Lund")])
def test_half_a_name_matches_nobody(parts: tuple[str | None, str]) -> None:
    assert name_key(*parts) == ""


@pytest.mark.parametrize("spelling", ["+1 (555) 555-0101", "001 555 555 0101", "555.555.0101"])
def test_spellings_of_one_telephone(spelling: str) -> None:
    assert phone_key(spelling) == "5555550101"


@pytest.mark.parametrize("extension", ["", None, "4711", "n/a"])
def test_what_is_no_telephone_number_matches_nobody(extension: str | None) -> None:
    assert phone_key(extension) == ""


@given(st.text(max_size=60))
def test_a_key_is_its_own_key(text: str) -> None:
    whole = address_key(text).whole

    assert address_key(whole).whole == whole
    assert name_key(name_key(text)) == name_key(text)
    assert phone_key(phone_key(text)) == phone_key(text)
