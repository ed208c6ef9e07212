"""What speaks against an access, each flag with the case that looks alike and is none.

Every case has a member of staff and a patient of its own; all of them happen in one batch, so they are also told apart row by row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.json import Json
from store.engine import Engine
from tests.analytics.access.clinic import LOADED, TUESDAY, Clinic, Look
from tests.analytics.access.conftest import empty

HOUR = timedelta(hours=1)
MIDNIGHT = TUESDAY.replace(day=4, hour=5)
"""The end of Tuesday on the clocks of New York."""

HOME = "12 Elm Street, Unit 4, Stonemere 40126"
PERSON: Mapping[str, Json] = {"first_name": "Pía", "last_name": "Ortega-Lund", "date_of_birth": "1980-05-06"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A member of staff and a patient who share something, and when the one looks at the other."""

    staff: Mapping[str, Json] = field(default_factory=dict)
    patient: Mapping[str, Json] = field(default_factory=dict)
    time: datetime = TUESDAY
    known: datetime = LOADED


CASES: Mapping[str, Case] = {
    "strangers": Case(),
    "self by register": Case(staff={"patient_id": "P-self by register"}),
    "self by name and birth": Case(staff=PERSON, patient={**PERSON, "first_name": "PIA"}),
    "namesake born another day": Case(staff=PERSON, patient={**PERSON, "date_of_birth": "1981-05-06"}),
    "same address": Case(staff={"home_address": HOME}, patient={"address": "12 ELM ST. #4, Stonemere, 40126-1234"}),
    "same telephone": Case(staff={"phone": "+1-555-555-0101"}, patient={"phone": "(555) 555-0101"}),
    "contact of the actor": Case(
        staff={"emergency_contact": {"name": "Ann Ashby", "phone": None}}, patient={"first_name": "Ann", "last_name": "Ashby"}
    ),
    "contact of the patient": Case(
        staff={"phone": "555 555 0103"}, patient={"emergency_contact": "Somebody Else, +1 555 555 0103"}
    ),
    "former address": Case(staff={"home_address": "3 Kiln Road, Weston"}, patient={"previous_address": "3 Kiln Rd, Weston"}),
    "home of many": Case(staff={"home_address": "5 Linden Court, Weston"}, patient={"address": "5 Linden Court, Weston"}),
    "other flat": Case(staff={"home_address": "20 Oak Lane, Unit 4, Weston"}, patient={"address": "20 Oak Lane, Unit 5, Weston"}),
    "next house": Case(staff={"home_address": "30 Oak Lane, Weston"}, patient={"address": "32 Oak Lane, Weston"}),
    "far down the street": Case(staff={"home_address": "40 Oak Lane, Weston"}, patient={"address": "90 Oak Lane, Weston"}),
    "same street elsewhere": Case(staff={"home_address": "50 Oak Lane, Weston"}, patient={"address": "50 Oak Lane, Easton"}),
    "common surname": Case(staff={"last_name": "Smith"}, patient={"last_name": "Smith"}),
    "rare surname": Case(staff={"last_name": "Quillfeather"}, patient={"last_name": "QUILLFEATHER"}),
    "colleague": Case(staff={"department": "Medicine"}, patient={"patient_id": "P-bob"}),
    "works elsewhere": Case(staff={"department": "Surgery"}, patient={"patient_id": "P-bob"}),
    "public": Case(patient={"vip": True}),
    "public since that day": Case(patient={"vip": True, "vip_since": "2026-03-03"}),
    "public from the next day": Case(patient={"vip": True, "vip_since": "2026-03-04"}),
    "restricted": Case(patient={"restricted": True}),
    "last minute of work": Case(staff={"termination_date": "2026-03-03"}, time=MIDNIGHT - timedelta(minutes=1)),
    "after work ended": Case(staff={"termination_date": "2026-03-03"}, time=MIDNIGHT + timedelta(minutes=90)),
    "ended at a moment": Case(staff={"termination_date": TUESDAY.isoformat()}, time=TUESDAY + timedelta(minutes=5)),
    "end of the last shift": Case(staff={"termination_date": "2026-03-03"}, time=MIDNIGHT + 7.5 * HOUR),
    "after the last shift": Case(staff={"termination_date": "2026-03-03"}, time=MIDNIGHT + 9 * HOUR),
    "on leave": Case(time=MIDNIGHT - HOUR),
    "back from leave": Case(time=MIDNIGHT),
}


@pytest.fixture(scope="module")
def answers(shared_engine: Engine) -> Mapping[str, dict[str, Any]]:
    """The facts of every case."""
    clinic = Clinic(empty(shared_engine))
    staff = [{"staff_id": f"S-{name}", "account_id": name, **case.staff} for name, case in CASES.items()]
    patients = [{"patient_id": f"P-{name}", **case.patient} for name, case in CASES.items()]
    crowd = [{"patient_id": f"P-{n}", "last_name": "Smith", "address": "5 Linden Court, Weston"} for n in range(20)]
    bob: Mapping[str, Json] = {"staff_id": "S2", "account_id": "bob", "department": "Medicine", "patient_id": "P-bob"}
    nights = [
        {
            "staff_id": f"S-{name}",
            "unit": "4S",
            "start": (MIDNIGHT - 5 * HOUR).isoformat(),
            "end": (MIDNIGHT + 7 * HOUR).isoformat(),
        }
        for name in ("end of the last shift", "after the last shift")
    ]
    leave = [
        {"staff_id": f"S-{name}", "first_day": "2026-03-02", "last_day": "2026-03-03", "kind": "vacation"}
        for name in ("on leave", "back from leave")
    ]
    clinic.load(staff=[*staff, bob], patients=[*patients, *crowd], shifts=nights, leave=leave)
    looks = (Look(actor=n, patient=str(c.patient.get("patient_id", f"P-{n}")), time=c.time) for n, c in CASES.items())
    return dict(zip(CASES, clinic.ask(*looks), strict=True))


