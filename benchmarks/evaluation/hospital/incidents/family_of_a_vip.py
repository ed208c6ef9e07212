"""Not the well-known patient but spouse or child, whose chart no register marks."""

from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    homes = [
        (p, q) for p in scene.house.town.patients if p.vip for q in p.person.house if q.patient is not None and q.staff is None
    ]
    scene.draw.shuffle(homes)
    for _, person in homes:
        patient = person.patient
        if patient is None or not scene.is_free(patient):
            continue
        staff = scene.player(ANYBODY, lambda s, p=patient: scene.is_stranger(s, p))  # type: ignore[misc]
        if staff is not None:
            draft = Draft()
            at, place = scene.occasion(staff)
            scene.look(draft, staff, scene.take_patient(patient), at, place, searched=1.0)
            return draft
    return None


SCENARIO = Scenario(name="family_of_a_vip", nature=Nature.BEHAVIOUR, stage=stage, weight=0.8, known=False)
