"""Accounts in the wrong hands, accounts that should be closed, and auditing switched off."""

from datetime import timedelta

from domain.event import Actor, ActorKind, Source
from runtime.demo.hospital.diary import Entry, System
from runtime.demo.hospital.incidents.cast import Cast
from runtime.demo.hospital.places import outside, remote
from runtime.demo.hospital.portal import Portal
from runtime.demo.labels import IncidentKind

STAFF_BURSTS = 2
FAILURES = (13, 22)
FORMER_STAFF = 3
DAYS_AFTER_LEAVING = 2


def stage_account_incidents(cast: Cast) -> None:
    _guessed_staff_passwords(cast)
    _guessed_patient_password(cast)
    _former_staff(cast)
    _auditing_off(cast)


def _guessed_staff_passwords(cast: Cast) -> None:
    """A dozen and more failures in minutes from an address never seen, then success, then two charts."""
    scene, chance = cast.scene, cast.chance
    for _ in range(STAFF_BURSTS):
        staff, _ = cast.player(("physician", "coder", "social_worker", "scheduler"))
        key = scene.diary.incident(IncidentKind.LOGIN_BURST, actor=staff.account_id, patient_id=None)
        place, (_, when) = outside(chance), cast.night()
        for _ in range(chance.randint(*FAILURES)):
            scene.note(staff, when, "login", place, outcome="failure", details={"method": "password"}, incident=key)
            when += timedelta(seconds=chance.randint(6, 28))
        scene.note(staff, when, "login", place, details={"method": "password"}, incident=key)
        for patient in cast.strangers(staff, 2):
            when += timedelta(seconds=chance.randint(20, 60))
            when = scene.open_chart(staff, patient.patient_id, when, ("view_demographics",), place, chance, incident=key)


def _guessed_patient_password(cast: Cast) -> None:
    """The same at the portal: in the end the whole record is downloaded."""
    scene, chance = cast.scene, cast.chance
    portal = Portal(scene.diary, scene.people, chance)
    patient = chance.choice([p for p in scene.people.patients.values() if p.portal_enrolled and not p.vip])
    key = scene.diary.incident(IncidentKind.LOGIN_BURST, actor=patient.patient_id, patient_id=patient.patient_id)
    ip, (_, when) = outside(chance).ip, cast.night()
    for _ in range(chance.randint(*FAILURES)):
        portal.act(patient, when, "login", outcome="failure", ip=ip, incident=key)
        when += timedelta(seconds=chance.randint(5, 25))
    for action in ("login", "view_results", "download_record"):
        portal.act(patient, when, action, ip=ip, incident=key)
        when += timedelta(seconds=chance.randint(15, 60))


def _former_staff(cast: Cast) -> None:
    """Days after the last working day, through the VPN, a login and some charts."""
    scene, chance = cast.scene, cast.chance
    first_possible = scene.plan.incident_dates[-1] - timedelta(days=DAYS_AFTER_LEAVING)
    gone = [scene.people.staff[staff_id] for staff_id, last in scene.people.last_day.items() if last <= first_possible]
    for staff in sorted(gone, key=lambda person: person.role)[:FORMER_STAFF]:
        earliest = scene.people.last_day[staff.staff_id] + timedelta(days=DAYS_AFTER_LEAVING)
        day = chance.choice([day for day in scene.plan.incident_dates if day >= earliest])
        when, place = scene.plan.at(day, 17 + chance.random() * 5), remote(staff, chance)
        key = scene.diary.incident(IncidentKind.TERMINATED_ACTIVE, actor=staff.account_id, patient_id=None)
        scene.note(staff, when, "login", place, details={"method": "password"}, incident=key)
        for patient in cast.strangers(staff, chance.randint(3, 6)):
            when = scene.open_chart(
                staff, patient.patient_id, when + timedelta(seconds=25), ("view_chart",), place, chance, incident=key
            )


def _auditing_off(cast: Cast) -> None:
    """At night, once by an administrator and once by a service account; hours until it is on again."""
    scene, chance = cast.scene, cast.chance
    administrator, _ = cast.player(("it_administrator",))
    culprits = (
        (Actor(id=administrator.account_id, kind=ActorKind.STAFF), "ehr-access-log"),
        (Actor(id="svc-backup", kind=ActorKind.SERVICE), "ehr-reporting"),
    )
    days = chance.sample(
        scene.plan.incident_dates[1:] or scene.plan.incident_dates, min(2, len(scene.plan.incident_dates[1:]) or 1)
    )
    for number, (actor, module) in enumerate(culprits):
        when = scene.plan.at(days[number % len(days)], 1 + 11 * number + chance.random())
        key = scene.diary.incident(IncidentKind.AUDIT_STOPPED, actor=actor.id, patient_id=None)
        for action, at in (("audit_stop", when), ("audit_start", when + timedelta(minutes=chance.randint(170, 290)))):
            scene.diary.write(
                Entry(
                    system=System.EHR,
                    time=at,
                    source=Source.ACCESS,
                    action=action,
                    actor=actor,
                    details={"module": module},
                    because="restored" if action == "audit_start" else "",
                    incident=key if action == "audit_stop" else None,
                )
            )
