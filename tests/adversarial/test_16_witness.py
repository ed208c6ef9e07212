"""Attack: on the witness, or by it: wrong sizes, proofs that do not lead on, a slow, absent or lying witness, one restored from a
backup.

A witness never cosigns what does not follow what it holds: 409 with the size it holds, 422 without a proof; a log that was rolled
back or rewritten is refused for good. A witness that lies counts for nothing, one that is away costs a quorum, never the
recording.
"""

import shutil
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.witness import Witness, _Refused, create_witness
from domain.checkpoint import Head
from domain.cosignature import Algorithm, CosigningKey
from domain.errors import ConfigError
from domain.keyring import KeyRing
from domain.note import Signature, Signer, split_note
from domain.witness_policy import PolicyWitness, WitnessPolicy
from domain.witness_protocol import AddCheckpoint
from retention.witnessing import Submission, WitnessFailed, Witnessing, WitnessRefused, submit, verified
from store.cosignatures import Cosignatures
from store.tiles import Tiles
from store.witness_state import Refusal, Superseded, WitnessState
from tests.adversarial.attacks import SPINE, Scene, is_intact
from tests.support.clock import TickingClock
from tests.support.http_server import served
from tests.support.node import SIGNER
from tests.support.witness import SECOND, WITNESS, GrowingLog

LOG, FORK = GrowingLog(), GrowingLog(forked_at=2)
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SECONDS = int(NOW.timestamp())


class Asked:
    """A witness that holds size 5, and what it answers."""

    def __init__(self, directory: Path) -> None:
        with WitnessState.create(directory) as state:
            state.add_log(LOG.ring)
            Witness(state, [WITNESS], TickingClock()).add_checkpoint(LOG.request(0, 5).body)
        self.directory = directory

    def ask(self, request: AddCheckpoint) -> tuple[int, int | None]:
        """The status, and the size it says that it holds."""
        with WitnessState(self.directory) as state:
            try:
                Witness(state, [WITNESS], TickingClock()).add_checkpoint(request.body)
            except Superseded as superseded:
                return 409, superseded.size
            except _Refused as refused:
                return refused.status, None
        return 200, None

    @property
    def held(self) -> Head:
        """What it cosigned last."""
        with WitnessState(self.directory) as state:
            return state.held(LOG.signer.name).head

    @property
    def evidence(self) -> list[tuple[Refusal, Head]]:
        """What it keeps against the log."""
        with WitnessState(self.directory) as state:
            return [(item.refusal, item.head) for item in state.evidence()]


@pytest.fixture
def witness(tmp_path: Path) -> Asked:
    return Asked(tmp_path / "w")


@pytest.mark.parametrize("old", [0, 4, 6, 9])
def test_another_old_size_than_the_one_it_holds(witness: Asked, old: int) -> None:
    assert witness.ask(LOG.request(old, 9)) == (409, 5)
    assert witness.held == LOG.head(5)


@pytest.mark.parametrize("size", [0, 1, 4])
def test_a_smaller_tree(witness: Asked, size: int) -> None:
    """A log that was rolled back has to begin from its own old size, which is not the one that is held."""
    assert witness.ask(LOG.request(size, size)) == (409, 5)
    assert witness.ask(AddCheckpoint(5, (), LOG.note(size))) == (400, None)
    assert witness.held == LOG.head(5)


