"""A partner's certificate does not verify any more."""

from benchmarks.evaluation.hospital.partner_mail import mail_to_a_partner
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene
from domain.json import Json

TLS: Json = {"version": "TLSv1.2", "cipher": "ECDHE-RSA-AES256-GCM-SHA384", "verified": False}


def stage(scene: Scene) -> Draft:
    return mail_to_a_partner(scene, TLS)


SCENARIO = Scenario(name="unverified_certificate", nature=Nature.RULE, stage=stage, weight=1.0)
