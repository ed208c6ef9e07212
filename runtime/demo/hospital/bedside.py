"""Accesses that follow from care at the bedside: wards, the emergency department, and notes written after discharge."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from runtime.demo.hospital import org
from runtime.demo.hospital.care import hours
from runtime.demo.hospital.diary import System
from runtime.demo.hospital.places import remote, station
from runtime.demo.hospital.records import Encounter, Shift, Staff
from runtime.demo.hospital.scene import Bed, Scene, between, some

NURSE_ROUND = (("view_meds", 0.2), ("med_admin", 0.3), ("edit_vitals", 0.3), ("view_orders", 0.08), ("edit_note", 0.1))
DOCTOR_ROUND = (("view_notes", 0.22), ("view_meds", 0.12), ("edit_note", 0.4), ("sign_order", 0.2))
LATE_CHARTING_SHARE = 0.22


def nurse_wards(scene: Scene) -> None:
    """Each nurse on a shift looks after a share of the beds and opens those charts once or twice, until it ends."""
    chance = scene.plan.chance("nursing")
    for unit in org.WARDS:
        crews: dict[tuple[datetime, datetime], list[Shift]] = {}
        for shift in scene.roster.by_unit.get(unit.unit, ()):
            if scene.people.staff[shift.staff_id].role == "nurse":
                crews.setdefault((shift.start, shift.end), []).append(shift)
        for (begin, end), crew in crews.items():
            for number, bed in enumerate(scene.in_beds(unit.unit, begin, end)):
                for shift in _carers(crew, number):
                    _nurse(scene, chance, shift, bed)


def _carers(crew: Sequence[Shift], number: int) -> list[Shift]:
    """The nurse of bed `number`, and whoever learns from that nurse."""
    regular = [shift for shift in crew if shift.kind != "orientation"]
    if not regular:
        return []
    nurse = regular[number % len(regular)]
    return [nurse, *(shift for shift in crew if shift.mentor_id == nurse.staff_id)]


def _nurse(scene: Scene, chance: random.Random, shift: Shift, bed: Bed) -> None:
    nurse = scene.people.staff[shift.staff_id]
    begin, end = max(shift.start + hours(0.2), bed.begin), min(shift.end - hours(0.3), bed.end)
    if end <= begin or _family(scene, nurse, bed.encounter):
        return
    for _ in range(1 if chance.random() < 0.8 else 2):
        place = station(nurse, shift.unit, chance)
        actions = ["view_chart", *some(chance, NURSE_ROUND)]
        scene.open_chart(nurse, bed.encounter.patient_id, between(chance, begin, end), actions, place, chance, because=_stay(bed))


def physicians_rounds(scene: Scene) -> None:
    """By day the attending, or whoever covers the unit, sees every patient; residents see theirs."""
    chance = scene.plan.chance("rounds")
    for shift in scene.roster.shifts:
        doctor = scene.people.staff[shift.staff_id]
        if doctor.role not in {"physician", "resident"} or org.UNIT[shift.unit].kind != "ward":
            continue
        morning = shift.start + hours(8.5)
        for bed in scene.in_beds(shift.unit, shift.start, morning):
            if _responsible(scene, doctor, shift, bed) and not _family(scene, doctor, bed.encounter):
                begin, end = max(bed.begin, shift.start + hours(0.2)), min(bed.end, morning)
                place = station(doctor, shift.unit, chance)
                actions = ["view_chart", *some(chance, DOCTOR_ROUND)]
                scene.open_chart(
                    doctor, bed.encounter.patient_id, between(chance, begin, end), actions, place, chance, because=_stay(bed)
                )


def _responsible(scene: Scene, doctor: Staff, shift: Shift, bed: Bed) -> bool:
    encounter = bed.encounter
    if doctor.staff_id in {encounter.attending_id, encounter.resident_id}:
        return True
    if doctor.role != "physician":
        return False
    on_duty = [staff for staff, _ in scene.roster.working(shift.unit, shift.start + hours(2), "physician")]
    attending_here = any(staff.staff_id == encounter.attending_id for staff in on_duty)
    return not attending_here and bool(on_duty) and on_duty[0].staff_id == doctor.staff_id


def emergency_department(scene: Scene) -> None:
    """Registration, triage, treatment: by those on duty while the patient is there."""
    chance = scene.plan.chance("emergency")
    for bed in scene.beds["ED"]:
        arrival, patient_id, because = max(bed.begin, bed.encounter.recorded_at), bed.encounter.patient_id, _stay(bed)
        clerk = _on_duty(scene, bed, arrival, "registration_clerk")
        if clerk:
            actions = ["view_demographics", *some(chance, (("edit_demographics", 0.6),))]
            scene.open_chart(
                clerk, patient_id, arrival + hours(0.05), actions, station(clerk, "ED", chance), chance, because=because
            )
        for after, shares in ((0.15, (("edit_vitals", 0.8),)), (1.2, (("view_meds", 0.3), ("med_admin", 0.5)))):
            nurse = _on_duty(scene, bed, arrival + hours(after), "nurse")
            if nurse and arrival + hours(after) < bed.end:
                when = arrival + hours(after + chance.random() * 0.3)
                scene.open_chart(
                    nurse,
                    patient_id,
                    when,
                    ["view_chart", *some(chance, shares)],
                    station(nurse, "ED", chance),
                    chance,
                    because=because,
                )
        doctor = scene.people.staff[bed.encounter.attending_id]
        if bed.encounter.type != "emergency" or not scene.roster.working("ED", arrival, "physician"):
            doctor = _on_duty(scene, bed, arrival + hours(0.5), "physician") or doctor
        if doctor.unit == "ED" and not _family(scene, doctor, bed.encounter):
            actions = ["view_chart", *some(chance, (("view_notes", 0.3), ("edit_note", 0.8), ("sign_order", 0.5)))]
            scene.open_chart(
                doctor,
                patient_id,
                arrival + hours(0.5 + chance.random()),
                actions,
                station(doctor, "ED", chance),
                chance,
                because=because,
            )


def late_charting(scene: Scene) -> None:
    """Some notes are finished days after discharge, in the next shifts or from home."""
    chance = scene.plan.chance("late charting")
    for encounter in scene.care.encounters:
        if encounter.discharged_at is None or encounter.type != "inpatient" or chance.random() > LATE_CHARTING_SHARE:
            continue
        doctor = scene.people.staff[encounter.attending_id]
        last = encounter.discharged_at + timedelta(days=8)
        later = [shift for shift in scene.roster.of(doctor.staff_id) if encounter.discharged_at < shift.start < last]
        if later:
            shift = chance.choice(later)
            away = chance.random() < 0.3
            when = shift.start + hours(11 + chance.random() * 2 if away else 1 + chance.random() * 6)
            place = remote(doctor, chance) if away else station(doctor, shift.unit, chance)
            because = f"encounter {encounter.encounter_id}"
            scene.open_chart(doctor, encounter.patient_id, when, ["view_chart", "edit_note"], place, chance, because=because)


def read_results(scene: Scene) -> None:
    """Who ordered looks at the result, in the laboratory's or the imaging archive's own viewer."""
    chance = scene.plan.chance("results")
    viewers = {"lab": ("view_labs", System.LAB), "imaging": ("view_imaging", System.PACS)}
    for order in scene.care.orders:
        if order.completed_at is None or order.type not in viewers:
            continue
        action, system = viewers[order.type]
        doctor = scene.people.staff[order.ordering_id]
        at_work = [shift for shift in scene.roster.of(doctor.staff_id) if shift.end > order.completed_at]
        if at_work and at_work[0].start < order.completed_at + timedelta(days=3):
            when = max(order.completed_at, at_work[0].start + hours(0.3)) + hours(chance.random() * 0.8)
            place = station(doctor, at_work[0].unit, chance)
            scene.open_chart(
                doctor, order.patient_id, when, [action], place, chance, because=f"order {order.order_id}", system=system
            )


def _on_duty(scene: Scene, bed: Bed, moment: datetime, role: str) -> Staff | None:
    """One of those at work in the department, the same for the whole visit as far as shifts allow."""
    crew = [staff for staff, _ in scene.roster.working("ED", moment, role) if not _family(scene, staff, bed.encounter)]
    return crew[int(bed.encounter.encounter_id[1:]) % len(crew)] if crew else None


def _family(scene: Scene, staff: Staff, encounter: Encounter) -> bool:
    return scene.people.related(staff, scene.people.patients[encounter.patient_id])


def _stay(bed: Bed) -> str:
    return f"encounter {bed.encounter.encounter_id}"
