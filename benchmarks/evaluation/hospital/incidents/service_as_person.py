"""A service account signs in at a workstation by day and reads charts."""

from benchmarks.evaluation.hospital.accounts import SERVICES
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    name, _, _ = scene.draw.choice(SERVICES)
    unit = scene.draw.choice([u for u in scene.house.town.units if u.kind == "office"])
    place = scene.house.machines.desk(unit.unit, scene.draw, 2)
    at = scene.plan.at(scene.day(), scene.draw.uniform(9, 17))
    draft = Draft()
    draft.act(at, name, "login", place, kind="service", module="login")
    for patient in scene.draw.sample(scene.house.town.patients, scene.draw.randrange(2, 8)):
        at += scene.draw.uniform(30, 120)
        draft.act(
            at, name, scene.draw.choice(("view_chart", "view_notes")), place, kind="service", patient=patient.patient_id, seconds=30
        )
    return draft


SCENARIO = Scenario(name="service_as_person", nature=Nature.RULE, stage=stage, weight=1.0)
