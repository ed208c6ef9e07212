"""Names made from syllables: nobody's, and as unevenly spread as real ones.

A few surnames are common and many are rare, so that "same surname" means little for some people and much for others.
"""

import random
from collections.abc import Callable

_FRONT = (
    "Bar",
    "Cal",
    "Dor",
    "El",
    "Fen",
    "Gar",
    "Hal",
    "Is",
    "Jor",
    "Kel",
    "Lan",
    "Mor",
    "Nor",
    "Os",
    "Pel",
    "Ren",
    "Sal",
    "Tor",
    "Ul",
    "Wes",
)
_MIDDLE = ("a", "en", "i", "er", "o", "win")
_BACK = ("by", "dale", "ford", "gar", "holt", "kin", "ley", "man", "mere", "nell", "rick", "sen", "son", "ton", "vale", "wick")
_GIVEN_FRONT = (
    "Al",
    "Be",
    "Ca",
    "Da",
    "Ele",
    "Fa",
    "Ge",
    "Ha",
    "Io",
    "Ju",
    "Ka",
    "Le",
    "Ma",
    "Ni",
    "Ola",
    "Pe",
    "Ro",
    "Sa",
    "Te",
    "Vi",
)
_GIVEN_BACK = {
    "female": ("ra", "lia", "na", "sa", "ritha", "nea", "va"),
    "male": ("ron", "bert", "dan", "lo", "mir", "than", "vin"),
}
_STREETS = (
    "Alder",
    "Birch",
    "Cedar",
    "Dogwood",
    "Elm",
    "Foundry",
    "Granary",
    "Harbour",
    "Ivy",
    "Juniper",
    "Kiln",
    "Linden",
    "Meadow",
    "Orchard",
)
_WAYS = ("Street", "Avenue", "Lane", "Court", "Road")
_TOWNS = (("Harrow Falls", "40118"), ("Millbrook End", "40121"), ("Stonemere", "40126"), ("East Harrow", "40119"))
_WEBMAIL = ("postbox.example", "mailhaven.example", "quickmail.example", "lettera.example")
_TRADES = (
    "Harrow Falls Schools",
    "Stonemere Foods",
    "Kiln Road Garage",
    "Millbrook Mutual",
    "Falls Transit",
    "Orchard Paper",
    "Granary Hotel",
)

SURNAME_COUNT = 640


class Names:
    """Draws names, addresses, telephone numbers and mail addresses from one generator."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        every = [f"{front}{middle}{back}" for front in _FRONT for middle in _MIDDLE for back in _BACK]
        self._surnames = chance.sample(every, SURNAME_COUNT)
        self._unused = [name for name in every if name not in set(self._surnames)]
        self._weights = [1 / (rank + 8) for rank in range(SURNAME_COUNT)]  # the first ten cover some 17 % of households
        self._given_out: set[str] = set()

    def surname(self) -> str:
        """Common ones often, rare ones seldom."""
        return self._chance.choices(self._surnames, self._weights)[0]

    def unheard_surname(self) -> str:
        """One that `surname` never gives: whoever bears it is of one family."""
        return self._unused.pop()

    def given(self, sex: str) -> str:
        return self._chance.choice(_GIVEN_FRONT) + self._chance.choice(_GIVEN_BACK[sex])

    def address(self) -> str:
        """Number, street, unit (for some), town; never the same twice."""
        return self._once(self._address)

    def phone(self) -> str:
        """In the block kept free for fiction; never the same twice."""
        return self._once(lambda: f"+1-{self._chance.randint(200, 989)}-555-01{self._chance.randint(0, 99):02d}")

    def _address(self) -> str:
        chance = self._chance
        town, code = chance.choice(_TOWNS)
        unit = f", Unit {chance.randint(1, 48)}" if chance.random() < 0.3 else ""
        return f"{chance.randint(1, 999)} {chance.choice(_STREETS)} {chance.choice(_WAYS)}{unit}, {town} {code}"

    def _once(self, draw: Callable[[], str]) -> str:
        while (drawn := draw()) in self._given_out:
            pass
        self._given_out.add(drawn)
        return drawn

    def mailbox(self, first: str, last: str) -> str:
        return f"{first}.{last}{self._chance.randint(1, 99)}@{self._chance.choice(_WEBMAIL)}".lower()

    def employer(self) -> str:
        return self._chance.choice(_TRADES)
