"""Collecting cosignatures from real witnesses over real sockets: honest ones, and every way in which one can fail or lie."""

import hashlib
import logging
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from pathlib import Path

import httpx
import pytest

from api.witness import create_witness
from domain.cosignature import Algorithm, CosigningKey, cosignatures
from domain.errors import ConfigError, IntegrityError
from domain.event import AuditEvent
from domain.json import Json
from domain.keyring import KeyRing
from domain.note import Signature, Signer, open_note, split_note
from domain.witness_policy import NO_WITNESSES, PolicyWitness, WitnessPolicy
from domain.witness_protocol import AddCheckpoint
from retention.witnessing import MOST_BYTES, Submission, WitnessFailed, Witnessing, WitnessRefused, submit, verified
from store import cosignatures as stored_cosignatures
from store.cosignatures import Cosignatures, StoredCosignature, WitnessRound
from store.engine import Engine
from store.spine import SpineEntry
from store.tiles import Tiles
from store.witness_state import WitnessState
from tests.support.clock import TickingClock
from tests.support.desk import WAIT_SECONDS
from tests.support.faults import Fault
from tests.support.http_server import served
from tests.support.long_spine import lay_spine
from tests.support.node import SIGNER, Node, node
from tests.support.witness import POST_QUANTUM, SECOND, WITNESS, GrowingLog

NOWHERE = "http://127.0.0.1:1"
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SECONDS = int(NOW.timestamp())


