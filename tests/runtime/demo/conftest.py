"""One hospital for the whole folder: a fortnight, made once."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from domain.event import AuditEvent
from runtime.demo.hospital import Hospital, Plan, make_hospital
from runtime.demo.hospital.write import write_reference

UNTIL = datetime(2026, 3, 17, 20, tzinfo=UTC)
"""A Tuesday afternoon in Chicago; the clocks went forward on 8 March."""


@pytest.fixture(scope="session")
def hospital() -> Hospital:
    return make_hospital(Plan(seed=11, until=UNTIL))


@pytest.fixture(scope="session")
def by_id(hospital: Hospital) -> Mapping[str, AuditEvent]:
    return {event.event_id: event for event in hospital.events}


@pytest.fixture(scope="session")
def reference(hospital: Hospital, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[dict[str, object]]]:
    """The files as `phitrail context load` reads them, by name."""
    directory = tmp_path_factory.mktemp("reference")
    write_reference(hospital, directory)
    return {path.stem: _lines(path) for path in directory.glob("*.jsonl")}


def _lines(path: Path) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]
