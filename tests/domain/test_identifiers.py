"""Identifiers in subjects: what is one by its own rules, and the near misses that are none."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.identifiers import Identifier, identifiers, is_card, is_npi, is_ssn, luhn, mrn_pattern

AT = date(2026, 3, 2)
MRN = mrn_pattern(r"MRN[ -]?[0-9]{7}|[0-9]{8,10}")


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Claim for 123-45-6789", ["ssn"]),
        ("SSN 123 45 6789 on file", ["ssn"]),
        ("social security number: 123456789", ["ssn"]),
        ("ssn 123.45.6789", ["ssn"]),
        ("SSN: \uff11\uff12\uff13\u201345\u20136789", ["ssn"]),
        ("Lab results MRN-0012345", ["mrn"]),
        ("results, patient no. 00412345", ["mrn"]),
        ("Re: DOB 03/12/1980 results", ["date_of_birth"]),
        ("date of birth: 1980-03-12", ["date_of_birth"]),
        ("d.o.b. 3/12/80", ["date_of_birth"]),
        ("born on 12 March 1980", ["date_of_birth"]),
        ("DOB Mar 12, 1980", ["date_of_birth"]),
        ("DOB 25.12.1980", ["date_of_birth"]),
        ("DOB 02/28/2026", ["date_of_birth"]),
        ("Becker, Anna 03/12/1980", ["date_of_birth"]),
        ("MRN0012345 03/12/1980", ["date_of_birth", "mrn"]),
        ("Card 4111 1111 1111 1111 declined", ["payment_card"]),
        ("pay with 4012888888881881", ["payment_card"]),
        ("amex 3782-822463-10005", ["payment_card"]),
        ("5555-5555-5555-4444", ["payment_card"]),
        ("dx E11.9 follow-up", ["icd10"]),
        ("ICD-10 code F329 denied", ["icd10"]),
        ("Diagnosis: U07.1", ["icd10"]),
        ("Referral S52.521A from NPI 1234567893", ["icd10"]),
        ("Anna DOB 3/12/1980 dx C50.911", ["date_of_birth", "icd10"]),
    ],
)
def test_found(text: str, kinds: list[str]) -> None:
    assert identifiers(text, AT, MRN) == tuple(kinds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Your appointment on 03/12/2026",
        "Area 000: 000-12-3456, 666-12-3456, 900-12-3456, 987-65-4321",
        "Group and serial 123-00-4567, 123-45-0000",
        "SSN 078-05-1120 as on the wallet card",
        "Order 123-45-6789 shipped",
        "Ticket no. 123-45-6789",
        "Call 123 45 6789",
        "123456789",
        "1-123-45-6789, 123-45-67890, 123-45-6789-1",
        "v123-45-6789",
        "Invoice 4111111111111111",
        "Tracking number 4012888888881881",
        "4111 1111 1111 1112",
        "411111111111111",
        "0000000000000000",
        "6304000000000000",
        "Fax 555-010-4444 ext 1234",
        "Meeting 12345678",
        "NPI 1234567893 enrolment",
        "patient 1234567893 as NPI",
        "MRN12345",
        "Becker, Anna 03/12/2024",
        "MRN policy dated 03/12/1980",
        "Established 03/12/1980",
        "DOB 13/13/1980, DOB 02/30/1980, DOB 03/12/1880, DOB 03/12/2027",
        "dobermann 03/12/1980",
        "Room B12.5 and version A10.2",
        "Vitamin B12 and the A10 motorway",
        "Update of ICD-10 code E11.9: training on Friday",
        "dx summary of the day",
        "M25.5 screws, part E11.9",
        "dx e11.9",
    ],
)
def test_near_misses(text: str) -> None:
    assert identifiers(text, AT, MRN) == ()


def test_without_a_pattern_of_the_site_nothing_is_a_record_number() -> None:
    assert identifiers("results MRN-0012345", AT) == ()
    assert mrn_pattern("") is None


@pytest.mark.parametrize("text", ["(", "[0-9]*", ".*", "a" * 201, "x|"])
def test_a_pattern_that_finds_everything_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        mrn_pattern(text)


@given(st.integers(min_value=0, max_value=10**14))
def test_one_digit_checks_the_others(number: int) -> None:
    passing = [digit for digit in range(10) if luhn(f"{number}{digit}")]

    assert len(passing) == 1


@given(st.integers(min_value=10**8, max_value=3 * 10**8 - 1))
def test_one_in_ten_may_be_a_provider(number: int) -> None:
    assert sum(is_npi(f"{number}{digit}") for digit in range(10)) == 1


def test_the_published_example_of_a_provider_number() -> None:
    """CMS, Requirements for NPI and NPI check digit: 123456789 has the check digit 3."""
    assert is_npi("1234567893")
    assert not is_npi("1234567894")


@given(st.text(alphabet="0123456789", min_size=9, max_size=9))
def test_social_security_numbers_by_their_rules(digits: str) -> None:
    area, group, serial = int(digits[:3]), int(digits[3:5]), int(digits[5:])
    rules = 0 < area < 900 and area != 666 and group > 0 and serial > 0 and digits not in ("078051120", "219099999")

    assert is_ssn(digits) is rules
    assert (Identifier.SSN in identifiers(f"SSN {digits[:3]}-{digits[3:5]}-{digits[5:]}", AT)) is rules


@given(st.text(alphabet="0123456789", min_size=12, max_size=19))
def test_no_card_without_its_check_digit_and_length(digits: str) -> None:
    found = identifiers(f"card {digits}", AT)

    assert (Identifier.PAYMENT_CARD in found) is is_card(digits)
    assert not is_card(digits) or (luhn(digits) and digits[0] in "23456")


@given(
    st.dates(min_value=date(1880, 1, 1), max_value=date(2040, 1, 1)),
    st.sampled_from(["%m/%d/%Y", "%Y-%m-%d", "%d %B %Y", "%b %d, %Y"]),
)
def test_a_birth_is_a_day_of_a_life(day: date, form: str) -> None:
    found = Identifier.DATE_OF_BIRTH in identifiers(f"DOB: {day.strftime(form)}", AT)
    age = (AT - day).days / 365.25

    assert found or not 0 <= age <= 120
    assert not found or age <= 120.1


@given(st.text(max_size=300))
def test_any_text_is_read_and_says_kinds_only(text: str) -> None:
    found = identifiers(text, AT, MRN)

    assert list(found) == sorted(set(found))
    assert set(found) <= set(Identifier)
