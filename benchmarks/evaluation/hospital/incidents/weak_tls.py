"""A partner's new server speaks only what is no longer allowed."""

from benchmarks.evaluation.hospital.partner_mail import mail_to_a_partner
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene
from domain.json import Json

TLS: Json = {"version": "TLSv1", "cipher": "DES-CBC3-SHA", "verified": True}


def stage(scene: Scene) -> Draft:
    return mail_to_a_partner(scene, TLS)


SCENARIO = Scenario(name="weak_tls", nature=Nature.RULE, stage=stage, weight=1.0)
