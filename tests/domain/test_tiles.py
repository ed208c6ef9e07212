"""Addresses of tiles and bundles of entries, as c2sp.org/tlog-tiles writes them."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.tiles import MAX_ENTRY, Address, bundle, parse_address, parse_bundle

LEVELS = st.one_of(st.none(), st.integers(0, 63))
ADDRESSES = st.builds(Address, level=LEVELS, n=st.integers(0, 10**18 - 1), width=st.integers(1, 256))


@pytest.mark.parametrize(
    ("address", "path"),
    [
        (Address(level=0, n=1234067), "/tile/0/x001/x234/067"),
        (Address(level=0, n=0), "/tile/0/000"),
        (Address(level=63, n=999, width=255), "/tile/63/999.p/255"),
        (Address(level=1, n=1000, width=1), "/tile/1/x001/000.p/1"),
        (Address(level=None, n=1234067, width=112), "/tile/entries/x001/x234/067.p/112"),
        (Address(level=0, n=10**18 - 1), "/tile/0/x999/x999/x999/x999/x999/999"),
    ],
)
def test_addresses_of_the_specification(address: Address, path: str) -> None:
    assert address.path == path
    assert parse_address(path) == address


@given(ADDRESSES)
def test_what_is_written_is_read_back(address: Address) -> None:
    assert parse_address(address.path) == address


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/tile",
        "/tile/",
        "/tile/0",
        "/tile/0/",
        "tile/0/000",
        "/tile//000",
        "//tile/0/000",
        "/tile/0/000/",
        "/tile/0/000\n",
        "/tile/0/0",
        "/tile/0/0000",
        "/tile/0/x000",
        "/tile/0/x000/000",  # a group of nothing in front
        "/tile/0/x000/x001/067",
        "/tile/0/001/067",
        "/tile/0/X001/067",
        "/tile/0/x001/x067",
        "/tile/0/x001//067",
        "/tile/00/000",
        "/tile/01/000",
        "/tile/64/000",
        "/tile/-1/000",
        "/tile/100/000",
        "/tile/ 0/000",
        "/tile/0/-01",
        "/tile/0/+01",
        "/tile/0/٠٠٠",  # digits, but not ASCII
        "/tile/٣/000",
        "/tile/0/000.p",
        "/tile/0/000.p/",
        "/tile/0/000.p/0",
        "/tile/0/000.p/00",
        "/tile/0/000.p/01",
        "/tile/0/000.p/256",
        "/tile/0/000.p/257",
        "/tile/0/000.p/1000",
        "/tile/0/000.p/-1",
        "/tile/0/000.p/1/",
        "/tile/0/000.P/1",
        "/tile/0/000.p1",
        "/tile/Entries/000",
        "/tile/entries",
        "/tile/entries/0/000",
        "/tile/entries/x000/001",
        "/tile/0/x001/x000/x000/x000/x000/x000/000",  # beyond any log
        "/tile/0/" + "x999/" * 5_000 + "999",
        "/tile/data/000",
        "/tile/0/../0/000",
    ],
)
def test_no_other_spelling_is_read(path: str) -> None:
    with pytest.raises(InvalidInput):
        parse_address(path)


def test_a_refusal_repeats_nothing_sent() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_address("/tile/P-4711/000")

    assert "P-4711" not in str(refused.value)


@given(ADDRESSES, st.data())
def test_a_changed_character_is_refused_or_is_another_address(address: Address, data: st.DataObject) -> None:
    """No two texts are one address: whatever is read has exactly this path."""
    path = address.path
    at = data.draw(st.integers(0, len(path)))
    text = path[:at] + data.draw(st.text("0123456789x/.p٣ \n", max_size=2)) + path[data.draw(st.integers(at, len(path))) :]
    try:
        read = parse_address(text)
    except InvalidInput:
        assert text != path
    else:
        assert read.path == text
        assert (read == address) == (text == path)


@given(ADDRESSES, st.integers(1, 4))
def test_leading_zeros_are_refused_everywhere(address: Address, zeros: int) -> None:
    kind, rest = address.path.removeprefix("/tile/").split("/", 1)
    number, partial, width = rest.partition(".p/")

    spellings = [f"/tile/{kind}/{'x000/' * zeros}{rest}", f"/tile/{kind}/{'0' * zeros}{rest}", f"/tile/{'0' * zeros}{kind}/{rest}"]
    if partial:
        spellings.append(f"/tile/{kind}/{number}.p/{'0' * zeros}{width}")
    for text in spellings:
        with pytest.raises(InvalidInput):
            parse_address(text)


@pytest.mark.parametrize(
    ("level", "n", "width"), [(64, 0, 256), (-1, 0, 256), (0, -1, 256), (0, 10**18, 256), (0, 0, 0), (0, 0, 257), (None, 0, 0)]
)
def test_no_tile_outside_the_specification_is_made(level: int | None, n: int, width: int) -> None:
    with pytest.raises(InvalidInput):
        Address(level=level, n=n, width=width)


def test_the_tiles_of_70000_entries() -> None:
    """The example of the specification."""
    widths = {level: [Address(level=level, n=n).width_in(70_000) for n in range(275)] for level in range(4)}

    assert widths[0] == [256] * 273 + [112, 0]
    assert widths[1][:3] == [256, 17, 0]
    assert widths[2][:2] == [1, 0]
    assert set(widths[3]) == {0}
    assert Address(level=1, n=0).width_in(256) == 1
    assert Address(level=63, n=0).width_in(2**63) == 0


@given(st.integers(0, 300_000), st.integers(0, 3))
def test_tiles_hold_every_hash_of_their_level_once(size: int, level: int) -> None:
    widths = [Address(level=level, n=n).width_in(size) for n in range((size >> 8 * level + 8) + 2)]

    assert sum(widths) == size >> 8 * level
    assert [width for width in widths if width == 256] == widths[: size >> 8 * level + 8]
    assert widths[-1] == 0


def test_a_bundle_as_the_specification_has_it() -> None:
    assert bundle([b"ab", b"", b"c"]) == b"\x00\x02ab\x00\x00\x00\x01c"
    assert bundle([]) == b""


@given(st.lists(st.binary(max_size=700), max_size=20))
def test_a_bundle_is_read_back(entries: list[bytes]) -> None:
    assert parse_bundle(bundle(entries)) == entries


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.data())
def test_a_bundle_that_was_cut_is_refused_or_ends_between_entries(entries: list[bytes], data: st.DataObject) -> None:
    whole = bundle(entries)
    cut = data.draw(st.integers(0, len(whole) - 1))
    ends = [len(bundle(entries[:count])) for count in range(len(entries))]
    assume(cut not in ends)

    with pytest.raises(InvalidInput):
        parse_bundle(whole[:cut])


def test_the_longest_entry_fits_and_one_byte_more_does_not() -> None:
    assert parse_bundle(bundle([bytes(MAX_ENTRY), b"x"])) == [bytes(MAX_ENTRY), b"x"]
    with pytest.raises(ValueError, match="64 KiB"):
        bundle([b"x", bytes(MAX_ENTRY + 1)])
