"""A mailbox forwards everything to a private address; messages with PHI leave by it."""

from benchmarks.evaluation.hospital.mail import BOXES, MAIL_DOMAIN, STRONG, mail_details
from benchmarks.evaluation.hospital.plan import HOUR
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    box, day = scene.draw.choice(BOXES), scene.day()
    at = scene.plan.at(day, scene.draw.uniform(7, 16))
    sender, domain = f"{box}@{MAIL_DOMAIN}", f"mail{scene.draw.randrange(4)}.example"
    draft = Draft()
    draft.act(at, sender, "forward_rule", None, kind="system", source="mail", extra={"to": f"me@{domain}", "to_domain": domain})
    for _ in range(scene.draw.randrange(2, 6)):
        at += scene.draw.uniform(0.2, 3) * HOUR
        details = mail_details(scene.draw, domain, phi=True, tls=STRONG, auto_forwarded=True)
        draft.act(at, sender, "deliver", None, kind="system", source="mail", outcome="delivered", extra=details)
    return draft


SCENARIO = Scenario(name="auto_forward", nature=Nature.RULE, stage=stage, weight=0.6, known=False)
