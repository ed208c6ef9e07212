"""Outgoing mail in the ordinary course of things.

What the clinical systems send goes through the mail provider, which flags PHI; what people write goes through the relay, whose
Postfix lines know nothing of content.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from runtime.demo.hospital.care import hours
from runtime.demo.hospital.correspondents import (
    CLEAR_WEBMAIL,
    FRAGILE,
    INSURERS,
    LABORATORIES,
    OLD_TOWN,
    PARTNERS,
    VENDORS,
    WEBMAIL,
)
from runtime.demo.hospital.diary import System
from runtime.demo.hospital.paperwork import Paperwork
from runtime.demo.hospital.post import Letter, PostRoom
from runtime.demo.hospital.records import Patient
from runtime.demo.hospital.scene import Scene

LETTERS_A_WEEKDAY = 60
NEWSLETTER_READERS = 70
NEWSLETTERS_IN_THE_CLEAR = 5


def send_mail(scene: Scene, paperwork: Paperwork) -> None:
    """Reminders, notices, statements, discharge letters, claims, laboratory requests, newsletters, and what staff write."""
    post = PostRoom(diary=scene.diary, chance=scene.plan.chance("mail"))
    opted_in = paperwork.opted_in()
    for source in (_to_patients(scene, opted_in), _to_institutions(scene), _newsletters(scene), _from_people(scene)):
        for letter in source:
            post.send(letter)


def _to_patients(scene: Scene, opted_in: set[str]) -> Iterator[Letter]:
    """Reminders and notices say nothing about health; statements do, and go out without TLS only where asked for in writing."""
    plan, chance = scene.plan, scene.plan.chance("patient mail")
    for visit in scene.care.appointments:
        patient = scene.people.patients[visit.patient_id]
        eve = plan.local(visit.scheduled_at).date() - timedelta(days=2)
        if patient.email and visit.status != "cancelled" and plan.at(eve, 9) > visit.created_at:
            yield _patient_letter(patient, "appointments", "appointment_reminder", plan.at(eve, 9 + chance.random()), phi=False)
    for order in scene.care.orders:
        patient = scene.people.patients[order.patient_id]
        if order.type == "lab" and order.completed_at and patient.email and patient.portal_enrolled:
            yield _patient_letter(
                patient, "results", "portal_notice", order.completed_at + hours(0.1), phi=False, encryption="portal_link"
            )
    for item in scene.care.worklists:
        patient = scene.people.patients[item.patient_id]
        if item.type == "billing" and item.closed_at and patient.email and chance.random() < 0.5:
            clear = patient.email.endswith(CLEAR_WEBMAIL.domain) and patient.patient_id not in opted_in
            when = item.closed_at + hours(0.5 + chance.random())
            encryption = "portal_link" if clear else "none"
            yield _patient_letter(patient, "statements", "billing_statement", when, phi=not clear, encryption=encryption)
    for patient_id in sorted(opted_in):  # who asked for plain mail gets it: no cause for alarm
        patient = scene.people.patients[patient_id]
        when = plan.at(plan.day(chance.randrange(plan.days)), 10 + chance.random() * 6)
        yield _patient_letter(patient, "results", "visit_summary", when, phi=True)


def _patient_letter(
    patient: Patient, mailbox: str, category: str, when: datetime, *, phi: bool, encryption: str = "none"
) -> Letter:
    assert patient.email is not None
    return Letter(
        when=when,
        mailbox=mailbox,
        recipient=patient.email,
        category=category,
        phi=phi,
        patient_id=patient.patient_id,
        encryption=encryption,
    )


def _to_institutions(scene: Scene) -> Iterator[Letter]:
    chance = scene.plan.chance("institutional mail")
    for encounter in scene.care.encounters:
        if encounter.type == "inpatient" and encounter.discharged_at:
            to = chance.choice((*PARTNERS, *PARTNERS, *FRAGILE))
            yield Letter(
                when=encounter.discharged_at + hours(1 + chance.random() * 5),
                mailbox="records",
                recipient=f"intake@{to.domain}",
                category="discharge_summary",
                phi=True,
                patient_id=encounter.patient_id,
                encryption="smime" if chance.random() < 0.3 else "none",
            )
    for item in scene.care.worklists:
        if item.type == "billing" and item.closed_at:
            yield Letter(
                when=item.closed_at + hours(0.2),
                mailbox="claims",
                recipient=f"claims@{chance.choice(INSURERS).domain}",
                category="claim",
                phi=True,
                patient_id=item.patient_id,
            )
    for order in scene.care.orders:
        if order.type == "lab" and order.completed_at and chance.random() < 0.12:
            yield Letter(
                when=order.placed_at + hours(0.2),
                mailbox="laboratory",
                recipient=f"requests@{LABORATORIES[0].domain}",
                category="lab_request",
                phi=True,
                patient_id=order.patient_id,
            )


def _newsletters(scene: Scene) -> Iterator[Letter]:
    """Every Tuesday; a handful of readers at servers without TLS, and nothing in it about anybody."""
    plan, chance = scene.plan, scene.plan.chance("newsletter")
    readers = [p.email for p in scene.people.patients.values() if p.email and not p.email.endswith(CLEAR_WEBMAIL.domain)]
    for day in plan.dates:
        if day.weekday() == 1:
            clear = [f"reader{number}@{chance.choice(OLD_TOWN).domain}" for number in range(NEWSLETTERS_IN_THE_CLEAR)]
            for recipient in (*chance.sample(readers, NEWSLETTER_READERS), *clear):
                yield Letter(
                    when=plan.at(day, 6 + chance.random() * 0.5),
                    mailbox="newsletter",
                    recipient=recipient,
                    category="newsletter",
                    phi=False,
                )
    for day in plan.dates:
        if day.weekday() == 3:
            target = f"campaigns@{VENDORS[0].domain}"
            yield Letter(when=plan.at(day, 11), mailbox="marketing", recipient=target, category="marketing", phi=False)


def _from_people(scene: Scene) -> Iterator[Letter]:
    """Staff at their desks write to partners, vendors and webmail, through the relay."""
    plan, chance = scene.plan, scene.plan.chance("staff mail")
    writers = scene.posts(
        "physician", "biller", "scheduler", "social_worker", "quality_analyst", "it_administrator", "researcher", "release_clerk"
    )
    targets = (*PARTNERS, *INSURERS, *VENDORS, *WEBMAIL)
    for day in plan.dates:
        for _ in range(LETTERS_A_WEEKDAY if day.weekday() < 5 else LETTERS_A_WEEKDAY // 6):
            to = chance.choice(targets)
            yield Letter(
                when=plan.at(day, chance.triangular(7, 19, 11)),
                mailbox=chance.choice(writers).email,
                recipient=f"{chance.choice(('office', 'contact', 'info', 'desk'))}{chance.randint(1, 30)}@{to.domain}",
                category="correspondence",
                phi=None,
                system=System.RELAY,
            )
