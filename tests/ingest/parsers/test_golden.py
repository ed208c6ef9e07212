"""Every golden input is still understood as its JSON says (`python -m tests.golden.golden` writes them anew)."""

from pathlib import Path

import pytest

from domain.event import AuditEvent
from tests.golden.golden import inputs, render, understood


@pytest.mark.parametrize("path", inputs(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_golden_input_is_understood_as_before(path: Path) -> None:
    assert render(path) == path.with_suffix(".json").read_text()


@pytest.mark.parametrize("path", inputs(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_event_keeps_the_bytes_it_came_from(path: Path) -> None:
    source = path.read_bytes()

    for record in understood(path):
        for parsed in record:
            assert parsed.raw
            assert parsed.raw in source
            assert parsed.source_system == "golden"
            assert parsed.format == path.parent.name


@pytest.mark.parametrize("path", inputs(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_reading_a_file_again_gives_the_same_ids_and_no_id_twice(path: Path) -> None:
    once, again = ([one.event_id for record in understood(path) for one in record if isinstance(one, AuditEvent)] for _ in range(2))

    assert once == again
    assert len(set(once)) == len(once)
