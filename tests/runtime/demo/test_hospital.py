"""The synthetic hospital: repeatable, whole, of the promised size."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from domain.context import KINDS, checked
from domain.errors import ConfigError
from domain.event import AuditEvent, Source
from domain.json import Json, normalise
from runtime.demo.hospital import Hospital, Plan, make_hospital
from runtime.demo.hospital.diary import System
from runtime.demo.hospital.people import settle_town
from runtime.demo.hospital.plan import FEWEST_DAYS
from tests.runtime.demo.conftest import UNTIL

Reference = Mapping[str, list[dict[str, object]]]

_DIGEST = """
import hashlib
from datetime import datetime
from runtime.demo.hospital import Plan, make_hospital
hospital = make_hospital(Plan(seed=4, until=datetime.fromisoformat({until!r}), days=10))
print(hashlib.sha256(repr((hospital.events, hospital.incidents, hospital.care)).encode()).hexdigest())
"""


def test_the_same_plan_makes_the_same_hospital_in_another_process() -> None:
    """Another hash seed, so that no order of a set leaks into what is made."""
    here = make_hospital(Plan(seed=4, until=UNTIL, days=10))
    environment = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": str(Path(__file__).parents[3])}

    there = subprocess.run(
        [sys.executable, "-c", _DIGEST.format(until=UNTIL.isoformat())], capture_output=True, text=True, check=True, env=environment
    )

    digest = hashlib.sha256(repr((here.events, here.incidents, here.care)).encode()).hexdigest()
    assert there.stdout.strip() == digest


def test_another_seed_makes_other_people(hospital: Hospital) -> None:
    other = settle_town(Plan(seed=12, until=UNTIL)).people.patients

    assert {patient.last_name for patient in other.values()} != {patient.last_name for patient in hospital.people.patients.values()}


@pytest.mark.parametrize(("seed", "until"), [(21, "2026-11-02T03:00:00+00:00"), (22, "2026-07-06T04:00:00+00:00")])
def test_the_shortest_period_still_holds_every_kind_of_incident(seed: int, until: str) -> None:
    """Over the end of daylight saving time, and over a week-end."""
    made = make_hospital(Plan(seed=seed, until=datetime.fromisoformat(until), days=FEWEST_DAYS))

    kinds = Counter(incident.kind for incident in made.incidents)
    assert len(kinds) == 12
    assert all(incident.event_ids for incident in made.incidents)


@pytest.mark.parametrize("days", [0, FEWEST_DAYS - 1, 61])
def test_a_period_without_room_for_history_is_refused(days: int) -> None:
    with pytest.raises(ConfigError, match="days"):
        Plan(seed=1, until=UNTIL, days=days)


def test_volumes_are_those_of_a_two_minute_demo(hospital: Hospital) -> None:
    counts = Counter(event.source for event in hospital.events)
    systems = Counter(event.source_system for event in hospital.events)
    fhir = systems[System.LAB] + systems[System.PACS] + systems[System.PHARMACY]

    assert 25_000 <= len(hospital.events) <= 37_000
    assert counts[Source.MAIL] > 2_000
    assert counts[Source.PORTAL] > 1_500
    assert 0.13 <= fhir / counts[Source.ACCESS] <= 0.25
    assert 0.04 <= systems[System.RADIOLOGY] / counts[Source.ACCESS] <= 0.1


def test_event_ids_are_unique_within_their_system_and_in_order_of_time(hospital: Hospital) -> None:
    ids = [event.event_id for event in hospital.events]
    times = [event.time for event in hospital.events]

    assert len(set(ids)) == len(ids)
    assert times == sorted(times)
    assert all(hospital.plan.start <= moment < hospital.plan.until for moment in times)


def test_every_event_names_people_on_file(hospital: Hospital) -> None:
    accounts = {staff.account_id for staff in hospital.people.staff.values()}

    for event in hospital.events:
        assert event.patient_id is None or event.patient_id in hospital.people.patients
        if event.source is Source.ACCESS:
            assert event.actor.id in accounts or event.actor.id.startswith("svc-")
        elif event.source is Source.PORTAL:
            assert event.actor.id in hospital.people.patients


def test_every_event_has_a_reason_or_belongs_to_an_incident(hospital: Hospital) -> None:
    assert [entry for entry in hospital.entries if not entry.because and entry.incident is None] == []
    assert [entry for entry in hospital.entries if entry.because and entry.incident is not None] == []


def test_the_reasons_are_on_record_and_name_the_patient(hospital: Hospital) -> None:
    care = hospital.care
    patient_of = {
        **{f"encounter {record.encounter_id}": record.patient_id for record in care.encounters},
        **{f"appointment {record.appointment_id}": record.patient_id for record in care.appointments},
        **{f"order {record.order_id}": record.patient_id for record in care.orders},
        **{f"worklist {record.worklist_id}": record.patient_id for record in care.worklists},
        **{f"referral {record.referral_id}": record.patient_id for record in care.referrals},
    }
    cited = [
        entry
        for entry in hospital.entries
        if entry.because.split(" ")[0] in {"encounter", "appointment", "order", "worklist", "referral"}
    ]

    assert len(cited) > 15_000
    assert all(patient_of[entry.because] == entry.patient_id for entry in cited)


def test_reasons_were_known_before_the_access_except_where_the_glass_was_broken(hospital: Hospital) -> None:
    care = hospital.care
    known = {
        **{f"encounter {record.encounter_id}": record.recorded_at for record in care.encounters},
        **{f"appointment {record.appointment_id}": record.created_at for record in care.appointments},
        **{f"order {record.order_id}": record.placed_at for record in care.orders},
        **{f"worklist {record.worklist_id}": record.opened_at for record in care.worklists},
        **{f"referral {record.referral_id}": record.created_at for record in care.referrals},
    }
    emergencies = {(e.actor.id, e.patient_id) for e in hospital.entries if e.action == "break_glass" and e.incident is None}

    early = [e for e in hospital.entries if e.because in known and e.time < known[e.because]]

    assert {(entry.actor.id, entry.patient_id) for entry in early} <= emergencies


def test_ordinary_access_is_never_to_oneself_or_to_family(hospital: Hospital) -> None:
    staff = {person.account_id: person for person in hospital.people.staff.values()}

    for entry in hospital.entries:
        if entry.source is Source.ACCESS and entry.patient_id is not None and entry.incident is None:
            assert not hospital.people.related(staff[entry.actor.id], hospital.people.patients[entry.patient_id])


def test_nobody_works_while_on_leave_or_after_leaving(hospital: Hospital) -> None:
    people, plan = hospital.people, hospital.plan
    away = {
        (entry.staff_id, entry.first_day + timedelta(days=n))
        for entry in hospital.roster.leave
        for n in range(60)
        if entry.first_day + timedelta(days=n) <= entry.last_day
    }

    for shift in hospital.roster.shifts:
        day = plan.local(shift.start).date()
        assert (shift.staff_id, day) not in away
        assert day <= people.last_day.get(shift.staff_id, day)
    # A night shift may end on the first day of a leave, so only later days count.
    staff_id = {staff.account_id: staff.staff_id for staff in people.staff.values()}
    acted = {(staff_id.get(e.actor.id, ""), plan.local(e.time).date()) for e in hospital.entries if e.because != "shift"}
    assert not acted & {(who, day) for who, day in away if (who, day - timedelta(days=1)) in away}


def test_shifts_of_one_person_do_not_overlap(hospital: Hospital) -> None:
    """Covering the neighbouring ward in the same hours is the one exception."""
    for shifts in hospital.roster.by_person.values():
        regular = [shift for shift in shifts if shift.kind != "cover"]
        assert all(first.end <= second.start for first, second in pairwise(regular))


def test_common_surnames_are_common_and_most_are_rare(hospital: Hospital) -> None:
    counts = Counter(patient.last_name for patient in hospital.people.patients.values())
    total = sum(counts.values())

    assert sum(count for _, count in counts.most_common(10)) / total > 0.12
    assert sum(count <= 3 for count in counts.values()) / len(counts) > 0.3


def test_patients_are_in_one_bed_at_a_time(hospital: Hospital) -> None:
    stays: dict[str, list[tuple[datetime, datetime]]] = {}
    for encounter in hospital.care.encounters:
        for stay in encounter.locations:
            stays.setdefault(encounter.patient_id, []).append((stay.from_, stay.to or hospital.plan.until))

    for of_one in stays.values():
        of_one.sort()
        assert all(first[1] <= second[0] for first, second in pairwise(of_one))


def test_reference_data_are_what_context_load_takes(reference: Reference) -> None:
    assert set(reference) == set(KINDS)
    for name, records in reference.items():
        kind = KINDS[name]
        keys = [kind.key_of(checked(kind, _mapping(record), ZoneInfo("America/Chicago"))) for record in records]
        assert records
        assert len(set(keys)) == len(keys), name


def test_reference_data_point_at_each_other(reference: Reference) -> None:
    staff = {record["staff_id"] for record in reference["staff"]}
    patients = {record["patient_id"] for record in reference["patients"]}
    encounters = {record["encounter_id"] for record in reference["encounters"]}
    domains = {record["domain"] for record in reference["domains"]}

    for name, field in _STAFF_FIELDS:
        assert {record[field] for record in reference[name]} - {None} <= staff, (name, field)
    for records in reference.values():
        assert {record.get("patient_id") for record in records} - {None} <= patients
    assert {record["encounter_id"] for record in reference["orders"]} - {None} <= encounters
    assert {member for record in reference["encounters"] for member in _texts(record["care_team"])} <= staff
    assert {str(record["email"]).partition("@")[2] for record in reference["patients"] if record["email"]} <= domains


def test_instants_in_reference_data_carry_the_offset_of_the_place(reference: Reference) -> None:
    offsets = {str(record["start"])[-6:] for record in reference["shifts"]}

    assert offsets == {"-06:00", "-05:00"}


def test_what_is_recorded_in_the_future_is_not_in_the_files(hospital: Hospital, reference: Reference) -> None:
    for name, field in (
        ("encounters", "recorded_at"),
        ("appointments", "created_at"),
        ("referrals", "created_at"),
        ("orders", "placed_at"),
        ("worklists", "opened_at"),
        ("encounters", "discharged_at"),
        ("orders", "completed_at"),
    ):
        known = [datetime.fromisoformat(str(record[field])) for record in reference[name] if record[field]]
        assert max(known) < hospital.plan.until, (name, field)


def test_mail_goes_only_to_registered_domains(hospital: Hospital) -> None:
    domains = {domain.domain for domain in hospital.paperwork.domains}

    assert {str(event.details["to_domain"]) for event in _mail(hospital)} <= domains


def test_ordinary_mail_about_patients_is_protected_or_asked_for(hospital: Hospital) -> None:
    allowed = hospital.paperwork.opted_in()
    labelled = {event_id for incident in hospital.incidents for event_id in incident.event_ids}

    for event in _mail(hospital):
        session = event.details.get("tls")
        if event.details.get("phi") is True and isinstance(session, Mapping) and event.event_id not in labelled:
            modern = session["version"] in {"TLSv1.2", "TLSv1.3"} and session["verified"] is True
            assert modern or event.patient_id in allowed


_STAFF_FIELDS = (
    ("staff", "manager_id"),
    ("patients", "primary_care_id"),
    ("encounters", "attending_id"),
    ("encounters", "resident_id"),
    ("appointments", "provider_id"),
    ("appointments", "created_by"),
    ("referrals", "from_provider_id"),
    ("referrals", "to_provider_id"),
    ("orders", "ordering_id"),
    ("orders", "performer_id"),
    ("worklists", "assigned_to"),
    ("shifts", "staff_id"),
    ("shifts", "mentor_id"),
    ("leave", "staff_id"),
    ("training", "staff_id"),
)


def _mail(hospital: Hospital) -> Iterator[AuditEvent]:
    return (event for event in hospital.events if event.source is Source.MAIL)


def _mapping(record: object) -> Mapping[str, Json]:
    normal = normalise(record)
    assert isinstance(normal, Mapping)
    return normal


def _texts(value: object) -> list[str]:
    assert isinstance(value, list)
    return value
