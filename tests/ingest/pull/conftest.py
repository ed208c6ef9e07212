"""A bench for each test."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from store.engine import Engine
from store.pull_cursors import PullCursors
from tests.ingest.pull.bench import Bench
from tests.support.clock import TickingClock
from tests.support.desk import desk


@pytest.fixture
def bench(engine: Engine, tmp_path: Path) -> Iterator[Bench]:
    clock = TickingClock()
    with desk(engine, tmp_path / "node", clock) as made, httpx.Client(timeout=5.0, trust_env=False) as client:
        yield Bench(desk=made, engine=engine, clock=clock, cursors=PullCursors(engine), client=client)
