"""PHI goes to a domain that differs from a partner's by a letter."""

from benchmarks.evaluation.hospital.mail import BOXES, MAIL_DOMAIN, STRONG, mail_details, partners
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    partner = scene.draw.choice([p for p in partners(scene.house) if p.kind == "provider"])
    domain = partner.domain.replace("l", "1", 1) if "l" in partner.domain else partner.domain.replace("i", "l", 1)
    box, at = scene.draw.choice(BOXES), scene.plan.at(scene.day(), scene.draw.uniform(7, 18))
    patient = scene.draw.choice(scene.house.town.patients)
    draft = Draft()
    details = mail_details(scene.draw, domain, phi=True, tls=STRONG)
    sender = f"{box}@{MAIL_DOMAIN}"
    draft.act(
        at, sender, "deliver", None, kind="system", source="mail", patient=patient.patient_id, outcome="delivered", extra=details
    )
    return draft


SCENARIO = Scenario(name="lookalike_domain", nature=Nature.RULE, stage=stage, weight=0.6, known=False)
