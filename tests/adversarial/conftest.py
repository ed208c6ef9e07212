"""The scenes of `attacks.py`: each laid once a process, put back for every test that asks for it."""

from pathlib import Path

import pytest

from store.engine import Engine
from tests.adversarial.attacks import Laid, Scene


@pytest.fixture(scope="session")
def laid(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Laid:
    """The scene of one month, laid."""
    return Laid(shared_engine, tmp_path_factory.mktemp("laid"))


@pytest.fixture(scope="session")
def long_laid(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Laid:
    """The scene of two months, laid."""
    return Laid(shared_engine, tmp_path_factory.mktemp("laid"), is_long=True)


@pytest.fixture
def scene(laid: Laid, tmp_path: Path) -> Scene:
    """The scene of one month as it was laid."""
    return laid.fresh(tmp_path / "node")


@pytest.fixture
def months(long_laid: Laid, tmp_path: Path) -> Scene:
    """The scene of two months as it was laid."""
    return long_laid.fresh(tmp_path / "node")
