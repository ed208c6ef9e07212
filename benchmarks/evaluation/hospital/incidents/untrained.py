"""Somebody works with charts although the privacy training has run out, or was never taken."""

from benchmarks.evaluation.hospital.scene import Draft, Nature, Scenario, Scene


def stage(scene: Scene) -> Draft | None:
    staff = scene.player(("nurse", "medical_assistant", "biller", "registration_clerk"))
    if staff is None:
        return None
    shifts = scene.shifts(staff)
    first = shifts[len(shifts) // 2]
    staff.untrained_from = scene.plan.at(first.day, 0)
    draft = Draft(whole_account=True)
    draft.claimed = scene.rows_of(staff.account, staff.untrained_from, scene.plan.end)
    return draft if draft.claimed else None


SCENARIO = Scenario(name="untrained", nature=Nature.RULE, stage=stage, weight=0.6)
