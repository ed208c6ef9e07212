"""The process is killed at its worst moments; afterwards every line is there, and each once."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(data: Path, logs: Path, moment: str, count: int = 2) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.ingest.pull.dying", str(data), str(logs), moment, str(count)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_a_kill_before_and_after_each_step_leaves_no_gap_and_no_second_copy(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    # Lines that are alike: their ids depend on how many of them the stream held before.
    line = b"CEF:0|acme|gate|1|100|login|3|rt=1772438400000 suser=alice\n"
    (logs / "a.log").write_bytes(line * 40)
    os.utime(logs / "a.log", (1772438400, 1772438400))

    for moment in ("before store", "after store", "after cursor"):
        killed = run(tmp_path / "data", logs, moment)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    (logs / "a.log").rename(logs / "a.log.1")
    ended = run(tmp_path / "data", logs, "never")

    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["error"] is None
    assert len(answer["ids"]) == len(set(answer["ids"])) == 40
