"""An intake over the shared engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.engine import Engine
from tests.support.desk import Desk, desk


@pytest.fixture
def at(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    with desk(engine, tmp_path / "node") as made:
        yield made
