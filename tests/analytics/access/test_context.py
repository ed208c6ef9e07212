"""Reading a directory of reference data: what is accepted, and what stops everything with a sentence that shows no content."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from analytics.context import load_context, load_records
from domain.errors import InvalidInput, NotFound
from domain.json import Json
from store.context import ContextStore, Loaded
from store.engine import Engine

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ORG: Mapping[str, Json] = {"name": "Clinic", "timezone": "America/New_York", "holidays": [{"date": "2026-12-25"}]}


@pytest.fixture
def context(emptied: Engine) -> ContextStore:
    return ContextStore(emptied)


def write(directory: Path, name: str, *records: Mapping[str, Json] | bytes) -> None:
    lines = (record if isinstance(record, bytes) else orjson.dumps(record) for record in records)
    (directory / name).write_bytes(b"\n".join(lines) + b"\n")


def test_directory_is_loaded_and_counted_by_file(context: ContextStore, tmp_path: Path) -> None:
    write(tmp_path, "org.json", ORG)
    write(tmp_path, "staff.jsonl", {"staff_id": "S1", "role": "nurse"}, b"", b'{"staff_id": 2, "role": "nurse", "shoe_size": 38.5}')
    write(tmp_path, "domains.jsonl", {"domain": "lab.example", "kind": "partner", "baa": True, "mta_sts": {"mode": "enforce"}})

    counts = load_context(tmp_path, context, NOW)

    assert counts == {"org": Loaded(read=1, new=1), "staff": Loaded(read=2, new=2), "domains": Loaded(read=1, new=1)}
    assert context.org().timezone.key == "America/New_York"
    assert context.frame("staff")["staff_id"].to_list() == ["2", "S1"]
    assert context.frame("domains")["mta_sts"].to_list() == ['{"mode":"enforce"}']


def test_times_are_read_on_the_clocks_of_the_organisation(context: ContextStore, tmp_path: Path) -> None:
    """With an offset, without one, and as a plain date; New York is at −5 hours then."""
    write(tmp_path, "org.json", ORG)
    times = ("2026-03-02T10:00:00-06:00", "2026-03-02T10:00:00", "2026-03-02")
    orders: list[Mapping[str, Json]] = [{"order_id": f"O{n}", "patient_id": "P-1", "placed_at": t} for n, t in enumerate(times)]
    write(tmp_path, "orders.jsonl", *orders)

    load_context(tmp_path, context, NOW)

    assert [moment.hour for moment in context.frame("orders")["placed_at"].to_list()] == [16, 15, 5]


def test_every_bad_line_is_named_and_nothing_is_loaded(context: ContextStore, tmp_path: Path, emptied: Engine) -> None:
    write(
        tmp_path,
        "staff.jsonl",
        {"staff_id": "S1"},
        b'{"staff_id": "SECRET',
        {"staff_id": "S3", "hire_date": "SECRET"},
        b'["SECRET"]',
    )
    write(tmp_path, "patients.jsonl", {"last_name": "SECRET"}, {"patient_id": "P-2", "vip": "SECRET"})

    with pytest.raises(InvalidInput) as caught:
        load_context(tmp_path, context, NOW)

    assert str(caught.value) == (
        "nothing was loaded; correct these lines first: staff.jsonl line 2: no JSON; "
        "staff.jsonl line 3: field hire_date is no date; staff.jsonl line 4: no JSON object; "
        "patients.jsonl line 1: field patient_id is missing; "
        "patients.jsonl line 2: field vip is no true or false"
    )
    assert emptied.rows("SELECT count() FROM context_records") == [(0,)]


def test_long_list_of_complaints_is_cut(context: ContextStore, tmp_path: Path) -> None:
    write(tmp_path, "staff.jsonl", *[b"{"] * 50)

    with pytest.raises(InvalidInput, match=r"staff\.jsonl line 20: no JSON and 30 more$"):
        load_context(tmp_path, context, NOW)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"timezone": "Mars/Olympus"}', b'{"units": "3N"}', b'{"units": [{}]}', b'{"holidays": ["soon"]}']
)
def test_unreadable_organisation_stops_the_load(context: ContextStore, tmp_path: Path, emptied: Engine, text: bytes) -> None:
    (tmp_path / "org.json").write_bytes(text)
    write(tmp_path, "staff.jsonl", {"staff_id": "S1"})

    with pytest.raises(InvalidInput, match=r"org\.json"):
        load_context(tmp_path, context, NOW)

    assert emptied.rows("SELECT count() FROM context_records") == [(0,)]


def test_directory_without_reference_data(context: ContextStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no reference data"):
        load_context(tmp_path, context, NOW)


def test_records_of_one_kind(context: ContextStore) -> None:
    assert load_records("org", [orjson.dumps(ORG)], context, NOW) == Loaded(read=1, new=1)
    assert load_records("staff", [b'{"staff_id": "S1"}'], context, NOW) == Loaded(read=1, new=1)
    with pytest.raises(InvalidInput, match="record 1: field staff_id is missing"):
        load_records("shifts", [b"{}"], context, NOW)
    with pytest.raises(NotFound):
        load_records("pets", [b"{}"], context, NOW)
