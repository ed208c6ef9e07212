"""The command `retention redact`, as a person runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.cli.redacting import wait_while
from tests.runtime.command import ROOT, Command, Done
from tests.support.records import event_lines

# The command in a group of its own, behind the same door as every other.
COMMAND = """
import typer
import runtime.cli
from runtime.cli import redacting

group = typer.Typer()
group.callback()(lambda: None)
redacting.register(group)
runtime.cli.app.add_typer(group, name="private-parts")
runtime.cli.main()
"""
BY_TWO = ("--approver", "counsel", "--approver", "privacy.officer")


@pytest.fixture
def phitrail(tmp_path: Path) -> Command:
    command = Command(tmp_path)
    assert command("ingest", "-", "--format", "phitrail", "--source-system", "ehr", stdin=event_lines(range(4))).code == 0
    return command


def redact(phitrail: Command, *words: str) -> Done:
    given = [sys.executable, "-c", COMMAND, "private-parts", "redact", *words, "--no-wait", "--data-dir", str(phitrail.data_dir)]
    done = subprocess.run(given, input=b"", capture_output=True, env=phitrail.environment, cwd=ROOT, check=False, timeout=120)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_private_parts_leave_and_the_ledger_verifies(phitrail: Command) -> None:
    refused = redact(phitrail, "--seq", "1", "--reason", "court_order", *BY_TWO)
    done = redact(phitrail, "--seq", "1", "--seq", "2", "--reason", "court_order", *BY_TWO, "--yes")
    again = redact(phitrail, "--seq", "3", "--seq", "2", "--reason", "court_order", *BY_TWO, "--yes")

    assert (refused.code, refused.out) == (2, "")
    assert "say --yes" in refused.err
    assert done.code == 0, done.err
    assert "2 entries of main in " in done.out
    assert again.code == 2
    assert "entry 2 of writer main was redacted before" in again.err
    verified = phitrail("verify")
    assert verified.code == 0, verified.out
    assert phitrail("prove", "1").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--seq", "1", "--reason", "court_order", "--approver", "counsel", "--yes"), "two different people"),
        (("--seq", "1", "--reason", "because", *BY_TWO, "--yes"), "Invalid value for '--reason'"),
        (("--seq", "77", "--reason", "other", *BY_TWO, "--yes"), "there is no entry 77 of writer main"),
        (("--seq", "1", "--reason", "other", *BY_TWO, "--writer", "b", "--yes"), "there is no entry 1 of writer b"),
        (("--reason", "other", *BY_TWO, "--yes"), "Missing option '--seq'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(phitrail: Command, words: tuple[str, ...], said: str) -> None:
    done = redact(phitrail, *words)

    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err
    assert "P-1" not in done.err


def test_waiting_ends_when_nothing_is_left_or_the_time_is_over() -> None:
    pauses: list[float] = []
    counts = iter([3, 1, 0])

    assert wait_while(lambda: next(counts), seconds=9, pause=pauses.append) == 0
    assert pauses == [1, 1]
    assert wait_while(lambda: 2, seconds=4, pause=pauses.append) == 2
    assert len(pauses) == 6
