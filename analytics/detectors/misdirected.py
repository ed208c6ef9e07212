"""Mail to almost the right place: a domain that looks like a known one, or an address that is nearly the patient's.

Both are only suspicions. A look-alike counts while the domain is new here and not registered, so that two partners of similar name
are told apart by the register or by use; a near miss counts only against the address on file for the patient the message is about.
"""

import unicodedata
from collections.abc import Collection
from enum import StrEnum

_CONFUSABLE = str.maketrans(
    {
        **dict(zip("аеорсухіјѕԁһɡԛԝ", "aeopcyxljsdhgqw", strict=True)),
        **dict(zip("αοριτυκν", "aopltuxv", strict=True)),
        "0": "o",
        "1": "l",
        "i": "l",
        "5": "s",
        "3": "e",
        "ı": "l",
        "ɑ": "a",
        "-": None,
    }
)
"""Letters of other scripts and digits that look like Latin letters (Unicode TR 39 has them all; these are the ones in use)."""

_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_LONG = 12
"""From so many letters on two edits are still a slip of the pen; in shorter names they are another name."""


class Suspicion(StrEnum):
    LOOKALIKE = "lookalike_domain"
    NEAR_MISS = "near_patient_address"
    FIRST_FOR_PATIENT = "first_for_patient"


def distance(one: str, other: str, most: int) -> int:
    """Edits between two short texts: insert, delete, change, or swap two neighbours (optimal string alignment); above `most`,
    `most + 1`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, facing in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != facing))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == facing:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most and min(last) > most:
            return most + 1
        before, last = last, row
    return min(last[-1], most + 1)


def skeleton(domain: str) -> str:
    """What a domain looks like: the same for `c1inic.example` and `clinic.example`. Punycode is read as what it shows."""
    shown = ".".join(_shown(label) for label in domain.lower().split("."))
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", shown) if not unicodedata.combining(letter))
    plain = plain.translate(_CONFUSABLE)
    for pair, letter in _PAIRS:
        plain = plain.replace(pair, letter)
    return plain


class Lookalikes:
    """Finds the known domain that another one looks like."""

    def __init__(self, known: Collection[str], *, shortest: int, edits: int) -> None:
        self._known = frozenset(known)
        self._letters = [(domain, frozenset(domain)) for domain in sorted(known) if len(_name(domain)) >= shortest]
        self._looks = {skeleton(domain): domain for domain, _ in self._letters}
        self._before_ending = {domain.rpartition(".")[0]: domain for domain, _ in self._letters}
        self._shortest = shortest
        self._edits = edits
        self._found: dict[str, str] = {}

    def of(self, domain: str) -> str:
        """The known domain it could be mistaken for; '' where there is none, or where it is known itself."""
        if domain not in self._found:
            self._found[domain] = self._nearest(domain)
        return self._found[domain]

    def _nearest(self, domain: str) -> str:
        if domain in self._known or len(_name(domain)) < self._shortest - 1:
            return ""
        if (twin := self._looks.get(skeleton(domain))) is not None:
            return twin
        if (twin := self._before_ending.get(domain.rpartition(".")[0])) is not None:
            return twin
        letters = frozenset(domain)
        best, fewest = "", self._edits + 1
        for known, its_letters in self._letters:
            allowed = min(self._edits if len(_name(known)) >= _LONG else 1, fewest - 1)
            if domain.endswith(f".{known}"):
                return ""
            if len(letters ^ its_letters) <= 2 * allowed and (edits := distance(domain, known, allowed)) <= allowed:
                best, fewest = known, edits
        return best


def is_near_miss(address: str, on_file: str, edits: int) -> bool:
    """Whether an address is so close to the one on file that it may be meant for it. In a short name one edit is all."""
    if not address or not on_file or address == on_file:
        return False
    local, _, domain = address.rpartition("@")
    its_local, _, its_domain = on_file.rpartition("@")
    if domain == its_domain:
        return distance(local, its_local, min(edits, len(its_local) // 4)) <= min(edits, len(its_local) // 4)
    return local == its_local and distance(domain, its_domain, edits) <= edits


def _name(domain: str) -> str:
    """What stands before the last dot, without dots."""
    return domain.rpartition(".")[0].replace(".", "")


def _shown(label: str) -> str:
    try:
        return label.encode("ascii").decode("idna") if label.startswith("xn--") else label
    except UnicodeError:
        return label
