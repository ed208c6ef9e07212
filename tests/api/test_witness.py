"""The witness as a log meets it (c2sp.org/tlog-witness): every status code, and what may never be cosigned."""

import base64
import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.witness import MOST_BYTES, Witness, _Refused, create_witness
from domain.checkpoint import Head, parse_checkpoint
from domain.cosignature import CosigningKey, add_lines, cosignatures
from domain.errors import ConfigError
from domain.keyring import KeyRing
from domain.merkle import EMPTY_ROOT
from domain.note import Signer, open_note, split_note
from domain.witness_protocol import AddCheckpoint
from store.witness_state import Cosigned, Refusal, Superseded, WitnessState
from tests.support.clock import TickingClock
from tests.support.http_server import served
from tests.support.witness import POST_QUANTUM, SIGNER, WITNESS, GrowingLog

LOG = GrowingLog()
FORK = GrowingLog(forked_at=2)
HASH = hashlib.sha256(SIGNER.name.encode()).hexdigest()


class Fault(RuntimeError):
    """The injected failure."""


class FaultyState(WitnessState):
    """A memory that fails once after it has stored, as a stop between storing and answering does."""

    fails = False

    def check_and_store(self, *args: object, **options: object) -> Cosigned:
        made = WitnessState.check_and_store(self, *args, **options)  # type: ignore[arg-type]
        if self.fails:
            self.fails = False
            raise Fault
        return made


@dataclass
class Place:
    """A witness that is up, and its memory and clock."""

    http: httpx.Client
    state: FaultyState
    clock: TickingClock

    def submit(self, request: AddCheckpoint) -> httpx.Response:
        return self.http.post("/add-checkpoint", content=request.body)


@contextmanager
def place(directory: Path, *keys: CosigningKey, body_seconds: float = 10.0) -> Iterator[Place]:
    clock = TickingClock()
    with FaultyState.create(directory / "w") as state:
        state.add_log(LOG.ring)
        with (
            served(create_witness(state, keys or [WITNESS], clock, body_seconds=body_seconds)) as url,
            httpx.Client(base_url=url, timeout=30, trust_env=False) as client,
        ):
            yield Place(client, state, clock)


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as made:
        yield made


def test_a_checkpoint_is_cosigned_and_the_next_one_follows_it(witness: Place) -> None:
    for old, size in ((0, 3), (3, 3), (3, 8), (8, 33)):
        witness.clock.advance(minutes=1)
        answer = witness.submit(LOG.request(old, size))

        assert answer.status_code == 200
        assert answer.text.startswith("— auditor.example/w1 ")
        assert answer.text.endswith("\n")
        (found,) = cosignatures(add_lines(LOG.note(size), [answer.text]), [WITNESS.cosigner])
        assert found.timestamp == int(witness.clock.now.timestamp())
        assert witness.state.held(SIGNER.name).head == LOG.head(size)


@pytest.mark.parametrize("old", [0, 2, 4, 9])
def test_another_size_than_the_one_held_is_answered_with_it(witness: Place, old: int) -> None:
    witness.submit(LOG.request(0, 3))

    answer = witness.submit(LOG.request(old, 9))

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "text/x.tlog.size"
    assert answer.content == b"3\n"


def test_an_unknown_log_is_404_and_one_that_we_know_not_signed_by_it_403(witness: Place) -> None:
    stranger = GrowingLog(signer=Signer("other.example/log", b"o" * 32))
    impostor = GrowingLog(signer=Signer(SIGNER.name, b"i" * 32))

    assert witness.submit(stranger.request(0, 3)).status_code == 404
    assert witness.submit(impostor.request(0, 3)).status_code == 403
    assert witness.state.held(SIGNER.name).head.size == 0
    assert witness.state.evidence() == []


