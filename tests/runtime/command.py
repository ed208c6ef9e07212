"""The `phitrail` command in a process of its own, as a person runs it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Command:
    """Runs commands on one data directory, with a home of its own."""

    home: Path

    @property
    def data_dir(self) -> Path:
        return self.home / "data"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "xdg"), "COLUMNS": "160"}

    def __call__(self, *words: str | Path, stdin: bytes = b"", **settings: str) -> Done:
        """Run `phitrail WORDS --data-dir …`."""
        command = [sys.executable, "-m", "runtime", *map(str, words), "--data-dir", str(self.data_dir)]
        done = subprocess.run(
            command, input=stdin, capture_output=True, env={**self.environment, **settings}, cwd=ROOT, check=False, timeout=120
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
