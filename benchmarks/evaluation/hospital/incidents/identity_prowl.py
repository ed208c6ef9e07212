"""Demographics of elderly strangers, two or three a shift for weeks: what identity theft needs."""

from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(("registration_clerk", "scheduler", "biller"))
    if staff is None:
        return None
    draft = Draft()
    for shift in scene.visits(staff, scene.draw.randrange(5, 11)):
        for patient in scene.strangers(staff, scene.draw.randrange(2, 4), lambda p: p.person.born < "1955"):
            actions = ("view_demographics", "view_billing") if scene.draw.random() < 0.6 else ("view_demographics", "print")
            place = scene.seat(staff, shift)
            scene.look(draft, staff, scene.take_patient(patient), scene.moment(shift), place, actions=actions, searched=0)
    return draft if draft.rows else None


SCENARIO = Scenario(name="identity_prowl", nature=Nature.BEHAVIOUR, stage=stage, weight=0.8, known=False)
