"""What lies in registers: protocols, mail domains, consents, training, applications."""

from dataclasses import dataclass, replace
from datetime import timedelta

from runtime.demo.hospital import org
from runtime.demo.hospital.correspondents import CLEAR_WEBMAIL, EVERYBODY
from runtime.demo.hospital.people import People
from runtime.demo.hospital.plan import Plan
from runtime.demo.hospital.records import Application, Consent, Domain, Protocol, Training

OPTED_IN = 14
"""Patients who asked for unencrypted e-mail in writing; `NOT_ASKED` more have a mailbox at the same provider and did not."""

NOT_ASKED = 4
CHANNEL = "unencrypted_email"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paperwork:
    protocols: list[Protocol]
    domains: list[Domain]
    consents: list[Consent]
    training: list[Training]
    applications: list[Application]

    def opted_in(self) -> set[str]:
        """Patients whose last word on plain e-mail is yes."""
        latest = {
            consent.patient_id: consent for consent in sorted(self.consents, key=lambda c: c.at) if consent.channel == CHANNEL
        }
        return {patient_id for patient_id, consent in latest.items() if consent.status == "opted_in"}


def file_paperwork(plan: Plan, people: People) -> Paperwork:
    """Fill the registers; moves some patients' mailboxes to the provider without TLS."""
    return Paperwork(
        protocols=_protocols(plan, people),
        domains=[
            Domain(domain=c.domain, kind=c.kind, baa=c.baa, baa_expires=c.expires(plan.until.date()), mta_sts=c.mta_sts)
            for c in (*EVERYBODY,)
        ],
        consents=_consents(plan, people),
        training=_training(plan, people),
        applications=_applications(plan),
    )


def _protocols(plan: Plan, people: People) -> list[Protocol]:
    chance = plan.chance("protocols")
    cohort = sorted(chance.sample([p.patient_id for p in people.patients.values() if not p.vip], 120))
    researchers = [s.staff_id for s in people.staff.values() if s.role == "researcher"]
    analysts = [s.staff_id for s in people.staff.values() if s.role == "quality_analyst"]
    kinds = (
        ("Readmission after cardiac surgery", researchers[:2], 400, True),
        ("Wound infection surveillance", analysts[:1], 300, True),
        ("Sepsis bundle timing", researchers[2:3], 250, False),
    )
    return [
        Protocol(
            protocol_id=f"IRB-{2100 + number}",
            title=title,
            staff_ids=tuple(staff_ids),
            cohort_patient_ids=tuple(cohort[40 * number : 40 * number + 40]),
            valid_from=plan.day(-age),
            valid_to=plan.day(age),
            bulk_export_approved=approved,
        )
        for number, (title, staff_ids, age, approved) in enumerate(kinds)
    ]


def _consents(plan: Plan, people: People) -> list[Consent]:
    chance = plan.chance("consents")
    adults = [p for p in people.patients.values() if p.email and not p.vip]
    moved = chance.sample(adults, OPTED_IN + NOT_ASKED)
    consents: list[Consent] = []
    for number, patient in enumerate(moved):
        assert patient.email is not None
        people.patients[patient.patient_id] = replace(patient, email=f"{patient.email.split('@')[0]}@{CLEAR_WEBMAIL.domain}")
        asked = plan.at(plan.day(-chance.randint(40, 400)), 9 + chance.random() * 7)
        if number < OPTED_IN:
            consents.append(Consent(patient_id=patient.patient_id, channel=CHANNEL, status="opted_in", at=asked))
        elif number == OPTED_IN:  # one changed their mind
            consents.append(Consent(patient_id=patient.patient_id, channel=CHANNEL, status="opted_in", at=asked))
            consents.append(
                Consent(patient_id=patient.patient_id, channel=CHANNEL, status="opted_out", at=asked + timedelta(days=20))
            )
    for patient in chance.sample(adults, 200):
        status = chance.choice(("opted_in", "opted_in", "opted_out"))
        consents.append(
            Consent(
                patient_id=patient.patient_id,
                channel="marketing_email",
                status=status,
                at=plan.at(plan.day(-chance.randint(20, 900)), 11),
            )
        )
    return consents


def _training(plan: Plan, people: People) -> list[Training]:
    chance = plan.chance("training")
    done = ((staff, chance.randint(10, 420)) for staff in people.staff.values())
    return [
        Training(
            staff_id=staff.staff_id,
            course="privacy-and-security",
            completed_at=plan.at(plan.day(-age), 10),
            valid_until=plan.day(365 - age),
        )
        for staff, age in done
    ]


def _applications(plan: Plan) -> list[Application]:
    def entry(name: str, owner: str, host: str, *, baa: bool = False, retired: bool = False) -> Application:
        return Application(
            application=name,
            owner=owner,
            approved=not retired,
            handles_phi=True,
            baa=baa,
            baa_expires=plan.day(500) if baa else None,
            hosts=(f"{host}.{org.MAIL_DOMAIN}",),
            retired_at=plan.day(-90) if retired else None,
        )

    return [
        entry("ehr", "Information Technology", "ehr"),
        entry("lab-system", "Laboratory", "lis"),
        entry("pacs", "Radiology", "pacs"),
        entry("pharmacy", "Pharmacy", "rx"),
        entry("radiology", "Radiology", "ris"),
        entry("portal", "Patient Access", "portal", baa=True),
        entry("mail-relay", "Information Technology", "mx1"),
        entry("mail-provider", "Information Technology", "outbound", baa=True),
        entry("old-transcription", "Health Information", "scribe", retired=True),
    ]
