"""Which kinds of identifier a short text, such as the subject of a message, gives away: the kinds, never the values.

Every pattern is checked beyond its shape: social security numbers by the rules of the SSA (POMS RM 10201.035: no area 000, 666 or
900 to 999, no group 00, no serial 0000), cards by issuer range, length and check digit (ISO/IEC 7812-1), dates by the calendar and
a lifetime, diagnoses by the shape of ICD-10-CM beside a word that calls them so, record numbers by the site's own pattern. Where
the shape alone could be anything (an order number, a date of a visit), a word nearby has to say what it is.

A provider's number (NPI, 45 CFR 162.406) is no patient's: it keeps ten digits from being taken for a record number, and it makes a
code beside it a diagnosis.
"""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from enum import StrEnum

from domain.errors import InvalidInput

LONGEST = 2_000
"""Characters that are read: RFC 5322 section 2.1.1 allows 998 a line, and a subject of more than two lines is no subject."""


class Identifier(StrEnum):
    """45 CFR 164.514(b)(2)(i), as far as it can be told from text; the diagnosis is what the rest makes PHI of."""

    SSN = "ssn"
    MRN = "mrn"
    DATE_OF_BIRTH = "date_of_birth"
    PAYMENT_CARD = "payment_card"
    DIAGNOSIS = "icd10"


_OTHER_NUMBER = re.compile(
    r"\b(?:order|invoice|ticket|case|ref|refs|reference|po|rma|tracking|part|sku|serial|confirmation|booking|case|"
    r"shipment|parcel|quote|asset|model|version|id)\b\W{0,3}(?:(?:no|nr|num|number|id)\b\W{0,3})?$",
    re.IGNORECASE,
)
"""Before a number: it is another number than a person's."""

_A_DIGIT = re.compile(r"(?a)\d")
_BEFORE, _AFTER = r"(?<![\w.,/-])", r"(?![\w/-]|[.,]\d)"

_SSN = re.compile(rf"(?a){_BEFORE}(?P<area>\d{{3}})(?P<mark>[- .]?)(?P<group>\d{{2}})(?P=mark)(?P<serial>\d{{4}}){_AFTER}")
_SSN_WORD = re.compile(r"\b(?:ssns?|s\.s\.n\.?|social(?:\s+security)?(?:\s+(?:no|number))?|ss\s?#|soc\.?\s*sec)", re.IGNORECASE)
_ADVERTISED = frozenset({"078051120", "219099999"})
"""Numbers printed in advertising, which the SSA withdrew."""

_CARD = re.compile(
    rf"(?a){_BEFORE}"
    rf"(?:\d{{12,19}}|\d{{4}}([ -])\d{{4}}\1\d{{4}}\1\d{{4}}(?:\1\d{{3}}(?!\d))?|\d{{4}}([ -])\d{{6}}\2\d{{4,5}}){_AFTER}"
)
_CARD_WORD = re.compile(r"\b(?:card|visa|mastercard|amex|american express|discover|diners|jcb|credit|debit|pan)\b", re.IGNORECASE)
_ISSUERS: tuple[tuple[int, int, int, frozenset[int]], ...] = (
    (1, 4, 4, frozenset({13, 16, 19})),
    (2, 51, 55, frozenset({16})),
    (4, 2221, 2720, frozenset({16})),
    (2, 34, 34, frozenset({15})),
    (2, 37, 37, frozenset({15})),
    (4, 6011, 6011, frozenset({16, 19})),
    (3, 644, 649, frozenset({16, 19})),
    (2, 65, 65, frozenset({16, 19})),
    (3, 300, 305, frozenset({14, 16})),
    (2, 36, 36, frozenset({14, 16})),
    (2, 38, 39, frozenset({14, 16})),
    (4, 3528, 3589, frozenset({16, 19})),
    (2, 62, 62, frozenset({16, 17, 18, 19})),
)
"""Digits of the range, first, last, and how many digits a number of the issuer has."""

_RECORD_WORD = re.compile(
    r"\b(?:mrn|med(?:ical)?\W{0,2}rec(?:ord)?s?|chart|patient|pt|record)\b\W{0,4}(?:(?:no|nr|number|id)\b\W{0,3})?$", re.IGNORECASE
)
_TEN = re.compile(rf"(?a){_BEFORE}[12]\d{{9}}{_AFTER}")