@pytest.mark.parametrize(
    ("request_", "status", "kept"),
    [
        pytest.param(FORK.request(5, 9), 422, (Refusal.UNPROVEN, FORK.head(9)), id="a rewritten log that grew"),
        pytest.param(FORK.request(5, 5), 409, (Refusal.FORK, FORK.head(5)), id="a rewritten log of the same size"),
        pytest.param(
            replace(LOG.request(5, 9), path=LOG.request(5, 9).path[:-1]),
            422,
            (Refusal.UNPROVEN, LOG.head(9)),
            id="a proof too short",
        ),
        pytest.param(
            replace(LOG.request(5, 9), path=[*LOG.request(5, 9).path, bytes(32)]),
            422,
            (Refusal.UNPROVEN, LOG.head(9)),
            id="a proof too long",
        ),
        pytest.param(replace(LOG.request(5, 9), path=()), 422, (Refusal.UNPROVEN, LOG.head(9)), id="no proof"),
    ],
)
def test_what_does_not_follow_is_refused_and_kept(
    witness: Asked, request_: AddCheckpoint, status: int, kept: tuple[Refusal, Head]
) -> None:
    assert witness.ask(request_) == (status, None)
    assert witness.evidence == [kept]
    assert witness.held == LOG.head(5)


def test_a_stranger_and_a_thief(witness: Asked) -> None:
    stranger = GrowingLog(signer=Signer("other.example/log", b"o" * 32))
    thief = GrowingLog(signer=Signer(SIGNER.name, b"t" * 32))

    assert witness.ask(stranger.request(0, 9)) == (404, None)
    assert witness.ask(thief.request(5, 9)) == (403, None)
    assert (witness.held, witness.evidence) == (LOG.head(5), [])


def test_a_memory_restored_from_a_backup_goes_on_from_there_and_never_below(witness: Asked, tmp_path: Path) -> None:
    shutil.copytree(witness.directory, tmp_path / "backup")
    assert witness.ask(LOG.request(5, 9)) == (200, None)
    shutil.rmtree(witness.directory)
    (tmp_path / "backup").rename(witness.directory)

    assert witness.ask(LOG.request(9, 12)) == (409, 5)
    assert witness.ask(LOG.request(4, 4)) == (409, 5)
    assert witness.ask(FORK.request(5, 12)) == (422, None)
    assert witness.ask(LOG.request(5, 12)) == (200, None)


def test_a_memory_that_is_lost_is_not_begun_anew(tmp_path: Path) -> None:
    """An empty one would cosign anything under the old key."""
    with pytest.raises(ConfigError, match="retire the key"):
        WitnessState(tmp_path / "gone")


def test_the_ledger_is_rolled_back_and_the_witness_says_so(scene: Scene, tmp_path: Path) -> None:
    """An administrator restores store, state and copies of yesterday: nothing on the machine remembers, the witness does."""
    keep = scene.table("spine").filter(scene.table("spine")["seq"] < 3)
    with WitnessState.create(tmp_path / "w") as state:
        state.add_log(KeyRing.of(SIGNER.verifier))
        with served(create_witness(state, [WITNESS], TickingClock())) as url:
            rules = WitnessPolicy.parse(f"witness a {WITNESS.cosigner.text} {url}\nquorum a\n")
            assert a_round(scene, rules).signed == ["a"]
            scene.write("spine", keep)
            scene.write("checkpoints", scene.table("checkpoints").filter(scene.table("checkpoints")["size"] <= 3))
            scene.sql("TRUNCATE TABLE cosignatures")

            done = a_round(scene, rules)

    assert not done.is_met
    assert "it cosigned 5 entries of this log, but 3 were signed here" in done.failed["a"]
    assert list(done.refused) == ["a"]


def a_round(scene: Scene, rules: WitnessPolicy, timeout: float = 20.0) -> Any:
    """Ask the witnesses of a policy about the newest checkpoint of the store. What the record would be told goes nowhere."""
    (note, _) = scene.engine.rows("SELECT note, time FROM checkpoints ORDER BY size DESC LIMIT 1")[0]
    witnessing = Witnessing(
        policy=rules,
        cosignatures=Cosignatures(scene.engine),
        tiles=Tiles(scene.engine, SPINE),
        newest=lambda: (str(note), NOW),
        commit=lambda kind, fields: None,  # type: ignore[arg-type,return-value]
        record=lambda event: None,
        clock=TickingClock(),
        ticks=lambda: 0.0,
        timeout=timeout,
    )
    return witnessing.run()


