"""Accesses that follow from orders, appointments, referrals and worklists: clinics, diagnostics, consultants, offices."""

import random
from datetime import datetime, timedelta

from runtime.demo.hospital.care import hours
from runtime.demo.hospital.diary import System
from runtime.demo.hospital.places import remote, station
from runtime.demo.hospital.records import Appointment, Order, Staff, Worklist
from runtime.demo.hospital.scene import Scene, between, some

WORK: dict[str, tuple[tuple[str, float], ...]] = {
    "billing": (("view_billing", 1.0), ("view_notes", 0.25), ("edit_billing", 0.5)),
    "coding": (("view_notes", 1.0), ("view_orders", 0.3), ("edit_billing", 0.5)),
    "registration": (("view_demographics", 1.0), ("edit_demographics", 0.5), ("view_billing", 0.2)),
    "release_of_information": (("view_chart", 1.0), ("print", 0.7)),
    "quality_review": (("view_chart", 1.0), ("view_notes", 0.7)),
}


def see_appointments(scene: Scene) -> None:
    """Booking by the scheduler, check-in and vitals by the assistant, the visit by the provider, sometimes a look before it."""
    chance = scene.plan.chance("appointments")
    for visit in scene.care.appointments:
        because = f"appointment {visit.appointment_id}"
        booker = scene.people.staff[visit.created_by]
        if visit.created_at >= scene.plan.start and _free_of_family(scene, booker, visit.patient_id):
            at_desk = station(booker, booker.unit, chance)
            actions = some(chance, (("view_demographics", 0.4), ("edit_schedule", 1.0)))
            scene.open_chart(
                booker, visit.patient_id, visit.created_at + timedelta(seconds=20), actions, at_desk, chance, because=because
            )
        if visit.status in {"completed", "no_show"}:
            _visit(scene, chance, visit, because)


def _visit(scene: Scene, chance: random.Random, visit: Appointment, because: str) -> None:
    provider = scene.people.staff[visit.provider_id]
    place = station(provider, visit.clinic, chance)
    if chance.random() < 0.2:
        scene.open_chart(
            provider, visit.patient_id, visit.scheduled_at - hours(0.2), ["view_notes"], place, chance, because=because
        )
    if visit.status == "no_show":
        return
    helpers = [
        s
        for s, _ in scene.roster.working(visit.clinic, visit.scheduled_at, "medical_assistant")
        if _free_of_family(scene, s, visit.patient_id)
    ]
    if helpers:
        helper = chance.choice(helpers)
        actions = ["view_schedule", *some(chance, (("edit_vitals", 0.8),))]
        scene.open_chart(
            helper,
            visit.patient_id,
            visit.scheduled_at - hours(0.1),
            actions,
            station(helper, visit.clinic, chance),
            chance,
            because=because,
        )
    actions = ["view_chart", *some(chance, (("view_meds", 0.3), ("edit_note", 0.85), ("sign_order", 0.3)))]
    scene.open_chart(provider, visit.patient_id, visit.scheduled_at + hours(0.05), actions, place, chance, because=because)


def perform_orders(scene: Scene) -> None:
    """Laboratory and pharmacy in their own systems, imaging at the modality, therapy in the record."""
    chance = scene.plan.chance("orders performed")
    for order in scene.care.orders:
        if order.performer_id is None or order.completed_at is None:
            continue
        performer, because = scene.people.staff[order.performer_id], f"order {order.order_id}"
        place, begin = station(performer, performer.unit, chance), order.completed_at - hours(0.3)
        match order.type:
            case "lab":
                actions, system = ["view_orders", *some(chance, (("edit_result", 0.9),))], System.LAB
            case "imaging":
                actions, system = ["view_orders", "view_imaging"], System.RADIOLOGY
                _report_images(scene, chance, order, because)
            case "medication":
                actions, system = some(chance, (("view_meds", 0.4), ("verify_med", 1.0))), System.PHARMACY
            case _:
                actions, system = ["view_chart", "edit_note"], System.EHR
        scene.open_chart(
            performer, order.patient_id, max(begin, order.placed_at), actions, place, chance, because=because, system=system
        )