def test_a_signature_of_ours_that_does_not_fit_is_403_and_a_strangers_is_ignored(witness: Place) -> None:
    honest = LOG.note(3)
    spoiled = honest.replace(honest.split()[-1], base64.b64encode(SIGNER.verifier.key_id + bytes(64)).decode())
    with_stranger = honest + Signer("other.example/log", b"o" * 32).sign(LOG.head(3).checkpoint).rpartition("\n\n")[2]

    assert witness.submit(AddCheckpoint(0, (), spoiled)).status_code == 403
    assert witness.submit(AddCheckpoint(0, (), with_stranger)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"old 0\n",
        b"old 00\n\n" + LOG.note(3).encode(),
        b"old -1\n\n" + LOG.note(3).encode(),
        b"old 4\n\n" + LOG.note(3).encode(),
        b"old 0\nnot base64!\n\n" + LOG.note(3).encode(),
        b"old 0\n" + base64.b64encode(bytes(31)) + b"\n\n" + LOG.note(3).encode(),
        b"old 0\n" + (base64.b64encode(bytes(32)) + b"\n") * 64 + b"\n" + LOG.note(3).encode(),
        b"old 0\r\n\r\n" + LOG.note(3).encode(),
        b"old 0\n\n" + LOG.head(3).checkpoint.encode(),
        b"old 0\n\nlog.example/spine\n" + b"9" * 5_000 + b"\nAAAA\n\n" + LOG.note(3).split("\n\n")[1].encode(),
    ],
)
def test_what_is_no_request_is_400(witness: Place, body: bytes) -> None:
    answer = witness.http.post("/add-checkpoint", content=body)

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_proof_that_does_not_lead_here_is_422_and_kept(witness: Place) -> None:
    witness.submit(LOG.request(0, 5))
    honest = LOG.request(5, 9)
    bad = {
        "forked": FORK.request(5, 9),
        "cut": replace(honest, path=honest.path[:-1]),
        "too long": replace(honest, path=[*honest.path, bytes(32)]),
        "none": replace(honest, path=()),
        "same size with a path": replace(LOG.request(5, 5), path=[bytes(32)]),
    }

    for name, request in bad.items():
        assert witness.submit(request).status_code == 422, name

    assert witness.state.held(SIGNER.name).head == LOG.head(5)
    assert {item.refusal for item in witness.state.evidence()} == {Refusal.UNPROVEN}
    assert FORK.head(9) in [item.head for item in witness.state.evidence()]


def test_a_first_submission_must_come_without_a_proof(witness: Place) -> None:
    assert witness.submit(AddCheckpoint(0, (bytes(32),), LOG.note(3))).status_code == 422
    assert witness.submit(AddCheckpoint(0, (), LOG.note(3))).status_code == 200


def test_an_empty_log_has_the_empty_root(witness: Place) -> None:
    wrong = SIGNER.sign(Head(SIGNER.name, 0, bytes(32)).checkpoint)

    assert witness.submit(AddCheckpoint(0, (), wrong)).status_code == 409
    assert witness.submit(LOG.request(0, 0)).status_code == 200
    assert witness.state.held(SIGNER.name).head == Head(SIGNER.name, 0, EMPTY_ROOT)
    assert witness.submit(LOG.request(0, 4)).status_code == 200


def test_two_roots_for_one_size_are_refused_and_both_notes_can_be_shown(witness: Place) -> None:
    witness.submit(LOG.request(0, 5))

    answer = witness.submit(FORK.request(5, 5))

    assert answer.status_code == 409
    assert answer.headers["content-type"].startswith("text/plain")
    (kept,) = witness.state.evidence()
    assert kept.refusal is Refusal.FORK
    notes = (kept.note, kept.held_note)
    heads = [parse_checkpoint(open_note(note, [SIGNER.verifier]).text) for note in notes]
    assert heads == [FORK.head(5), LOG.head(5)]
    assert witness.submit(LOG.request(5, 6)).status_code == 200


def test_whoever_watches_gets_the_note_held_with_both_signatures(witness: Place) -> None:
    assert witness.http.get(f"/{HASH}/checkpoint").status_code == 404
    spoiler = f"— {WITNESS.name} {base64.b64encode(WITNESS.cosigner.key_id + bytes(72)).decode()}\n"
    request = LOG.request(0, 5)
    witness.submit(replace(request, note=request.note + spoiler))

    answer = witness.http.get(f"/{HASH}/checkpoint")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert open_note(answer.text, [SIGNER.verifier]).text == LOG.head(5).checkpoint
    assert len(cosignatures(answer.text, [WITNESS.cosigner])) == 1
    for path in ("/0/checkpoint", f"/{'0' * 64}/checkpoint", f"/{HASH.upper()}/checkpoint"):
        assert witness.http.get(path).status_code == 404


def test_it_is_alive_and_offers_nothing_else(witness: Place) -> None:
    assert witness.http.get("/livez").status_code == 200
    for path in ("/", "/docs", "/openapi.json", "/metrics", "/checkpoint"):
        assert witness.http.get(path).status_code == 404
    assert witness.http.get("/add-checkpoint").status_code == 405


def test_a_stop_between_storing_and_answering_costs_one_more_question(witness: Place) -> None:
    witness.submit(LOG.request(0, 3))
    witness.state.fails = True

    lost = witness.submit(LOG.request(3, 8))
    again = witness.submit(LOG.request(3, 8))
    held = int(again.content)
    done = witness.submit(LOG.request(held, 8))

    assert (lost.status_code, again.status_code, held, done.status_code) == (500, 409, 8, 200)
    assert "Fault" not in lost.text


