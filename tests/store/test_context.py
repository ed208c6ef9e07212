"""Versions of reference data: what is new, what changed, and since when each was knowledge."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from domain.context import KINDS, Record
from domain.errors import NotFound
from domain.json import Json
from store.context import ContextStore, Loaded
from store.engine import Engine

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NURSE: Record = {"staff_id": "S1", "account_id": "alice", "role": "nurse", "department": "Medicine"}
ORDER: Record = {"order_id": "O1", "patient_id": "P-1", "ordering_id": "S1", "placed_at": "2026-02-27T12:00:00.000000Z"}


@pytest.fixture
def context(engine: Engine) -> ContextStore:
    return ContextStore(engine)


def roles(context: ContextStore, as_of: datetime | None = None) -> Mapping[str, str]:
    frame = context.frame("staff", as_of)
    return dict(zip(frame["staff_id"], frame["role"], strict=True))


def test_same_record_again_adds_nothing_and_a_changed_one_a_version(context: ContextStore, engine: Engine) -> None:
    other = {**NURSE, "staff_id": "S2"}

    first = context.load({"staff": [NURSE, other]}, MONDAY)
    again = context.load({"staff": [other, NURSE]}, MONDAY + DAY)
    changed = context.load({"staff": [{**NURSE, "role": "manager"}, other]}, MONDAY + 2 * DAY)

    assert first["staff"] == Loaded(read=2, new=2)
    assert again["staff"] == Loaded(read=2, unchanged=2)
    assert changed["staff"] == Loaded(read=2, changed=1, unchanged=1)
    assert engine.rows("SELECT key, version FROM context_records ORDER BY key, version") == [("S1", 1), ("S1", 2), ("S2", 1)]


def test_first_version_was_always_known_and_later_ones_from_their_load(context: ContextStore) -> None:
    context.load({"staff": [NURSE]}, MONDAY)
    context.load({"staff": [{**NURSE, "role": "manager"}]}, MONDAY + 2 * DAY)

    assert roles(context, MONDAY - 300 * DAY) == {"S1": "nurse"}
    assert roles(context, MONDAY + 2 * DAY - timedelta(microseconds=1)) == {"S1": "nurse"}
    assert roles(context, MONDAY + 2 * DAY) == {"S1": "manager"}
    assert roles(context) == {"S1": "manager"}


def test_record_that_says_when_it_was_made_is_known_from_then(context: ContextStore) -> None:
    context.load({"orders": [ORDER]}, MONDAY)

    assert context.frame("orders", datetime(2026, 2, 27, 11, 59, tzinfo=UTC)).is_empty()
    assert context.frame("orders", datetime(2026, 2, 27, 12, tzinfo=UTC)).height == 1


def test_change_counts_from_the_later_moment_it_names_or_else_from_its_load(context: ContextStore) -> None:
    """An encounter recorded anew names its moment; one whose patient went home does not."""
    visit: dict[str, Json] = {"encounter_id": "E1", "patient_id": "P-1", "attending_id": "S1"}
    context.load({"encounters": [{**visit, "recorded_at": "2026-02-20T12:00:00Z"}]}, MONDAY)
    context.load({"encounters": [{**visit, "attending_id": "S2", "recorded_at": "2026-02-25T12:00:00Z"}]}, MONDAY)
    context.load({"encounters": [{**visit, "attending_id": "S3", "recorded_at": "2026-02-25T12:00:00Z"}]}, MONDAY + DAY)

    moments = (datetime(2026, 2, 24, tzinfo=UTC), datetime(2026, 2, 26, tzinfo=UTC), MONDAY, MONDAY + DAY)

    assert [context.frame("encounters", moment)["attending_id"].to_list() for moment in moments] == [["S1"], ["S2"], ["S2"], ["S3"]]


def test_rows_for_joins_are_closed_when_a_version_follows(context: ContextStore, engine: Engine) -> None:
    context.load({"orders": [ORDER]}, MONDAY)
    context.load({"orders": [{**ORDER, "ordering_id": "S2"}]}, MONDAY + DAY)

    found = engine.frame("SELECT subject, known_until FROM context_links FINAL WHERE patient_id = 'P-1' ORDER BY version")

    assert found.rows() == [("S1", MONDAY + DAY), ("S2", datetime(2200, 1, 1, tzinfo=UTC))]


def test_of_two_records_with_one_key_the_last_counts(context: ContextStore) -> None:
    loaded = context.load({"staff": [NURSE, {**NURSE, "role": "aide"}]}, MONDAY)

    assert loaded["staff"] == Loaded(read=2, new=1)
    assert roles(context) == {"S1": "aide"}


def test_frames_are_typed_and_unknown_fields_are_kept_but_no_columns(context: ContextStore, engine: Engine) -> None:
    context.load(
        {
            "staff": [
                {
                    **NURSE,
                    "hire_date": "2020-01-02",
                    "emergency_contact": {"name": "A", "phone": "1", "relationship": None},
                    "badge": 7,
                }
            ],
            "encounters": [{"encounter_id": "E1", "patient_id": "P-1", "locations": [{"unit": "3N", "from": None, "to": None}]}],
        },
        MONDAY,
    )

    staff, visits = context.frame("staff").row(0, named=True), context.frame("encounters")

    assert staff["hire_date"] == date(2020, 1, 2)
    assert staff["emergency_contact"] == {"name": "A", "phone": "1", "relationship": None}
    assert staff["termination_date"] is None
    assert "badge" not in staff
    assert '"badge":7' in str(engine.rows("SELECT body FROM context_records WHERE kind = 'staff'")[0][0])
    assert visits.schema["recorded_at"] == pl.Datetime("us", "UTC")
    assert visits["locations"].to_list() == [[{"unit": "3N", "from": None, "to": None}]]


@pytest.mark.parametrize("kind", KINDS)
def test_frame_of_nothing_has_its_columns(context: ContextStore, kind: str) -> None:
    assert context.frame(kind).columns == list(KINDS[kind].fields)


def test_unknown_kind(context: ContextStore) -> None:
    with pytest.raises(NotFound):
        context.frame("pets")


def test_organisation_before_and_after_it_is_loaded(context: ContextStore) -> None:
    before = context.org()
    context.load(
        {"org": [{"name": "Clinic", "timezone": "America/New_York", "units": [{"unit": "3N", "department": "Medicine"}]}]}, MONDAY
    )

    after = context.org()

    assert (before.name, before.timezone.key, before.units) == ("", "UTC", {})
    assert (after.name, after.timezone.key, after.units["3N"].department) == ("Clinic", "America/New_York", "Medicine")
    assert after.midnight(date(2026, 3, 8)) == datetime(2026, 3, 8, 5, tzinfo=UTC)
    assert after.midnight(date(2026, 3, 9)) == datetime(2026, 3, 9, 4, tzinfo=UTC), "summer time began on the 8th"


def test_dates_follow_the_clock_of_the_organisation_when_it_changes(context: ContextStore, engine: Engine) -> None:
    context.load({"staff": [{**NURSE, "termination_date": "2026-03-03"}]}, MONDAY)
    context.load({"org": [{"timezone": "America/New_York"}]}, MONDAY + DAY)

    found = engine.frame("SELECT terminated_at FROM context_staff FINAL")

    assert found.rows() == [(datetime(2026, 3, 4, 5, tzinfo=UTC),)]
