"""Tiles and consistency of the spine on a real engine, around the sizes at which tiles fill."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.checkpoint import parse_checkpoint
from domain.errors import IntegrityError, InvalidInput, NotFound
from domain.json import canonical
from domain.merkle import EMPTY_ROOT, leaf_hash, root, verify_consistency
from domain.note import open_note
from domain.tiles import Address, parse_bundle
from store.anchor import Anchor
from store.engine import Engine
from store.spine import Spine
from store.tiles import Tiles
from tests.support.clock import TickingClock
from tests.support.long_spine import lay_spine
from tests.support.node import SIGNER

SIZES = [0, 1, 255, 256, 257, 513]


@dataclass(frozen=True)
class Open:
    spine: Spine
    tiles: Tiles

    def signed(self) -> tuple[int, bytes]:
        newest = self.spine.checkpoint()
        if newest is None:
            return 0, EMPTY_ROOT
        head = parse_checkpoint(open_note(newest[0], [SIGNER.verifier]).text)
        return head.size, head.root

    def hashes(self, level: int, n: int, width: int) -> list[bytes]:
        data = self.tiles.read(Address(level=level, n=n, width=width))
        return [data[i : i + 32] for i in range(0, len(data), 32)]

    def leaves(self, size: int) -> list[bytes]:
        widths = [min(256, size - first) for first in range(0, size, 256)]
        return [leaf for n, width in enumerate(widths) for leaf in self.hashes(0, n, width)]


@contextmanager
def spine_of(engine: Engine, directory: Path, size: int) -> Iterator[Open]:
    """A spine of `size` entries, the last of them appended and signed."""
    clock = TickingClock()
    lay_spine(engine, directory, clock, max(size - 1, 0))
    anchor = Anchor(directory / "state", directory / "copies")
    try:
        spine = Spine(engine, anchor, SIGNER, clock)
        if size:
            spine.append("heads", {})
        yield Open(spine, Tiles(engine, SIGNER.name))
    finally:
        anchor.close()


@pytest.mark.parametrize("size", SIZES)
def test_tiles_give_the_signed_root_and_bundles_give_the_tiles(engine: Engine, tmp_path: Path, size: int) -> None:
    with spine_of(engine, tmp_path, size) as log:
        assert log.signed() == (size, root(log.leaves(size)))
        for first in range(0, size, 256):
            n, width = first // 256, min(256, size - first)
            entries = parse_bundle(log.tiles.read(Address(level=None, n=n, width=width)))
            assert [leaf_hash(entry) for entry in entries] == log.hashes(0, n, width)
        if size >= 256:
            expected = [root(log.hashes(0, n, 256)) for n in range(size // 256)]
            assert log.hashes(1, 0, size // 256) == expected


@pytest.mark.parametrize("size", SIZES)
def test_every_tile_of_a_size_is_there_and_no_other(engine: Engine, tmp_path: Path, size: int) -> None:
    with spine_of(engine, tmp_path, size) as log:
        for level in (None, 0, 1, 2, 63):
            for n in (0, 1, 2, 3, 10**18 - 1):
                there = Address(level=level, n=n).width_in(size)
                for width in (1, 2, 254, 255, 256):
                    address = Address(level=level, n=n, width=width)
                    if width <= there and (width == 256 or there < 256):
                        assert log.tiles.read(address)
                    else:
                        with pytest.raises(NotFound):
                            log.tiles.read(address)


def test_a_growing_spine_fills_a_tile_and_keeps_what_it_gave(engine: Engine, tmp_path: Path) -> None:
    """Partial tiles of sizes signed before stay, until the tile is full."""
    with spine_of(engine, tmp_path, 254) as log:
        given = log.hashes(0, 0, 254)
        log.spine.append("heads", {})
        assert log.hashes(0, 0, 254) == given
        assert log.hashes(0, 0, 255)[:254] == given

        log.spine.append("heads", {})
        with pytest.raises(NotFound, match="full by now"):
            log.hashes(0, 0, 254)
        full = log.hashes(0, 0, 256)
        assert full[:254] == given
        assert log.hashes(1, 0, 1) == [root(full)]

        log.spine.append("heads", {})
        assert log.hashes(0, 0, 256) == full
        assert log.signed() == (257, root([*full, *log.hashes(0, 1, 1)]))


def test_what_no_checkpoint_covers_is_not_given_out(engine: Engine, tmp_path: Path) -> None:
    """A row that stands in the spine but was never signed (a stop between the two) is nobody's business yet."""
    with spine_of(engine, tmp_path, 5) as log:
        engine.execute("DELETE FROM checkpoints WHERE size = 5")
        lay = "INSERT INTO checkpoints SELECT 4, time, '' FROM spine WHERE seq = 3"
        engine.execute(lay)

        assert len(log.hashes(0, 0, 4)) == 4
        for refused in (Address(level=0, n=0, width=5), Address(level=None, n=0, width=5)):
            with pytest.raises(NotFound):
                log.tiles.read(refused)
        with pytest.raises(NotFound, match="covers 4 entries"):
            log.tiles.consistency(1, 5)


