"""Mail with PHI to a partner whose line used to be good, as it goes once something about that line is no longer right."""

from benchmarks.evaluation.hospital.mail import BOXES, MAIL_DOMAIN, mail_details, partners
from benchmarks.evaluation.hospital.scene import Draft, Scene
from domain.json import Json


def mail_to_a_partner(scene: Scene, tls: Json) -> Draft:
    """One to four deliveries of a day to one provider or payer whose certificate always verified; `tls` is what the log says."""
    partner = scene.draw.choice(
        [p for p in partners(scene.house) if p.kind in ("provider", "payer") and p.tls is not None and p.tls["verified"]]
    )
    box, at = scene.draw.choice(BOXES), scene.plan.at(scene.day(), scene.draw.uniform(7, 18))
    draft = Draft()
    for patient in scene.draw.sample(scene.house.town.patients, scene.draw.randrange(1, 5)):
        details = mail_details(scene.draw, partner.domain, phi=True, tls=tls)
        sender = f"{box}@{MAIL_DOMAIN}"
        draft.act(
            at,
            sender,
            "deliver",
            None,
            kind="system",
            source="mail",
            patient=patient.patient_id,
            outcome="delivered",
            extra=details,
        )
        at += scene.draw.uniform(5, 60) * 60
    return draft
