"""Outgoing mail and what is known of its encryption: partners that verify, partners that never did, patients who want it plain."""

import random
from dataclasses import dataclass

from benchmarks.evaluation.hospital.house import House
from domain.json import Json

MAIL_DOMAIN = "harlowbend.example"
STRONG: dict[str, Json] = {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "verified": True}
OLDER: dict[str, Json] = {"version": "TLSv1.2", "cipher": "ECDHE-RSA-AES256-GCM-SHA384", "verified": True}
UNVERIFIED: dict[str, Json] = {"version": "TLSv1.2", "cipher": "ECDHE-RSA-AES128-GCM-SHA256", "verified": False}
BOXES = ("referrals", "billing", "records", "scheduling", "lab-results", "case-management", "pharmacy")


@dataclass(frozen=True, slots=True)
class Partner:
    """A domain that is written to; `tls` is what its server negotiates."""

    domain: str
    kind: str
    tls: dict[str, Json] | None
    baa: bool
    mta_sts: str | None


def partners(house: House) -> list[Partner]:
    """Whom the hospital writes to: the first half are clinics and payers, then mail providers of patients, then the odd ones."""
    draw = house.plan.chance("partners")
    found = [
        Partner(
            f"{name}{number}.example",
            kind,
            STRONG if draw.random() < 0.6 else OLDER,
            True,
            draw.choice(("enforce", "testing", None)),
        )
        for number, (name, kind) in enumerate(
            (n, k) for n, k in (("clinic", "provider"), ("payer", "payer"), ("lab", "provider")) for _ in range(6)
        )
    ]
    found += [Partner(f"mail{number}.example", "consumer", STRONG, False, "enforce") for number in range(4)]
    found += [Partner(f"oldmill{number}.example", "provider", UNVERIFIED, True, None) for number in range(2)]
    return found


def run_mail(house: House) -> None:
    """The messages of every day."""
    plan, draw = house.plan, house.plan.chance("mail")
    all_partners = partners(house)
    house.book.domains += [
        {"domain": p.domain, "kind": p.kind, "baa": p.baa, "baa_expires": plan.local_date(400).isoformat() if p.baa else None,
         "mta_sts": {"mode": p.mta_sts} if p.mta_sts else None}
        for p in all_partners
    ]  # fmt: skip
    count = max(6, round(len(house.town.staff) * plan.habits.mail_a_day))
    for day in range(plan.days):
        share = 1.0 if plan.is_open(day) else 0.15
        for _ in range(round(count * share * draw.uniform(0.8, 1.2))):
            _message(house, draw.choice(all_partners), plan.at(day, draw.triangular(6, 20, 11)), draw)
    for patient in draw.sample(house.town.patients, min(len(house.town.patients), 6 + len(house.town.patients) // 400)):
        at = plan.at(draw.randrange(-40, 3), 12)
        house.book.consents.append(
            {"patient_id": patient.patient_id, "channel": "unencrypted_email", "status": "granted", "at": plan.text(at)}
        )


def send(
    house: House, at: float, box: str, partner: Partner, patient: str | None, *, phi: bool | None, tls: dict[str, Json] | None,
    **more: Json,
) -> None:  # fmt: skip
    """One delivery."""
    note_mail(house, at, box, partner.domain, patient, phi=phi, tls=tls, **more)


def mail_details(draw: random.Random, domain: str, *, phi: bool | None, tls: Json, **more: Json) -> dict[str, Json]:
    """The details of a delivery."""
    return {
        "to": f"desk{draw.randrange(9)}@{domain}",
        "to_domain": domain,
        "direction": "outbound",
        "encryption": "none",
        "phi": phi,
        "size": draw.randrange(3_000, 400_000),
        "tls": tls,
        **more,
    }


def note_mail(
    house: House, at: float, box: str, domain: str, patient: str | None, *, phi: bool | None, tls: Json, **more: Json
) -> None:
    """Write one delivery down."""
    details = mail_details(house.plan.chance(f"mail/{at}/{domain}"), domain, phi=phi, tls=tls, **more)
    house.diary.note(
        at,
        f"{box}@{MAIL_DOMAIN}",
        "deliver",
        place=None,
        kind="system",
        source="mail",
        patient=patient,
        outcome="delivered",
        extra=details,
    )


def _message(house: House, partner: Partner, at: float, draw: random.Random) -> None:
    sealed = partner.kind == "consumer"
    phi = draw.random() < (0.5 if partner.kind != "consumer" else 0.2)
    patient = house.idle(draw).patient_id if phi and draw.random() < 0.7 else None
    box = draw.choice(BOXES)
    tls = partner.tls if draw.random() > 0.02 else OLDER
    encryption = "portal_link" if sealed and phi else draw.choice(("none", "none", "none", "smime"))
    send(house, at, box, partner, patient, phi=phi, tls=tls, encryption=encryption)
