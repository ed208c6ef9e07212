"""A process that reads a directory and kills itself at a named moment: `python -m tests.ingest.pull.dying DATA LOGS MOMENT COUNT`.

Prints the ids in the ledger when it comes to the end.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.record import Parsed, Receipt
from ingest.parsers import parser_for, split_records
from ingest.pull.directory import DirectoryTail
from ingest.pull.directory_cut import Tail
from ingest.pull.runner import PullRunner
from store.engine import Engine
from store.intake import Intake
from store.pull_cursors import Place, PullCursors
from store.quarantine import Quarantine
from tests.support.clock import TickingClock
from tests.support.node import node


class Fate:
    """Kills this process the n-th time that a moment comes."""

    def __init__(self, moment: str, count: int) -> None:
        self._moment = moment
        self._left = count

    def at(self, moment: str) -> None:
        if moment == self._moment:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


class DyingIntake:
    def __init__(self, intake: Intake, fate: Fate) -> None:
        self._intake, self._fate = intake, fate

    def submit(self, batch: Sequence[Parsed]) -> list[Receipt]:
        self._fate.at("before store")
        receipts = self._intake.submit(batch)
        self._fate.at("after store")
        return receipts


class DyingCursors(PullCursors):
    fate: Fate

    def move(self, name: str, place: Place, cursor: str, at: datetime) -> Place:
        moved = super().move(name, place, cursor, at)
        self.fate.at("after cursor")
        return moved


def main(data: Path, logs: Path, moment: str, count: int) -> None:
    clock = TickingClock(datetime(2026, 3, 2, 8, tzinfo=UTC))
    fate = Fate(moment, count)
    with Engine.embedded(data) as engine:
        engine.migrate()
        with node(engine, data / "node", clock) as made:
            cursors = DyingCursors(engine)
            cursors.fate = fate
            runner = PullRunner(
                name="logs",
                connector=DirectoryTail(
                    logs,
                    patterns=["*"],
                    split=lambda chunks: split_records("cef", chunks),
                    tail=Tail.LINES,
                    clock=clock,
                    page_bytes=400,
                ),
                new_parser=lambda: parser_for("cef", source_system="gate", received=clock),
                source_system="gate",
                intake=DyingIntake(Intake(made.ledger, Quarantine(engine, clock)), fate),
                cursors=cursors,
                clock=clock,
                wait=lambda seconds: seconds > 0,
                jitter=lambda: 0.0,
                interval=timedelta(seconds=5),
            )
            runner.run()
            print(
                json.dumps(
                    {"ids": [row[0] for row in engine.rows("SELECT event_id FROM events")], "error": runner.state.last_error}
                )
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
