"""Cursors of pull connectors: the newest counts, each name has its own, and gaps are kept."""

from datetime import UTC, datetime, timedelta

import pytest

from store.engine import Engine
from store.pull_cursors import Place, PullCursors, PullGap
from tests.support.faults import Fault, FaultyEngine

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_a_connector_that_never_moved_is_at_the_beginning(engine: Engine) -> None:
    assert PullCursors(engine).get("okta") == Place(cursor=None, step=0)


def test_the_newest_move_counts_and_each_name_has_its_own(engine: Engine) -> None:
    cursors = PullCursors(engine)
    first = cursors.move("okta", cursors.get("okta"), '{"next":"ü"}', NOON)
    cursors.move("google/login", Place(cursor=None, step=0), "other", NOON)
    second = cursors.move("okta", first, "", NOON)

    assert cursors.get("okta") == second == Place(cursor="", step=2, moved=NOON)
    assert cursors.get("google/login").cursor == "other"


def test_an_old_place_does_not_take_a_cursor_back(engine: Engine) -> None:
    cursors = PullCursors(engine)
    start = cursors.get("okta")
    newest = cursors.move("okta", cursors.move("okta", start, "a", NOON), "b", NOON)

    cursors.move("okta", start, "stale", NOON + timedelta(hours=1))

    assert cursors.get("okta") == newest


@pytest.mark.parametrize("after", [False, True])
def test_a_move_that_fails_is_lost_or_done_and_never_half(engine: Engine, after: bool) -> None:
    faulty = FaultyEngine(engine)
    cursors = PullCursors(faulty)  # type: ignore[arg-type]
    place = cursors.move("okta", cursors.get("okta"), "a", NOON)
    faulty.table, faulty.after = "pull_cursors", after

    with pytest.raises(Fault):
        cursors.move("okta", place, "b", NOON)

    assert cursors.get("okta").cursor == ("b" if after else "a")


def test_cursors_survive_a_merge(engine: Engine) -> None:
    cursors = PullCursors(engine)
    place = cursors.get("okta")
    for number in range(20):
        place = cursors.move("okta", place, f"c{number}", NOON)

    engine.execute("OPTIMIZE TABLE pull_cursors FINAL")

    assert cursors.get("okta") == place
    assert engine.rows("SELECT count() FROM pull_cursors") == [(1,)]


def test_a_gap_noted_twice_is_one_gap(engine: Engine) -> None:
    cursors = PullCursors(engine)
    gap = PullGap(name="m365", start=NOON, end=NOON + timedelta(hours=1), reason="too old", noted=NOON)
    again = PullGap(name="m365", start=NOON, end=NOON + timedelta(hours=2), reason="too old", noted=NOON + timedelta(minutes=1))
    other = PullGap(name="okta", start=NOON, end=NOON, reason="too old", noted=NOON)

    for each in (gap, again, other):
        cursors.note_gap(each)

    assert cursors.gaps() == [again, other]
    assert cursors.gaps("m365") == [again]
    assert cursors.gaps("nobody") == []
