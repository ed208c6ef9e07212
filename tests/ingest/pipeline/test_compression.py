"""gzip and Zstandard: everything readable comes out, damage is said, and no few bytes fill the memory."""

import gzip
import zlib
from collections.abc import Callable

import pytest
import zstandard

from domain.errors import InvalidInput
from ingest.compression import coding_of, unpacked

PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor(write_checksum=True).compress}
CONTENT = b"".join(b"line %d of some text\n" % number for number in range(20_000))

coding = pytest.mark.parametrize("coding", list(PACK))


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@coding
@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_content_comes_back(coding: str, size: int) -> None:
    assert b"".join(unpacked(pieces(PACK[coding](CONTENT), size), coding)) == CONTENT


@coding
def test_several_members_are_one_content(coding: str) -> None:
    packed = PACK[coding](b"one ") + PACK[coding](b"") + PACK[coding](b"two")

    assert b"".join(unpacked([packed], coding)) == b"one two"
    assert coding_of(packed) == coding


def test_padding_after_gzip_and_skippable_frames_of_zstandard_are_no_content() -> None:
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"

    assert b"".join(unpacked([gzip.compress(b"x") + b"\0" * 5000], "gzip")) == b"x"
    assert b"".join(unpacked([skippable + PACK["zstd"](b"x") + skippable], "zstd")) == b"x"


@coding
@pytest.mark.parametrize("missing", [1, 100, 10_000])
def test_what_was_readable_of_cut_off_data_comes_out_before_the_error(coding: str, missing: int) -> None:
    out: list[bytes] = []

    with pytest.raises(InvalidInput, match="end before their end"):
        _collect(out, PACK[coding](CONTENT)[:-missing], coding)

    assert CONTENT.startswith(b"".join(out))
    assert b"".join(out) or missing == 10_000


@coding
def test_damage_is_said_and_what_came_before_comes_out(coding: str) -> None:
    packed = PACK[coding](CONTENT) + PACK[coding](CONTENT)[:-3] + b"\xff\xff\xff"
    out: list[bytes] = []

    with pytest.raises(InvalidInput, match="damaged"):
        _collect(out, packed, coding)

    assert b"".join(out).startswith(CONTENT)


@coding
@pytest.mark.parametrize("junk", [b"", b"\0", b"plain text, not packed at all", b"\x1f\x8b", b"\x28\xb5\x2f\xfd\xff\xff\xff"])
def test_what_is_no_packed_data_is_refused(coding: str, junk: bytes) -> None:
    with pytest.raises(InvalidInput):
        _collect([], junk, coding)


@coding
def test_a_bomb_comes_out_in_bounded_pieces(coding: str) -> None:
    bomb = PACK[coding](bytes(64 << 20))
    assert len(bomb) < 80_000

    sizes = [len(piece) for piece in unpacked([bomb], coding)]

    assert sum(sizes) == 64 << 20
    assert max(sizes) <= 16 << 20


def test_a_zstandard_sender_may_not_ask_for_more_memory_than_allowed() -> None:
    packer = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=25, enable_ldm=True))
    stream = packer.compressobj()
    packed = stream.compress(bytes(1000)) + stream.flush()

    with pytest.raises(InvalidInput, match="damaged"):
        _collect([], packed, "zstd", max_window=8 << 20)


def test_plain_data_have_no_coding() -> None:
    assert coding_of(b'{"event_id"') is None
    assert coding_of(b"") is None
    assert coding_of(zlib.compress(b"x")) is None


def _collect(out: list[bytes], packed: bytes, coding: str, **bounds: int) -> None:
    for piece in unpacked([packed], coding, **bounds):
        out.append(piece)  # noqa: PERF402 (what came before an error is wanted)
