"""Not an attack: formats of ours that only we can read would prove nothing. Published values come out, and others read what we
write.

Published: the roots of RFC 6962's reference implementation, and the note of the C2SP signed-note specification. Others:
`aics-tlog` where it is installed, and what it computed once where it is not (`tests/domain/test_interop.py` has the whole
comparison). What a checker of tiles does is done here to a stored spine, from c2sp.org/tlog-tiles alone, with nothing of ours but
SHA-256 and Ed25519.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain.merkle import Leaves, consistency_proof, inclusion_proof, leaf_hash, root
from domain.note import Verifier, open_note
from domain.tiles import parse_address
from store.engine import Engine
from store.tiles import Tiles
from tests.domain.test_interop import CONSISTENCY, INCLUSION, LEAVES, NOTE, ROOTS
from tests.domain.test_merkle import INPUTS
from tests.domain.test_merkle import ROOTS as PUBLISHED
from tests.domain.test_note import VECTOR, VECTOR_KEY
from tests.support.clock import TickingClock
from tests.support.long_spine import lay_spine
from tests.support.node import SIGNER, node

Get = Callable[[str], bytes]


def test_the_published_roots() -> None:
    leaves = [leaf_hash(bytes.fromhex(text)) for text in INPUTS]

    assert [root(leaves[:size]).hex() for size in range(1, 9)] == PUBLISHED
    assert root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_published_note() -> None:
    assert open_note(VECTOR, [Verifier.parse(VECTOR_KEY)]).signers == ("PeterNeumann",)


def test_the_numbers_of_others() -> None:
    """Roots and proofs of a thousand entries as `aics-tlog` computed them, and the note that it made with our key."""
    nodes = Leaves(LEAVES[:1000])

    assert {size: root(LEAVES[:size]).hex() for size in ROOTS} == ROOTS
    assert hashlib.sha256(b"".join(inclusion_proof(nodes, 700, 1000))).hexdigest() == INCLUSION
    assert hashlib.sha256(b"".join(consistency_proof(nodes, 300, 1000))).hexdigest() == CONSISTENCY
    assert open_note(NOTE, [SIGNER.verifier]).text.split("\n")[1] == "1000"


@pytest.fixture(params=[1, 256, 700])
def served(engine: Engine, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Get, str]]:
    """A stored spine of this size: what is at an address, and its checkpoint."""
    lay_spine(engine, tmp_path, TickingClock(), request.param - 1)
    with node(engine, tmp_path, TickingClock()) as live:
        note = live.keeper.checkpoint().checkpoint
        tiles = Tiles(engine, SIGNER.name)
        yield lambda path: tiles.read(parse_address(path)), note


def test_a_checker_of_tiles_accepts_ours(served: tuple[Get, str]) -> None:
    """Every bundle hashes to its tile, every tile to the one above, the last to the root, and the root is signed: as fsck does."""
    get, note = served
    size, signed_root = opened(note)
    level, hashes = 0, [hashlib.sha256(b"\0" + entry).digest() for entry in entries(get, size)]
    leaves = hashes
    while hashes:
        for n in range(0, len(hashes), 256):
            tile = hashes[n : n + 256]
            assert get(address(str(level), n // 256, len(tile))) == b"".join(tile)
        hashes = [mth(hashes[n : n + 256]) for n in range(0, len(hashes) // 256 * 256, 256)]
        level += 1

    assert mth(leaves) == signed_root


def test_a_reader_of_another_make_accepts_our_tiles(served: tuple[Get, str]) -> None:
    aics = pytest.importorskip("aics_tlog")
    get, note = served
    size, signed_root = opened(note)

    class Reader:
        """Gives a tile at a path without its first slash."""

        def read(self, path: str) -> bytes:
            return get(f"/{path}")

    assert aics.tree_root_from_tiles(Reader(), size) == signed_root


def opened(note: str) -> tuple[int, bytes]:
    """Size and root of a checkpoint, its signature checked by hand (c2sp.org/signed-note)."""
    text, _, line = note.partition("\n\n")
    name, encoded = line.removeprefix("— ").removesuffix("\n").split(" ")
    payload = base64.b64decode(encoded, validate=True)
    public = SIGNER.verifier.public
    assert payload[:4] == hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]
    Ed25519PublicKey.from_public_bytes(public).verify(payload[4:], f"{text}\n".encode())
    origin, size, digest = text.split("\n")
    assert origin == name
    return int(size), base64.b64decode(digest, validate=True)


def entries(get: Get, size: int) -> Iterator[bytes]:
    """The entries of all bundles: each after its length, two bytes, most significant first."""
    for n in range(0, size, 256):
        data = get(address("entries", n // 256, min(256, size - n)))
        while data:
            length = int.from_bytes(data[:2], "big")
            assert len(data) >= 2 + length
            yield data[2 : 2 + length]
            data = data[2 + length :]


def address(level: str, n: int, width: int) -> str:
    """c2sp.org/tlog-tiles: three digits are enough here."""
    return f"/tile/{level}/{n:03}" + (f".p/{width}" if width < 256 else "")


def mth(hashes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it is written."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()
