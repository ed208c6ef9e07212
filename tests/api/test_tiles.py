"""A stranger with a key for the checkpoint follows the spine over HTTP: nothing but the answers and SHA-256."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from api.app import create_app
from domain.checkpoint import Head, parse_checkpoint
from domain.merkle import Frontier, leaf_hash, root, verify_consistency
from domain.note import open_note
from domain.tiles import Address, parse_bundle
from store.accounts import Role
from store.engine import Engine
from tests.api.conftest import House, furnish
from tests.api.ledger_rows import NOON
from tests.support.clock import TickingClock
from tests.support.long_spine import lay_spine
from tests.support.node import SIGNER, node


class Follower:
    """Reads the log as c2sp.org/tlog-tiles has it; `Nodes` over HTTP."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def checkpoint(self) -> Head:
        return parse_checkpoint(open_note(self.client.get("/checkpoint").raise_for_status().text, [SIGNER.verifier]).text)

    def read(self, address: Address) -> bytes:
        answer = self.client.get(address.path).raise_for_status()
        assert answer.headers["content-type"] == "application/octet-stream"
        return answer.content

    def tiles(self, level: int | None, size: int) -> Iterator[bytes]:
        """All resources of a level in a tree of `size`."""
        n = 0
        while width := Address(level=level, n=n).width_in(size):
            yield self.read(Address(level=level, n=n, width=width))
            n += 1

    def level(self, level: int, size: int) -> list[bytes]:
        data = b"".join(self.tiles(level, size))
        return [data[i : i + 32] for i in range(0, len(data), 32)]


class Fetched:
    """`Nodes` over what a follower fetched of each level."""

    def __init__(self, levels: Sequence[Sequence[bytes]]) -> None:
        self.levels = levels

    def hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        return self.levels[level][first : first + count]


@contextmanager
def house_of(engine: Engine, directory: Path, portal: BlockingPortal, size: int) -> Iterator[House]:
    """An installation whose spine has `size` entries, the last of them appended and signed."""
    clock = TickingClock(NOON)
    lay_spine(engine, directory, clock, max(size - 1, 0))
    with node(engine, directory, clock) as here:
        if size:
            here.spine.append("heads", {})
        yield furnish(portal, here, clock)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 513])
def test_the_signed_root_is_rebuilt_from_tiles_alone(engine: Engine, tmp_path: Path, portal: BlockingPortal, size: int) -> None:
    with house_of(engine, tmp_path, portal, size) as house:
        follower = Follower(house.program(Role.AUDITOR))
        signed = follower.checkpoint()
        assert (signed.origin, signed.size) == (SIGNER.name, size)

        leaves, above = follower.level(0, size), follower.level(1, size)
        entries = [entry for bundle in follower.tiles(None, size) for entry in parse_bundle(bundle)]

    assert root(leaves) == signed.root
    assert Frontier.restore(size, Fetched([leaves, above])).root() == signed.root
    assert [leaf_hash(entry) for entry in entries] == leaves
    assert [entry[:32] for entry in entries[1:]] == leaves[:-1]


