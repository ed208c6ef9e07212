"""kill -9 during load, twenty times at random moments: nothing acknowledged is lost or stored twice, and the record verifies."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

ROUNDS = 20


def test_killed_twenty_times(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    chance = random.Random(20)
    acknowledged: dict[str, int] = {}

    for round_number in range(ROUNDS):
        acknowledged |= load_until_killed(data_dir, first=round_number * 10_000, acknowledgements=chance.randint(1, 400))

    code, verdict = verify(data_dir)
    stored = stored_events(data_dir)
    assert (code, verdict["integrity"]) == (0, "intact")
    assert len(acknowledged) > ROUNDS
    assert {event: stored.get(event) for event in acknowledged} == {event: [seq] for event, seq in acknowledged.items()}
    assert all(len(places) == 1 for places in stored.values())


def load_until_killed(data_dir: Path, *, first: int, acknowledgements: int) -> dict[str, int]:
    """Run the loader until it has printed so many acknowledgements, kill it, and return all that it printed whole."""
    command = [sys.executable, "-m", "tests.e2e.loader", str(data_dir), str(first)]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if len(lines) >= acknowledgements:
                break
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    whole = [line.split() for line in lines if line.endswith("\n")]
    return {event: int(seq) for event, seq in whole}


def verify(data_dir: Path) -> tuple[int, dict[str, str]]:
    """What `phitrail verify --json` says, from a process of its own."""
    environment = {**os.environ, "PHITRAIL_LEDGER__ANCHOR_DIR": str(data_dir.parent / "copies")}
    command = [sys.executable, "-m", "runtime", "verify", "--json", "--data-dir", str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return done.returncode, json.loads(done.stdout)


def stored_events(data_dir: Path) -> dict[str, list[int]]:
    """Event id to the places where it stands, read in a process of its own (this one may have another engine open)."""
    code = (
        "import json, sys; from pathlib import Path; from store.engine import Engine\n"
        "with Engine.embedded(Path(sys.argv[1])) as engine:\n"
        "    print(json.dumps(dict(engine.rows('SELECT event_id, groupArray(seq) FROM events GROUP BY event_id'))))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(data_dir)], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))
