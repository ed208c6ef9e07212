"""One address tries one or two passwords on many accounts, and gets into one."""

from benchmarks.evaluation.hospital.places import FAR, Place
from benchmarks.evaluation.hospital.scene import ANYBODY, Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    victims = [staff for staff, _ in zip(scene.players(ANYBODY), range(scene.draw.randrange(14, 40)), strict=False)]
    if len(victims) < 10:
        return None
    at = scene.plan.at(scene.day(), scene.draw.uniform(0, 24))
    place = Place("xx-spray", "browser", f"192.0.2.{scene.draw.randrange(20, 250)}", scene.draw.choice(FAR))
    draft = Draft()
    for staff in victims:
        for _ in range(scene.draw.randrange(1, 3)):
            draft.act(at, staff.account, "login", place, outcome="failure", module="login")
            at += scene.draw.uniform(1, 30)
    hit = scene.take(victims[-1])
    draft.act(at, hit.account, "login", place, module="login")
    for patient in scene.strangers(hit, scene.draw.randrange(1, 3)):
        at = scene.look(draft, hit, patient, at + 40, place)
    return draft


SCENARIO = Scenario(name="password_spray", nature=Nature.RULE, stage=stage, weight=0.7)
