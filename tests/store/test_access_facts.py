"""What the facts answer: the explained share, days of actors, history of pairs, reasons that came later."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from store.access import FACT_COLUMNS, Accesses
from store.engine import Engine

MONDAY = date(2026, 3, 2)
_MOMENT = pl.Datetime("us", "UTC")
_SMALL = ("known", "explained", "is_self", "is_household", "same_surname", "is_vip", "is_restricted", "is_coworker", "is_neighbour")
_LISTS = ("reasons", "flags", "reason_kinds")

_FLAGS = (
    *("strange_place", "notice_given", "untrained", "own_account", "unregistered", "is_manager"),
    *("vip_household", "colleague_household"),
)


def fact(seq: int, *, day: date = MONDAY, **columns: object) -> dict[str, object]:
    """A row of access_facts: an access by alice of Medicine to P-1 at noon."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    row: dict[str, object] = dict.fromkeys(FACT_COLUMNS, "")
    row |= dict.fromkeys((*_SMALL, "on_leave", "off_shift", "surname_rarity", "records"), 0) | {"terminated_minutes": -1}
    row |= dict.fromkeys(("idle_days", "since_care_days"), -1) | dict.fromkeys((*_FLAGS, "moves", "speed_kmh"), 0)
    row |= dict.fromkeys(("latitude", "longitude"), None)
    row |= {name: [] for name in _LISTS}
    row |= {"writer": "w1", "seq": seq, "time": noon, "received": noon, "local_day": day, "source": "access"}
    return row | {"actor_id": "alice", "actor_department": "Medicine", "actor_role": "nurse", "patient_id": "P-1"} | columns


def facts(*rows: dict[str, object]) -> pl.DataFrame:
    types = {"seq": pl.UInt64(), "time": _MOMENT, "received": _MOMENT, "terminated_minutes": pl.Int32()}
    types |= dict.fromkeys(_LISTS, pl.List(pl.String)) | dict.fromkeys((*_SMALL, "on_leave", "off_shift"), pl.UInt8())
    types |= dict.fromkeys(("idle_days", "since_care_days"), pl.Int32()) | dict.fromkeys(_FLAGS, pl.UInt8())
    types |= {"moves": pl.UInt16(), "speed_kmh": pl.Float32()} | dict.fromkeys(("latitude", "longitude"), pl.Float64())
    return pl.DataFrame(rows, schema_overrides={**types, "surname_rarity": pl.Float64()})


@pytest.fixture
def accesses(engine: Engine) -> Accesses:
    return Accesses(engine)


def test_explained_share_counts_accesses_of_staff_to_records(accesses: Accesses) -> None:
    accesses.add(
        facts(
            fact(0, explained=1),
            fact(1),
            fact(2),
            fact(3, patient_id=""),
            fact(4, source="portal"),
            fact(5, actor_department="Surgery", explained=1),
            fact(6, day=MONDAY + timedelta(days=1)),
        )
    )
    accesses.add_late_reasons(
        pl.DataFrame(
            {"writer": ["w1"], "seq": [1], "local_day": [MONDAY], "reasons": [["Found"]], "reason_kinds": [["stay"]]},
            schema_overrides={"seq": pl.UInt64},
        )
    )

    found = accesses.explained_share(MONDAY, MONDAY)

    assert found.select("department", "accesses", "explained").rows() == [("Medicine", 3, 2), ("Surgery", 1, 1)]
    assert found["share"].to_list() == [pytest.approx(2 / 3), 1.0]


def test_late_reason_is_part_of_the_day_but_the_fact_stays(accesses: Accesses, engine: Engine) -> None:
    accesses.add(facts(fact(0), fact(1, explained=1, reasons=["Known"], reason_kinds=["attending"])))
    late = pl.DataFrame(
        {"writer": ["w1"], "seq": [0], "local_day": [MONDAY], "reasons": [["Found"]], "reason_kinds": [["stay"]]},
        schema_overrides={"seq": pl.UInt64},
    )
    accesses.add_late_reasons(late)
    accesses.add_late_reasons(late)

    found = accesses.of_day(MONDAY)

    assert found.select("seq", "explained", "reasons", "reason_kinds").rows() == [
        (0, 1, ["Found"], ["stay"]),
        (1, 1, ["Known"], ["attending"]),
    ]
    assert set(FACT_COLUMNS) == set(found.columns)
    assert engine.rows("SELECT explained FROM access_facts FINAL ORDER BY seq") == [(0,), (1,)]


def test_same_entry_again_replaces_its_facts(accesses: Accesses) -> None:
    accesses.add(facts(fact(0)))
    accesses.add(facts(fact(0, explained=1)))

    assert accesses.of_day(MONDAY)["explained"].to_list() == [1]


def test_days_of_actors_count_charts_once(accesses: Accesses) -> None:
    accesses.add(facts(fact(0), fact(1), fact(2, patient_id="P-2", explained=1), fact(3, actor_id="bob", patient_id="")))

    found = accesses.actor_days(MONDAY, MONDAY)

    assert found.select("actor_id", "role", "patients", "unexplained").rows() == [("alice", "nurse", 2, 1)]


def test_history_of_pairs_counts_days_before_the_day(accesses: Accesses) -> None:
    days = [MONDAY + timedelta(days=n) for n in range(4)]
    accesses.add(facts(*(fact(n, day=day, explained=n % 2) for n, day in enumerate(days)), fact(9, patient_id="P-9")))

    found = accesses.pair_history(days[3], days[0], days[2])

    assert found.select("actor_id", "patient_id", "unexplained_days", "explained_days").rows() == [("alice", "P-1", 2, 1)]