def test_an_empty_spine_has_no_tiles(house: House) -> None:
    client = house.program(Role.AUDITOR)

    for path in ("/tile/0/000", "/tile/0/000.p/1", "/tile/entries/000", "/tile/entries/000.p/1", "/tile/1/000.p/1"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:phitrail:problem:not-found"), path
    assert client.get("/v1/consistency?from=0&to=1").status_code == 404
    assert client.get("/v1/consistency?from=0&to=0").json()["path"] == []


def test_a_follower_checks_each_checkpoint_against_the_one_before(engine: Engine, tmp_path: Path, portal: BlockingPortal) -> None:
    with house_of(engine, tmp_path, portal, 254) as house:
        follower = Follower(house.program(Role.ADMIN))
        held = follower.checkpoint()
        for _ in range(4):
            house.node.keeper.checkpoint()
            newest = follower.checkpoint()
            asked = {"from": held.size, "to": newest.size}
            answer = follower.client.get("/v1/consistency", params=asked).raise_for_status().json()

            path = [bytes.fromhex(item) for item in answer.pop("path")]
            assert verify_consistency(held.size, newest.size, path, held.root, newest.root)
            assert answer == {
                "origin": SIGNER.name,
                "from_size": held.size,
                "from_root": held.root.hex(),
                "to_size": newest.size,
                "to_root": newest.root.hex(),
            }
            held = newest
        assert held.size == 258


def test_only_what_never_changes_may_be_kept(engine: Engine, tmp_path: Path, portal: BlockingPortal) -> None:
    with house_of(engine, tmp_path, portal, 257) as house:
        client = house.visitor()

        kept = {path: client.get(path).headers["cache-control"] for path in ("/tile/0/000", "/tile/entries/000")}
        assert set(kept.values()) == {"public, max-age=31536000, immutable"}
        for path in ("/tile/0/001.p/1", "/tile/1/000.p/1", "/tile/entries/001.p/1", "/tile/0/001", "/tile/0/000.p/9", "/tile/0/1"):
            assert client.get(path).headers["cache-control"] == "no-store", path


def test_a_log_that_is_not_public_is_for_those_who_may_read_the_system(
    engine: Engine, tmp_path: Path, portal: BlockingPortal
) -> None:
    with house_of(engine, tmp_path, portal, 257) as house:
        house.app = create_app(replace(house.services, is_log_public=False))
        visitor, auditor = house.visitor(), house.program(Role.AUDITOR)

        for path in ("/tile/0/000", "/checkpoint", "/v1/consistency?from=1&to=2"):
            assert (visitor.get(path).status_code, auditor.get(path).status_code) == (401, 200), path
        assert auditor.get("/tile/0/000").headers["cache-control"] == "private, max-age=31536000, immutable"


REFUSED = [
    ("/tile/0/000.p/255", 404),  # full by now
    ("/tile/0/001", 404),  # not full yet
    ("/tile/0/001.p/2", 404),
    ("/tile/0/002", 404),
    ("/tile/1/000", 404),
    ("/tile/1/000.p/2", 404),
    ("/tile/2/000.p/1", 404),
    ("/tile/63/000", 404),
    ("/tile/entries/001.p/2", 404),
    ("/tile/0/x999/x999/x999/x999/x999/999", 404),
    ("/tile/64/000", 400),
    ("/tile/0/0", 400),
    ("/tile/0/x000/000", 400),
    ("/tile/00/000", 400),
    ("/tile/0/000.p/0", 400),
    ("/tile/0/000.p/256", 400),
    ("/tile/0/000/", 400),
    ("/tile/0/000%0A", 400),
    ("/tile/secret-P-1", 400),
    ("/tile/", 400),
    ("/v1/consistency?from=2&to=1", 400),
    ("/v1/consistency?from=1&to=258", 404),
    ("/v1/consistency?from=1", 422),
    ("/v1/consistency?to=1", 422),
    ("/v1/consistency?from=-1&to=1", 422),
    ("/v1/consistency?from=secret-P-1&to=1", 422),
    ("/v1/consistency?from=0&to=9007199254740992", 422),
]


def test_what_is_not_there_is_a_problem_document_that_repeats_nothing_sent(
    engine: Engine, tmp_path: Path, portal: BlockingPortal
) -> None:
    with house_of(engine, tmp_path, portal, 257) as house:
        client = house.program(Role.AUDITOR)
        for path, status in REFUSED:
            answer = client.get(path)
            assert (answer.status_code, answer.json()["status"]) == (status, status), path
            assert answer.headers["content-type"] == "application/problem+json"
            assert "secret-P-1" not in answer.text


def test_reading_tiles_is_no_read_of_phi(house: House) -> None:
    """Nothing about a patient is in the spine, so following it writes nothing to the ledger."""
    house.node.keeper.checkpoint()
    before = house.node.ledger.head()

    Follower(house.program(Role.ADMIN)).read(Address(level=None, n=0, width=1))

    assert house.node.ledger.head() == before


def test_missing_rows_stop_a_follower_with_a_sentence(engine: Engine, tmp_path: Path, portal: BlockingPortal) -> None:
    with house_of(engine, tmp_path, portal, 3) as house:
        engine.execute("DELETE FROM spine WHERE seq = 1")
        answer = house.program(Role.AUDITOR).get("/tile/entries/000.p/3")

    assert (answer.status_code, answer.json()["type"]) == (503, "urn:phitrail:problem:integrity")
    assert answer.headers["cache-control"] == "no-store"
