import pytest

from store.engine import Engine
from tests.analytics.access.clinic import Clinic


@pytest.fixture
def clinic(emptied: Engine) -> Clinic:
    """The clinic with its organisation, four members of staff and three patients on file, and no ties between them."""
    return Clinic(emptied)


@pytest.fixture
def emptied(shared_engine: Engine) -> Engine:
    """The shared engine with every table empty; asks only tables that have rows, for there are many tests here."""
    return empty(shared_engine)


def empty(engine: Engine) -> Engine:
    for (name,) in engine.rows(
        "SELECT name FROM system.tables WHERE database = 'phitrail' AND name != 'migrations' AND total_rows > 0"
    ):
        engine.execute(f"TRUNCATE TABLE {name}")
    return engine
