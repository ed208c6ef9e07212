"""However an export is cut into portions, it is the same export; and a spreadsheet reads what was written."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dashboards.export_stream
import store.export_entries
from dashboards.export_csv import CSV_FIELDS, CSV_HEADER, csv_rows
from dashboards.export_format import encoded, hexes, path_line
from dashboards.reports.as_csv import csv_lines
from domain.merkle import leaf_hash
from store.engine import Engine
from store.events import EventFilter
from store.export_tree import Subtree
from tests.dashboards.exports_desk import ExportHouse, old_house, unpack
from tests.dashboards.exports_reader import Export
from tests.retention.old_ledger import emptied


@pytest.fixture(scope="module")
def house(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExportHouse]:
    with old_house(emptied(shared_engine), tmp_path_factory.mktemp("node")) as made:
        yield made


@pytest.mark.parametrize("wanted", [EventFilter(actor_id="mallory", actions=("view_chart",)), EventFilter(sources=("access",))])
def test_small_portions_give_the_same_lines(
    house: ExportHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: EventFilter
) -> None:
    large = Export(unpack(house.export(tmp_path / "1.zip", wanted=wanted)))
    monkeypatch.setattr(store.export_entries, "SIZES_AT_ONCE", 50)
    monkeypatch.setattr(store.export_entries, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(store.export_entries, "BYTES_AT_ONCE", 4_000)
    monkeypatch.setattr(dashboards.export_stream, "TILES_AT_ONCE", 1)
    small = Export(unpack(house.export(tmp_path / "2.zip", wanted=wanted)))

    small.check()
    own = [f"export:{export.manifest['export_id']}" for export in (large, small)]
    for name, first in (("events.jsonl", None), ("scope.jsonl", "outside")):
        # The second export's request is an event that the first cannot have.
        lines = [line for line in small.lines(name, first) if json.loads(line["body"])["event_id"] != own[1]]
        assert lines == large.lines(name, first)
    assert len(small.files["events.csv"].splitlines()) == len(small.lines("events.jsonl")) + 1


def test_a_portion_has_no_more_rows_and_bytes_than_it_may() -> None:
    sizes = pl.DataFrame({"seq": range(100), "size": [1_000_000] * 30 + [50_000_000] * 2 + [1] * 68})

    cut = list(store.export_entries._cut(sizes))

    assert [seq for low, high in cut for seq in range(low, high + 1)] == list(range(100))
    for low, high in cut:
        rows = sizes.filter(pl.col("seq").is_between(low, high))
        assert rows.height == 1 or rows["size"].sum() <= store.export_entries.BYTES_AT_ONCE
    assert (30, 30) in cut, "one that is too large for any portion is one by itself"


TEXT = st.text(alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from("=+-@\t\r\n＝＠\x00\",'")), max_size=12)


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({name: TEXT for name in CSV_FIELDS if name != "seq"}), min_size=1, max_size=4))
def test_rows_read_back_as_the_reports_write_them(rows: list[dict[str, str]]) -> None:
    frame = pl.DataFrame([{**row, "seq": number} for number, row in enumerate(rows)])

    written = (CSV_HEADER + csv_rows(frame)).decode()

    cells = [[number if name == "seq" else row[name] for name in CSV_FIELDS] for number, row in enumerate(rows)]
    theirs = csv_lines([CSV_FIELDS, *cells]).decode()
    assert list(csv.reader(io.StringIO(written, newline=""))) == list(csv.reader(io.StringIO(theirs, newline="")))


@settings(deadline=None)
@given(st.integers(1, 256))
def test_the_written_out_path_line_is_the_canonical_one(size: int) -> None:
    subtree = Subtree.over([leaf_hash(str(n).encode()) for n in range(size)])

    for place in {0, size // 2, size - 1}:
        path = subtree.path(place)
        fields = {"seq": 7_000 + place, "index": place, "previous": bytes(32).hex(), "path": hexes(path)}
        assert path_line(7_000 + place, place, bytes(32), path) == encoded(fields)
