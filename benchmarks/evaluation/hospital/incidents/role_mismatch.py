"""A clerk or technologist reads clinical notes and images of patients who are no part of the work."""

from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(("biller", "scheduler", "registration_clerk", "pharmacist"))
    if staff is None:
        return None
    draft = Draft()
    for shift in scene.visits(staff, 2, 8):
        at, place = scene.moment(shift), scene.seat(staff, shift)
        for patient in scene.strangers(staff, scene.draw.randrange(1, 4)):
            actions = ("view_notes", scene.draw.choice(("view_imaging", "view_labs")))
            at = scene.look(draft, staff, scene.take_patient(patient), at, place, actions=actions, searched=0) + scene.draw.uniform(
                60, 900
            )
    return draft if draft.rows else None


SCENARIO = Scenario(name="role_mismatch", nature=Nature.BEHAVIOUR, stage=stage, weight=1.5)
