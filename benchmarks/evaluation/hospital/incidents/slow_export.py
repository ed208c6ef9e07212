"""Records printed or exported one by one, some each shift, below every limit."""

from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(("release_clerk", "registration_clerk", "coder", "nurse", "case_manager"))
    if staff is None:
        return None
    draft = Draft()
    for shift in scene.visits(staff, 3, 10):
        at, place = scene.moment(shift), scene.seat(staff, shift)
        for patient in scene.strangers(staff, scene.draw.randrange(6, 14)):
            draft.act(at, staff.account, "view_demographics", place, patient=patient.patient_id, module="demographics", seconds=12)
            draft.act(
                at + 15, staff.account, scene.draw.choice(("print", "export")), place, patient=patient.patient_id, module="chart"
            )
            at += scene.draw.uniform(90, 500)
    return draft if draft.rows else None


SCENARIO = Scenario(name="slow_export", nature=Nature.BEHAVIOUR, stage=stage, weight=1.0)
