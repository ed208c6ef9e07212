"""The labels: each points at events of the diary, and each incident is what its kind says."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

import orjson
import pytest

from domain.event import AuditEvent
from runtime.demo.hospital import Hospital
from runtime.demo.hospital.org import VPN_EGRESS_IPS
from runtime.demo.hospital.plan import QUIET_DAYS
from runtime.demo.hospital.records import Staff
from runtime.demo.hospital.write import write_labels
from runtime.demo.labels import Incident, IncidentKind

ById = Mapping[str, AuditEvent]


def _of(hospital: Hospital, kind: IncidentKind) -> list[Incident]:
    return [incident for incident in hospital.incidents if incident.kind is kind]


def _events(incident: Incident, by_id: ById) -> list[AuditEvent]:
    return [by_id[event_id] for event_id in incident.event_ids]


def _staff(hospital: Hospital, account: str | None) -> Staff:
    return next(staff for staff in hospital.people.staff.values() if staff.account_id == account)


def test_there_are_two_to_five_of_every_kind(hospital: Hospital) -> None:
    counts = Counter(incident.kind for incident in hospital.incidents)

    assert set(counts) == set(IncidentKind)
    assert all(2 <= count <= 5 for count in counts.values())


def test_labels_point_at_events_that_are_sent_as_json_lines(hospital: Hospital, by_id: ById) -> None:
    """Only there do event ids survive."""
    for incident in hospital.incidents:
        events = _events(incident, by_id)
        assert {event.source_system for event in events} <= {"ehr", "mail-provider", "portal"}
        assert (incident.from_, incident.to) == (events[0].time, events[-1].time)
        assert incident.actor is None or {event.actor.id for event in events} == {incident.actor}
        assert incident.patient_id is None or {event.patient_id for event in events} - {None} == {incident.patient_id}


def test_history_is_quiet_first(hospital: Hospital) -> None:
    first = hospital.plan.at(hospital.plan.day(QUIET_DAYS), 0)

    assert min(incident.from_ for incident in hospital.incidents) >= first


def test_no_member_of_staff_plays_two_parts(hospital: Hospital, by_id: ById) -> None:
    parts = Counter(
        account
        for incident in hospital.incidents
        for account in {event.actor.id for event in _events(incident, by_id) if event.source == "access"}
    )

    assert max(parts.values()) == 1


def test_labels_are_written_one_a_line(hospital: Hospital, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write_labels(hospital, tmp_path_factory.mktemp("labels"))

    records = [orjson.loads(line) for line in path.read_bytes().splitlines()]

    assert [record["incident_id"] for record in records] == [incident.incident_id for incident in hospital.incidents]
    assert set(records[0]) == {"incident_id", "kind", "actor", "patient_id", "event_ids", "from", "to"}


def test_self_access_is_to_the_own_chart(hospital: Hospital) -> None:
    for incident in _of(hospital, IncidentKind.SELF_ACCESS):
        assert _staff(hospital, incident.actor).patient_id == incident.patient_id


def test_household_access_is_to_the_same_address_or_a_surname_nobody_else_has(hospital: Hospital) -> None:
    surnames = Counter(patient.last_name for patient in hospital.people.patients.values())
    surnames.update(staff.last_name for staff in hospital.people.staff.values())
    shared, rare = 0, 0
    for incident in _of(hospital, IncidentKind.HOUSEHOLD_ACCESS):
        assert incident.patient_id is not None
        staff, patient = _staff(hospital, incident.actor), hospital.people.patients[incident.patient_id]
        assert patient.patient_id not in hospital.care.patients_known_to(hospital.people, staff)
        shared += staff.home_address == patient.address
        rare += staff.home_address != patient.address and staff.last_name == patient.last_name and surnames[staff.last_name] == 2

    assert (shared, rare) == (3, 1)


def test_a_public_figure_is_looked_at_by_several_people_of_several_units_without_a_tie(hospital: Hospital, by_id: ById) -> None:
    for incident in _of(hospital, IncidentKind.VIP_ACCESS):
        assert incident.patient_id is not None
        onlookers = [_staff(hospital, account) for account in {event.actor.id for event in _events(incident, by_id)}]
        assert hospital.people.patients[incident.patient_id].vip
        assert 2 <= len(onlookers) <= 4
        assert len({staff.unit for staff in onlookers}) == len(onlookers)
        assert all(incident.patient_id not in hospital.care.patients_known_to(hospital.people, staff) for staff in onlookers)


def test_broken_glass_is_followed_by_looking_and_not_by_care(hospital: Hospital, by_id: ById) -> None:
    for incident in _of(hospital, IncidentKind.BREAK_GLASS):
        actions = [event.action for event in _events(incident, by_id)]
        assert actions[0] == "break_glass"
        assert all(action.startswith("view") for action in actions[1:])


def test_a_login_burst_is_twelve_failures_and_more_then_a_success_from_a_new_address(hospital: Hospital, by_id: ById) -> None:
    for incident in _of(hospital, IncidentKind.LOGIN_BURST):
        events = _events(incident, by_id)
        logins = [event.outcome for event in events if event.action == "login"]
        before = {event.ip for event in hospital.events if event.actor.id == incident.actor and event.time < incident.from_}
        assert logins.count("failure") >= 12
        assert logins.index("success") == len(logins) - 1
        assert len({event.ip for event in events}) == 1
        assert events[0].ip not in before


def test_former_staff_act_days_after_they_left(hospital: Hospital) -> None:
    for incident in _of(hospital, IncidentKind.TERMINATED_ACTIVE):
        left = hospital.people.last_day[_staff(hospital, incident.actor).staff_id]
        assert hospital.plan.local(incident.from_).date() - left >= timedelta(days=2)


def test_a_last_night_shift_ends_within_the_grace(hospital: Hospital) -> None:
    """Employment ends at seven in the morning; what comes after is a logout at most."""
    leaver = next(s for s in hospital.people.staff.values() if isinstance(s.termination_date, datetime))

    (last_shift,) = [s for s in hospital.roster.of(leaver.staff_id) if s.end == leaver.termination_date]
    after = [e for e in hospital.events if e.actor.id == leaver.account_id and e.time >= last_shift.end]

    assert last_shift.kind == "night"
    assert all(e.action == "logout" and e.time - last_shift.end < timedelta(hours=1) for e in after)


def test_bulk_exports_have_no_approved_protocol(hospital: Hospital, by_id: ById) -> None:
    approved = {
        member for protocol in hospital.paperwork.protocols if protocol.bulk_export_approved for member in protocol.staff_ids
    }
    for incident in _of(hospital, IncidentKind.BULK_EXPORT):
        (event,) = _events(incident, by_id)
        records = event.details["records"]
        assert isinstance(records, int)
        assert records >= 500
        assert _staff(hospital, incident.actor).staff_id not in approved


def test_auditing_stays_off_for_hours(hospital: Hospital, by_id: ById) -> None:
    for incident in _of(hospital, IncidentKind.AUDIT_STOPPED):
        (stop,) = _events(incident, by_id)
        module = stop.details["module"]
        starts = [
            e.time for e in hospital.events if e.action == "audit_start" and e.details["module"] == module and e.time > stop.time
        ]
        assert min(starts) - stop.time > timedelta(hours=2)


def test_an_unusual_day_is_many_times_an_ordinary_one(hospital: Hospital, by_id: ById) -> None:
    for incident in _of(hospital, IncidentKind.UNUSUAL_VOLUME):
        seen: dict[object, set[str]] = {}
        for event in hospital.events:
            if event.actor.id == incident.actor and event.patient_id and event.event_id not in incident.event_ids:
                seen.setdefault(hospital.plan.local(event.time).date(), set()).add(event.patient_id)
        ordinary = sum(map(len, seen.values())) / len(seen)
        opened = {event.patient_id for event in _events(incident, by_id)}
        assert len(opened) >= 5 * ordinary
        assert not opened & hospital.care.patients_known_to(hospital.people, _staff(hospital, incident.actor))


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (IncidentKind.PLAINTEXT_PHI, lambda tls: tls["version"] is None),
        (IncidentKind.WEAK_TLS, lambda tls: tls["version"] in {"TLSv1", "TLSv1.1"} or tls["cipher"] == "DES-CBC3-SHA"),
        (IncidentKind.UNVERIFIED_CERTIFICATE, lambda tls: tls["version"] in {"TLSv1.2", "TLSv1.3"} and tls["verified"] is False),
    ],
)
def test_mail_incidents_carry_phi_over_the_line_their_kind_says(
    hospital: Hospital, by_id: ById, kind: IncidentKind, wrong: object
) -> None:
    assert callable(wrong)
    for incident in _of(hospital, kind):
        for event in _events(incident, by_id):
            assert event.details["phi"] is True
            assert event.details["encryption"] == "none"
            assert wrong(event.details["tls"])
            assert event.patient_id not in hospital.paperwork.opted_in()


def test_strangers_are_nobody_the_other_kinds_would_flag(hospital: Hospital, by_id: ById) -> None:
    employed = {staff.patient_id for staff in hospital.people.staff.values()}
    for kind in (IncidentKind.UNUSUAL_VOLUME, IncidentKind.TERMINATED_ACTIVE, IncidentKind.BREAK_GLASS):
        for incident in _of(hospital, kind):
            staff = _staff(hospital, incident.actor)
            for event in _events(incident, by_id):
                if event.patient_id is not None:
                    patient = hospital.people.patients[event.patient_id]
                    assert not patient.vip
                    assert patient.patient_id not in employed
                    assert patient.last_name != staff.last_name
                    assert not hospital.people.related(staff, patient)


def test_noise_looks_like_incidents_and_is_none(hospital: Hospital) -> None:
    """Each of these has a reason; a rule that fires on them is wrong."""
    why = Counter(entry.because.split(" ")[0] for entry in hospital.entries)
    broken = [e for e in hospital.entries if e.action == "break_glass" and e.incident is None]
    exports = [e for e in hospital.entries if e.action == "export" and e.because.startswith("protocol")]
    kin = {(hospital.people.staff[s].account_id, p) for s, p in hospital.people.kin}
    namesakes = [e for e in hospital.entries if (e.actor.id, e.patient_id) in kin and e.because.startswith("encounter")]
    clear = [e for e in hospital.entries if e.incident is None and _in_the_clear(e.details.get("tls"))]

    assert why["wrong"] > 10
    assert why["mistyped"] > 10
    assert why["robot"] >= 12
    assert len(broken) >= 3
    assert len(exports) == 3
    assert namesakes
    assert {e.details["phi"] for e in clear} == {True, False}
    assert {s.kind for s in hospital.roster.shifts} == {"day", "night", "on_call", "float", "cover", "orientation"}
    assert any(e.ip in VPN_EGRESS_IPS and e.incident is None for e in hospital.entries)


def _in_the_clear(session: object) -> bool:
    return isinstance(session, Mapping) and session["version"] is None
