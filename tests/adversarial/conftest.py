"""The scene of `attacks.py`: laid once a process, put back for every test that asks for it."""

from pathlib import Path

import pytest

from store.engine import Engine
from tests.adversarial.attacks import Laid, Scene


@pytest.fixture(scope="session")
def laid(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Laid:
    """The scene, laid."""
    return Laid(shared_engine, tmp_path_factory.mktemp("laid"))


@pytest.fixture
def scene(laid: Laid, tmp_path: Path) -> Scene:
    """The scene as it was laid."""
    return laid.fresh(tmp_path / "node")
