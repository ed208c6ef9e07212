"""Passwords guessed for one account until one fits, then charts are read."""

from benchmarks.evaluation.hospital.places import FAR, Place
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player()
    if staff is None:
        return None
    at = scene.plan.at(scene.day(), scene.draw.uniform(0, 24))
    place = Place(f"xx-{scene.draw.randrange(9999)}", "browser", f"192.0.2.{scene.draw.randrange(20, 99)}", scene.draw.choice(FAR))
    draft = Draft()
    for _ in range(scene.draw.randrange(11, 40)):
        draft.act(at, staff.account, "login", place, outcome="failure", module="login")
        at += scene.draw.uniform(2, 20)
    draft.act(at, staff.account, "login", place, module="login")
    for patient in scene.strangers(staff, scene.draw.randrange(0, 3)):
        at = scene.look(draft, staff, patient, at + 40, place)
    return draft


SCENARIO = Scenario(name="login_burst", nature=Nature.RULE, stage=stage, weight=1.5)
