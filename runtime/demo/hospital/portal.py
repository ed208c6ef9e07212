"""The patient portal: people at home look at results, bills and messages; parents act for children."""

import random
from datetime import datetime, timedelta

from domain.event import Actor, ActorKind, Device, DeviceKind, Geo, Source
from runtime.demo.hospital.care import hours
from runtime.demo.hospital.diary import Diary, Entry, System
from runtime.demo.hospital.people import People
from runtime.demo.hospital.records import Patient
from runtime.demo.hospital.scene import Scene, some

VISITS_A_DAY = 26
FAILING_SHARE = 0.06
_WANTS = (
    ("view_message", 0.3),
    ("view_results", 0.3),
    ("view_notes", 0.12),
    ("view_appointments", 0.35),
    ("view_bill", 0.15),
    ("pay_bill", 0.05),
    ("send_message", 0.12),
    ("request_refill", 0.08),
    ("update_contact", 0.02),
    ("download_record", 0.03),
)


class Portal:
    """Writes what one visitor does. Each home has one address (RFC 3849) and one browser, ever the same."""

    def __init__(self, diary: Diary, people: People, chance: random.Random) -> None:
        self.diary = diary
        self.people = people
        self.chance = chance

    def act(
        self,
        patient: Patient,
        when: datetime,
        action: str,
        *,
        visitor: Patient | None = None,
        outcome: str = "success",
        ip: str | None = None,
        because: str = "visit",
        incident: str | None = None,
    ) -> None:
        """One action of the patient, or of `visitor` on the patient's behalf."""
        person = visitor or patient
        number = int(person.patient_id[1:])
        self.diary.write(
            Entry(
                system=System.PORTAL,
                time=when,
                source=Source.PORTAL,
                action=action,
                actor=Actor(id=person.patient_id, kind=ActorKind.PROXY if visitor else ActorKind.PATIENT),
                patient_id=patient.patient_id,
                outcome=outcome,
                device=Device(id=f"BR-{number:x}", kind=DeviceKind.BROWSER),
                ip=ip or f"2001:db8:{number // 256:x}:{number % 256:x}::1",
                geo=Geo(city=person.address.rsplit(", ", 1)[-1].rsplit(" ", 1)[0], country="US"),
                because="" if incident else because,
                incident=incident,
            )
        )

    def visit(self, patient: Patient, when: datetime, first: str | None = None, visitor: Patient | None = None) -> None:
        """Log in, sometimes at the second attempt, look at a few things."""
        chance = self.chance
        if chance.random() < FAILING_SHARE:
            for number in range(chance.choice((1, 1, 2))):
                self.act(patient, when - timedelta(seconds=20 + 25 * number), "login", outcome="failure", visitor=visitor)
        self.act(patient, when, "login", visitor=visitor)
        for action in ([first] if first else []) + some(chance, _WANTS):
            when += timedelta(seconds=chance.randint(15, 180))
            self.act(patient, when, action, visitor=visitor)


def visit_portal(scene: Scene) -> None:
    """Visits at leisure, visits after a notice, parents for children, a message nobody read, and a robot that never gets in."""
    plan, chance = scene.plan, scene.plan.chance("portal")
    portal = Portal(scene.diary, scene.people, chance)
    enrolled = [p for p in scene.people.patients.values() if p.portal_enrolled]
    for day in plan.dates:
        for _ in range(VISITS_A_DAY):
            portal.visit(chance.choice(enrolled), plan.at(day, chance.triangular(6, 23.5, 19)))
    for order in scene.care.orders:
        patient = scene.people.patients[order.patient_id]
        if order.type == "lab" and order.completed_at and patient.portal_enrolled and chance.random() < 0.5:
            portal.visit(patient, order.completed_at + hours(0.2 + chance.expovariate(0.2)), first="view_results")
    _parents(scene, portal, chance)
    for patient in chance.sample(enrolled, 12):
        when = plan.at(plan.day(chance.randrange(plan.days)), 8 + chance.random() * 12)
        portal.act(patient, when, "password_reset")
        portal.visit(patient, when + timedelta(minutes=3))
    _robot(scene, portal, chance.choice(enrolled), chance)


def _parents(scene: Scene, portal: Portal, chance: random.Random) -> None:
    """Proxy access granted by a form, used from then on."""
    plan = scene.plan
    families = [(child, parent) for child in scene.people.patients.values() for parent in scene.people.family(child)[:1]]
    families = [(c, p) for c, p in families if scene.people.age(c, plan.until.date()) < 13 and p.portal_enrolled]
    for child, parent in chance.sample(families, min(25, len(families))):
        day = plan.day(chance.randrange(plan.days - 1))
        portal.act(child, plan.at(day, 12), "proxy_grant", visitor=parent)
        portal.visit(child, plan.at(day, 18 + chance.random() * 4), visitor=parent)


def _robot(scene: Scene, portal: Portal, patient: Patient, chance: random.Random) -> None:
    """Guesses one password after another from a strange address and gives up: noise, for nobody got in."""
    when = scene.plan.at(scene.plan.incident_dates[0], 3.4)
    for _ in range(16):
        when += timedelta(seconds=chance.randint(4, 30))
        portal.act(patient, when, "login", outcome="failure", ip="203.0.113.251", because="robot")
