"""A workstation of a ward sends data to a service outside the register of applications."""

from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene
from domain.json import Json


def stage(scene: Scene) -> Draft | None:
    staff = scene.player()
    if staff is None:
        return None
    draft = Draft()
    at, place = scene.occasion(staff)
    host = scene.draw.choice(("chat.brightmind.example", "drop.filespot.example", "translate.lingo.example"))
    for _ in range(scene.draw.randrange(2, 7)):
        extra: dict[str, Json] = {"host": host, "bytes_out": scene.draw.randrange(4_000, 900_000)}
        draft.act(at, staff.account, "web_request", place, module="proxy", extra=extra)
        at += scene.draw.uniform(20, 400)
    return draft


SCENARIO = Scenario(name="shadow_destination", nature=Nature.RULE, stage=stage, weight=0.7)
