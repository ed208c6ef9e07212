"""A runner over a real desk, and the means to see what it did."""

from dataclasses import dataclass, field
from datetime import timedelta

import httpx

from ingest.parsers import parser_for
from ingest.pipeline import Desk as Takes
from ingest.pull.contract import Connector
from ingest.pull.runner import PullRunner
from store.engine import Engine
from store.pull_cursors import PullCursors
from tests.support.clock import TickingClock
from tests.support.desk import Desk


@dataclass
class Bench:
    """Everything around a runner. `waits` are the seconds it waited for; `stops` says when it is told to stop."""

    desk: Desk
    engine: Engine
    clock: TickingClock
    cursors: PullCursors
    client: httpx.Client
    waits: list[float] = field(default_factory=list)
    stops_after: int | None = None

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.clock.advance(seconds=seconds)
        return self.stops_after is not None and len(self.waits) >= self.stops_after

    def runner(
        self,
        connector: Connector,
        *,
        name: str = "source",
        format_name: str = "ocsf",
        intake: Takes | None = None,
        cursors: PullCursors | None = None,
    ) -> PullRunner:
        return PullRunner(
            name=name,
            connector=connector,
            new_parser=lambda: parser_for(format_name, source_system="source", received=self.clock),
            source_system="source",
            intake=intake or self.desk.intake,
            cursors=cursors or self.cursors,
            clock=self.clock,
            wait=self.wait,
            jitter=lambda: 0.0,
            interval=timedelta(seconds=60),
        )

    def drain(self, runner: PullRunner, most: int = 500) -> None:
        """Step until the source has no more, or fails. Raises AssertionError when it never ends."""
        for _ in range(most):
            if runner.step():
                return
        raise AssertionError("it does not come to an end")

    def ids(self) -> list[str]:
        """Ids of what is in the ledger, each as often as it is there, sorted."""
        return sorted(str(row[0]) for row in self.engine.rows("SELECT event_id FROM events"))


def numbered(*numbers: int) -> list[str]:
    """The ids of `login_event` with these numbers, sorted."""
    return sorted(f"E-{number}" for number in numbers)
