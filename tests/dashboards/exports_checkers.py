"""Both checkers of exports, `phitrail verify-export` and verify.py, asked the same: they share no code and agree in every word."""

import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path

from dashboards import export_verify
from dashboards.export_check import CLAIMS, MAX_BYTES, BundleVerdict, verify_bundle
from domain.keyring import KeyRing
from domain.witness_policy import WitnessPolicy

VERIFY = Path(export_verify.__file__)

PROVEN, OPEN, FAILED = "PROVEN", "NOT PROVEN", "FAILED"


@dataclass(frozen=True, slots=True)
class Said:
    """What a checker says of one claim."""

    state: str
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What both checkers said. `problem` is why it is no export; then there are no claims."""

    exit_code: int
    claims: dict[str, Said]
    problem: str = ""

    @property
    def failed(self) -> set[str]:
        """The claims that failed."""
        return {name for name, said in self.claims.items() if said.state == FAILED}

    @property
    def open(self) -> set[str]:
        """The claims that are not proven."""
        return {name for name, said in self.claims.items() if said.state == OPEN}

    def says(self, name: str, words: str) -> bool:
        """Whether a reason for a claim has these words."""
        return any(words in why for why in self.claims[name].why)


@dataclass(frozen=True, slots=True)
class Given:
    """What the reader brings: texts of a key list, a policy and an older checkpoint, and an answer about consistency."""

    trust: str | None = None
    policy: str | None = None
    since: str | None = None
    consistency: bytes | None = None
    max_bytes: int = MAX_BYTES

    def arguments(self, path: Path) -> list[str]:
        """For the command line; the texts are put beside the export."""
        found = [str(path), f"--max-bytes={self.max_bytes}"]
        for name in ("trust", "policy", "since", "consistency"):
            value = getattr(self, name)
            if value is not None:
                file = path.with_name(f"given.{name}")
                file.write_bytes(value if isinstance(value, bytes) else value.encode())
                found += [f"--{name}", str(file)]
        return found


def ask(path: Path, given: Given) -> Answer:
    """Ask both, and see to it that they agree: exit code, state of every claim, every sentence."""
    ours, theirs = _our_answer(by_our_code(path, given)), by_verify_py(path, given)
    for name in CLAIMS:
        assert (name, theirs.claims.get(name)) == (name, ours.claims.get(name))
    assert theirs == ours
    return ours


def by_our_code(path: Path, given: Given) -> BundleVerdict:
    """`phitrail verify-export`."""
    return verify_bundle(
        path,
        trust=None if given.trust is None else KeyRing.parse(given.trust),
        policy=None if given.policy is None else WitnessPolicy.parse(given.policy),
        since=given.since,
        consistency=given.consistency,
        max_bytes=given.max_bytes,
    )


def by_verify_py(path: Path, given: Given) -> Answer:
    """verify.py inside this process: for hundreds of exports. `stand_alone` is how a stranger runs it."""
    out, errors = (TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(errors):
        code = export_verify.main(given.arguments(path))
    said, problems = (one.buffer.getvalue().decode() for one in (out, errors) if isinstance(one.buffer, BytesIO))
    return read_output(code, said, problems)


def stand_alone(path: Path, given: Given, *more: str, python: str = sys.executable, program: Path = VERIFY) -> Answer:
    """verify.py (or a copy) as a stranger runs it: isolated, without installed packages, in the folder of the export."""
    done = run(path, [*given.arguments(path), *more], python=python, program=program)
    return read_output(done.returncode, done.stdout.decode(), done.stderr.decode())


def run(
    path: Path, arguments: Sequence[str], *, python: str = sys.executable, program: Path = VERIFY
) -> subprocess.CompletedProcess[bytes]:
    """The process."""
    command = [python, "-I", "-S", "-W", "error", str(program), *arguments]
    return subprocess.run(command, capture_output=True, check=False, cwd=path.parent, env={"PYTHONIOENCODING": "utf-8"})


def read_output(code: int, out: str, errors: str) -> Answer:
    """What verify.py printed."""
    names = {text: name for name, text in CLAIMS.items()}
    claims = {}
    for match in re.finditer(r"^(PROVEN|NOT PROVEN|FAILED) +(.+)\n((?: {14}.+\n)+)", out, re.MULTILINE):
        claims[names[match[2]]] = Said(match[1], tuple(line[14:] for line in match[3].splitlines()))
    return Answer(code, claims, errors.removeprefix("UNREADABLE  ").strip())


def _our_answer(verdict: BundleVerdict) -> Answer:
    claims = {name: Said(str(claim.state), claim.why) for name, claim in verdict.claims.items()}
    return Answer(verdict.exit_code, claims, verdict.unreadable)