def _report_images(scene: Scene, chance: random.Random, order: Order, because: str) -> None:
    """A radiologist on duty reads the images within the hour."""
    assert order.completed_at is not None
    when = order.completed_at + hours(0.2 + chance.random() * 0.7)
    crew = [s for s, _ in scene.roster.working("RAD", when, "radiologist") if _free_of_family(scene, s, order.patient_id)]
    if crew:
        reader = chance.choice(crew)
        actions = ["view_imaging", *some(chance, (("edit_result", 0.9),))]
        system = chance.choice((System.RADIOLOGY, System.RADIOLOGY, System.PACS))
        scene.open_chart(
            reader, order.patient_id, when, actions, station(reader, "RAD", chance), chance, because=because, system=system
        )


def work_off(scene: Scene) -> None:
    """Each item of a worklist is opened by whom it is assigned to, during a shift while it is open."""
    chance = scene.plan.chance("worklists worked")
    for item in scene.care.worklists:
        staff = scene.people.staff[item.assigned_to]
        window = _window(scene, item)
        if window:
            begin, end = window
            actions = some(chance, WORK[item.type])
            place = remote(staff, chance) if staff.kind == "contractor" else station(staff, staff.unit, chance)
            because = f"worklist {item.worklist_id}"
            scene.open_chart(staff, item.patient_id, between(chance, begin, end), actions, place, chance, because=because)


def _window(scene: Scene, item: Worklist) -> tuple[datetime, datetime] | None:
    closed = item.closed_at or scene.plan.until
    for shift in scene.roster.of(item.assigned_to):
        begin, end = max(shift.start + hours(0.3), item.opened_at), min(shift.end - hours(0.3), closed)
        if begin < end:
            return begin, end
    return None


def consult(scene: Scene) -> None:
    """Who was asked for an opinion reads and writes in the chart, within a day or two."""
    chance = scene.plan.chance("consults")
    for referral in scene.care.referrals:
        doctor = scene.people.staff[referral.to_provider_id]
        later = [shift for shift in scene.roster.of(doctor.staff_id) if shift.end - hours(2) > referral.created_at]
        if later and later[0].start < referral.created_at + timedelta(days=3):
            when = between(chance, max(later[0].start + hours(0.3), referral.created_at + hours(0.2)), later[0].end - hours(1))
            actions = ["view_chart", *some(chance, (("view_notes", 0.7), ("edit_note", 0.8)))]
            place, because = station(doctor, later[0].unit, chance), f"referral {referral.referral_id}"
            scene.open_chart(doctor, referral.patient_id, when, actions, place, chance, because=because)


def care_team(scene: Scene) -> None:
    """Therapists and social workers named in a team see their patients once in a while."""
    chance = scene.plan.chance("care team")
    for encounter in scene.care.encounters:
        for member in encounter.care_team:
            staff = scene.people.staff[member]
            if staff.role not in {"therapist", "social_worker"}:
                continue
            end = encounter.discharged_at or scene.plan.until
            for shift in scene.roster.of(member):
                begin, finish = (
                    max(shift.start + hours(0.3), encounter.admitted_at, encounter.recorded_at),
                    min(shift.end - hours(0.5), end),
                )
                if begin < finish and chance.random() < 0.6:
                    place, because = station(staff, staff.unit, chance), f"encounter {encounter.encounter_id}"
                    actions = ["view_chart", *some(chance, (("edit_note", 0.6),))]
                    scene.open_chart(
                        staff, encounter.patient_id, between(chance, begin, finish), actions, place, chance, because=because
                    )


def _free_of_family(scene: Scene, staff: Staff, patient_id: str) -> bool:
    return not scene.people.related(staff, scene.people.patients[patient_id])
