"""Mail about patients on lines it should not have taken."""

from collections.abc import Sequence
from datetime import timedelta

from runtime.demo.hospital.correspondents import (
    ANCIENT,
    CLEAR,
    CLEAR_WEBMAIL,
    FRAGILE,
    INSURERS,
    OLD,
    PARTNERS,
    UNVERIFIED,
    UNVERIFIED_OLDER,
    WEAK_CIPHER,
    Security,
)
from runtime.demo.hospital.org import MAIL_DOMAIN
from runtime.demo.hospital.paperwork import CHANNEL, Paperwork
from runtime.demo.hospital.post import Letter, PostRoom
from runtime.demo.hospital.scene import Scene
from runtime.demo.labels import IncidentKind


def stage_delivery_incidents(scene: Scene, paperwork: Paperwork) -> None:
    """One to three letters each: a server that lost TLS, one that was never asked, old versions, bad certificates."""
    chance = scene.plan.chance("delivery incidents")
    patients = sorted(scene.care.patients_seen() - paperwork.opted_in())
    staging = _Staging(scene, PostRoom(diary=scene.diary, chance=chance), patients)
    fragile = [f"intake@{correspondent.domain}" for correspondent in FRAGILE]
    for recipient, letters in ((fragile[0], 3), (fragile[1], 1), (f"intake@{PARTNERS[1].domain}", 1)):
        staging.letters(IncidentKind.PLAINTEXT_PHI, recipient, "discharge_summary", letters, CLEAR)
    staging.to_patient_who_never_agreed(paperwork)
    for recipient, letters, security in (
        (fragile[2], 2, ANCIENT),
        (f"claims@{INSURERS[1].domain}", 1, OLD),
        (f"intake@{PARTNERS[2].domain}", 1, WEAK_CIPHER),
    ):
        staging.letters(IncidentKind.WEAK_TLS, recipient, "referral_letter", letters, security)
    for recipient, letters, security in (
        (fragile[1], 2, UNVERIFIED),
        (f"intake@{PARTNERS[0].domain}", 1, UNVERIFIED),
        (fragile[0], 1, UNVERIFIED_OLDER),
    ):
        staging.letters(IncidentKind.UNVERIFIED_CERTIFICATE, recipient, "discharge_summary", letters, security)


class _Staging:
    def __init__(self, scene: Scene, post: PostRoom, patients: Sequence[str]) -> None:
        """`patients` never asked for plain mail."""
        self.scene = scene
        self.post = post
        self.patients = patients

    def letters(self, kind: IncidentKind, recipient: str, category: str, count: int, security: Security) -> None:
        """So many letters within some hours, each about another patient."""
        plan, chance = self.scene.plan, self.post.chance
        patients = chance.sample(self.patients, count)
        key = self.scene.diary.incident(kind, actor=_mailbox("records"), patient_id=patients[0] if count == 1 else None)
        when = plan.at(chance.choice(plan.incident_dates), 8 + chance.random() * 6)
        for patient_id in patients:
            letter = Letter(when=when, mailbox="records", recipient=recipient, category=category, phi=True, patient_id=patient_id)
            self.post.deliver(letter, security=security, incident=key)
            when += timedelta(minutes=chance.randint(4, 70))

    def to_patient_who_never_agreed(self, paperwork: Paperwork) -> None:
        """A visit summary to the provider without TLS, to somebody who changed their mind about plain mail."""
        plan, chance = self.scene.plan, self.post.chance
        allowed = paperwork.opted_in()
        refused = [
            c.patient_id
            for c in paperwork.consents
            if c.status == "opted_out" and c.channel == CHANNEL and c.patient_id not in allowed
        ]
        patient = self.scene.people.patients[refused[0]]
        assert patient.email is not None
        assert patient.email.endswith(CLEAR_WEBMAIL.domain)
        key = self.scene.diary.incident(IncidentKind.PLAINTEXT_PHI, actor=_mailbox("results"), patient_id=patient.patient_id)
        when = plan.at(chance.choice(plan.incident_dates), 9 + chance.random() * 7)
        letter = Letter(
            when=when, mailbox="results", recipient=patient.email, category="visit_summary", phi=True, patient_id=patient.patient_id
        )
        self.post.deliver(letter, security=CLEAR, incident=key)


def _mailbox(name: str) -> str:
    return f"{name}@{MAIL_DOMAIN}"
