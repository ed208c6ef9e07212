"""Fixtures for every suite: one real embedded engine per process (chDB admits one data path), emptied between tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.engine import Engine

SAMPLES = Path(os.environ.get("PHITRAIL_SAMPLES", Path(__file__).parent.parent.parent / "shared" / "samples"))


@pytest.fixture(scope="session")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The process-wide engine, migrated."""
    with Engine.embedded(tmp_path_factory.mktemp("store")) as engine:
        engine.migrate()
        yield engine


@pytest.fixture
def engine(shared_engine: Engine) -> Engine:
    """The shared engine with every table empty."""
    # TRUNCATE also forgets deduplication tokens, so a table that has any is truncated even when its rows were deleted.
    names = shared_engine.rows(
        "SELECT name FROM system.tables WHERE database = 'phitrail' AND name != 'migrations' "
        "AND (total_rows > 0 OR engine_full LIKE '%deduplication_window%')"
    )
    for (name,) in names:
        shared_engine.execute(f"TRUNCATE TABLE {name}")
    return shared_engine


@pytest.fixture(scope="session")
def samples() -> Path:
    """Real logs from public sources, read where they are; the test skips where they are not."""
    if not SAMPLES.is_dir():
        pytest.skip("the sample logs are not on this machine")
    return SAMPLES
