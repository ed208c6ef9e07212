"""A partner's server offers TLS no more; mail with PHI goes out in the clear."""

from benchmarks.evaluation.hospital.mail import BOXES, MAIL_DOMAIN, mail_details, partners
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene
from domain.json import Json


def stage(scene: Scene) -> Draft | None:
    partner = scene.draw.choice(
        [p for p in partners(scene.house) if p.kind in ("provider", "payer") and p.tls is not None and p.tls["verified"]]
    )
    box, at = scene.draw.choice(BOXES), scene.plan.at(scene.day(), scene.draw.uniform(7, 18))
    tls: Json = None
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


SCENARIO = Scenario(name="plaintext_phi", nature=Nature.RULE, stage=stage, weight=1.2)
