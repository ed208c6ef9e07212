"""The weakest reason: a colleague of the department had one. It excuses nobody against whom a flag stands, and no second person."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from domain.json import Json
from tests.analytics.access.clinic import TUESDAY, Clinic, Look

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def ward(clinic: Clinic) -> Clinic:
    """Bob of Medicine treats P-1; Alice works there too, and has no shift or visit on record."""
    clinic.change("S1", unit="")
    clinic.load(
        encounters=[
            {
                "encounter_id": "E-1",
                "patient_id": "P-1",
                "attending_id": "S2",
                "admitted_at": "2026-03-01",
                "recorded_at": "2026-03-01",
            }
        ]
    )
    return clinic


def reasons(row: Mapping[str, object]) -> object:
    return row["reason_kinds"]


def test_a_colleague_who_treats_the_patient_is_a_reason(ward: Clinic) -> None:
    bob, alice = ward.ask(Look(actor="bob", patient="P-1"), Look(actor="alice", patient="P-1", time=TUESDAY + HOUR))

    assert reasons(bob) == ["attending"]
    assert (alice["explained"], reasons(alice)) == (1, ["colleague"])
    assert alice["reasons"] == ["A colleague of the department Medicine had a reason for this patient on the days before"]


def test_also_where_the_colleague_came_in_an_earlier_batch(ward: Clinic) -> None:
    ward.ask(Look(actor="bob", patient="P-1"))

    (alice,) = ward.ask(Look(actor="alice", patient="P-1", time=TUESDAY + 2 * DAY))

    assert reasons(alice) == ["colleague"]


@pytest.mark.parametrize(
    ("actor", "later"), [("alice", -HOUR), ("alice", 4 * DAY), ("mallory", HOUR)], ids=["before", "long after", "elsewhere"]
)
def test_what_is_no_such_reason(ward: Clinic, actor: str, later: timedelta) -> None:
    _, other = ward.ask(Look(actor="bob", patient="P-1"), Look(actor=actor, patient="P-1", time=TUESDAY + later))

    assert (other["explained"], reasons(other)) == (0, [])


def test_nobody_is_explained_by_one_who_is_explained_so(ward: Clinic) -> None:
    ward.load(staff=[{"staff_id": "S9", "account_id": "dave", "role": "nurse", "department": "Medicine", "last_name": "Dale"}])
    ward.ask(Look(actor="bob", patient="P-1", time=TUESDAY - 2 * DAY), Look(actor="alice", patient="P-1", time=TUESDAY))

    (dave,) = ward.ask(Look(actor="dave", patient="P-1", time=TUESDAY + 2 * DAY))

    assert reasons(dave) == []


@pytest.mark.parametrize(
    "flag",
    [{"vip": True}, {"last_name": "Archer"}, {"address": "1 Elm Street, Stonemere 40126"}],
    ids=["well known", "the same rare surname", "one household"],
)
def test_a_flag_is_not_excused(ward: Clinic, flag: Mapping[str, Json]) -> None:
    ward.change("S1", unit="", home_address="1 Elm Street, Stonemere 40126" if "address" in flag else "5 Far Road, Weston 40999")
    ward.change("P-1", **{"address": "9 Ivy Lane, Millbrook 40121", **flag})

    _, alice = ward.ask(Look(actor="bob", patient="P-1"), Look(actor="alice", patient="P-1", time=TUESDAY + HOUR))

    assert alice["explained"] == 0