def test_a_clock_that_was_set_back_does_not_take_back_a_time(witness: Place) -> None:
    witness.submit(LOG.request(0, 3))
    first = witness.state.held(SIGNER.name).timestamp
    witness.clock.advance(hours=-3)

    witness.submit(LOG.request(3, 4))

    assert witness.state.held(SIGNER.name).timestamp == first


def test_every_key_of_a_witness_signs(tmp_path: Path) -> None:
    with place(tmp_path, WITNESS, POST_QUANTUM) as witness:
        answer = witness.submit(LOG.request(0, 5))

        lines = answer.text.splitlines(keepends=True)
        found = cosignatures(add_lines(LOG.note(5), lines), [WITNESS.cosigner, POST_QUANTUM.cosigner])
        assert [item.name for item in found] == [WITNESS.name, POST_QUANTUM.name]
        assert len({item.timestamp for item in found}) == 1


def test_a_rotated_log_is_followed_once_its_new_keys_are_known(witness: Place) -> None:
    successor = Signer(SIGNER.name, b"n" * 32)
    renewed = GrowingLog(signer=successor)
    both = LOG.note(6) + split_note(renewed.note(6))[1][0].line
    witness.submit(LOG.request(0, 5))
    assert witness.submit(replace(LOG.request(5, 6), note=both)).status_code == 200
    assert witness.submit(renewed.request(6, 8)).status_code == 403

    witness.state.add_log(LOG.ring.rotated(5, successor.verifier))

    assert witness.submit(LOG.request(6, 8)).status_code == 403, "the old key signs nothing any more"
    assert witness.submit(renewed.request(6, 8)).status_code == 200


def test_a_body_that_never_ends_or_is_too_long_is_cut_off(tmp_path: Path) -> None:
    with place(tmp_path, body_seconds=0.2) as witness:
        long = witness.http.post("/add-checkpoint", content=b"old 0\n" + b"A" * MOST_BYTES)
        address = (witness.http.base_url.host, witness.http.base_url.port or 0)
        with socket.create_connection(address, timeout=30) as line:
            line.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 500\r\n\r\nold 0\n")
            slow = line.recv(1_000)

        assert long.status_code == 413
        assert slow.startswith(b"HTTP/1.1 408")
        assert witness.submit(LOG.request(0, 3)).status_code == 200


def test_two_submissions_at_once_are_never_both_cosigned_from_one_size(witness: Place) -> None:
    witness.submit(LOG.request(0, 5))
    start = threading.Barrier(6)
    answers: list[httpx.Response] = []

    def rival(number: int) -> None:
        start.wait(20)
        answers.append(witness.submit((FORK if number % 2 else LOG).request(5, 20 + number) if number < 5 else LOG.request(5, 9)))

    threads = [threading.Thread(target=rival, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    codes = sorted(answer.status_code for answer in answers)
    assert codes.count(200) == 1
    assert set(codes) <= {200, 409, 422}


def test_a_witness_without_a_key_is_none(tmp_path: Path) -> None:
    with WitnessState.create(tmp_path / "w") as state, pytest.raises(ConfigError):
        create_witness(state, [], TickingClock())


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from([None, 1, 3, 7]), st.integers(0, 16), st.integers(0, 16), st.booleans()), min_size=1, max_size=25
    )
)
def test_all_that_was_ever_cosigned_is_one_growing_log(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    """Whatever is submitted, honest, forked, from wrong sizes, with proofs of other histories."""
    logs = {fork: GrowingLog(forked_at=fork, most=16) for fork in (None, 1, 3, 7)}
    cosigned: list[Head] = []
    with WitnessState.create(tmp_path_factory.mktemp("w") / "w") as state:
        state.add_log(KeyRing.of(SIGNER.verifier))
        witness = Witness(state, [WITNESS], TickingClock())
        for fork, one, other, from_held in steps:
            log = logs[fork]
            size = max(one, other)
            old = min(state.held(SIGNER.name).head.size, size) if from_held else min(one, other)
            try:
                witness.add_checkpoint(log.request(old, size).body)
            except (_Refused, Superseded):
                continue
            cosigned.append(log.head(size))

    assert all(earlier.size <= later.size for earlier, later in pairwise(cosigned))
    histories = [log for log in logs.values() if cosigned and log.head(cosigned[-1].size) == cosigned[-1]]
    assert all(log.head(head.size) == head for log in histories for head in cosigned)
    assert histories or not cosigned
