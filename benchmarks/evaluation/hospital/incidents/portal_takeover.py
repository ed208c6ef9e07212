"""A patient's portal password is reset, a stranger signs in from far away and downloads the record."""

from benchmarks.evaluation.hospital.places import FAR, Place
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    enrolled = [p for p in scene.house.town.patients if p.portal and scene.is_free(p)]
    if not enrolled:
        return None
    patient = scene.take_patient(scene.draw.choice(enrolled))
    key, at = patient.patient_id, scene.plan.at(scene.day(), scene.draw.uniform(0, 24))
    place = Place(f"xx-{scene.draw.randrange(9999)}", "browser", f"192.0.2.{scene.draw.randrange(20, 250)}", scene.draw.choice(FAR))
    draft = Draft()
    for action in ("password_reset", "login", "update_contact", "view_results", "download_record"):
        draft.act(at, key, action, place, kind="patient", source="portal", patient=key)
        at += scene.draw.uniform(20, 240)
    return draft


SCENARIO = Scenario(name="portal_takeover", nature=Nature.RULE, stage=stage, weight=1.0)
