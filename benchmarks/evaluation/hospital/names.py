"""Names, streets and towns, made of syllables: common ones and rare ones, with accents, hyphens and apostrophes among them."""

import random
from itertools import accumulate

from benchmarks.evaluation.hospital.plan import Plan


def _words(text: str) -> list[str]:
    return text.split()


_HEADS = _words(
    "Al An Ar Bar Bel Ber Bran Cal Car Chen Cor Dal Del Dor El Fal Fer Gar Gil Gon Hal Har Hol Is Jan Kar Kel Kov "
    "Lan Lin Lo Mal Mar Mor Nak Nor Ok Ol Par Pat Per Quin Ram Ros Ruz San Sil Sor Tan Tor Ul Val Ver Vil Wal Wes "
    "Yam Zel"
)
_MIDDLES = _words(
    "a be ca da de di do e ga ha i ka la le li lo ma me mi na ne ni no o pa ra re ri ro sa se si ta te ti to u va ve vi"
)
_TAILS = _words(
    "berg by camp da dez dine don el er field ford gan ham ka ki ley low lund man mann mont ner ov res rez rin ro "
    "ros sen ska son stein ta ton va vic well wood yan"
)
_FIRST = _words(
    "Ada Alma Amir Ana Anton Ari Asha Ben Bo Cara Cem Clara Dana Dev Diego Ella Emil Ewa Farid Finn Gita Grace Hana "
    "Hugo Ida Ilya Ines Ivo Jade Jae Joan Jonas Kai Kira Lars Lena Leo Lucia Mara Marco Mei Mina Nadia Nils Noa "
    "Nora Omar Otto Paul Priya Rafa Rania Rosa Ruth Sam Sara Sena Silas Sofia Taro Tess Theo Uma Vera Viktor Wen "
    "Yara Yusuf Zoe José Renée Zoë Chloé André Björn Søren"
)
_STREETS = _words(
    "Alder Ash Bay Birch Brook Cedar Church Clay Court Dale East Elm Fern Ferry Glen Grove High Hill Lake Larch "
    "Lime Maple Mill North Oak Orchard Park Pine Pond Quarry Ridge River Rose School Shore Spring Spruce Station "
    "Stone Union Vale Walnut Water West Willow Wood"
)
_KINDS = ("Street", "Avenue", "Road", "Lane", "Drive", "Court", "Terrace")
_TOWNS = ("Harlow Bend", "Stonemere", "East Carrow", "Vinton Falls", "Marlow Heath", "Port Ansel", "Grayle", "Upper Dunmere")
EMPLOYERS = ("Carrow Foods", "Dunmere Schools", "Ansel Freight", "Grayle Bank", "Vinton Paper", "Stonemere Transit", "Heath Energy")


class Names:
    """Draws names of one hospital: `surname()` follows a long-tailed distribution, so a few are everybody's and most are rare."""

    def __init__(self, plan: Plan) -> None:
        self._draw = plan.chance("names")
        habits = plan.habits
        pool = self._pool(habits.surnames)
        weights = [1.0 / (rank + 3) ** habits.name_slope for rank in range(len(pool))]
        self._pool_names = pool
        self._cumulative = list(accumulate(weights))

    def _pool(self, size: int) -> list[str]:
        found: dict[str, None] = {}
        while len(found) < size:
            found[_made_up(self._draw)] = None
        return list(found)

    def surname(self) -> str:
        """A surname."""
        name = self._draw.choices(self._pool_names, cum_weights=self._cumulative)[0]
        return f"{name}-{self._draw.choice(self._pool_names)}" if self._draw.random() < 0.02 else name

    def rare(self) -> str:
        """A surname that hardly anybody bears."""
        return _made_up(self._draw) + self._draw.choice(("ardi", "owen", "ixt", "uba", "esku"))

    def first(self) -> str:
        """A first name, with a second one sometimes."""
        name = self._draw.choice(_FIRST)
        return f"{name} {self._draw.choice(_FIRST)}" if self._draw.random() < 0.3 else name


def _made_up(draw: random.Random) -> str:
    name = draw.choice(_HEADS)
    for _ in range(draw.choice((0, 1, 1))):
        name += draw.choice(_MIDDLES)
    name += draw.choice(_TAILS)
    lot = draw.random()
    if lot < 0.02:
        return "O'" + name
    return name.replace("o", "ö", 1) if lot < 0.04 else name.replace("e", "é", 1) if lot < 0.06 else name


def streets(draw: random.Random, count: int) -> list[tuple[str, str, str]]:
    """(street, town, postal code) of the neighbourhoods around the hospital; a street lies in one town."""
    towns = draw.sample(_TOWNS, 5)
    codes = {town: [str(40_000 + 100 * number + extra) for extra in range(3)] for number, town in enumerate(towns)}
    found: dict[tuple[str, str], tuple[str, str, str]] = {}
    while len(found) < count:
        street, town = f"{draw.choice(_STREETS)} {draw.choice(_KINDS)}", draw.choice(towns)
        found[street, town] = (street, town, draw.choice(codes[town]))
        if len(found) >= len(_STREETS) * len(_KINDS) * 4:
            break
    return list(found.values())
