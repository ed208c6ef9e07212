"""Mappings for files whose columns need telling: given, beside the data, for replay, and refused before anything is stored."""

from pathlib import Path

import pytest

from domain.clock import system_clock
from domain.errors import InvalidInput
from ingest.files import ingest_files, mapping_beside
from ingest.parsers import FieldMapping, parser_for
from ingest.replay import quarantine_parser, replay
from store.engine import Engine
from store.intake import Intake
from store.quarantine import Quarantine
from tests.support.clock import TickingClock
from tests.support.node import node

ROWS = "when,who,what,whose\n2026-03-02 08:00:00,alice,OPEN,P-1\n2026-03-02 08:05:00,bob,OPEN,P-2\n"
MAPPING = """
[time]
columns = "when"
zone = "UTC"
[fields]
actor_id = "who"
action = "what"
patient_id = "whose"
[constants]
source = "access"
actor_kind = "staff"
[values.action]
OPEN = "view_chart"
"""


def stored(engine: Engine, directory: Path, path: Path) -> tuple[int, int]:
    """(accepted, quarantined) of a CSV file."""
    clock = TickingClock()
    with node(engine, directory, clock) as live:
        intake = Intake(live.ledger, Quarantine(engine, clock))
        counts = ingest_files([path], format="csv", source_system="rows", intake=intake, clock=clock).counts
    return counts.accepted, counts.quarantined


def test_a_mapping_beside_the_file_is_used(engine: Engine, tmp_path: Path) -> None:
    data = tmp_path / "march.csv"
    data.write_text(ROWS, encoding="utf-8")
    (tmp_path / "march.toml").write_text(MAPPING, encoding="utf-8")

    assert stored(engine, tmp_path, data) == (2, 0)
    assert engine.rows("SELECT actor_id, action, patient_id FROM events ORDER BY seq") == [
        ("alice", "view_chart", "P-1"),
        ("bob", "view_chart", "P-2"),
    ]


def test_rows_that_waited_are_replayed_with_a_mapping(engine: Engine, tmp_path: Path) -> None:
    data = tmp_path / "march.csv"
    data.write_text(ROWS, encoding="utf-8")
    assert stored(engine, tmp_path, data) == (0, 2)
    mapping = tmp_path / "march.toml"
    mapping.write_text(MAPPING, encoding="utf-8")
    told = mapping_beside(data, "csv")

    clock = TickingClock()
    with node(engine, tmp_path, clock) as live:
        quarantine = Quarantine(engine, clock)
        counts = replay(
            quarantine, Intake(live.ledger, quarantine), lambda name, source, at: quarantine_parser(name, source, at, told)
        )

    assert (counts.accepted, counts.remaining) == (2, 0)


def test_a_mapping_that_is_none_stops_before_anything_is_stored(engine: Engine, tmp_path: Path) -> None:
    data = tmp_path / "march.csv"
    data.write_text(ROWS, encoding="utf-8")
    (tmp_path / "march.csv.toml").write_text("[fields\n", encoding="utf-8")

    with pytest.raises(InvalidInput, match=r"march\.csv\.toml: the mapping is not valid TOML"):
        stored(engine, tmp_path, data)
    assert engine.rows("SELECT count() FROM events") == [(0,)]


def test_a_format_that_takes_none_ignores_what_lies_beside(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(MAPPING, encoding="utf-8")

    assert quarantine_parser("postfix", "mx", system_clock, mapping_beside(tmp_path / "a.log", "cef")) is not None
    assert mapping_beside(Path("-"), "csv") is None


def test_a_web_log_takes_routes_and_no_fields(tmp_path: Path) -> None:
    routes = tmp_path / "portal.toml"
    routes.write_text('[[route]]\nmethod = "GET"\npath = "/portal/results"\naction = "view_results"\n', encoding="utf-8")

    told = mapping_beside(tmp_path / "portal.log", "nginx")

    assert quarantine_parser("nginx", "web", system_clock, told) is not None
    with pytest.raises(InvalidInput, match="takes a file of routes"):
        parser_for("apache", source_system="web", received=system_clock, mapping=FieldMapping())
    with pytest.raises(InvalidInput, match="has no routes"):
        parser_for("csv", source_system="web", received=system_clock, mapping=told)
