"""Who lives with the patient: the family of somebody well known, and that of a colleague."""

from datetime import timedelta

import pytest

from domain.json import Json
from tests.analytics.access.clinic import LOADED, Clinic, Look

HOME = "9 Ivy Lane, Millbrook 40121"


def flagged(clinic: Clinic, actor: str = "alice", patient: str = "P-3") -> tuple[int, int]:
    (row,) = clinic.ask(Look(actor=actor, patient=patient))
    return row["vip_household"], row["colleague_household"]


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"vip": True, "address": HOME}, 1),
        ({"vip": False, "address": HOME}, 0),
        ({"vip": True, "address": "10 Ivy Lane, Millbrook 40121"}, 0),
        ({"vip": True, "vip_since": "2026-04-01", "address": HOME}, 0),
    ],
    ids=["lives there", "nobody knows them", "next door", "not yet"],
)
def test_the_family_of_somebody_well_known(clinic: Clinic, fields: dict[str, Json], flag: int) -> None:
    clinic.load(at=LOADED + timedelta(minutes=1), patients=[{"patient_id": "P-1", "last_name": "Ortega", **fields}])

    assert flagged(clinic) == (flag, 0)


def test_a_home_of_many_is_no_family(clinic: Clinic) -> None:
    clinic.change("P-1", vip=True, address=HOME)
    clinic.load(patients=[{"patient_id": f"P-H{n}", "last_name": f"Guest{n}", "address": HOME} for n in range(12)])

    assert flagged(clinic) == (0, 0)


def test_the_family_of_a_colleague_and_not_ones_own(clinic: Clinic) -> None:
    clinic.change("S2", home_address=HOME)
    assert flagged(clinic) == (0, 2)
    assert flagged(clinic, actor="carol") == (0, 0)

    clinic.change("S2", home_address=HOME, unit="2N")
    assert [flagged(clinic, actor=one) for one in ("alice", "bob")] == [(0, 1), (0, 0)]