_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS = {name[:size]: n for n, name in enumerate(_MONTH_NAMES, 1) for size in (3, len(name))} | {"sept": 9}
_MONTH = rf"(?P<%s>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})"
_DATES = (
    re.compile(r"(?a)(?<![\w./-])(?P<y>\d{4})([-./])(?P<m>\d{1,2})\2(?P<d>\d{1,2})(?![\w/-]|\.\d)"),
    re.compile(r"(?a)(?<![\w./-])(?P<m>\d{1,2})([-./])(?P<d>\d{1,2})\2(?P<y>\d{4}|\d{2})(?![\w/-]|\.\d)"),
    re.compile(
        rf"(?<![\w./-])(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[ .-]{{1,2}}{_MONTH % 'name'}\.?,?[ -]{{1,2}}(?P<y>\d{{4}})(?!\d)",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?<!\w){_MONTH % 'name'}\.?[ -]{{1,2}}(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?[ -]{{1,2}}(?P<y>\d{{4}})(?!\d)", re.IGNORECASE
    ),
)
_BORN = re.compile(
    r"(?:\b(?:dob|d/o/b|date of birth|birth ?date|birthday|born(?: on)?|geb|geboren(?: am)?)\b|"
    r"\bd\. ?o\. ?b\.?)\W{0,4}(?:is\b\W{0,2})?$",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?:\b[A-Z][a-z]+(?:[-'][A-Z][a-z]+)?, [A-Z][a-z]+(?: [A-Z]\.?)?|"
    r"\b(?:[Pp]atient|[Pp]t\.?|[Mm]r\.?|[Mm]rs\.?|[Mm]s\.?) [A-Z][a-z]+(?: [A-Z][a-z]+)?)\W{1,4}$"
)
_FEWEST_YEARS, _MOST_YEARS = 10, 120
"""Beside a name only, a date is a birth when it is so long ago that it is hardly a visit. Nobody has lived much longer."""

_CODE = re.compile(r"(?<![\w.-])[A-Z]\d[0-9AB](?:\.[0-9A-Z]{1,4})?(?![\w-]|\.\w)")
_BARE_CODE = re.compile(r"(?<![\w.-])[A-Z]\d[0-9AB][0-9A-Z]{0,4}(?![\w-]|\.\w)")
_DIAGNOSED = re.compile(
    r"\b(?:icd(?:\W{0,2}10)?(?:\W{0,2}cm)?|dx|diagnos(?:is|es|ed)|admitting dx)\b[^A-Z0-9]{0,4}(?:codes?\b|with\b|of\b)?\W{0,3}$",
    re.IGNORECASE,
)
_ICD = re.compile(r"\bicd(?:\W{0,2}10)?(?:\W{0,2}cm)?\b\W{0,3}(?:codes?\b\W{0,3})?$", re.IGNORECASE)
_NOT_CODED = re.compile(
    r"\b(?:training|update|release|version|course|webinar|guideline|manual|code set|codeset)s?\b", re.IGNORECASE
)


def mrn_pattern(text: str) -> re.Pattern[str] | None:
    """The site's pattern of record numbers (a regular expression), None where there is none.

    Raises InvalidInput for one that is no expression, is longer than 200 characters or would be found in every text.
    """
    if not text:
        return None
    try:
        pattern = re.compile(rf"(?<!\w)(?:{text})(?!\w)") if len(text) <= 200 else None
    except re.error:
        pattern = None
    if pattern is None or pattern.search("") or pattern.search("- -"):
        raise InvalidInput("mrn_pattern is no regular expression of record numbers, for example MRN[ -]?[0-9]{7}")
    return pattern


def identifiers(text: str, at: date, mrn: re.Pattern[str] | None = None) -> tuple[Identifier, ...]:
    """The kinds of identifier in a text, as of a day, sorted. `mrn` is what `mrn_pattern` made."""
    shown = text[:LONGEST] if text.isascii() else _plain(text[:LONGEST])
    digits = len(_A_DIGIT.findall(shown))
    found: set[Identifier] = set()
    if digits >= 9 and any(_is_ssn(one, shown) for one in _SSN.finditer(shown)):
        found.add(Identifier.SSN)
    if digits >= 12 and any(_is_card(one, shown) for one in _CARD.finditer(shown)):
        found.add(Identifier.PAYMENT_CARD)
    if mrn is not None and any(_is_record(one, shown) for one in mrn.finditer(shown)):
        found.add(Identifier.MRN)
    if digits >= 4 and any(_is_birth(day, before, at, has_record=Identifier.MRN in found) for day, before in _dates(shown, at)):
        found.add(Identifier.DATE_OF_BIRTH)
    if digits >= 2 and _has_diagnosis(shown):
        found.add(Identifier.DIAGNOSIS)
    return tuple(sorted(found))


def _plain(text: str) -> str:
    """Wide digits and dashes of all lengths as the plain ones; of 998 characters NFKC makes at most 18 times as many."""
    shown = unicodedata.normalize("NFKC", text)[:LONGEST]
    return "".join("-" if unicodedata.category(letter) == "Pd" else letter for letter in shown)


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1 annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def is_npi(digits: str) -> bool:
    """A national provider identifier: ten digits, the first 1 or 2, checked with the prefix 80840 before them."""
    return len(digits) == 10 and digits.isascii() and digits.isdecimal() and digits[0] in "12" and luhn(f"80840{digits}")


def is_card(digits: str) -> bool:
    """Whether an issuer gives out numbers of this beginning and length, and the check digit is right."""
    issued = any(first <= int(digits[:size]) <= last and len(digits) in lengths for size, first, last, lengths in _ISSUERS)
    return issued and luhn(digits)


def is_ssn(digits: str) -> bool:
    """Whether nine digits may be a social security number."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return not (area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000" or digits in _ADVERTISED)


def _is_ssn(found: re.Match[str], text: str) -> bool:
    before = text[: found.start()]
    named = _SSN_WORD.search(before[-40:]) is not None
    if not is_ssn(found["area"] + found["group"] + found["serial"]):
        return False
    return named or (found["mark"] == "-" and _OTHER_NUMBER.search(before) is None)


def _is_card(found: re.Match[str], text: str) -> bool:
    digits = re.sub(r"\D", "", found[0])
    before = text[: found.start()]
    if not is_card(digits):
        return False
    return _CARD_WORD.search(before[-40:]) is not None or (_OTHER_NUMBER.search(before) is None and len(set(digits)) > 1)


def _is_record(found: re.Match[str], text: str) -> bool:
    """Digits alone are a record number only where a word says so, and an NPI is none."""
    digits = re.sub(r"\D", "", found[0])
    if digits != found[0]:
        return True
    return not is_npi(digits) and _RECORD_WORD.search(text[: found.start()]) is not None


def _dates(text: str, at: date) -> Iterator[tuple[date, str]]:
    """Every reading of a date in the text, with what stands before it."""
    for pattern in _DATES:
        for found in pattern.finditer(text):
            parts = found.groupdict()
            month = _MONTHS[parts["name"].lower()] if "name" in parts else int(parts["m"])
            for year in _years(parts["y"], at):
                for one, other in {
                    (month, int(parts["d"])),
                    (int(parts["d"]), month) if "name" not in parts else (month, int(parts["d"])),
                }:
                    try:
                        yield date(year, one, other), text[: found.start()]
                    except ValueError:
                        continue


def _years(text: str, at: date) -> tuple[int, ...]:
    return (
        (int(text),) if len(text) == 4 else tuple(century + int(text) for century in (1900, 2000) if century + int(text) <= at.year)
    )


def _is_birth(day: date, before: str, at: date, *, has_record: bool) -> bool:
    years = (at - day).days / 365.25
    if not 0 <= years <= _MOST_YEARS:
        return False
    if _BORN.search(before):
        return True
    return years >= _FEWEST_YEARS and (_NAMED.search(before) is not None or (has_record and _OTHER_DATE.search(before) is None))


_OTHER_DATE = re.compile(
    r"\b(?:dated|since|from|visit|seen|admitted|service|dos|established|est|until|to|of|on|for)\b\W{0,3}$", re.IGNORECASE
)


def _has_diagnosis(text: str) -> bool:
    codes = [(one[0], text[: one.start()]) for one in _BARE_CODE.finditer(text)]
    dotted = [(one[0], text[: one.start()]) for one in _CODE.finditer(text)]
    if not (codes or dotted) or _NOT_CODED.search(text):
        return False
    if any(_ICD.search(before) for _, before in codes) or any(_DIAGNOSED.search(before) for _, before in dotted):
        return True
    return any("." in code for code, _ in dotted) and any(is_npi(one[0]) for one in _TEN.finditer(text))