FLAGS: Mapping[str, str] = {
    "self by register": "The actor's own patient record",
    "self by name and birth": "The actor's own patient record",
    "same address": "Same household: same address",
    "same telephone": "Same household: same telephone",
    "contact of the actor": "Same household: emergency contact of the actor",
    "contact of the patient": "Same household: actor is the patient's emergency contact",
    "former address": "Same household: former address of the patient",
    "other flat": "The patient lives next door, on the same street",
    "next house": "The patient lives next door, on the same street",
    "colleague": "The patient is a colleague in the same department",
    "works elsewhere": "The patient works for the organisation",
    "public": "A patient in the public eye",
    "public since that day": "A patient in the public eye since 2026-03-03",
    "restricted": "A restricted record",
    "after work ended": "Employment had ended 90 minutes before",
    "ended at a moment": "Employment had ended 5 minutes before",
    "after the last shift": "Employment had ended 60 minutes before",
    "on leave": "The actor was on leave",
}
SURNAMES = {"common surname", "rare surname", "namesake born another day"}


@pytest.mark.parametrize(("name", "sentence"), FLAGS.items())
def test_flag_is_raised(answers: Mapping[str, dict[str, Any]], name: str, sentence: str) -> None:
    assert sentence in answers[name]["flags"]


@pytest.mark.parametrize("name", sorted(CASES.keys() - FLAGS.keys() - SURNAMES))
def test_what_only_looks_alike_is_not_flagged(answers: Mapping[str, dict[str, Any]], name: str) -> None:
    assert [flag for flag in answers[name]["flags"] if not flag.startswith("Outside")] == []


@pytest.mark.parametrize(
    ("column", "names"),
    [
        ("is_self", {"self by register", "self by name and birth"}),
        ("is_household", {"same address", "same telephone", "contact of the actor", "contact of the patient", "former address"}),
        ("is_neighbour", {"other flat", "next house"}),
        ("is_coworker", {"colleague", "works elsewhere"}),
        ("is_vip", {"public", "public since that day"}),
        ("is_restricted", {"restricted"}),
        ("same_surname", SURNAMES),
        ("on_leave", {"on leave"}),
    ],
)
def test_column_is_set_for_these_and_no_others(answers: Mapping[str, dict[str, Any]], column: str, names: set[str]) -> None:
    assert {name for name, facts in answers.items() if facts[column]} == names


def test_rare_surname_weighs_more_than_a_common_one(answers: Mapping[str, dict[str, Any]]) -> None:
    common, rare = answers["common surname"], answers["rare surname"]

    assert rare["surname_rarity"] == pytest.approx(1.0)
    assert 0 < common["surname_rarity"] < 0.5
    assert answers["strangers"]["surname_rarity"] == 0


def test_colleague_of_the_same_department_weighs_more(answers: Mapping[str, dict[str, Any]]) -> None:
    assert (answers["colleague"]["is_coworker"], answers["works elsewhere"]["is_coworker"]) == (2, 1)


def test_minutes_since_the_end_of_employment(answers: Mapping[str, dict[str, Any]]) -> None:
    """The last day counts whole on local clocks, and a running shift is worked to its end and an hour more."""
    minutes = {name: facts["terminated_minutes"] for name, facts in answers.items() if facts["terminated_minutes"] >= 0}

    assert minutes == {"after work ended": 90, "ended at a moment": 5, "after the last shift": 60}


def test_termination_learnt_later_does_not_reach_back(clinic: Clinic) -> None:
    clinic.change("S4", at=TUESDAY + 48 * HOUR, termination_date="2026-03-01")

    early, late = clinic.ask(Look(actor="mallory", patient="P-1"), Look(actor="mallory", patient="P-1", time=TUESDAY + 49 * HOUR))

    assert early["terminated_minutes"] == -1
    assert late["terminated_minutes"] > 0


def test_facts_carry_what_rules_ask_for(clinic: Clinic) -> None:
    evening = TUESDAY.replace(day=4, hour=4)  # still Tuesday there
    clinic.happen(
        Look(actor="carol", action="export", time=evening, details={"records": 1200, "reason": "month end", "note": "Größe “x”"}),
        Look(actor="shop@clinic.example", patient="P-1", source="mail", action="deliver", kind="system"),
    )

    found = clinic.enrich()

    assert found.height == 1, "mail is not an access"
    row = found.row(0, named=True)
    assert (row["records"], row["reason"], row["actor_role"], row["staff_id"]) == (1200, "month end", "biller", "S3")
    assert row["local_day"].isoformat() == "2026-03-03"
    assert "Größe" in row["details"]


def test_enriching_again_changes_nothing(clinic: Clinic) -> None:
    clinic.happen(Look(actor="alice", patient="P-1"))

    assert clinic.enrich().equals(clinic.enrich())
