"""What looks odd and is right: the reasons why a rule without context cries wolf."""

import random
from datetime import timedelta

from domain.event import Actor, ActorKind, Source
from domain.json import Json
from runtime.demo.hospital import org
from runtime.demo.hospital.admissions import UNREGISTERED_MINUTES
from runtime.demo.hospital.care import hours
from runtime.demo.hospital.diary import Entry, System
from runtime.demo.hospital.paperwork import Paperwork
from runtime.demo.hospital.places import station
from runtime.demo.hospital.records import Patient, Staff
from runtime.demo.hospital.scene import Scene, between

WRONG_CHARTS = 36
GOOD_REASONS = (
    "Unconscious on arrival after a road accident, no relatives present, need allergies and medication",
    "Cardiac arrest in resuscitation bay 2, patient not yet registered",
    "Transfer by helicopter, outside papers missing, blood thinner status needed before surgery",
    "Seizure in the waiting room, no identification, checking for known epilepsy",
)
TREATING_REASON = "Treating physician, restricted record needed for today's medication review"


def make_noise(scene: Scene, paperwork: Paperwork) -> None:
    """All of it; every entry says why in `because`."""
    chance = scene.plan.chance("noise")
    _wrong_charts(scene, chance)
    _searches(scene, chance)
    _emergencies(scene, chance)
    _restricted_but_treated(scene, chance)
    _namesakes_on_the_ward(scene, chance)
    _approved_exports(scene, paperwork, chance)
    _small_reports(scene, chance)
    _maintenance(scene, chance)


def _wrong_charts(scene: Scene, chance: random.Random) -> None:
    """The namesake's chart, closed after a few seconds, then the right one."""
    namesakes: dict[str, list[Patient]] = {}
    for patient in scene.people.patients.values():
        if not patient.vip and not patient.restricted:
            namesakes.setdefault(patient.last_name, []).append(patient)
    visits = [
        e for e in scene.diary.entries if e.action == "view_chart" and e.system is System.EHR and e.because.startswith("encounter")
    ]
    by_account = {staff.account_id: staff for staff in scene.people.staff.values()}
    for entry in chance.sample(visits, WRONG_CHARTS):
        assert entry.patient_id is not None
        meant, staff = scene.people.patients[entry.patient_id], by_account[entry.actor.id]
        others = [
            p for p in namesakes.get(meant.last_name, []) if p.patient_id != meant.patient_id and p.last_name != staff.last_name
        ]
        others = [p for p in others if not scene.people.related(staff, p)]
        if others:
            wrong = chance.choice(others)
            place = station(staff, staff.unit, chance)
            when = entry.time - timedelta(seconds=chance.randint(9, 25))
            scene.open_chart(staff, wrong.patient_id, when, ["view_chart"], place, chance, because="wrong chart", seconds=(3, 7))


def _searches(scene: Scene, chance: random.Random) -> None:
    """Clerks find people by name before they open anything. The search itself names nobody."""
    for shift in scene.roster.shifts:
        staff = scene.people.staff[shift.staff_id]
        if staff.role in {"registration_clerk", "scheduler", "medical_assistant"}:
            for _ in range(chance.choice((0, 1, 2))):
                when = between(chance, shift.start + hours(0.3), shift.end - hours(0.3))
                details: dict[str, Json] = {"method": "name", "records": chance.randint(1, 9)}
                scene.note(staff, when, "search", station(staff, shift.unit, chance), details=details, because="desk work")


def _emergencies(scene: Scene, chance: random.Random) -> None:
    """The glass is broken with a reason, care follows at once, and registration catches up."""
    for encounter in scene.care.encounters:
        if encounter.type != "emergency" or encounter.recorded_at - encounter.admitted_at < timedelta(minutes=UNREGISTERED_MINUTES):
            continue
        staff = scene.people.staff[encounter.care_team[-1]]
        place, when = station(staff, "ED", chance), encounter.admitted_at + timedelta(minutes=2)
        because = f"encounter {encounter.encounter_id}"
        details = {"reason": chance.choice(GOOD_REASONS), "module": "chart"}
        scene.note(staff, when, "break_glass", place, patient_id=encounter.patient_id, details=details, because=because)
        actions = ["view_chart", "view_meds", "edit_vitals", "med_admin", "edit_note"]
        scene.open_chart(staff, encounter.patient_id, when + timedelta(seconds=15), actions, place, chance, because=because)