def test_a_witness_that_is_gone_costs_its_cosignature_and_nothing_else(scene: Scene, tmp_path: Path) -> None:
    with WitnessState.create(tmp_path / "w") as state:
        state.add_log(KeyRing.of(SIGNER.verifier))
        with served(create_witness(state, [SECOND], TickingClock())) as url:
            rules = WitnessPolicy.parse(
                f"witness a {WITNESS.cosigner.text} http://127.0.0.1:1\nwitness b {SECOND.cosigner.text} {url}\n"
                "group both all a b\nquorum both\n"
            )
            done = a_round(scene, rules)

    assert (done.signed, done.failed, done.is_met, done.missing_since) == (["b"], {"a": "it could not be reached"}, False, NOW)
    assert is_intact(scene.verify())


def signing(sign: Callable[[str], str]) -> Callable[[httpx.Request], httpx.Response]:
    """A witness that answers 200 with what this makes of the checkpoint's text."""
    return lambda request: httpx.Response(
        200, content=iter([sign(split_note(AddCheckpoint.parse(request.read()).note)[0]).encode()])
    )


def forged(text: str) -> str:
    return Signature(WITNESS.name, WITNESS.cosigner.key_id, SECONDS.to_bytes(8, "big") + bytes(64)).line


OF_ITS_OWN = CosigningKey("x.example/w", b"x" * 32, Algorithm.ED25519)
IMPOSTOR = CosigningKey(WITNESS.name, b"i" * 32, Algorithm.ED25519)

LIES = {
    "a key of its own": (signing(lambda text: OF_ITS_OWN.cosign(text, SECONDS)), "key in the policy"),
    "another key under its name": (signing(lambda text: IMPOSTOR.cosign(text, SECONDS)), "key in the policy"),
    "another text": (signing(lambda text: WITNESS.cosign(LOG.head(4).checkpoint, SECONDS)), "does not fit"),
    "a signature of nothing": (signing(forged), "does not fit"),
    "no time": (signing(lambda text: WITNESS.cosign(text, 0)), "does not fit"),
    "an hour ago": (signing(lambda text: WITNESS.cosign(text, SECONDS - 3600)), "clocks is wrong"),
    "in an hour": (signing(lambda text: WITNESS.cosign(text, SECONDS + 3600)), "clocks is wrong"),
    "words": (signing(lambda text: "yes, of course\n"), "signature lines"),
}


def asked(answer: Callable[[httpx.Request], httpx.Response]) -> object:
    """What is kept of a witness's answer about size 5; the transport is in memory."""
    submission = Submission(note=LOG.note(5), size=5, old_size=0, prove=lambda old: LOG.request(old, 5).path, newest_size=lambda: 5)
    with closing(httpx.Client(transport=httpx.MockTransport(answer))) as client:
        lines = submit(client, "http://127.0.0.1", submission)
    return verified(LOG.note(5), lines, PolicyWitness("a", WITNESS.cosigner, None), NOW)


@pytest.mark.parametrize("lie", LIES)
def test_a_witness_that_lies_counts_for_nothing(lie: str) -> None:
    answer, words = LIES[lie]

    with pytest.raises(WitnessFailed, match=words):
        asked(answer)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [(422, b"", "does not fit the 0 that it holds"), (409, b"6\n", "it cosigned 6 entries of this log, but 5")],
)
def test_a_witness_that_refuses_is_told_from_one_that_fails(status: int, body: bytes, words: str) -> None:
    with pytest.raises(WitnessRefused, match=words):
        asked(lambda request: httpx.Response(status, content=iter([body]), headers={"content-type": "text/x.tlog.size"}))


def test_a_slow_witness_costs_no_more_than_the_timeout(scene: Scene) -> None:
    """It takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        rules = WitnessPolicy.parse(f"witness a {WITNESS.cosigner.text} http://127.0.0.1:{mute.getsockname()[1]}\nquorum a\n")

        done = a_round(scene, rules, timeout=0.3)

    assert (done.signed, done.failed) == ([], {"a": "it did not answer in time"})
