"""An administrator widens their own rights, reads, and takes the rights back."""

from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(("it_administrator",))
    if staff is None:
        return None
    draft = Draft()
    at, place = scene.occasion(staff)
    draft.act(
        at, staff.account, "privilege_change", place, module="security", extra={"account": staff.account, "granted": "clinical_all"}
    )
    for patient in scene.strangers(staff, scene.draw.randrange(2, 6)):
        at = scene.look(draft, staff, patient, at + 60, place)
    draft.act(
        at + 60,
        staff.account,
        "privilege_change",
        place,
        module="security",
        extra={"account": staff.account, "revoked": "clinical_all"},
    )
    return draft


SCENARIO = Scenario(name="privilege_change", nature=Nature.RULE, stage=stage, weight=1.0)