@dataclass
class Answer:
    """What a scripted witness answers to its next request."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


Script = Callable[[AddCheckpoint], Answer]


@contextmanager
def scripted(script: Script, paths: list[str] | None = None) -> Iterator[str]:
    """A witness that answers what a test wants; its address. `paths` is told what was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = AddCheckpoint.parse(self.rfile.read(int(self.headers["content-length"])))
            answer = script(request)
            if paths is not None:
                paths.append(self.path)
            self.send_response(answer.status)
            self.send_header("content-type", answer.content_type)
            self.send_header("content-length", str(len(answer.body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hangs up early is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)


def sizes(*answers: int | Answer) -> Script:
    """Answers 409 with each of these sizes in turn, or what is given."""
    waiting = list(answers)

    def script(request: AddCheckpoint) -> Answer:
        answer = waiting.pop(0)
        return answer if isinstance(answer, Answer) else Answer(409, f"{answer}\n".encode(), "text/x.tlog.size")

    return script


def signing(sign: Callable[[str], str]) -> Script:
    """Answers 200 with what `sign` makes of the checkpoint's text."""
    return lambda request: Answer(200, sign(split_note(request.note)[0]).encode())


@contextmanager
def honest(directory: Path, clock: TickingClock, *keys: CosigningKey) -> Iterator[tuple[str, WitnessState]]:
    """Our own witness that knows the node's log; its address and memory."""
    with WitnessState.create(directory) as state:
        state.add_log(KeyRing.of(SIGNER.verifier))
        with served(create_witness(state, keys, clock)) as url:
            yield url, state


def policy(quorum: str, **witnesses: tuple[CosigningKey, str | None]) -> WitnessPolicy:
    """A policy file of these witnesses; `quorum` is its last lines."""
    lines = [f"witness {name} {key.cosigner.text} {url or ''}" for name, (key, url) in witnesses.items()]
    return WitnessPolicy.parse("\n".join([*lines, quorum, ""]))


@dataclass
class Bench:
    """A node, and what a witnessing over it committed and recorded."""

    node: Node
    engine: Engine
    clock: TickingClock
    committed: list[tuple[str, Mapping[str, Json]]] = field(default_factory=list)
    recorded: list[AuditEvent] = field(default_factory=list)
    fails: str = ""

    def witnessing(
        self, policy: WitnessPolicy, *, timeout: float = 20.0, newest: Callable[[], tuple[str, datetime] | None] | None = None
    ) -> Witnessing:
        return Witnessing(
            policy=policy,
            cosignatures=Cosignatures(self.engine),
            tiles=Tiles(self.engine, SIGNER.name),
            newest=newest or self.node.spine.checkpoint,
            commit=self._commit,
            record=self._record,
            clock=self.clock,
            ticks=time.monotonic,
            timeout=timeout,
        )

    def _commit(self, kind: str, fields: Mapping[str, Json]) -> SpineEntry:
        if self.fails == "commit":
            self.fails = ""
            raise Fault(kind)
        self.committed.append((kind, fields))
        return self.node.keeper.commit(kind, fields)

    def _record(self, event: AuditEvent) -> None:
        if self.fails == "record":
            self.fails = ""
            raise Fault(event.action)
        self.recorded.append(event)
        self.node.ledger.append([event])

    def grow(self, entries: int = 2) -> str:
        """New entries; the newest checkpoint."""
        for _ in range(entries):
            self.clock.advance(seconds=5)
            note = self.node.keeper.checkpoint().checkpoint
        return note

    def round(self, witnessing: Witnessing) -> WitnessRound:
        self.clock.advance(minutes=1)
        done = witnessing.run()
        assert done is not None
        return done


def ask(script: Script) -> StoredCosignature:
    """Submit size 5 of a log to a scripted witness whose key is WITNESS, and verify what it answers at NOW."""
    log = GrowingLog()
    with scripted(script) as url, httpx.Client(timeout=20, trust_env=False) as client:
        submission = Submission(
            note=log.note(5), size=5, old_size=0, prove=lambda old: log.request(old, 5).path, newest_size=lambda: 5
        )
        return verified(log.note(5), submit(client, url, submission), PolicyWitness("a", WITNESS.cosigner, url), NOW)


@pytest.fixture
def bench(engine: Engine, tmp_path: Path) -> Iterator[Bench]:
    clock = TickingClock()
    lay_spine(engine, tmp_path / "node", clock, 5)
    with node(engine, tmp_path / "node", clock) as made:
        bench = Bench(made, engine, clock)
        bench.grow(1)
        yield bench


def test_a_quorum_of_two_of_three_is_met_with_one_away_and_published(bench: Bench, tmp_path: Path) -> None:
    with (
        honest(tmp_path / "a", bench.clock, WITNESS) as (one, state),
        honest(tmp_path / "b", bench.clock, POST_QUANTUM) as (two, _),
    ):
        rules = policy("group most 2 a b c\nquorum most", a=(WITNESS, one), b=(POST_QUANTUM, two), c=(SECOND, NOWHERE))
        witnessing = bench.witnessing(rules)

        first = bench.round(witnessing)
        bench.grow()
        second = bench.round(witnessing)

        assert (first.signed, first.failed, first.is_met, first.missing_since) == (
            ["a", "b"],
            {"c": "it could not be reached"},
            True,
            None,
        )
        assert second.size > first.size
        assert second.is_met
        assert state.held(SIGNER.name).head.size == second.size
    stored = Cosignatures(bench.engine)
    published = stored.newest_met(rules)
    assert published is not None
    assert published.size == second.size
    assert open_note(published.note, [SIGNER.verifier])
    assert len(cosignatures(published.note, [WITNESS.cosigner, POST_QUANTUM.cosigner])) == 2
    assert rules.is_met([witness.name for witness, _ in rules.witnesses_that_signed(published.note)])
    assert stored.last_sizes() == {"a": second.size, "b": second.size}
    assert len(stored.of_size(second.size)) == 2


def test_one_of_three_is_no_quorum_and_the_last_checkpoint_that_had_one_stays_published(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The search for it goes page by page: here it is on the third.
    monkeypatch.setattr(stored_cosignatures, "_PAGE", 1)
    with ExitStack() as away:
        one, _ = away.enter_context(honest(tmp_path / "a", bench.clock, WITNESS))
        with honest(tmp_path / "b", bench.clock, SECOND) as (two, _):
            rules = policy("group most 2 a b c\nquorum most", a=(WITNESS, one), b=(SECOND, two), c=(POST_QUANTUM, NOWHERE))
            witnessing = bench.witnessing(rules)
            met = bench.round(witnessing)
        bench.grow()
        missed = bench.round(witnessing)
        bench.grow()
        again = bench.round(witnessing)

    assert (met.is_met, missed.is_met, again.is_met) == (True, False, False)
    assert (missed.signed, set(missed.failed)) == (["a"], {"b", "c"})
    assert missed.missing_since == again.missing_since == met.at
    published = Cosignatures(bench.engine).newest_met(rules)
    assert published is not None
    assert published.size == met.size


def test_the_record_says_who_saw_it_hourly_and_when_the_quorum_changes(bench: Bench, tmp_path: Path) -> None:
    with honest(tmp_path / "a", bench.clock, WITNESS) as (url, _):
        rules = policy("quorum a", a=(WITNESS, url))
        witnessing = bench.witnessing(rules)
        rounds = []
        for _ in range(5):
            bench.grow(1)
            rounds.append(bench.round(witnessing))
            bench.clock.advance(minutes=14)
    bench.grow()
    lost = bench.round(witnessing)
    bench.round(witnessing)

    kinds = [kind for kind, _ in bench.committed]
    fields = [fields for _, fields in bench.committed]
    assert kinds == ["witnessed"] * 3
    assert [(entry["size"], entry["is_quorum"]) for entry in fields] == [
        (rounds[0].size, True),
        (rounds[4].size, True),
        (lost.size, False),
    ]
    assert (fields[0]["names"], fields[2]["names"]) == (["a"], [])
    stored = Cosignatures(bench.engine).cosigned(rounds[0].size, rules)
    assert stored is not None
    assert fields[0]["note_sha256"] == hashlib.sha256(stored.note.encode()).hexdigest()
    (event, later) = bench.recorded
    assert (event.action, event.actor.id, event.actor.kind, event.source, event.patient_id) == (
        "time_anchor",
        "phitrail",
        "system",
        "access",
        None,
    )
    (found,) = cosignatures(stored.note, [WITNESS.cosigner])
    moment = datetime.fromtimestamp(found.timestamp, UTC)
    assert event.details == {
        "size": rounds[0].size,
        "note_sha256": fields[0]["note_sha256"],
        "names": ["a"],
        "times": [moment.isoformat(timespec="microseconds").replace("+00:00", "Z")],
    }
    assert later.details["size"] == rounds[4].size
    actions = bench.engine.rows("SELECT action, count() FROM events WHERE source_system = 'phitrail' GROUP BY action")
    assert actions == [("time_anchor", 2)]
    assert bench.engine.rows("SELECT count() FROM spine WHERE kind = 'witnessed'") == [(3,)]


@pytest.mark.parametrize("step", ["commit", "record"])
def test_what_the_record_could_not_be_told_is_told_in_the_next_round(bench: Bench, tmp_path: Path, step: str) -> None:
    with honest(tmp_path / "a", bench.clock, WITNESS) as (url, _):
        witnessing = bench.witnessing(policy("quorum a", a=(WITNESS, url)))
        bench.fails = step
        with pytest.raises(Fault):
            bench.round(witnessing)

        done = bench.round(witnessing)

    assert done.is_met
    assert [event.details["size"] for event in bench.recorded] == [done.size]
    assert bench.committed[-1][1]["size"] == done.size


def test_a_checkpoint_that_has_a_cosignature_is_not_submitted_again(bench: Bench) -> None:
    asked: list[int] = []

    def script(request: AddCheckpoint) -> Answer:
        asked.append(request.head.size)
        return signing(lambda text: WITNESS.cosign(text, int(bench.clock.now.timestamp())))(request)

    newest = bench.node.spine.checkpoint()
    with scripted(script) as url:
        witnessing = bench.witnessing(policy("quorum a", a=(WITNESS, url)), newest=lambda: newest)

        assert [bench.round(witnessing).signed for _ in range(3)] == [["a"]] * 3

    assert len(asked) == 1


def test_a_witness_that_holds_another_size_is_given_a_proof_from_there(bench: Bench, tmp_path: Path) -> None:
    """A store that forgot its cosignatures offers size 0; the 409 says from where to prove."""
    with honest(tmp_path / "a", bench.clock, WITNESS) as (url, state):
        rules = policy("quorum a", a=(WITNESS, url))
        first = bench.round(bench.witnessing(rules))
        bench.engine.execute("TRUNCATE TABLE cosignatures")
        bench.grow()

        second = bench.round(bench.witnessing(rules))

        assert (second.failed, second.is_met) == ({}, True)
        assert state.held(SIGNER.name).head.size == second.size > first.size


def test_a_witness_put_back_from_a_backup_is_led_forward_again(bench: Bench, tmp_path: Path) -> None:
    """Its memory is older than what our store knows that it signed; what it holds is still a beginning of our history."""
    first = bench.node.spine.checkpoint()
    with honest(tmp_path / "a", bench.clock, WITNESS) as (url, _):
        bench.round(bench.witnessing(policy("quorum a", a=(WITNESS, url)), newest=lambda: first))
    shutil.copytree(tmp_path / "a", tmp_path / "backup")
    bench.grow()
    with WitnessState(tmp_path / "a") as state, served(create_witness(state, [WITNESS], bench.clock)) as url:
        later = bench.round(bench.witnessing(policy("quorum a", a=(WITNESS, url))))
    bench.grow()
    with WitnessState(tmp_path / "backup") as state, served(create_witness(state, [WITNESS], bench.clock)) as url:
        assert state.held(SIGNER.name).head.size < later.size

        done = bench.round(bench.witnessing(policy("quorum a", a=(WITNESS, url))))

        assert (done.failed, done.is_met) == ({}, True)
        assert state.held(SIGNER.name).head.size == done.size


def test_an_honest_answer_is_taken() -> None:
    taken = ask(signing(lambda text: WITNESS.cosign(text, SECONDS)))

    assert (taken.size, taken.name, taken.timestamp, taken.line) == (
        5,
        "a",
        NOW,
        WITNESS.cosign(GrowingLog().head(5).checkpoint, SECONDS),
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "did not understand"),
        (403, "list of our keys"),
        (404, "verifier key"),
        (429, "fewer"),
        (500, "500"),
        (302, "302"),
        (204, "204"),
    ],
)
def test_a_witness_that_refuses_is_named_with_what_to_do(status: int, words: str) -> None:
    with pytest.raises(WitnessFailed, match=words) as failed:
        ask(lambda request: Answer(status, b"" if status == 204 else b"secret", headers={"location": "http://127.0.0.1:9/"}))

    assert "secret" not in str(failed.value)
    assert not isinstance(failed.value, WitnessRefused)


@pytest.mark.parametrize(
    ("answers", "words", "is_refusal"),
    [
        ([Answer(422)], "does not fit the 0 that it holds", True),
        ([2, Answer(422)], "does not fit the 2 that it holds", True),
        ([5, 5], "does not fit the 5 that it holds", True),
        ([5, Answer(409)], "does not fit the 5 that it holds", True),
        ([6], "it cosigned 6 entries of this log, but 5", True),
        ([3, 1_000_000], "it cosigned 1000000 entries", True),
        ([3, 4], "another size each time", False),
        ([0], "the very size", False),
        ([Answer(409, b"7", "text/plain")], "without the size", False),
        ([Answer(409, b"seven\n", "text/x.tlog.size")], "without the size", False),
        ([Answer(409, b"9" * 30 + b"\n", "text/x.tlog.size")], "without the size", False),
    ],
)
def test_a_witness_that_holds_something_else(answers: list[int | Answer], words: str, is_refusal: bool) -> None:
    with pytest.raises(WitnessFailed, match=words) as failed:
        ask(sizes(*answers))

    assert isinstance(failed.value, WitnessRefused) == is_refusal


def test_a_record_that_was_forked_is_refused_by_an_honest_witness(bench: Bench, tmp_path: Path) -> None:
    """The witness followed another history of this log, signed by the same key."""
    with honest(tmp_path / "a", bench.clock, WITNESS) as (url, state):
        fork = GrowingLog(signer=SIGNER, forked_at=0)
        httpx.post(f"{url}/add-checkpoint", content=fork.request(0, 3).body, trust_env=False).raise_for_status()
        witnessing = bench.witnessing(policy("quorum a", a=(WITNESS, url)))

        first = bench.round(witnessing)
        bench.grow()
        second = bench.round(witnessing)

        assert "does not fit" in first.failed["a"]
        assert first.refused == second.refused == {"a": first.at}
        assert len(state.evidence()) == 2
        assert state.held(SIGNER.name).head == fork.head(3)


def test_a_record_that_was_rolled_back_is_refused_by_an_honest_witness(bench: Bench, tmp_path: Path) -> None:
    with honest(tmp_path / "a", bench.clock, WITNESS) as (url, _):
        fork = GrowingLog(signer=SIGNER)
        httpx.post(f"{url}/add-checkpoint", content=fork.request(0, 60).body, trust_env=False).raise_for_status()

        done = bench.round(bench.witnessing(policy("quorum a", a=(WITNESS, url))))

        assert "it cosigned 60 entries" in done.failed["a"]
        assert done.refused == {"a": done.at}


def test_another_tree_of_the_same_size_is_refused(bench: Bench, tmp_path: Path) -> None:
    newest = bench.node.spine.checkpoint()
    assert newest is not None
    size = bench.node.spine.size
    with honest(tmp_path / "a", bench.clock, WITNESS) as (url, state):
        fork = GrowingLog(signer=SIGNER, forked_at=0)
        httpx.post(f"{url}/add-checkpoint", content=fork.request(0, size).body, trust_env=False).raise_for_status()

        done = bench.round(bench.witnessing(policy("quorum a", a=(WITNESS, url)), newest=lambda: newest))

        assert "does not fit" in done.failed["a"]
        assert list(done.refused) == ["a"]
        assert [item.head.size for item in state.evidence()] == [size]


def test_a_size_that_was_signed_meanwhile_is_no_rollback(bench: Bench) -> None:
    """A second worker of the same deployment was faster: the store has the newer checkpoint by now."""
    old = bench.node.spine.checkpoint()
    answers = [old]

    def newest() -> tuple[str, datetime] | None:
        return answers.pop() if answers else bench.node.spine.checkpoint()

    bench.grow()
    with scripted(sizes(bench.node.spine.size)) as url:
        done = bench.round(bench.witnessing(policy("quorum a", a=(WITNESS, url)), newest=newest))

    assert "newer checkpoint meanwhile" in done.failed["a"]
    assert done.refused == {}


def forged(text: str) -> str:
    """A line of WITNESS's with a signature of nothing."""
    return Signature(WITNESS.name, WITNESS.cosigner.key_id, SECONDS.to_bytes(8, "big") + bytes(64)).line


STRANGER = CosigningKey("stranger.example/w", b"s" * 32, Algorithm.ED25519)
IMPOSTOR = CosigningKey(WITNESS.name, b"i" * 32, Algorithm.ED25519)

LIES: Mapping[str, tuple[Script, str]] = {
    "other key": (signing(lambda text: STRANGER.cosign(text, SECONDS)), "key in the policy"),
    "other key under the name": (signing(lambda text: IMPOSTOR.cosign(text, SECONDS)), "key in the policy"),
    "signature without a time": (
        signing(lambda text: Signer(WITNESS.name, WITNESS.seed).sign(text).rpartition("\n\n")[2]),
        "key in the policy",
    ),
    "other text": (signing(lambda text: WITNESS.cosign(GrowingLog().head(4).checkpoint, SECONDS)), "does not fit"),
    "forged": (signing(forged), "does not fit"),
    "no time": (signing(lambda text: WITNESS.cosign(text, 0)), "does not fit"),
    "old time": (signing(lambda text: WITNESS.cosign(text, SECONDS - 3_600)), "clocks is wrong"),
    "future time": (signing(lambda text: WITNESS.cosign(text, SECONDS + 3_600)), "clocks is wrong"),
    "the last second there is": (signing(lambda text: WITNESS.cosign(text, 2**63 - 1)), "does not fit"),
    "nothing": (signing(lambda text: ""), "signature lines"),
    "words": (signing(lambda text: "yes, of course\n"), "signature lines"),
    "no newline": (signing(lambda text: WITNESS.cosign(text, SECONDS).removesuffix("\n")), "signature lines"),
    "no UTF-8": (lambda request: Answer(200, b"\xff\n"), "signature lines"),
    "endless": (lambda request: Answer(200, b"A" * (MOST_BYTES + 1)), "longer"),
    "many lines": (signing(lambda text: WITNESS.cosign(text, SECONDS) * 65), "signature lines"),
    "compressed": (lambda request: Answer(200, b"\x1f\x8b" + bytes(20), headers={"content-encoding": "gzip"}), "signature lines"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_witness_that_lies_counts_for_nothing(lie: str) -> None:
    script, words = LIES[lie]

    with pytest.raises(WitnessFailed, match=words) as failed:
        ask(script)

    assert not isinstance(failed.value, WitnessRefused)


@pytest.mark.parametrize(
    ("script", "is_refusal"),
    [(LIES["other text"][0], False), (sizes(Answer(422)), True), (lambda request: Answer(404), False)],
    ids=["lying", "refusing", "unknown log"],
)
def test_a_failure_costs_the_round_this_witness_and_nothing_else(
    bench: Bench, tmp_path: Path, script: Script, is_refusal: bool
) -> None:
    with scripted(script) as bad, honest(tmp_path / "b", bench.clock, SECOND) as (good, _):
        done = bench.round(bench.witnessing(policy("group one any a b\nquorum one", a=(WITNESS, bad), b=(SECOND, good))))

    assert (done.signed, list(done.failed), done.is_met) == (["b"], ["a"], True)
    assert list(done.refused) == (["a"] if is_refusal else [])
    assert Cosignatures(bench.engine).last_sizes() == {"b": done.size}


def test_lines_of_strangers_beside_the_right_one_are_left_out(bench: Bench) -> None:
    def both(text: str) -> str:
        now = int(bench.clock.now.timestamp())
        return SECOND.cosign("x\n3\n" + "A" * 43 + "=\n", now) + STRANGER.cosign(text, now) + WITNESS.cosign(text, now)

    with scripted(signing(both)) as url:
        rules = policy("quorum a", a=(WITNESS, url), b=(SECOND, None))
        done = bench.round(bench.witnessing(rules))

    assert (done.signed, done.failed) == (["a"], {})
    assert [line.split()[1] for line in Cosignatures(bench.engine).of_size(done.size)] == [WITNESS.name]


@contextmanager
def mute(drip: Iterator[bytes]) -> Iterator[tuple[str, threading.Event]]:
    """A server that takes the request and never ends its answer; its address, and whether its client has hung up."""
    hung_up, over = threading.Event(), threading.Event()

    def serve() -> None:
        with listening:
            line, _ = listening.accept()
        with line:
            try:
                for piece in drip:
                    line.sendall(piece)
                    over.wait(0.02)
                while line.recv(65_536):
                    pass
            except OSError:
                pass
            hung_up.set()

    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", hung_up
    over.set()
    thread.join(WAIT_SECONDS)


@pytest.mark.parametrize(
    "beginning",
    [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"],
    ids=["nothing", "header", "body"],
)
def test_a_witness_that_never_finishes_is_hung_up_on_and_costs_nobody_else(bench: Bench, tmp_path: Path, beginning: bytes) -> None:
    drip = iter([]) if not beginning else chain([beginning], repeat(b"a"))
    with mute(drip) as (slow, hung_up), honest(tmp_path / "b", bench.clock, SECOND) as (good, _):
        rules = policy("quorum b", a=(WITNESS, slow), b=(SECOND, good))

        done = bench.round(bench.witnessing(rules, timeout=3.0))

        assert done.failed == {"a": "it did not answer in time"}
        assert (done.signed, done.is_met) == (["b"], True)
        assert hung_up.wait(WAIT_SECONDS)


def test_the_log_names_a_witness_when_it_fails_and_when_it_is_back_and_never_what_it_said(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[Script] = [lambda request: Answer(500, b"PHI")] * 2
    answers.append(signing(lambda text: WITNESS.cosign(text, int(bench.clock.now.timestamp()))))
    with caplog.at_level(logging.INFO), scripted(lambda request: answers.pop(0)(request)) as url:
        witnessing = bench.witnessing(policy("quorum a", a=(WITNESS, url)))
        for _ in range(3):
            bench.round(witnessing)

    said = [record.getMessage() for record in caplog.records if record.name == "retention.witnessing"]
    assert said == ["witness a gave no cosignature: it answered 500", "witness a cosigns again"]
    assert "PHI" not in caplog.text


def test_a_spine_that_was_changed_is_not_submitted(bench: Bench, tmp_path: Path) -> None:
    asked: list[AddCheckpoint] = []

    def script(request: AddCheckpoint) -> Answer:
        asked.append(request)
        return Answer(500)

    bench.engine.execute("ALTER TABLE spine UPDATE leaf = reverse(leaf) WHERE seq = 2")
    with scripted(script) as url, pytest.raises(IntegrityError, match="phitrail verify"):
        bench.round(bench.witnessing(policy("quorum a", a=(WITNESS, url))))

    assert asked == []


def test_stored_lines_that_were_changed_or_whose_key_left_the_policy_do_not_count(bench: Bench, tmp_path: Path) -> None:
    stored = Cosignatures(bench.engine)
    with honest(tmp_path / "a", bench.clock, WITNESS) as (url, _):
        rules = policy("quorum a", a=(WITNESS, url))
        done = bench.round(bench.witnessing(rules))
    replaced = policy("quorum a", a=(SECOND, None))
    renamed = policy("quorum z", z=(WITNESS, None))
    assert stored.newest_met(rules) is not None
    assert stored.newest_met(replaced) is None
    assert stored.newest_met(renamed) is None

    bad = StoredCosignature(size=done.size, name="a", timestamp=bench.clock.now, line="— a AAAA\n")
    bench.clock.advance(seconds=1)
    stored.add([bad], bench.clock.now)

    assert stored.newest_met(rules) is None
    assert stored.cosigned(done.size, rules) is not None


def test_without_witnesses_nobody_is_asked_and_the_newest_checkpoint_is_published(bench: Bench) -> None:
    newest = bench.node.spine.checkpoint()
    assert newest is not None

    assert bench.witnessing(NO_WITNESSES).run() is None
    published = Cosignatures(bench.engine).newest_met(NO_WITNESSES)

    assert published is not None
    assert published.note == newest[0]
    assert bench.committed == []


def test_before_the_first_checkpoint_there_is_nothing_to_sign(engine: Engine) -> None:
    assert Cosignatures(engine).newest_met(NO_WITNESSES) is None
    assert Cosignatures(engine).cosigned(3, NO_WITNESSES) is None
    assert Cosignatures(engine).last_sizes() == {}


@pytest.mark.parametrize(
    "url", ["http://witness.example", "ftp://witness.example/", "witness.example", "https://", "http://[::bad"]
)
def test_an_address_in_the_clear_is_refused_at_once(bench: Bench, url: str) -> None:
    with pytest.raises(ConfigError, match="https://"):
        bench.witnessing(policy("quorum a", a=(WITNESS, url)))


def test_a_prefix_with_a_path_and_a_slash_is_kept(bench: Bench) -> None:
    paths: list[str] = []

    def script(request: AddCheckpoint) -> Answer:
        return Answer(404)

    with scripted(script, paths) as url:
        bench.round(bench.witnessing(policy("quorum a", a=(WITNESS, f"{url}/w1/"))))

    assert paths == ["/w1/add-checkpoint"]
