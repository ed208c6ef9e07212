"""An account taken over: a device and city never seen with it, at an hour its owner sleeps."""

from benchmarks.evaluation.hospital.places import FAR, Place
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player()
    if staff is None:
        return None
    at = scene.plan.at(scene.day(), scene.draw.uniform(1, 5))
    place = Place(
        f"xx-{scene.draw.randrange(9999)}", "browser", f"203.0.113.{scene.draw.randrange(200, 250)}", scene.draw.choice(FAR)
    )
    draft = Draft()
    draft.act(at, staff.account, "login", place, module="login")
    for patient in scene.strangers(staff, scene.draw.randrange(3, 10)):
        at = scene.look(draft, staff, patient, at + 20, place, searched=0.1, longest=60)
    return draft


SCENARIO = Scenario(name="new_device_place", nature=Nature.BEHAVIOUR, stage=stage, weight=1.0)