def _restricted_but_treated(scene: Scene, chance: random.Random) -> None:
    """A restricted chart asks everyone for a reason; the attending has one and writes in the chart."""
    for encounter in scene.care.encounters:
        patient = scene.people.patients[encounter.patient_id]
        doctor = scene.people.staff[encounter.attending_id]
        end = encounter.discharged_at or scene.plan.until
        shifts = [
            s for s in scene.roster.of(doctor.staff_id) if s.end - hours(2) > encounter.admitted_at and s.start + hours(1) < end
        ]
        if patient.restricted and shifts and shifts[0].start >= scene.plan.start:
            when = max(shifts[0].start + hours(0.5), encounter.admitted_at + hours(0.2))
            place, because = station(doctor, shifts[0].unit, chance), f"encounter {encounter.encounter_id}"
            scene.note(
                doctor,
                when,
                "break_glass",
                place,
                patient_id=patient.patient_id,
                details={"reason": TREATING_REASON, "module": "chart"},
                because=because,
            )
            scene.open_chart(
                doctor,
                patient.patient_id,
                when + timedelta(seconds=12),
                ["view_chart", "edit_note"],
                place,
                chance,
                because=because,
            )


def _namesakes_on_the_ward(scene: Scene, chance: random.Random) -> None:
    """A nurse cares for a patient of the same rare surname who lies on the nurse's own ward."""
    for staff_id, patient_id in scene.people.kin:
        staff = scene.people.staff[staff_id]
        for bed in scene.beds.get(staff.unit, ()):
            if bed.encounter.patient_id != patient_id or org.UNIT[staff.unit].kind != "ward":
                continue
            for shift in scene.roster.of(staff_id):
                begin, end = max(shift.start, bed.begin), min(shift.end, bed.end)
                if shift.unit == staff.unit and begin + hours(1) < end:
                    place, because = station(staff, staff.unit, chance), f"encounter {bed.encounter.encounter_id}"
                    actions = ["view_chart", "edit_vitals", "med_admin"]
                    scene.open_chart(
                        staff, patient_id, between(chance, begin + hours(0.2), end), actions, place, chance, because=because
                    )


def _approved_exports(scene: Scene, paperwork: Paperwork, chance: random.Random) -> None:
    """Research exports many records under a protocol that allows it."""
    approved = [protocol for protocol in paperwork.protocols if protocol.bulk_export_approved]
    for protocol in (*approved, approved[0]):
        shifts = [s for member in protocol.staff_ids for s in scene.roster.of(member) if s.start >= scene.plan.start]
        if shifts:
            shift = chance.choice(shifts)
            staff = scene.people.staff[shift.staff_id]
            when = between(chance, shift.start + hours(1), shift.end - hours(1))
            details: dict[str, Json] = {
                "records": chance.randint(700, 2600),
                "protocol_id": protocol.protocol_id,
                "module": "research",
            }
            scene.note(
                staff,
                when,
                "export",
                station(staff, staff.unit, chance),
                details=details,
                because=f"protocol {protocol.protocol_id}",
            )


def _small_reports(scene: Scene, chance: random.Random) -> None:
    """Census lists and work reports of a few rows."""
    for staff in scene.posts("quality_analyst", "biller"):
        for shift in scene.roster.of(staff.staff_id):
            if chance.random() < 0.25:
                when = between(chance, shift.start + hours(1), shift.end - hours(1))
                details: dict[str, Json] = {"records": chance.randint(5, 40), "module": "reports"}
                scene.note(staff, when, "report_run", station(staff, staff.unit, chance), details=details, because="desk work")


def _maintenance(scene: Scene, chance: random.Random) -> None:
    """Auditing restarts with a release of the record system: off for seconds, and back. Rights change by ticket."""
    plan = scene.plan
    night = plan.at(plan.incident_dates[0], 2.5)
    for after, action in ((0, "audit_stop"), (70, "audit_start")):
        scene.diary.write(
            Entry(
                system=System.EHR,
                time=night + timedelta(seconds=after),
                source=Source.ACCESS,
                action=action,
                actor=Actor(id="svc-ehr-release", kind=ActorKind.SERVICE),
                details={"module": "audit", "reason": "release restart, change 4711"},
                because="maintenance",
            )
        )
    administrators: list[Staff] = scene.posts("it_administrator")
    for number in range(4):
        staff = chance.choice(administrators)
        shifts = [shift for shift in scene.roster.of(staff.staff_id) if shift.start >= plan.start]
        if shifts:
            when = between(chance, shifts[number % len(shifts)].start + hours(1), shifts[number % len(shifts)].end)
            details = {"module": "accounts", "reason": f"ticket {5200 + number}"}
            scene.note(staff, when, "privilege_change", station(staff, "IT", chance), details=details, because="ticket")
