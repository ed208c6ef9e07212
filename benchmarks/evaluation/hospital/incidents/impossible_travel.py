"""Two log-ins from places that nobody can travel between in the time, none of them the VPN."""

from benchmarks.evaluation.hospital.places import FAR, HOME_CITY, Place
from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player()
    if staff is None:
        return None
    at = scene.moment(scene.shift(staff))
    far = scene.draw.choice(FAR)
    near = Place(f"mb-{staff.account}", "mobile", "192.0.2.15", HOME_CITY)
    away = Place(f"xx-{scene.draw.randrange(9999)}", "browser", f"192.0.2.{scene.draw.randrange(100, 250)}", far)
    draft = Draft()
    draft.act(at, staff.account, "login", near, module="login")
    at += scene.draw.uniform(15, 90) * 60
    draft.act(at, staff.account, "login", away, module="login")
    for patient in scene.strangers(staff, scene.draw.randrange(1, 4)):
        at = scene.look(draft, staff, patient, at + 60, away)
    return draft


SCENARIO = Scenario(name="impossible_travel", nature=Nature.RULE, stage=stage, weight=1.0)
