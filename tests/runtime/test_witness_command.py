"""A witness as a second organisation runs it: `phitrail witness …` in processes of its own, over a real socket."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from domain.cosignature import Algorithm, CosigningKey, add_lines, cosignatures
from domain.note import Signer, open_note
from domain.witness_policy import WitnessPolicy
from domain.witness_protocol import AddCheckpoint
from store.witness_state import WitnessState
from tests.runtime.command import ROOT, Done
from tests.support.witness import SIGNER, GrowingLog

LOG = GrowingLog()
NAME = "auditor.example/w1"


@dataclass(frozen=True, slots=True)
class Running:
    """A `phitrail witness serve` that is up."""

    process: subprocess.Popen[str]
    http: httpx.Client

    def submit(self, request: AddCheckpoint) -> httpx.Response:
        return self.http.post("/add-checkpoint", content=request.body)


@dataclass(frozen=True, slots=True)
class Organisation:
    """Runs `phitrail witness` commands on one state directory."""

    state_dir: Path

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "runtime", "witness", *words, "--state-dir", str(self.state_dir)]

    def __call__(self, *words: str) -> Done:
        done = subprocess.run(
            self.words(*words),
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "160"},
            check=False,
            timeout=120,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def serving(self) -> Iterator[Running]:
        log = self.state_dir.parent / "serve.log"
        with log.open("a") as errors:
            process = subprocess.Popen(
                self.words("serve", "--port", "0"), stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=os.environ
            )
        with process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                assert line.startswith("witness: http://127.0.0.1:"), log.read_text(encoding="utf-8")
                with httpx.Client(base_url=line.split()[1], timeout=60, trust_env=False) as client:
                    yield Running(process, client)
            finally:
                process.kill()


@pytest.fixture
def auditor(tmp_path: Path) -> Organisation:
    return Organisation(tmp_path / "witness")


def test_from_init_to_a_cosignature_that_satisfies_the_printed_line(auditor: Organisation) -> None:
    made = auditor("init", "--name", NAME, "--url", "https://witness.example/w1")
    assert made.code == 0, made.err
    line = made.out.splitlines()[-1]
    policy = WitnessPolicy.parse(f"{line}\nquorum {NAME}\n")
    assert policy.witnesses[0].url == "https://witness.example/w1"
    assert policy.witnesses[0].cosigner.algorithm is Algorithm.ML_DSA_44
    assert {path.name: path.stat().st_mode & 0o077 for path in auditor.state_dir.iterdir()} == {
        "witness.key": 0,
        "witness.sqlite": 0,
    }
    assert auditor.state_dir.stat().st_mode & 0o077 == 0

    added = auditor("add-log", SIGNER.verifier.text)
    assert (added.code, added.out) == (0, "log.example/spine is known by 1 key\n")
    with auditor.serving() as witness:
        assert witness.http.get("/livez").status_code == 200
        answer = witness.submit(LOG.request(0, 5))
        assert answer.status_code == 200
        note = add_lines(LOG.note(5), answer.text.splitlines(keepends=True))
        assert policy.is_met([found.name for found, _ in policy.witnesses_that_signed(note)])
        witness.process.send_signal(signal.SIGTERM)
        assert witness.process.wait(60) == 0

    listed = auditor("list")
    assert line.removesuffix(" https://witness.example/w1") in listed.out
    assert re.search(r"log\.example/spine +5 +[0-9a-f]{16}… +20\d\d-", listed.out)
    log = (auditor.state_dir.parent / "serve.log").read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert "PRIVATE" not in made.out + listed.out + log


def test_init_never_overwrites_and_takes_no_impossible_name(auditor: Organisation) -> None:
    assert auditor("init", "--name", "two words").code == 2
    assert not auditor.state_dir.exists()
    assert auditor("init", "--name", NAME, "--algorithm", "ed25519").code == 0
    key = (auditor.state_dir / "witness.key").read_text(encoding="utf-8")
    assert CosigningKey.parse(key).algorithm is Algorithm.ED25519

    again = auditor("init", "--name", NAME)

    assert (again.code, "nothing was changed" in again.err) == (2, True)
    assert (auditor.state_dir / "witness.key").read_text(encoding="utf-8") == key
    assert [path.name for path in auditor.state_dir.parent.iterdir()] == ["witness"], "nothing half made is left"


def test_a_log_is_added_while_it_serves_also_by_a_key_list(auditor: Organisation) -> None:
    successor = Signer(SIGNER.name, b"n" * 32)
    renewed = GrowingLog(signer=successor)
    ring = auditor.state_dir.parent / "ledger.keys"
    auditor("init", "--name", NAME)
    with auditor.serving() as witness:
        assert witness.submit(LOG.request(0, 3)).status_code == 404
        assert auditor("add-log", SIGNER.verifier.text).code == 0
        assert witness.submit(LOG.request(0, 3)).status_code == 200

        ring.write_text(LOG.ring.rotated(4, successor.verifier).text, encoding="utf-8")
        added = auditor("add-log", str(ring))
        assert (added.code, "2 keys" in added.out) == (0, True)
        assert witness.submit(renewed.request(3, 8)).status_code == 200

    assert auditor("add-log", "no key").code == 2
    assert auditor("add-log", successor.verifier.text).code == 2


def test_a_fork_is_refused_and_shown(auditor: Organisation) -> None:
    auditor("init", "--name", NAME)
    auditor("add-log", SIGNER.verifier.text)
    fork = GrowingLog(forked_at=1)
    assert "nothing was refused" in auditor("evidence").out
    with auditor.serving() as witness:
        witness.submit(LOG.request(0, 5))
        assert witness.submit(fork.request(5, 5)).status_code == 409

    shown = auditor("evidence").out
    refused, held = (part.strip("\n") + "\n" for part in re.split(r"\nheld\n", shown))
    assert open_note(held, [SIGNER.verifier]).text == LOG.head(5).checkpoint
    assert open_note(refused.split("refused\n\n")[1], [SIGNER.verifier]).text == fork.head(5).checkpoint


def test_what_was_answered_before_kill_9_is_held_after_it(auditor: Organisation) -> None:
    auditor("init", "--name", NAME, "--algorithm", "ed25519")
    auditor("add-log", SIGNER.verifier.text)
    answered = 0
    for first in (1, 20):
        with auditor.serving() as witness:
            for size in range(first, first + 12):
                assert witness.submit(LOG.request(answered, size)).status_code == 200
                answered = size
            witness.process.send_signal(signal.SIGKILL)
            witness.process.wait(60)
        with WitnessState(auditor.state_dir) as state:
            assert state.held(SIGNER.name).head == LOG.head(answered)

    key = CosigningKey.parse((auditor.state_dir / "witness.key").read_text(encoding="utf-8"))
    with auditor.serving() as witness:
        assert witness.submit(LOG.request(answered - 1, answered)).status_code == 409
        again = witness.submit(LOG.request(answered, answered))
    assert len(cosignatures(add_lines(LOG.note(answered), [again.text]), [key.cosigner])) == 1


def test_a_key_without_its_memory_does_not_serve(auditor: Organisation) -> None:
    auditor("init", "--name", NAME)
    (auditor.state_dir / "witness.sqlite").unlink()

    refused = auditor("serve", "--port", "0")

    assert refused.code == 2
    assert "retire the key" in refused.err
    assert "Traceback" not in refused.err


def test_every_command_on_nothing_says_what_is_missing(auditor: Organisation) -> None:
    for words in (("list",), ("evidence",), ("serve", "--port", "0"), ("add-log", SIGNER.verifier.text)):
        done = auditor(*words)
        assert done.code == 2, words
        assert done.err.startswith("phitrail: "), words
        assert not auditor.state_dir.exists()


def test_a_port_that_is_taken_is_a_sentence(auditor: Organisation) -> None:
    auditor("init", "--name", NAME)
    with auditor.serving() as witness:
        done = auditor("serve", "--port", str(witness.http.base_url.port))

    assert done.code == 2
    assert "cannot listen" in done.err


def test_what_serves_is_loaded_without_an_engine() -> None:
    code = (
        "import sys, api.witness\n"
        "print([name for name in ('chdb', 'clickhouse_connect', 'polars', 'store.engine', 'dashboards') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout.strip() == "[]"
