"""kill -9 while records are kept and drained, at random moments: what was acknowledged and not drained is there afterwards."""

import random
import signal
import subprocess
import sys
from pathlib import Path

from domain.event import AuditEvent
from ingest.spool.spool import Spool
from tests.support.clock import TickingClock

ROUNDS = 6
ROOT = Path(__file__).parents[3]


def test_killed_at_random_moments(tmp_path: Path) -> None:
    chance = random.Random(6)
    for round_number in range(ROUNDS):
        directory = tmp_path / f"spool-{round_number}"
        kept, taken = run_until_killed(directory, first=round_number * 10_000, lines=chance.randint(1, 1_500))

        spool = Spool(directory, TickingClock())
        left: list[str] = []
        while (batch := spool.peek(max_records=100, max_bytes=1 << 20)) is not None:
            left += [item.event_id for item in batch.items if isinstance(item, AuditEvent)]
            assert batch.damaged == 0
            spool.advance(batch)
        state = spool.state()
        spool.close()

        assert kept
        assert kept <= taken | set(left), "acknowledged, and nowhere"
        assert (state.missing_bytes, state.missing_segments) == (0, 0)
        assert len(left) == len(set(left)), "once in the spool"
        for lane in range(3):
            mine = [int(name.removeprefix("view-")) for name in left if int(name.removeprefix("view-")) % 10_000 // 1_000 == lane]
            assert mine == sorted(mine)


def run_until_killed(directory: Path, *, first: int, lines: int) -> tuple[set[str], set[str]]:
    """Ids acknowledged, and ids drained, as printed whole before the process was killed after so many lines."""
    command = [sys.executable, "-m", "tests.ingest.spool.appender", str(directory), str(first)]
    printed: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            printed.append(line)
            if len(printed) >= lines:
                break
        process.send_signal(signal.SIGKILL)
        printed += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    whole = [line.split() for line in printed if line.endswith("\n")]
    return {name for what, name in whole if what == "kept"}, {name for what, name in whole if what == "taken"}
