"""The spool as a node opens it: where it lies, what it holds from the run before, and what its settings refuse."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from domain.errors import ConfigError
from ingest.spool.spool import Spool
from runtime.spooling import SpoolSettings, spooled
from store.engine import Engine
from tests.support.cast import chart_view
from tests.support.clock import TickingClock
from tests.support.desk import desk, eventually


def test_what_the_run_before_left_is_drained_at_the_start(engine: Engine, tmp_path: Path) -> None:
    before = Spool(tmp_path / "state" / "spool", TickingClock())
    before.append([chart_view(number) for number in range(3)])
    before.close()

    with desk(engine, tmp_path / "node") as at:
        with spooled(at.intake, SpoolSettings(), tmp_path / "state", TickingClock()) as opened:
            eventually(lambda: opened.state().records == 0)
            opened.submit([chart_view(3)])
        assert at.stored() == 4

    assert [path.name for path in (tmp_path / "state" / "spool").iterdir()] == ["lock"]


def test_the_directory_can_be_on_another_disk(engine: Engine, tmp_path: Path) -> None:
    settings = SpoolSettings(directory=tmp_path / "other")

    with desk(engine, tmp_path / "node") as at, spooled(at.intake, settings, tmp_path / "state", TickingClock()):
        assert (tmp_path / "other").is_dir()
        assert not (tmp_path / "state").exists()


def test_a_directory_that_cannot_be_used_is_said_in_a_sentence(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    settings = SpoolSettings(directory=tmp_path / "file" / "spool")

    with desk(engine, tmp_path / "node") as at:
        opening = spooled(at.intake, settings, tmp_path / "state", TickingClock())
        with pytest.raises(ConfigError, match="spool directory"):
            opening.__enter__()


@pytest.mark.parametrize("changes", [{"max_bytes": 1_000_000}, {"retry_seconds": 0}, {"surprise": 1}])
def test_settings_that_cannot_work_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        SpoolSettings.model_validate(changes)
