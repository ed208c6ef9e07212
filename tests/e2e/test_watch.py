"""A record changed while the node runs is raised by the node itself, once."""

import json
import subprocess
import sys
from pathlib import Path

from tests.runtime.command import ROOT


def test_a_row_changed_behind_its_back_becomes_a_critical_alert(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.e2e.watcher", str(tmp_path / "data")]

    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)

    assert done.returncode == 0, done.stderr
    ((kind, severity, version, *sentences),) = json.loads(done.stdout)
    assert (kind, severity, version) == ("record_tampered", "critical", 1)
    assert any("entry 5: a column differs from the body" in sentence for sentence in sentences)
