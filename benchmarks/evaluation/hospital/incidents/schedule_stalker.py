"""Only the appointments of one patient, every few days: somebody wants to know where another will be."""

from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(("scheduler", "registration_clerk", "medical_assistant"))
    found = scene.strangers(staff, 1) if staff else []
    if staff is None or not found:
        return None
    draft, patient = Draft(), scene.take_patient(found[0])
    for shift in scene.visits(staff, scene.draw.randrange(4, 9)):
        scene.look(
            draft,
            staff,
            patient,
            scene.moment(shift),
            scene.seat(staff, shift),
            actions=("view_schedule",),
            searched=0.3,
            longest=40,
        )
    return draft


SCENARIO = Scenario(name="schedule_stalker", nature=Nature.BEHAVIOUR, stage=stage, weight=0.8, known=False)
