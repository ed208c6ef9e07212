"""Hundreds of records taken out at once, with no protocol."""

from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(("quality_analyst", "biller", "coder", "it_administrator", "release_clerk", "physician"))
    if staff is None:
        return None
    draft = Draft()
    at, place = scene.occasion(staff)
    action = scene.draw.choice(("export", "extract", "report_run"))
    records = scene.draw.randrange(140, 900) * (12 if action == "report_run" else 1)
    draft.act(at, staff.account, action, place, module="report", extra={"records": records})
    return draft


SCENARIO = Scenario(name="bulk_export", nature=Nature.RULE, stage=stage, weight=1.5)
