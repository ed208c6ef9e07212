"""Each kind of reason is found where it holds, and not a moment before, after or beside it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from domain.json import Json
from store.engine import Engine
from tests.analytics.access.clinic import TUESDAY, Clinic, Look
from tests.analytics.access.conftest import empty

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def at(moment: timedelta) -> str:
    """A time relative to Tuesday morning, as records have it."""
    return (TUESDAY + moment).isoformat()


STAY: Mapping[str, Json] = {
    "encounter_id": "E1",
    "patient_id": "P-1",
    "type": "inpatient",
    "department": "Medicine",
    "attending_id": "S5",
    "resident_id": "S4",
    "admitted_at": at(-2 * DAY),
    "discharged_at": at(1 * DAY),
    "locations": [{"unit": "ED", "from": at(-2 * DAY), "to": at(-1 * DAY)}, {"unit": "3N", "from": at(-1 * DAY), "to": at(DAY)}],
    "care_team": ["S3"],
    "recorded_at": at(-2 * DAY),
}
SHIFT: Mapping[str, Json] = {"staff_id": "S1", "unit": "3N", "kind": "day", "start": at(-3 * HOUR), "end": at(9 * HOUR)}
APPOINTMENT: Mapping[str, Json] = {
    "appointment_id": "A1",
    "patient_id": "P-1",
    "department": "Revenue Cycle",
    "clinic": "CL",
    "provider_id": "S2",
    "scheduled_at": at(HOUR),
    "created_at": at(-10 * DAY),
    "created_by": "S4",
    "status": "scheduled",
}
REFERRAL: Mapping[str, Json] = {
    "referral_id": "R1",
    "patient_id": "P-1",
    "from_provider_id": "S4",
    "to_department": "Revenue Cycle",
    "to_provider_id": "S2",
    "created_at": at(-DAY),
    "status": "accepted",
}
ORDER: Mapping[str, Json] = {
    "order_id": "O1",
    "patient_id": "P-1",
    "type": "lab",
    "ordering_id": "S2",
    "performing_department": "Surgery",
    "performer_id": "S3",
    "placed_at": at(-DAY),
    "completed_at": at(-HOUR),
}
WORKLIST: Mapping[str, Json] = {
    "worklist_id": "W1",
    "type": "billing",
    "patient_id": "P-1",
    "assigned_to": "S4",
    "department": "Revenue Cycle",
    "opened_at": at(-DAY),
    "closed_at": at(HOUR),
}
PROTOCOL: Mapping[str, Json] = {
    "protocol_id": "IRB-1",
    "title": "Readmissions",
    "staff_ids": ["S3"],
    "cohort_patient_ids": ["P-1"],
    "valid_from": "2026-01-01",
    "valid_to": "2026-03-03",
    "bulk_export_approved": True,
}
RECORDS: Mapping[str, tuple[str, Mapping[str, Json]]] = {
    "encounters": ("encounter_id", STAY),
    "appointments": ("appointment_id", APPOINTMENT),
    "referrals": ("referral_id", REFERRAL),
    "orders": ("order_id", ORDER),
    "worklists": ("worklist_id", WORKLIST),
    "protocols": ("protocol_id", PROTOCOL),
}
ACTORS = {"alice": "S1", "bob": "S2", "carol": "S3", "mallory": "S4", "eve": "S5"}

EXPLAINS: Sequence[tuple[str, str, str]] = (
    ("encounters", "eve", "Attending of encounter E1 from 2026-03-01"),
    ("encounters", "mallory", "Resident of encounter E1 from 2026-03-01"),
    ("encounters", "carol", "On the care team of encounter E1 from 2026-03-01"),
    ("encounters", "alice", "Patient on unit 3N from 2026-03-02 (encounter E1); home unit of the actor"),
    ("appointments", "bob", "Provider of appointment A1 on 2026-03-03"),
    ("appointments", "carol", "Appointment A1 in the department Revenue Cycle on 2026-03-03"),
    ("referrals", "bob", "Was asked by referral R1 on 2026-03-02"),
    ("referrals", "mallory", "Made referral R1 on 2026-03-02"),
    ("referrals", "carol", "Referral R1 to the department Revenue Cycle on 2026-03-02"),
    ("orders", "bob", "Placed order O1 on 2026-03-02"),
    ("orders", "carol", "Performs order O1 of 2026-03-02"),
    ("orders", "mallory", "Order O1 of 2026-03-02 to the department Surgery"),
    ("worklists", "mallory", "Worklist item W1 assigned on 2026-03-02"),
    ("worklists", "carol", "Worklist item W1 of the department Revenue Cycle from 2026-03-02"),
    ("protocols", "carol", "Patient in the cohort of protocol IRB-1 from 2026-01-01"),
)

GRACE: Sequence[tuple[str, str, timedelta, timedelta]] = (
    ("encounters", "eve", 15 * DAY, 15 * DAY + HOUR),
    ("encounters", "carol", 15 * DAY, 15 * DAY + HOUR),
    ("encounters", "alice", 3 * DAY, 3 * DAY + HOUR),
    ("appointments", "bob", 14 * DAY, 15 * DAY),
    ("appointments", "carol", 2 * DAY, 3 * DAY),
    ("orders", "bob", 6 * DAY, 7 * DAY),
    ("orders", "mallory", 6 * DAY, 7 * DAY),
    ("worklists", "carol", DAY, 2 * DAY),
    ("referrals", "carol", 28 * DAY, 30 * DAY),
    ("protocols", "carol", 13 * HOUR, 15 * HOUR),
)

Answers = Mapping[tuple[str, str, timedelta], dict[str, Any]]


@pytest.fixture(scope="module")
def answers(shared_engine: Engine) -> Answers:
    """One record of each kind, each about a patient of its own; every actor looks at each of them at every time in question."""
    clinic = Clinic(empty(shared_engine))
    eve: Mapping[str, Json] = {"staff_id": "S5", "account_id": "eve", "role": "physician", "department": "Surgery", "unit": "4S"}
    patients = {kind: f"P-{kind}" for kind in RECORDS}
    about: dict[str, Sequence[Mapping[str, Json]]] = {
        kind: [{**record, "patient_id": patients[kind]}] for kind, (_, record) in RECORDS.items() if kind != "protocols"
    }
    clinic.know({**about, "staff": [eve], "protocols": [{**PROTOCOL, "cohort_patient_ids": [patients["protocols"]]}]})
    asked = {(kind, actor, timedelta(0)) for kind in RECORDS for actor in ACTORS}
    asked |= {(kind, actor, moment) for kind, actor, *moments in GRACE for moment in moments}
    order = sorted(asked, key=lambda key: key[2])
    looks = (Look(actor=actor, patient=patients[kind], time=TUESDAY + moment) for kind, actor, moment in order)
    return dict(zip(order, clinic.ask(*looks), strict=True))


@pytest.mark.parametrize(("kind", "actor", "sentence"), EXPLAINS)
def test_a_tie_explains_the_one_it_names(answers: Answers, kind: str, actor: str, sentence: str) -> None:
    found = answers[kind, actor, timedelta(0)]

    assert found["explained"] == 1
    assert found["reasons"] == [sentence]


def test_a_tie_explains_nobody_else(answers: Answers) -> None:
    shared = {("encounters", "bob"), ("orders", "eve")}  # bob works on 3N too, eve in Surgery
    named = {(kind, actor) for kind, actor, _ in EXPLAINS} | shared

    others = {(kind, actor): found for (kind, actor, moment), found in answers.items() if not moment and (kind, actor) not in named}

    assert len(others) == len(RECORDS) * len(ACTORS) - len(named)
    assert {key: found["reasons"] for key, found in others.items() if found["explained"]} == {}


@pytest.mark.parametrize(("kind", "actor", "last", "too_late"), GRACE)
def test_a_tie_holds_for_its_grace_and_no_longer(
    answers: Answers, kind: str, actor: str, last: timedelta, too_late: timedelta
) -> None:
    """Charting 14 days after discharge, results 7, the unit 2; a protocol to the end of its last local day."""
    assert answers[kind, actor, last]["explained"] == 1
    assert answers[kind, actor, too_late]["explained"] == 0


def test_nurse_is_explained_by_a_shift_where_the_patient_lies(clinic: Clinic) -> None:
    clinic.load(encounters=[{**STAY, "care_team": []}], shifts=[{**SHIFT, "staff_id": "S3", "kind": "float"}])

    floating, home, away = clinic.ask(
        Look(actor="carol", patient="P-1"),
        Look(actor="carol", patient="P-2"),
        Look(actor="carol", patient="P-1", time=TUESDAY + 20 * HOUR),
    )

    assert floating["reasons"] == ["Patient on unit 3N from 2026-03-02 (encounter E1); on shift (float) from 2026-03-03 07:00"]
    assert floating["reason_kinds"] == ["stay"]
    assert (home["explained"], away["explained"]) == (0, 0)


def test_rostered_nurse_off_shift_is_not_explained_by_the_home_unit(clinic: Clinic) -> None:
    clinic.load(encounters=[STAY], shifts=[{**SHIFT, "start": at(-36 * HOUR), "end": at(-24 * HOUR)}])

    (found,) = clinic.ask(Look(actor="alice", patient="P-1"))

    assert found["explained"] == 0
    assert found["off_shift"] == 1
    assert "Outside the actor's shifts" in found["flags"]


def test_shift_makes_its_holder_part_of_the_department_and_of_no_other_unit(clinic: Clinic) -> None:
    clinic.load(
        shifts=[{**SHIFT, "unit": "BILL", "kind": "cover"}], worklists=[WORKLIST], encounters=[{**STAY, "patient_id": "P-2"}]
    )

    covered, elsewhere = clinic.ask(Look(actor="alice", patient="P-1"), Look(actor="alice", patient="P-2"))

    assert covered["reason_kinds"] == ["worklist"]
    assert elsewhere["explained"] == 0


def test_learner_is_explained_by_the_mentor_during_the_shift(clinic: Clinic) -> None:
    clinic.load(
        orders=[{**ORDER, "performing_department": "Laboratory"}],
        shifts=[{**SHIFT, "unit": "ED", "kind": "orientation", "mentor_id": "S2"}],
    )

    during, after = clinic.ask(Look(actor="alice", patient="P-1"), Look(actor="alice", patient="P-1", time=TUESDAY + DAY))

    assert during["reasons"] == ["Learning with S2: Placed order O1 on 2026-03-02; on shift (orientation) from 2026-03-03 07:00"]
    assert after["explained"] == 0


def test_visit_without_locations_explains_its_department(clinic: Clinic) -> None:
    clinic.load(encounters=[{**STAY, "locations": [], "care_team": []}])

    inside, outside = clinic.ask(Look(actor="alice", patient="P-1"), Look(actor="carol", patient="P-1"))

    assert inside["reasons"] == ["Visit to the department Medicine from 2026-03-01 (encounter E1)"]
    assert outside["explained"] == 0


def test_cancelled_appointment_explains_its_provider_but_not_the_department(clinic: Clinic) -> None:
    clinic.load(appointments=[{**APPOINTMENT, "status": "cancelled"}])

    provider, department = clinic.ask(Look(actor="bob", patient="P-1"), Look(actor="carol", patient="P-1"))

    assert (provider["explained"], department["explained"]) == (1, 0)


def test_whoever_booked_an_appointment_is_explained_around_the_booking(clinic: Clinic) -> None:
    clinic.load(appointments=[APPOINTMENT])

    then, now = clinic.ask(
        Look(actor="mallory", patient="P-1", time=TUESDAY - 10 * DAY + HOUR), Look(actor="mallory", patient="P-1")
    )

    assert then["reasons"] == ["Booked appointment A1 on 2026-02-21"]
    assert now["explained"] == 0


def test_primary_care_provider_is_explained(clinic: Clinic) -> None:
    clinic.change("P-1", primary_care_id="S2", at=TUESDAY - 20 * DAY)

    provider, other = clinic.ask(Look(actor="bob", patient="P-1"), Look(actor="alice", patient="P-1"))

    assert provider["reasons"] == ["Primary care provider of the patient"]
    assert other["explained"] == 0


def test_approved_protocol_explains_an_export_without_a_patient(clinic: Clinic) -> None:
    clinic.load(protocols=[PROTOCOL, {**PROTOCOL, "protocol_id": "IRB-2", "staff_ids": ["S4"], "bulk_export_approved": False}])

    approved, unapproved, login = clinic.ask(
        Look(actor="carol", action="export"), Look(actor="mallory", action="export"), Look(actor="carol", action="login")
    )

    assert approved["reasons"] == ["Protocol IRB-1 approves bulk export from 2026-01-01"]
    assert (unapproved["explained"], login["explained"]) == (0, 0)


def test_service_account_is_explained_in_its_hours(clinic: Clinic) -> None:
    clinic.load(
        staff=[{"staff_id": "SV1", "account_id": "svc-night", "kind": "service", "schedule": {"start": "22:00", "end": "04:00"}}]
    )
    night = TUESDAY.replace(hour=7)  # two in the morning there

    inside, outside, stranger = clinic.ask(
        Look(actor="svc-night", patient="P-1", time=night, kind="service"),
        Look(actor="svc-night", patient="P-1", kind="service"),
        Look(actor="svc-other", patient="P-1", time=night, kind="service"),
    )

    assert inside["reasons"] == ["Service account SV1, schedule 22:00-04:00"]
    assert (outside["explained"], stranger["explained"]) == (0, 0)


def test_patient_reading_their_own_record_is_explained(clinic: Clinic) -> None:
    own, other = clinic.ask(
        Look(actor="P-1", patient="P-1", action="view_results", kind="patient", source="portal"),
        Look(actor="P-2", patient="P-1", action="view_results", kind="patient", source="portal"),
    )

    assert (own["reasons"], own["known"]) == (["The patient's own record"], 1)
    assert (other["explained"], other["known"]) == (0, 0)


def test_proxy_is_explained_from_the_grant_until_it_is_withdrawn(clinic: Clinic) -> None:
    grant = Look(actor="P-1", patient="P-1", action="proxy_grant", kind="patient", source="portal", details={"proxy_id": "P-2"})
    clinic.happen(grant)
    clinic.happen(
        Look(
            actor="P-1", patient="P-1", time=TUESDAY + 2 * DAY, action="proxy_revoke", source="portal", details={"proxy_id": "P-2"}
        )
    )

    found = clinic.ask(
        *(Look(actor="P-2", patient="P-1", time=TUESDAY + when, kind="proxy", source="portal") for when in (-HOUR, HOUR, 3 * DAY))
    )

    assert [row["reasons"] for row in found] == [[], ["Proxy access granted on 2026-03-03"], []]


def test_grant_to_another_proxy_or_a_refused_one_explains_nothing(clinic: Clinic) -> None:
    before = TUESDAY - HOUR
    clinic.happen(
        Look(actor="P-1", patient="P-1", time=before, action="proxy_grant", source="portal", details={"proxy_id": "P-3"}),
        Look(actor="P-2", patient="P-1", time=before, action="proxy_grant", kind="proxy", source="portal", outcome="denied"),
    )

    (found,) = clinic.ask(Look(actor="P-2", patient="P-1", kind="proxy", source="portal"))

    assert found["explained"] == 0


def test_record_that_came_later_is_no_knowledge(clinic: Clinic) -> None:
    """The same encounter, recorded an hour after the access."""
    clinic.load(encounters=[{**STAY, "attending_id": "S3", "recorded_at": at(HOUR)}])

    early, late = clinic.ask(Look(actor="carol", patient="P-1"), Look(actor="carol", patient="P-1", time=TUESDAY + HOUR))

    assert (early["explained"], late["explained"]) == (0, 1)


def test_changed_record_counts_from_its_load_and_the_old_one_until_then(clinic: Clinic) -> None:
    clinic.load(worklists=[{**WORKLIST, "department": None, "closed_at": None}])
    clinic.load(worklists=[{**WORKLIST, "department": None, "closed_at": None, "assigned_to": "S3"}], at=TUESDAY + HOUR)

    found = clinic.ask(
        *(
            Look(actor=actor, patient="P-1", time=TUESDAY + when)
            for when in (timedelta(0), 2 * HOUR)
            for actor in ("mallory", "carol")
        )
    )

    assert [row["explained"] for row in found] == [1, 0, 0, 1]


def test_actor_nobody_knows_is_unknown_and_unexplained(clinic: Clinic) -> None:
    clinic.load(encounters=[STAY])

    (found,) = clinic.ask(Look(actor="nobody", patient="P-1"))

    assert (found["known"], found["explained"], found["staff_id"], found["actor_role"]) == (0, 0, "", "")


def test_former_post_is_where_the_actor_stood_then(clinic: Clinic) -> None:
    post: Json = {"unit": "ED", "department": "Emergency", "role": "aide", "from": "2025-01-01", "to": "2026-03-02"}
    clinic.change("S1", at=TUESDAY - 400 * DAY, previous_positions=[post])

    before, after = clinic.ask(Look(actor="alice", patient="P-1", time=TUESDAY - DAY), Look(actor="alice", patient="P-1"))

    assert (before["actor_department"], before["actor_role"]) == ("Emergency", "aide")
    assert (after["actor_department"], after["actor_role"]) == ("Medicine", "nurse")