def test_every_pair_of_sizes_is_consistent(engine: Engine, tmp_path: Path) -> None:
    sizes = [0, 1, 2, 128, 255, 256, 257, 400, 511, 512, 513]
    with spine_of(engine, tmp_path, 513) as log:
        leaves = log.leaves(513)
        for old in sizes:
            for new in (size for size in sizes if size >= old):
                proof = log.tiles.consistency(old, new)
                assert (proof.old.size, proof.new.size, proof.new.origin) == (old, new, SIGNER.name)
                assert (proof.old.root, proof.new.root) == (root(leaves[:old]), root(leaves[:new]))
                assert verify_consistency(old, new, proof.path, proof.old.root, proof.new.root)
                if 0 < old < new:
                    assert not verify_consistency(old, new, proof.path, root(leaves[1 : old + 1]), proof.new.root)


def test_an_empty_spine_is_consistent_with_itself_only(engine: Engine, tmp_path: Path) -> None:
    with spine_of(engine, tmp_path, 0) as log:
        proof = log.tiles.consistency(0, 0)
        assert (proof.path, proof.old.root, proof.new.root) == ([], EMPTY_ROOT, EMPTY_ROOT)
        with pytest.raises(NotFound):
            log.tiles.consistency(0, 1)


@pytest.mark.parametrize(("old", "new"), [(2, 1), (-1, 1), (-2, -1)])
def test_sizes_in_the_wrong_order_are_refused(engine: Engine, tmp_path: Path, old: int, new: int) -> None:
    with spine_of(engine, tmp_path, 3) as log, pytest.raises(InvalidInput):
        log.tiles.consistency(old, new)


def test_tile_hashes_that_were_never_stored_are_computed(engine: Engine, tmp_path: Path) -> None:
    with spine_of(engine, tmp_path, 513) as log:
        stored = log.hashes(1, 0, 2)
        engine.execute("TRUNCATE TABLE tiles")

        assert log.hashes(1, 0, 2) == stored


def test_rows_missing_beneath_a_signature_are_an_integrity_error(engine: Engine, tmp_path: Path) -> None:
    """Never a shorter tile, and never "not found": whoever follows the log must see that it was changed."""
    with spine_of(engine, tmp_path, 257) as log:
        engine.execute("DELETE FROM spine WHERE seq = 255")

        for address in (
            Address(level=0, n=0),
            Address(level=None, n=0),
            Address(level=None, n=1, width=1),  # the first entry of a bundle has the last leaf of the one before
        ):
            with pytest.raises(IntegrityError, match="phitrail verify"):
                log.tiles.read(address)
        with pytest.raises(IntegrityError, match="phitrail verify"):
            log.tiles.consistency(255, 257)


def test_a_changed_body_no_longer_hashes_to_its_tile(engine: Engine, tmp_path: Path) -> None:
    with spine_of(engine, tmp_path, 3) as log:
        engine.execute("ALTER TABLE spine UPDATE body = replaceOne(body, 'heads', 'seal') WHERE seq = 1")
        entries = parse_bundle(log.tiles.read(Address(level=None, n=0, width=3)))

        fits = [leaf_hash(entry) == leaf for entry, leaf in zip(entries, log.hashes(0, 0, 3), strict=True)]
        assert fits == [True, False, True]


def test_an_entry_too_long_for_a_bundle_is_not_taken(engine: Engine, tmp_path: Path) -> None:
    with spine_of(engine, tmp_path, 1) as log:
        with pytest.raises(InvalidInput, match="too long for the spine"):
            log.spine.append("policy", {"decision": "x" * 0x10000})
        longest = 0x10000 - 1 - 32
        body = canonical({"v": 1, "seq": 1, "time": "2026-03-02T08:00:00.000000Z", "kind": "policy", "heads_root": "0" * 64})
        log.spine.append("policy", {"decision": "x" * (longest - len(body) - len(',"fields":{"decision":""}'))})

        assert log.signed() == (2, root(log.hashes(0, 0, 2)))
        entries = parse_bundle(log.tiles.read(Address(level=None, n=0, width=2)))
        assert [len(entry) for entry in entries][1] == 0xFFFF
