"""An ordinary patient gets into the news; from that day many look. The register learns of it that day, or never."""

from benchmarks.evaluation.hospital.crowds import crowd
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    quiet = [
        p for p in scene.draw.sample(scene.house.town.patients, 200) if not p.vip and scene.is_free(p) and p.person.staff is None
    ]
    if not quiet:
        return None
    patient = scene.take_patient(quiet[0])
    since = scene.plan.at(scene.draw.randrange(scene.plan.warm_up, scene.plan.days - 2), 7)
    if scene.draw.random() < 0.5:
        patient.vip, patient.vip_since = True, since
    return crowd(scene, patient, since)


SCENARIO = Scenario(name="in_the_news", nature=Nature.BEHAVIOUR, stage=stage, weight=1.0, targeted=True)
