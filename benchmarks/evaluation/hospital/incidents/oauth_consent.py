"""Somebody lets an application that nobody registered read the mailbox or the drive."""

from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene
from domain.json import Json


def stage(scene: Scene) -> Draft | None:
    staff = scene.player()
    if staff is None:
        return None
    draft = Draft()
    at, place = scene.occasion(staff)
    name = scene.draw.choice(("Scribe Buddy", "Fast Notes AI", "PDF Wizard Cloud"))
    extra: dict[str, Json] = {
        "application": name,
        "host": f"{name.split()[0].lower()}.example",
        "scopes": ["mail.read", "files.read.all"],
    }
    draft.act(at, staff.account, "oauth_consent", place, module="identity", extra=extra)
    return draft


SCENARIO = Scenario(name="oauth_consent", nature=Nature.RULE, stage=stage, weight=0.7)
