"""Tiles and entry bundles: the static resources in which a log is read (c2sp.org/tlog-tiles).

A tile is up to 256 consecutive hashes of one level, a bundle the entries beneath a tile of level 0. Both have one address each,

    /tile/<level>/<number>[.p/<width>]      /tile/entries/<number>[.p/<width>]

with the number in groups of three digits (1234067 is `x001/x234/067`), so that a cache never holds one resource under two names.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import InvalidInput
from domain.merkle import TILE_HEIGHT, TILE_WIDTH

MAX_LEVEL = 63
MAX_ENTRY = 0xFFFF
"""Bytes of an entry: its length in a bundle is two bytes."""

_ADDRESS = re.compile(r"/tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([0-9]{1,3}))?")
_NUMBERS = 10**18
"""More than the level-0 tiles of any log whose size fits in 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Which tile: `level` 0 to 63, or None for a bundle of entries; its number `n` from 0; `width` 1 to 255 if partial, or 256."""

    level: int | None
    n: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        """Raises InvalidInput where the specification knows no such tile."""
        if self.level is not None and not 0 <= self.level <= MAX_LEVEL:
            raise InvalidInput(f"the level of a tile is 0 to {MAX_LEVEL}")
        if not 0 <= self.n < _NUMBERS or not 1 <= self.width <= TILE_WIDTH:
            raise InvalidInput("a tile has a number from 0 and a width of 1 to 256")

    @property
    def is_partial(self) -> bool:
        return self.width < TILE_WIDTH

    @property
    def first(self) -> int:
        """The number, within its level, of the first hash in this tile (of the first entry in this bundle)."""
        return self.n * TILE_WIDTH

    @property
    def path(self) -> str:
        """The only spelling of this address."""
        kind = "entries" if self.level is None else str(self.level)
        suffix = f".p/{self.width}" if self.is_partial else ""
        return f"/tile/{kind}/{_grouped(self.n)}{suffix}"

    def width_in(self, size: int) -> int:
        """How wide the tile of this level and number is in a tree of `size` leaves; 0 where there is none, 256 where it is full."""
        hashes = size >> TILE_HEIGHT * (self.level or 0)
        return max(0, min(TILE_WIDTH, hashes - self.first))


def parse_address(path: str) -> Address:
    """Read `Address.path` back. Raises InvalidInput for anything but the one spelling: leading zeros, empty groups, width 256."""
    match = _ADDRESS.fullmatch(path)
    if match is None:
        raise _unreadable()
    kind, groups, width = match.groups()
    level = None if kind == "entries" else int(kind)
    address = Address(
        level=level,
        n=int(groups.replace("x", "").replace("/", "")),
        width=TILE_WIDTH if width is None else int(width),
    )
    if address.path != path:
        raise _unreadable()
    return address


def bundle(entries: Sequence[bytes]) -> bytes:
    """The entries one after another, each after its length as two bytes, most significant first.

    Raises ValueError where an entry has 64 KiB or more: it has no place in any bundle.
    """
    if any(len(entry) > MAX_ENTRY for entry in entries):
        raise ValueError("an entry has 64 KiB or more")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_bundle(data: bytes) -> list[bytes]:
    """Read `bundle` back. Raises InvalidInput where the bytes end within an entry or its length."""
    entries: list[bytes] = []
    position = 0
    while position < len(data):
        start = position + 2
        end = start + int.from_bytes(data[position:start], "big")
        if len(data) < start or len(data) < end:
            raise InvalidInput("the bundle ends within an entry")
        entries.append(data[start:end])
        position = end
    return entries


def _grouped(n: int) -> str:
    digits = str(n)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])


def _unreadable() -> InvalidInput:
    return InvalidInput(
        "this is no address of a tile: it is /tile/<level>/<number> or /tile/entries/<number>, the number in groups of three "
        "digits with an x before all but the last, and .p/<width> after it for a partial tile (c2sp.org/tlog-tiles)"
    )
