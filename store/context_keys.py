"""Comparison keys of people: what makes two spellings of a name, an address or a telephone number the same.

Keys are for matching only and never shown. An empty key matches nothing.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from domain.json import Json

_WORDS = {
    "street": "st",
    "avenue": "ave",
    "road": "rd",
    "lane": "ln",
    "court": "ct",
    "drive": "dr",
    "boulevard": "blvd",
    "place": "pl",
    "square": "sq",
    "terrace": "ter",
    "parkway": "pkwy",
    "highway": "hwy",
    "apartment": "apt",
    "unit": "apt",
    "suite": "apt",
    "ste": "apt",
    "flat": "apt",
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
    "saint": "st",
}
_ORDER = ("line", "line1", "line2", "street", "city", "town", "state", "postal_code", "postalCode", "zip")


class Address(NamedTuple):
    """An address to compare: the whole of it, and the street in its town with the house number (−1 when there is none)."""

    whole: str
    street: str
    number: int


def name_key(*parts: Json) -> str:
    """First and last name run together: `Ana-María`, `O'Neil` is `anamariaoneil`. Empty unless every part has letters."""
    keys = [re.sub(r"[^a-z0-9]", "", _plain(part)) for part in parts]
    return "".join(keys) if all(keys) else ""


def phone_key(value: Json) -> str:
    """The last ten digits, which drops country and trunk prefixes; shorter than seven digits is no telephone number."""
    digits = re.sub(r"\D", "", str(value or ""))
    return digits[-10:] if len(digits) >= 7 else ""


def address_key(value: Json) -> Address:
    """`12 Elm Street, Unit 4, Stonemere 40126` is `12 elm st apt 4 stonemere 40126`, on `elm st stonemere 40126` at 12."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"(\d{5})-\d{4}\b", r"\1", _plain(_line(value)).replace("#", " apt ")).replace("'", ""))
    words = [_WORDS.get(word, word) for word in words]
    while "apt" in words and words[words.index("apt") + 1 : words.index("apt") + 2] == ["apt"]:
        words.remove("apt")
    number = re.fullmatch(r"(\d{1,6})[a-z]?", words[0]) if words else None
    if number is None:
        return Address(" ".join(words), "", -1)
    rest = list(words[1:])
    if "apt" in rest:
        at = rest.index("apt")
        del rest[at : at + 2]
    return Address(" ".join(words), " ".join(rest), int(number.group(1)))


def _line(value: Json) -> str:
    if isinstance(value, Mapping):
        return ", ".join(_line(value[name]) for name in _ORDER if value.get(name))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_line(entry) for entry in value)
    return str(value or "")


def _plain(value: Json) -> str:
    """Lower case without accents."""
    text = unicodedata.normalize("NFKD", str(value or ""))
    return "".join(sign for sign in text if not unicodedata.combining(sign)).casefold()
